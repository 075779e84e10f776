"""Calls to Epicor of which the audit trail shows the end, and the failures of one row among them."""

from __future__ import annotations

from collections.abc import Callable

from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from kinetic_mailchimp.kit.http_call import HttpCall, Reply

Clock = Callable[[], float]
"""Monotonic seconds."""


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
    note(reply.call)
    return reply


def is_server_error(error: ConnectorError) -> bool:
    """True if the server itself failed over what was sent, and is not just busy or away."""
    return error.status == 500  # noqa: PLR2004 (HTTP)


def as_permanent_failure(error: ConnectorError, attempts: int) -> DataError:
    """The same failure as one of the record alone: others must not wait for it.

    Args:
        error: The server's last answer.
        attempts: Number of failures while rows could be read.
    """
    return DataError(
        error.message,
        advice=(
            f"It failed {attempts} times while the row could be read: give the correlation id to the "
            "administrators of the server."
        ),
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
