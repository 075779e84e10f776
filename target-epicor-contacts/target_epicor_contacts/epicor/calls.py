"""Calls that carry values to Epicor: what the audit trail says about each write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.http_call import HttpCall, Reply

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A row's values on their way.

    Attributes:
        call: The call that carried them.
        sent: The columns that were sent, with the row's key.
    """

    call: HttpCall
    sent: Mapping[str, Any]


def make_call(send: Callable[[], Reply], note: Callable[[HttpCall], None], clock: Clock) -> Reply:
    """Make a call and note how it ended, whichever way that was.

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
