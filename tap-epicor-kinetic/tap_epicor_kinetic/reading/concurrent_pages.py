"""Reads several key ranges at once, and one page ahead of the one that is being emitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from tap_epicor_kinetic.reading.paging import Page


def read_concurrently(ranges: Sequence[Iterator[Page]]) -> Iterator[tuple[int, Page | None]]:
    """Pages with the number of their range, in the order in which they arrive; None is the end of a range.

    While a page is with the caller, the next one of its range is on its way.
    """
    pool = ThreadPoolExecutor(max_workers=len(ranges) or 1, thread_name_prefix="epicor-page")
    try:
        pending: dict[Future[Page | None], int] = {
            pool.submit(next, pages, None): number for number, pages in enumerate(ranges)
        }
        while pending:
            arrived, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(arrived, key=pending.__getitem__):
                number = pending.pop(future)
                page = future.result()
                if page is not None:
                    pending[pool.submit(next, ranges[number], None)] = number
                yield number, page
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
