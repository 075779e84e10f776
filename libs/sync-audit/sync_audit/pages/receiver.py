"""Watches the receiver of webhooks from the side, so that no page waits for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from connector_kit.errors import ConnectorError
from connector_kit.retry import RetryPolicy
from connector_kit.transport import Answer, Request, Transport

from sync_audit.clock import Clock, utc_now

EVERY_SECONDS: Final = 15.0
_TIMEOUT: Final = 5.0
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How the receiver was when it was last asked.

    Args:
        is_well: Whether deliveries would be stored.
        told: What it says, in words.
        asked_at: When; None while it was not asked yet.
    """

    is_well: bool
    told: tuple[str, ...]
    asked_at: datetime | None


NOT_ASKED: Final = Health(is_well=False, told=("not asked yet",), asked_at=None)


class ReceiverWatch:
    """Asks the receiver's `/readyz` now and then, in a thread of its own.

    Args:
        url: Where the receiver is; a final `/readyz` may be left out.
        clock: Returns the present time.
        every: Seconds between two questions.
    """

    def __init__(self, url: str, clock: Clock = utc_now, every: float = EVERY_SECONDS) -> None:
        self._url = url if url.endswith(("/readyz", "/healthz")) else f"{url.rstrip('/')}/readyz"
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
            answer = self._transport.send(Request("GET", self._url))
        except ConnectorError as error:
            self.health = Health(is_well=False, told=(error.message,), asked_at=self._clock())
        else:
            self.health = Health(answer.status == HTTPStatus.OK, _told(answer), self._clock())

    def _run(self) -> None:
        self.ask()
        while not self._stop.wait(self._every):
            self.ask()


def _told(answer: Answer) -> tuple[str, ...]:
    try:
        document = answer.document
    except ValueError:
        document = None
    problems = document.get("problems") if isinstance(document, dict) else None
    if isinstance(problems, list) and problems:
        return tuple(str(problem) for problem in problems[:_MOST_PROBLEMS])
    if answer.status == HTTPStatus.OK:
        return ("ready",)
    return (f"answers HTTP {answer.status}",)
