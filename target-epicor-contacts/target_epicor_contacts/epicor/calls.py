"""How the call that carried values to Epicor ended: what the audit trail says about each write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.epicor import Reply
from kinetic_mailchimp.kit.errors import ConnectorError

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it ended.

    Attributes:
        status: The HTTP status; None where no answer came.
        request_id: Epicor's correlation id, which its failures alone have.
        seconds: How long it took; of a failure, with what the client repeated. None where it is not known.
        failed: Whether no usable answer, or a refusal, came.
    """

    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    failed: bool = False

    @classmethod
    def of_failure(cls, error: ConnectorError, seconds: float | None = None) -> Call:
        """The call that ended with this error."""
        return cls(error.status, error.request_id, seconds, failed=True)

    def facts(self) -> dict[str, Any]:
        """The attributes of a decision that tell of it."""
        return {
            "http_status": self.status,
            "request_id": self.request_id,
            "duration_ms": None if self.seconds is None else self.seconds * 1000,
        }


@dataclass(frozen=True, slots=True)
class Carried:
    """A row's values on their way.

    Attributes:
        call: The call that carried them.
        sent: The columns that were sent, with the row's key.
    """

    call: Call
    sent: Mapping[str, Any]


def make_call(send: Callable[[], Reply], note: Callable[[Call], None], clock: Clock) -> Reply:
    """Make a call and note how it ended, whichever way that was.

    Raises:
        ConnectorError: It failed.
    """
    started = clock()
    try:
        reply = send()
    except ConnectorError as error:
        note(Call.of_failure(error, clock() - started))
        raise
    note(Call(reply.status, seconds=reply.seconds))
    return reply
