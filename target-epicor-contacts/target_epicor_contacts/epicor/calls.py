"""Calls to Epicor of which the audit trail shows the end, and the failures of one row among them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from kinetic_mailchimp.epicor.errors import ServerLimitError
from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConnectorError,
    CredentialsError,
    DataError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import HttpCall, Reply

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Portions:
    """Asks about many things at once; about fewer from then on where the server takes fewer.

    Args:
        most: Things that one call may be about.
    """

    def __init__(self, most: int = sys.maxsize) -> None:
        self._most = most

    def collect(self, things: Sequence[T], call: Callable[[Sequence[T]], Iterable[R]]) -> list[R]:
        """The answers to all things, in as many calls as it takes.

        Raises:
            ServerLimitError: One thing is too much.
        """
        found: list[R] = []
        start = 0
        while start < len(things):
            part = things[start : start + self._most]
            try:
                found += call(part)
            except ServerLimitError as error:
                if len(part) == 1:
                    raise
                self._most = min(self._most, len(part) // 2)
                logger.warning("%s From now on %d at once.", error.message, self._most)
            else:
                start += len(part)
        return found


def make_call(send: Callable[[], Reply], note: Callable[[HttpCall], None]) -> Reply:
    """Make a call and note its end, whichever way that was.

    Args:
        send: Makes the call.
        note: Takes the end of the call.

    Raises:
        ConnectorError: It failed.
    """
    started = time.monotonic()
    try:
        reply = send()
    except ConnectorError as error:
        note(HttpCall.of_failure(error, time.monotonic() - started))
        raise
    note(reply.call)
    return reply


def is_server_error(error: ConnectorError) -> bool:
    """True if the server itself failed over what was sent, and is not just busy or away.

    With 200, a web page came in place of an answer, as firewalls send it.
    """
    return error.status in {200, 500}


def may_be_about_one(error: ConnectorError) -> bool:
    """True if what was asked may be the cause of a failure, so that the same about others may work."""
    is_cut_off = isinstance(error, AmbiguousWriteError) and error.status is None  # as some firewalls refuse
    return not isinstance(error, CredentialsError) and (
        is_cut_off or is_server_error(error) or error.status in {400, 403, 404, 406, 501}
    )


def is_passing(error: ConnectorError) -> bool:
    """True if the same call can be expected to work in a later run."""
    if isinstance(error, TransientError):
        return not is_server_error(error)
    return isinstance(error, CredentialsError | PermissionDeniedError)


def as_permanent_failure(error: ConnectorError, attempts: int) -> DataError:
    """The same failure as one of the record alone: others must not wait for it.

    Args:
        error: The server's last answer.
        attempts: Number of failures while rows could be read.
    """
    return error.of_one_record(
        f"It failed {attempts} times while the row could be read: give the correlation id to the "
        "administrators of the server."
    )
