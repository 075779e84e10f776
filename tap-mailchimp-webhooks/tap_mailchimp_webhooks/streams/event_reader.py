"""Reads the events of a stream in batches: those that are in the inbox, or also those that arrive."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from threading import Event

from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now

from tap_mailchimp_webhooks.inbox.arrivals import Arrivals
from tap_mailchimp_webhooks.inbox.readers import Readers
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent

logger = logging.getLogger(__name__)

BATCH = 500
NOTE_SECONDS = 5.0
"""Between two notes of the position, which only metrics and retention need."""

RETRY_SECONDS = 1.0

QUIET_SECONDS = 60.0
"""After so long without an event a follower says that it is there: its target has other work to look for."""


class EventReader:
    """Reads one stream of an inbox from a bookmark on.

    Args:
        stop: Ends the reading after the batch in hand.
        reader: Its name; each pipeline that reads an inbox has its own.
        after: The last sequence that the bookmark holds; 0 without one.
        list_ids: Only these audiences; all without any.
        inbox_id: The inbox that the bookmark was taken for; None where it does not name one.
        clock: Monotonic seconds.

    Raises:
        ConfigurationError: The bookmark is of another inbox.
    """

    def __init__(
        self,
        inbox: Inbox,
        stream: str,
        stop: Event,
        *,
        reader: str,
        after: int = 0,
        list_ids: Sequence[str] = (),
        inbox_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = inbox
        self._stream = stream
        self._stop = stop
        self._reader = reader
        self._confirmed = self._after = after
        self._list_ids = list_ids
        self._clock = clock
        self._readers = Readers(inbox.database)
        self._noted_at = float("-inf")
        self.inbox_id = inbox.inbox_id()
        self._check_bookmark(inbox_id)

    def drain(self) -> Iterator[list[StoredEvent]]:
        """Read what is there now. What arrives in the meantime is left for the next time, so that it ends."""
        last = self._inbox.last_sequence()
        while self._after < last and not self._stop.is_set():
            batch = [event for event in self._next() if event.sequence <= last]
            if not batch:
                break
            yield batch
        self._note(emitted=max(last, self._after) if not self._stop.is_set() else self._after)

    def follow(self, seconds: float | None) -> Iterator[list[StoredEvent]]:
        """Read what is there and what arrives, until stopped or until the time is over.

        An empty batch means that an event of another stream arrived, or that nothing has for a while. While
        the database does not answer, it waits.

        Raises:
            TransientError: The inbox file was removed or replaced: no event would come any more.
        """
        end = float("inf") if seconds is None else self._clock() + seconds
        with closing(Arrivals(self._inbox.database)) as arrivals:
            yield from self._follow(arrivals, end)
        self._note(emitted=self._after)

    def _follow(self, arrivals: Arrivals, end: float) -> Iterator[list[StoredEvent]]:
        seen, spoke_at = -1, self._clock()
        while not self._stop.is_set() and self._clock() < end:
            self._inbox.database.check_file()
            try:
                last = self._inbox.last_sequence()
                is_due = last != seen or self._clock() - spoke_at >= QUIET_SECONDS
                batch = self._next() if is_due else None
                if not batch:
                    if self._clock() - self._noted_at > NOTE_SECONDS:
                        self._note(emitted=max(last, self._after))
                    if batch is None:
                        arrivals.wait(self._stop)
                    seen = last
            except TransientError as error:
                logger.warning("%s Trying again in %g s.", error, RETRY_SECONDS)
                self._stop.wait(RETRY_SECONDS)
                continue
            if batch is not None:
                spoke_at = self._clock()
                yield batch

    def _next(self) -> list[StoredEvent]:
        batch = self._inbox.read(self._stream, after=self._after, limit=BATCH, list_ids=self._list_ids)
        if batch:
            self._after = batch[-1].sequence
        return batch

    def _note(self, *, emitted: int) -> None:
        """Note the position in the inbox, for metrics and retention alone."""
        self._noted_at = self._clock()
        try:
            self._readers.note(
                self._reader, self._stream, utc_now(), emitted=emitted, confirmed=self._confirmed
            )
        except TransientError as error:
            logger.warning("The reader's position was not noted: %s", error)

    def _check_bookmark(self, inbox_id: str | None) -> None:
        """Refuse a bookmark of another inbox: its number means nothing here, and events would be skipped.

        One of an earlier version names no inbox: only a number that is too high shows that it is wrong.
        """
        advice = (
            "Check `inbox_database_url`; for an inbox that is meant to be new, clear the state "
            "(`meltano state clear <state id>`): then it is read from its first event on."
        )
        if self._after and inbox_id not in {None, self.inbox_id}:
            raise ConfigurationError("The state was taken for another inbox than this one.", advice=advice)
        if self._after > (last := self._inbox.last_sequence()):
            raise ConfigurationError(
                f"The state is after event {self._after}, but the inbox has only {last}: "
                "it is not the inbox that the state belongs to.",
                advice=advice,
            )
