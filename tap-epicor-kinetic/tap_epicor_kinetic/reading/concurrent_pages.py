"""Reads several lanes at once, and one page ahead of the one that is being emitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from tap_epicor_kinetic.reading.paging import Page


def side_by_side(lanes: Sequence[Iterator[Page]]) -> Iterator[tuple[int, Page | None]]:
    """Pages with the number of their lane, in the order in which they arrive; None is the end of a lane.

    While a page is with the caller, the next one of its lane is on its way.
    """
    pool = ThreadPoolExecutor(max_workers=len(lanes) or 1, thread_name_prefix="epicor-page")
    try:
        pending: dict[Future[Page | None], int] = {
            pool.submit(next, lane, None): number for number, lane in enumerate(lanes)
        }
        while pending:
            arrived, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(arrived, key=pending.__getitem__):
                number = pending.pop(future)
                page = future.result()
                if page is not None:
                    pending[pool.submit(next, lanes[number], None)] = number
                yield number, page
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
