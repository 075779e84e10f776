"""The end of a call to Epicor, as the audit trail shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kinetic_mailchimp.epicor import Reply
from kinetic_mailchimp.kit.errors import ConnectorError

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A call as it ended.

    Attributes:
        status: The HTTP status; None where no answer came.
        request_id: Epicor's correlation id, which its failures alone have.
        seconds: Its duration; of a failure, with what the client repeated. None where it is not known.
        failed: Whether no usable answer, or a refusal, came.
    """

    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    failed: bool = False

    @classmethod
    def of_failure(cls, error: ConnectorError, seconds: float | None = None) -> HttpCall:
        """The call that ended with this error."""
        return cls(error.status, error.request_id, seconds, failed=True)


def make_call(send: Callable[[], Reply], note: Callable[[HttpCall], None], clock: Clock) -> Reply:
    """Make a call and note its end, whichever way that was.

    Args:
        send: Makes the call.
        note: Takes the end of the call.
        clock: Measures a call that failed.

    Raises:
        ConnectorError: It failed.
    """
    started = clock()
    try:
        reply = send()
    except ConnectorError as error:
        note(HttpCall.of_failure(error, clock() - started))
        raise
    note(HttpCall(reply.status, seconds=reply.seconds))
    return reply
