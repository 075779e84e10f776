"""Watches the receiver of webhooks from the side, so that no page waits for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kinetic_mailchimp.console.alerts.facts import ReceiverFact
from kinetic_mailchimp.console.alerts.receiver import look_at_receiver
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.retry import RetryPolicy
from kinetic_mailchimp.kit.timestamps import Clock, format_timestamp, utc_now
from kinetic_mailchimp.kit.transport import Transport

EVERY_SECONDS: Final = 15.0
_TIMEOUT: Final = 5.0
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How the receiver was when it was last asked.

    Args:
        is_well: Whether deliveries would be stored.
        told: What is wrong with it, in words; empty where nothing is.
        asked_at: When; None while it was not asked yet.
        unread: Events in its inbox that no run has read; None where it does not say.
        oldest: Since when the oldest of them waits, as stored; None where nothing does.
    """

    is_well: bool
    told: tuple[str, ...] = ()
    asked_at: datetime | None = None
    unread: int | None = None
    oldest: str | None = None


NOT_ASKED: Final = Health(is_well=False)


class ReceiverWatch:
    """Asks the receiver's `/readyz` and `/metrics` now and then, in a thread of its own.

    Args:
        url: Where the receiver is; a final `/readyz` may be left out.
        clock: Returns the present time.
        every: Seconds between two questions.
    """

    def __init__(self, url: str, clock: Clock = utc_now, every: float = EVERY_SECONDS) -> None:
        self._url = url
        self._clock = clock
        self._every = every
        self._transport = Transport(
            lambda _request, _answer: None, timeout=_TIMEOUT, retry=RetryPolicy(max_attempts=1)
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver-watch", daemon=True)
        self.health = NOT_ASKED

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A question that is under way ends by itself."""
        self._stop.set()

    def ask(self) -> None:
        """Ask once."""
        try:
            fact = look_at_receiver(self._url, self._transport)
        except ConfigurationError as error:
            fact = ReceiverFact(problems=(str(error),))
        now = self._clock()
        waited = fact.oldest_unread_seconds if fact.unread else None
        self.health = Health(
            is_well=not fact.problems,
            told=fact.problems[:_MOST_PROBLEMS],
            asked_at=now,
            unread=fact.unread,
            oldest=None if waited is None else format_timestamp(now - timedelta(seconds=waited)),
        )

    def _run(self) -> None:
        self.ask()
        while not self._stop.wait(self._every):
            self.ask()
