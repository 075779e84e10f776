"""Writes on their way to Mailchimp: several jobs at a time, never two about one person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from target_mailchimp.rules.plan import Write

_JOBS_AHEAD = 1
"""Jobs that are planned and wait, so that no connection waits for the next one to be planned."""


@dataclass(frozen=True)
class _Job:
    writes: Sequence[Write]
    keys: frozenset[str]


class InFlight:
    """Carries out jobs in threads. An error of one is raised by whichever method finds it ended."""

    def __init__(self, connections: int) -> None:
        self._most = connections + _JOBS_AHEAD
        self._jobs: dict[Future[None], _Job] = {}
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="mailchimp")

    def submit(self, carry_out: Callable[[Sequence[Write]], None], writes: Sequence[Write]) -> None:
        """Send a job on its way, once no more than enough are."""
        self._settle([future for future in self._jobs if future.done()])
        while len(self._jobs) >= self._most:
            self._settle_next()
        job = _Job(writes, frozenset(key for write in writes for key in write.touches))
        self._jobs[self._pool.submit(carry_out, writes)] = job

    def finish(self) -> None:
        """Wait for all jobs."""
        while self._jobs:
            self._settle_next()

    def finish_those_about(self, keys: Collection[str]) -> None:
        """Wait for the jobs about these people."""
        self._settle(
            wait([future for future, job in self._jobs.items() if not job.keys.isdisjoint(keys)]).done
        )

    def abandon(self) -> list[Write]:
        """Give up the jobs; the writes of those that did not succeed."""
        undone: list[Write] = []
        for future, job in self._jobs.items():
            if future.cancel() or future.exception() is not None:
                undone += job.writes
        self._jobs = {}
        return undone

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _settle_next(self) -> None:
        self._settle(wait(self._jobs, return_when=FIRST_COMPLETED).done)

    def _settle(self, done: Iterable[Future[None]]) -> None:
        for future in done:
            error = future.exception()
            if error is not None:
                raise error
            del self._jobs[future]
