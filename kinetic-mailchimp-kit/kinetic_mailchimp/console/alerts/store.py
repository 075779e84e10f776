"""Conditions that hold and the alerts sent about them, in the audit database: several alerters send one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.schema import alerts
from kinetic_mailchimp.console.alerts.conditions import Evaluation
from kinetic_mailchimp.console.alerts.messages import Notice, State
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

CLAIM: Final = timedelta(minutes=5)
"""The time in which no other process sends a message that one has taken: should it die, the next one does."""


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """A condition as it is stored, with its times.

    Args:
        sent_at: The last message about it; None before the first.
        claimed_until: The end of the time in which one process sends a message about it.
    """

    what: str
    since: str
    seen_at: str
    sent_at: str | None = None
    claimed_until: str | None = None


def due(
    known: Mapping[str, StoredCondition], evaluation: Evaluation, now: datetime, quiet: timedelta
) -> list[Notice]:
    """Find the messages that are due.

    Args:
        known: The stored conditions by key.
        evaluation: The conditions that hold now.
        now: The time at which the facts were collected.
        quiet: The time after a message in which none about the same condition is due.
    """
    present = {condition.key: condition for condition in evaluation.conditions}
    at, sent_before = format_timestamp(now), format_timestamp(now - quiet)
    notices = []
    for key, condition in present.items():
        before = known.get(key)
        last_sent = before.sent_at if before else None
        if last_sent is not None and last_sent > sent_before:
            continue
        state = State.NEW if last_sent is None else State.STILL
        since = before.since if before else condition.since or at
        notices.append(
            Notice(key=key, state=state, what=condition.what, since=since, advice=condition.advice)
        )
    notices += [
        Notice(key=key, state=State.OVER, what=before.what, since=before.since)
        for key, before in known.items()
        if key not in present and before.sent_at is not None and _may_end(key, before, evaluation, now)
    ]
    claimed = {key for key, before in known.items() if (before.claimed_until or "") > at}
    return [notice for notice in notices if notice.key not in claimed]


def _may_end(key: str, before: StoredCondition, evaluation: Evaluation, now: datetime) -> bool:
    """True if the facts can show that a condition is over: they were collected after it last held."""
    return key.partition(":")[0] in evaluation.kinds and before.seen_at < format_timestamp(now)


class AlertStore:
    """The table `alerts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self) -> dict[str, StoredCondition]:
        """The stored conditions by key."""
        with self._database.reading() as connection:
            return _read(connection)

    def claim(self, evaluation: Evaluation, now: datetime, quiet: timedelta) -> list[Notice]:
        """Store the conditions that hold, and claim the messages that are due.

        Raises:
            TransientError: If the database did not take it; nothing is claimed.
        """
        with self._locked() as connection:
            known = _read(connection)
            notices = due(known, evaluation, now, quiet)
            _store(connection, known, evaluation, now)
            for notice in notices:
                _update(connection, notice, claimed_until=format_timestamp(now + CLAIM))
            return notices

    def mark_sent(self, notice: Notice, now: datetime) -> None:
        """Store that a message was sent; a condition that is over is deleted."""
        with self._locked() as connection:
            if notice.state is State.OVER:
                connection.execute(sa.delete(alerts).where(alerts.c.cause == notice.key))
            else:
                _update(connection, notice, claimed_until=None, told_at=format_timestamp(now))

    def release(self, notices: Sequence[Notice]) -> None:
        """Give up the claim of messages that were not sent: the next process sends them."""
        with self._locked() as connection:
            for notice in notices:
                _update(connection, notice, claimed_until=None)

    @contextmanager
    def _locked(self) -> Iterator[sa.Connection]:
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                connection.execute(sa.text(f"LOCK TABLE {alerts.name} IN EXCLUSIVE MODE"))
            yield connection


def _read(connection: sa.Connection) -> dict[str, StoredCondition]:
    return {key: StoredCondition(*rest) for key, *rest in connection.execute(sa.select(alerts))}


def _store(
    connection: sa.Connection, known: Mapping[str, StoredCondition], evaluation: Evaluation, now: datetime
) -> None:
    at = format_timestamp(now)
    for condition in evaluation.conditions:
        before = known.get(condition.key)
        if before is None:
            row = {"what": condition.what, "since": condition.since or at, "seen_at": at}
            connection.execute(sa.insert(alerts).values(cause=condition.key, **row))
        else:
            seen = {"what": condition.what, "seen_at": max(before.seen_at, at)}
            connection.execute(sa.update(alerts).where(alerts.c.cause == condition.key).values(seen))
    present = {condition.key for condition in evaluation.conditions}
    unsent = [
        key
        for key, before in known.items()
        if key not in present and before.sent_at is None and _may_end(key, before, evaluation, now)
    ]
    connection.execute(sa.delete(alerts).where(alerts.c.cause.in_(unsent)))


def _update(connection: sa.Connection, notice: Notice, **values: Any) -> None:  # noqa: ANN401 - columns, by name
    connection.execute(sa.update(alerts).where(alerts.c.cause == notice.key).values(values))
