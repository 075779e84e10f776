"""Wakes a reader that follows the inbox: PostgreSQL notifies it, and SQLite is looked at often."""

from __future__ import annotations

import time
from contextlib import ExitStack
from threading import Event
from typing import Any, Final

from sqlalchemy import Connection

from tap_mailchimp_webhooks.inbox.database import Database

POLL_SECONDS: Final = 0.004
"""Between two looks at the number that SQLite changes with each commit of another connection. One takes a
thirtieth of a query, so a follower without work needs one or two per cent of a core, mostly to wake up."""

LONGEST_WAIT_SECONDS: Final = 1.0
"""After which the inbox is asked without a notification, and a signal to stop is noticed."""

_CHANNEL: Final = "mailchimp_webhooks_inbox"


def announce(connection: Connection) -> None:
    """Notify the followers of an inbox of new events, when this transaction commits."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


class Arrivals:
    """Lets a follower wait between two queries; a connection of its own listens from the first wait on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._resources = ExitStack()
        self._listener: Any = None  # the driver's connection
        self._version: object = None

    def close(self) -> None:
        """Listen no more."""
        self._resources.close()

    def wait(self, stop: Event) -> None:
        """Wait until there may be new events, for a second at most.

        Raises:
            TransientError: The database does not answer.
        """
        if self._listener is None:
            # What was stored before it listens is found by the query after this.
            self._listen()
            return
        try:
            if self._database.is_sqlite:
                self._await_commit(stop)
            else:
                next(self._listener.notifies(timeout=LONGEST_WAIT_SECONDS, stop_after=1), None)
        except self._errors:
            self._resources.close()
            self._listener = None

    def _listen(self) -> None:
        connection = self._resources.enter_context(self._database.autocommit())
        # It goes back to no pool: its next user would be notified, too.
        self._resources.callback(connection.invalidate)
        self._listener = connection.connection.driver_connection
        self._errors = connection.dialect.loaded_dbapi.Error
        self._version = None
        if not self._database.is_sqlite:
            connection.exec_driver_sql(f"LISTEN {_CHANNEL}")

    def _read_version(self) -> object:
        """A number that is another one after each commit of another connection."""
        return self._listener.execute("PRAGMA data_version").fetchone()

    def _await_commit(self, stop: Event) -> None:
        give_up_at = time.monotonic() + LONGEST_WAIT_SECONDS
        while self._read_version() == self._version:
            if stop.wait(POLL_SECONDS) or time.monotonic() >= give_up_at:
                return
        self._version = self._read_version()
