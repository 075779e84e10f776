"""Health of the webhook receiver, probed in a thread, so that no page waits for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kinetic_mailchimp.console.receiver_probe import ReceiverStatus, make_transport, probe_receiver
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import Clock, format_timestamp, utc_now

EVERY_SECONDS: Final = 15.0
_TIMEOUT: Final = 5.0
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Health:
    """The receiver as it was when it was last probed.

    Args:
        problems: Its problems in words; empty where it has none.
        asked_at: The time of the probe; None before the first.
        unread: Events in its inbox that no run has read; None where it is unknown.
        oldest: The arrival of the oldest of them, as stored; None where there is none.
    """

    is_well: bool
    problems: tuple[str, ...] = ()
    asked_at: datetime | None = None
    unread: int | None = None
    oldest: str | None = None


NOT_ASKED: Final = Health(is_well=False)


class ReceiverWatch:
    """Probes the receiver's `/readyz` and `/metrics` now and then, in a thread of its own.

    Args:
        url: The URL of the receiver; a final `/readyz` may be left out.
        clock: Returns the present time.
        every: Seconds between two probes.
    """

    def __init__(self, url: str, clock: Clock = utc_now, every: float = EVERY_SECONDS) -> None:
        self._url = url
        self._clock = clock
        self._every = every
        self._transport = make_transport(timeout=_TIMEOUT, max_attempts=1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver-watch", daemon=True)
        self.health = NOT_ASKED

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread. A probe that is under way ends by itself."""
        self._stop.set()

    def ask(self) -> None:
        """Probe once."""
        try:
            status = probe_receiver(self._url, self._transport)
        except ConfigurationError as error:
            status = ReceiverStatus(problems=(str(error),))
        except Exception as error:  # noqa: BLE001 (a thread that ended would show the last health for ever)
            status = ReceiverStatus(problems=(f"It could not be asked ({type(error).__name__}).",))
        now = self._clock()
        waited = status.oldest_unread_seconds if status.unread else None
        self.health = Health(
            is_well=not status.problems,
            problems=status.problems[:_MOST_PROBLEMS],
            asked_at=now,
            unread=status.unread,
            oldest=None if waited is None else format_timestamp(now - timedelta(seconds=waited)),
        )

    def _run(self) -> None:
        self.ask()
        while not self._stop.wait(self._every):
            self.ask()
