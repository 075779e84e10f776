"""Remembers which causes hold and who was told: in the audit database, so that several alerters tell once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.schema import alerts
from kinetic_mailchimp.console.alerts.causes import Judgement
from kinetic_mailchimp.console.alerts.messages import Notice, State
from kinetic_mailchimp.kit.timestamps import format_timestamp

CLAIM: Final = timedelta(minutes=5)
"""So long nobody else tells what one process is about to tell: should it die, the next one does."""


@dataclass(frozen=True, slots=True)
class Known:
    """A cause as it is remembered; times as stored.

    Args:
        what: What is wrong.
        since: Since when.
        seen_at: When it was last seen.
        told_at: When somebody was last told; None before that.
        claimed_until: Until when a process is about to tell.
    """

    what: str
    since: str
    seen_at: str
    told_at: str | None = None
    claimed_until: str | None = None


def due(known: Mapping[str, Known], judgement: Judgement, now: datetime, quiet: timedelta) -> list[Notice]:
    """Which messages are due.

    Args:
        known: What is remembered, by the keys of the causes.
        judgement: What the rules say.
        now: When the facts were looked at.
        quiet: So long a cause that persists is not told again.
    """
    present = {cause.key: cause for cause in judgement.causes}
    told_before = format_timestamp(now - quiet)
    notices = []
    for key, cause in present.items():
        before = known.get(key)
        since = before.since if before else cause.since or format_timestamp(now)
        if before is None or before.told_at is None:
            state = State.NEW
        elif before.told_at <= told_before:
            state = State.STILL
        else:
            continue
        notices.append(Notice(cause=key, state=state, what=cause.what, since=since, advice=cause.advice))
    notices += [
        Notice(cause=key, state=State.OVER, what=before.what, since=before.since)
        for key, before in known.items()
        if key not in present and before.told_at is not None and _may_end(key, before, judgement, now)
    ]
    at = format_timestamp(now)
    return [
        notice
        for notice in notices
        if (before := known.get(notice.cause)) is None
        or before.claimed_until is None
        or before.claimed_until <= at
    ]


def _may_end(key: str, before: Known, judgement: Judgement, now: datetime) -> bool:
    """Whether the facts can tell that a cause is over: they were looked at, and after it was last seen."""
    return key.partition(":")[0] in judgement.kinds and before.seen_at < format_timestamp(now)


class AlertMemory:
    """The table `alerts`.

    Args:
        database: The audit database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self) -> dict[str, Known]:
        """What is remembered, by the keys of the causes."""
        with self._database.reading() as connection:
            return _read(connection)

    def take(self, judgement: Judgement, now: datetime, quiet: timedelta) -> list[Notice]:
        """Remember what the rules say, and take the messages that are due for oneself.

        Args:
            judgement: What the rules say.
            now: When the facts were looked at.
            quiet: So long a cause that persists is not told again.

        Raises:
            TransientError: If the database did not take it; nobody took anything.
        """
        with self._alone() as connection:
            known = _read(connection)
            notices = due(known, judgement, now, quiet)
            _remember(connection, known, judgement, now)
            for notice in notices:
                _update(connection, notice, claimed_until=format_timestamp(now + CLAIM))
            return notices

    def told(self, notices: Sequence[Notice], now: datetime) -> None:
        """Remember that messages went out; what is over is forgotten."""
        with self._alone() as connection:
            for notice in notices:
                if notice.state is State.OVER:
                    connection.execute(sa.delete(alerts).where(alerts.c.cause == notice.cause))
                else:
                    _update(connection, notice, claimed_until=None, told_at=format_timestamp(now))

    def give_back(self, notices: Sequence[Notice]) -> None:
        """Let the next one tell what could not be sent."""
        with self._alone() as connection:
            for notice in notices:
                _update(connection, notice, claimed_until=None)

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                connection.execute(sa.text(f"LOCK TABLE {alerts.name} IN EXCLUSIVE MODE"))
            yield connection


def _read(connection: sa.Connection) -> dict[str, Known]:
    return {key: Known(*rest) for key, *rest in connection.execute(sa.select(alerts))}


def _remember(
    connection: sa.Connection, known: Mapping[str, Known], judgement: Judgement, now: datetime
) -> None:
    at = format_timestamp(now)
    for cause in judgement.causes:
        before = known.get(cause.key)
        if before is None:
            row = {"cause": cause.key, "what": cause.what, "since": cause.since or at, "seen_at": at}
            connection.execute(sa.insert(alerts).values(row))
        else:
            seen = {"what": cause.what, "seen_at": max(before.seen_at, at)}
            connection.execute(sa.update(alerts).where(alerts.c.cause == cause.key).values(seen))
    present = {cause.key for cause in judgement.causes}
    untold = [
        key
        for key, before in known.items()
        if key not in present and before.told_at is None and _may_end(key, before, judgement, now)
    ]
    connection.execute(sa.delete(alerts).where(alerts.c.cause.in_(untold)))


def _update(connection: sa.Connection, notice: Notice, **values: Any) -> None:  # noqa: ANN401 - columns, by name
    connection.execute(sa.update(alerts).where(alerts.c.cause == notice.cause).values(values))
