"""Wakes a reader that follows the inbox: PostgreSQL notifies it, and SQLite is asked often."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event
from typing import Any, Final

from sqlalchemy import Connection

from tap_mailchimp_webhooks.inbox.database import Database

POLL_SECONDS: Final = 0.01
"""Between two queries of an inbox in SQLite. Each asks for one number of an index, some 0.1 to 0.2 ms, so a
follower without work needs one or two per cent of a core."""

LONGEST_WAIT_SECONDS: Final = 1.0
"""After which PostgreSQL is asked without a notification, and a signal to stop is noticed."""

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

    def close(self) -> None:
        """Listen no more."""
        self._resources.close()

    def wait(self, stop: Event) -> None:
        """Wait until there may be new events, for a second at most.

        Raises:
            TransientError: The database does not answer.
        """
        if self._database.is_sqlite:
            stop.wait(POLL_SECONDS)
        elif self._listener is None:
            # What was stored before it listens is found by the query after this.
            self._listen()
        else:
            try:
                next(self._listener.notifies(timeout=LONGEST_WAIT_SECONDS, stop_after=1), None)
            except self._errors:
                self._resources.close()
                self._listener = None

    def _listen(self) -> None:
        connection = self._resources.enter_context(self._database.autocommit())
        # It goes back to no pool: its next user would be notified, too.
        self._resources.callback(connection.invalidate)
        connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
        self._listener = connection.connection.driver_connection
        self._errors = connection.dialect.loaded_dbapi.Error
