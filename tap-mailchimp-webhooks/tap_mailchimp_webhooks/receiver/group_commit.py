"""Stores together what arrives while the commit before runs: one commit for many, and no timer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from kinetic_mailchimp.kit.errors import TransientError

from tap_mailchimp_webhooks.events.event import Arrival

logger = logging.getLogger(__name__)

MOST_PER_COMMIT = 500
MOST_WAITING = 10_000
"""More means that the database has stopped: a quick refusal, which Mailchimp repeats, beats a time-out."""

_REPEATED = "Mailchimp repeats the delivery for 75 minutes."

LONGEST_WAIT_SECONDS = 5.0
"""Mailchimp gives up after 10 s, and counts a time-out against the webhook; what is stored after all is known
when it comes again."""

Store = Callable[[Sequence[Arrival]], Sequence[bool]]


class GroupCommit:
    """Collects events of one event loop and stores them from one thread.

    Args:
        store: Stores events durably; the result has True for each that is new.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._waiting: deque[tuple[Arrival, asyncio.Future[bool]]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._is_stalled = False

    async def put(self, arrival: Arrival) -> bool:
        """Wait until the event is durable.

        Returns:
            True if it is new.

        Raises:
            TransientError: It was not stored.
        """
        if self._closing or self._is_stalled or len(self._waiting) >= MOST_WAITING:
            raise TransientError("The inbox does not keep up, or is closing.", advice=_REPEATED)
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, stored))
        self._wake.set()
        return await stored

    async def run(self) -> None:
        """Commit until closed; what was put before that is still committed."""
        while self._waiting or not self._closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_PER_COMMIT))]
            # One timer for a commit, not one for each delivery.
            timer = asyncio.get_running_loop().call_later(LONGEST_WAIT_SECONDS, self._stall, batch)
            outcomes = await self._commit([arrival for arrival, _ in batch])
            timer.cancel()
            self._is_stalled = False
            for outcome, (_, stored) in zip(outcomes, batch, strict=True):
                _settle(stored, outcome)
        self._thread.shutdown()

    def _stall(self, batch: Sequence[tuple[Arrival, asyncio.Future[bool]]]) -> None:
        """Refuse what waits for a commit that takes too long, and what comes until it ends."""
        self._is_stalled = True
        for _, stored in (*batch, *self._waiting):
            _settle(stored, TransientError("The inbox did not take the event in time.", advice=_REPEATED))
        self._waiting.clear()

    def close(self) -> None:
        """Let `run` end after what is waiting."""
        self._closing = True
        self._wake.set()

    async def _commit(self, arrivals: list[Arrival]) -> Sequence[bool | Exception]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._store, arrivals)
        except TransientError as error:
            logger.error("%d events were not stored: %s", len(arrivals), error)  # noqa: TRY400 (the advice is in it)
            return [error] * len(arrivals)
        except Exception as error:  # noqa: BLE001 (no single event may take the others down)
            if len(arrivals) > 1:
                return [(await self._commit([arrival]))[0] for arrival in arrivals]
            logger.error("An event was not stored: %s", type(error).__name__)  # noqa: TRY400 (it could name a person)
            return [TransientError("The event was not stored.", advice=_REPEATED)]


def _settle(stored: asyncio.Future[bool], outcome: bool | Exception) -> None:  # noqa: FBT001 (a result)
    if stored.done():
        return
    if isinstance(outcome, Exception):
        stored.set_exception(outcome)
    else:
        stored.set_result(outcome)
