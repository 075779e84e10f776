"""Applies events to copies of the rows, in the order in which they happened, and tells what must be written.

Nothing here reads or writes: rows, memories and events go in, changes and verdicts come out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from target_epicor_contacts.columns import (
    OF_CONTACTS_ONLY,
    InvalidValueError,
    coerce,
    fingerprint,
    is_empty,
    parse_moment,
    same,
)
from target_epicor_contacts.matching import AddressBook, Hold
from target_epicor_contacts.memory import FieldSeen, Moved, PersonMemory, StatusSeen
from target_epicor_contacts.merging import Verdict, merge_field
from target_epicor_contacts.ordering import Age, Moment
from target_epicor_contacts.rows import CONTACT, EMAIL, Row
from target_epicor_contacts.rules import Rules
from target_epicor_contacts.updates import ContactUpdate, Status

CHANGE_MOMENTS = ("UpdatedOn", "ChangedOn")
"""Columns that say when a row was changed, best first; ChangeDate and ChangeTime are the last resort."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value of one row that an event sets."""

    row_id: str
    column: str
    before: Any
    after: Any


@dataclass(slots=True)
class Outcome:
    """What an event came to, before anything is written.

    Attributes:
        update: The event.
        person: The address whose memory it went to, which is a later one where the person has moved on.
        matched: Ids of the rows that belong to the address.
        changes: What it sets and no later event of the batch sets again.
        overtaken: How many of its changes a later event of the batch made void.
        superseded: The field groups in which something newer is applied already, and why.
        kept: Columns in which a policy kept Epicor's value.
        refused: Columns that an empty value would have cleared.
        flag_kept: Rows whose flag stays because somebody else set it.
        error: Why it cannot be applied at all.
    """

    update: ContactUpdate
    person: str
    matched: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    overtaken: int = 0
    superseded: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    flag_kept: set[str] = field(default_factory=set)
    error: InvalidValueError | None = None


@dataclass(frozen=True)
class Plan:
    """What a batch comes to.

    Attributes:
        outcomes: One per event, in the order in which the events were handed in.
        writes: Row id to the columns to set, with only those that differ.
        memories: What to remember, by address, should all of it succeed.
    """

    outcomes: Sequence[Outcome]
    writes: Mapping[str, Mapping[str, Any]]
    memories: Mapping[str, PersonMemory]


def plan(
    updates: Sequence[ContactUpdate],
    rows: Iterable[Row],
    memories: Mapping[str, PersonMemory],
    rules: Rules,
) -> Plan:
    """Apply a batch of events to rows and memories.

    Args:
        updates: In the order of arrival.
        rows: Every row that holds one of the addresses, and rows linked to those.
        memories: By address; an address that is not there is not known.
        rules: How events become changes.
    """
    return _Fold(updates, rows, memories, rules).run()


def resolve(key: str, moment: Moment, memories: Mapping[str, PersonMemory]) -> str:
    """The address that a person had moved on to, for an event from before the move that arrives after it."""
    passed = {key}
    while (memory := memories.get(key)) and memory.moved and moment.age(memory.moved.moment) is Age.OLDER:
        if memory.moved.to in passed:
            break
        key = memory.moved.to
        passed.add(key)
    return key


class _Fold:
    """Working copies of rows and memories, and who set which value."""

    def __init__(
        self,
        updates: Sequence[ContactUpdate],
        rows: Iterable[Row],
        memories: Mapping[str, PersonMemory],
        rules: Rules,
    ) -> None:
        self._rules = rules
        self._updates = updates
        self._rows = {row.id: row for row in rows}
        self._values = {row_id: dict(row.values) for row_id, row in self._rows.items()}
        self._book = AddressBook(self._values, rules.linked_people)
        self._writers: dict[str, dict[str, int]] = defaultdict(dict)
        self._set_by: dict[int, set[tuple[str, str]]] = defaultdict(set)
        self._memories = dict(memories)
        self._outcomes = [Outcome(update, update.key) for update in updates]

    def run(self) -> Plan:
        order = sorted(
            range(len(self._updates)),
            key=lambda index: (
                self._updates[index].moment.at,
                self._updates[index].moment.sequence or 0,
                index,
            ),
        )
        for index in order:
            self._apply(index)
        writes = {row_id: changes for row_id in self._writers if (changes := self._net(row_id))}
        for index, outcome in enumerate(self._outcomes):
            self._settle(index, outcome, writes)
        return Plan(self._outcomes, writes, self._memories)

    def _apply(self, index: int) -> None:
        update, outcome = self._updates[index], self._outcomes[index]
        outcome.person = resolve(update.key, update.moment, self._memories)
        holds = self._book.match(outcome.person)
        if outcome.person != update.key:
            holds = {**self._book.match(update.key), **holds}
        if update.new_key and update.new_key != outcome.person:
            holds = self._move(index, holds)
        outcome.matched = tuple(holds)
        if update.status:
            self._remember_status(outcome, update, update.status, matched=bool(holds))
        self._write_status(index, holds)
        try:
            self._write_profile(index, holds, self._typed(update))
        except InvalidValueError as error:
            outcome.error = error

    def _memory(self, address: str) -> PersonMemory:
        return self._memories.get(address) or PersonMemory()

    # Status

    def _remember_status(
        self, outcome: Outcome, update: ContactUpdate, status: Status, *, matched: bool
    ) -> None:
        memory = self._memory(outcome.person)
        known = memory.status
        age = update.moment.age(known.moment if known else None)
        seen = StatusSeen(
            update.moment,
            status,
            update.moment,
            update.reason,
            update.campaign_id,
            pending=not matched,
        )
        if known and age is Age.OLDER:
            outcome.superseded["status"] = "newer_event"
            return
        if known and age is Age.SAME and status.weight < known.value.weight:
            outcome.superseded["status"] = "same_time_lower_weight"
            return
        if known and known.value is Status.COMPLAINT and status in {Status.UNSUBSCRIBED, Status.CLEANED}:
            # The newer moment is kept: a `subscribed` from between the two must not count as news.
            seen = replace(known, moment=update.moment)
            outcome.superseded["status"] = "complaint_outranks"
        self._memories[outcome.person] = replace(memory, status=seen)

    def _write_status(self, index: int, holds: Mapping[str, Hold]) -> None:
        """Bring the matched rows to the newest status; an event without one brings only what is pending."""
        outcome = self._outcomes[index]
        seen = self._memory(outcome.person).status
        applies = self._updates[index].status is not None and outcome.superseded.get("status") in {
            None,
            "complaint_outranks",
        }
        if seen is None or not holds or not (applies or seen.pending):
            return
        for row_id, hold in holds.items():
            self._flag(index, row_id, hold, seen)
        memory = self._memory(outcome.person)
        self._memories[outcome.person] = replace(memory, status=replace(seen, pending=False))

    def _flag(self, index: int, row_id: str, hold: Hold, seen: StatusSeen) -> None:
        rules, outcome = self._rules, self._outcomes[index]
        memory = self._memory(outcome.person)
        flagged = bool(self._values[row_id].get(rules.flag_column)) == rules.flag_value
        is_ours = row_id in memory.flagged and flagged
        if rules.opts_out(seen.value):
            if not flagged:
                self._set(index, row_id, rules.flag_column, rules.flag_value)
                is_ours = True
        elif hold is not Hold.SOLE:
            return
        elif seen.value is Status.SUBSCRIBED and flagged:
            if is_ours and rules.clear_on_subscribe:
                self._set(index, row_id, rules.flag_column, not rules.flag_value)
                is_ours = False
            else:
                outcome.flag_kept.add(row_id)
        self._memories[outcome.person] = replace(
            memory, flagged=memory.flagged | {row_id} if is_ours else memory.flagged - {row_id}
        )
        for column, value in rules.particulars(seen).items():
            if edm_type := rules.columns.edm_type(self._rows[row_id].entity, column):
                self._set_if_other(index, row_id, column, coerce(column, value, edm_type), edm_type)

    # Address

    def _move(self, index: int, holds: dict[str, Hold]) -> dict[str, Hold]:
        """Give the rows that hold the old address the new one, and the new address the person's memory."""
        update, outcome = self._updates[index], self._outcomes[index]
        old, new = outcome.person, update.new_key
        if new is None or update.new_email is None:
            return holds
        memory = self._memory(old)
        if memory.moved and update.moment.age(memory.moved.moment) is Age.OLDER:
            outcome.superseded["address"] = "newer_event"
            return holds
        for row_id, hold in holds.items():
            if hold is Hold.SOLE:
                self._set(index, row_id, EMAIL, update.new_email)
                self._book.readdress(row_id)
        joined = self._memory(new).taking_over(memory)
        self._memories[new] = joined
        self._memories[old] = PersonMemory(moved=Moved(update.moment, new))
        outcome.person = new
        moved = self._book.match(new)
        if joined.status:
            for row_id, hold in moved.items():
                self._flag(index, row_id, hold, joined.status)
            pending = joined.status.pending and not moved
            self._memories[new] = replace(self._memory(new), status=replace(joined.status, pending=pending))
        return moved or holds

    # Profile

    def _typed(self, update: ContactUpdate) -> dict[str, dict[str, Any]]:
        """The columns of an event per entity, in the form that each takes.

        Raises:
            InvalidValueError: A value does not fit, or no entity has the column.
        """
        rules = self._rules
        typed: dict[str, dict[str, Any]] = {entity.name: {} for entity in rules.entities}
        for column, value in update.columns.items():
            holders = rules.columns.holders(column, rules.entities)
            if not holders:
                raise InvalidValueError(
                    f"Epicor has no column `{column}` to write.",
                    advice="Let the stream's schema name it, so that it is checked at the start.",
                    field=column,
                )
            for entity in holders:
                edm_type = rules.columns.edm_type(entity, column) or ""
                typed[entity.name][column] = coerce(column, value, edm_type)
        return typed

    def _write_profile(
        self, index: int, holds: Mapping[str, Hold], wanted: Mapping[str, Mapping[str, Any]]
    ) -> None:
        update, outcome = self._updates[index], self._outcomes[index]
        own = [row_id for row_id, hold in holds.items() if hold is Hold.SOLE]
        for column in update.columns if own else ():
            known = self._memory(outcome.person).fields.get(column)
            if update.moment.age(known.moment if known else None) is Age.OLDER:
                outcome.superseded["profile"] = "newer_event"
                continue
            value, edm_type = self._one_value(column, wanted)
            sent = fingerprint(update.sent[column], edm_type) if column in update.sent else None
            seen = FieldSeen(update.moment, fingerprint(value, edm_type), sent)
            last = known.value if known and known.still_holds(sent) else sent
            if last != seen.value:
                agreed = known if known and known.still_holds(sent) else None
                for row_id in own:
                    self._write_field(index, row_id, column, wanted, agreed=agreed, sent=sent)
            memory = self._memory(outcome.person)
            self._memories[outcome.person] = replace(memory, fields={**memory.fields, column: seen})
        for row_id in own:
            self._derive_name(index, row_id)

    def _one_value(self, column: str, wanted: Mapping[str, Mapping[str, Any]]) -> tuple[Any, str]:
        entity = self._rules.columns.holders(column, self._rules.entities)[0]
        return wanted[entity.name][column], self._rules.columns.edm_type(entity, column) or ""

    def _write_field(
        self,
        index: int,
        row_id: str,
        column: str,
        wanted: Mapping[str, Mapping[str, Any]],
        *,
        agreed: FieldSeen | None,
        sent: str | None,
    ) -> None:
        rules, outcome, row = self._rules, self._outcomes[index], self._rows[row_id]
        edm_type = rules.columns.edm_type(row.entity, column)
        if edm_type is None:
            return
        value, current = wanted[row.entity.name][column], self._values[row_id].get(column)
        memory = self._memory(outcome.person)
        # What the row held when both sides last agreed: as noted, as Mailchimp had it, or as it was sent.
        then = memory.rows.get(row_id, {}).get(column, agreed.value) if agreed else sent
        verdict = merge_field(
            is_same=same(value, current, edm_type),
            would_clear=is_empty(value) and not rules.allow_clear,
            epicor_is_empty=is_empty(current),
            epicor_changed=None if then is None else fingerprint(current, edm_type) != then,
            policy=rules.conflict_policy,
            event_at=outcome.update.moment.at,
            row_changed_at=changed_at(row.values),
        )
        if verdict is Verdict.WRITE:
            self._set(index, row_id, column, value)
        elif verdict is Verdict.KEEP:
            outcome.kept.add(column)
        elif verdict is Verdict.REFUSE:
            outcome.refused.add(column)
        differs = {} if verdict in {Verdict.WRITE, Verdict.SAME} else {column: fingerprint(current, edm_type)}
        others = {name: kept for name, kept in memory.rows.get(row_id, {}).items() if name != column}
        self._memories[outcome.person] = replace(memory, rows={**memory.rows, row_id: {**others, **differs}})

    def _derive_name(self, index: int, row_id: str) -> None:
        """Kinetic does not derive a contact's Name from its parts on an update: all travel together."""
        parts = OF_CONTACTS_ONLY - {"Name"}
        touched = {column for row, column in self._set_by[index] if row == row_id}
        if self._rows[row_id].entity is not CONTACT or not touched & parts or "Name" in touched:
            return
        values = self._values[row_id]
        words = (str(values.get(part) or "").strip() for part in ("FirstName", "MiddleName", "LastName"))
        if name := " ".join(word for word in words if word):
            self._set_if_other(index, row_id, "Name", name, "Edm.String")

    # Values

    def _set_if_other(self, index: int, row_id: str, column: str, value: Any, edm_type: str) -> None:  # noqa: ANN401
        if not same(value, self._values[row_id].get(column), edm_type):
            self._set(index, row_id, column, value)

    def _set(self, index: int, row_id: str, column: str, value: Any) -> None:  # noqa: ANN401 (any JSON)
        self._values[row_id][column] = value
        self._writers[row_id][column] = index
        self._set_by[index].add((row_id, column))

    def _net(self, row_id: str) -> dict[str, Any]:
        row, values = self._rows[row_id], self._values[row_id]
        return {
            column: values[column]
            for column in self._writers[row_id]
            if not same(values[column], row.values.get(column), self._edm_type(row, column))
        }

    def _edm_type(self, row: Row, column: str) -> str:
        return self._rules.columns.edm_type(row.entity, column) or "Edm.String"

    def _settle(self, index: int, outcome: Outcome, writes: Mapping[str, Mapping[str, Any]]) -> None:
        """Tell an event's own changes from those that a later event of the batch made void."""
        cells = sorted(self._set_by.get(index, ()))
        own = [(row_id, column) for row_id, column in cells if self._writers[row_id][column] == index]
        outcome.changes = tuple(
            Change(row_id, column, self._rows[row_id].values.get(column), writes[row_id][column])
            for row_id, column in own
            if column in writes.get(row_id, {})
        )
        outcome.overtaken = len(cells) - len(own)


def changed_at(values: Mapping[str, Any]) -> datetime | None:
    """When Epicor last changed a row, or None where it does not say so."""
    for column in CHANGE_MOMENTS:
        if moment := parse_moment(values.get(column)):
            return moment
    # The true instant is the local midnight, with that day's offset, and the seconds since then.
    day, seconds = parse_moment(values.get("ChangeDate")), values.get("ChangeTime")
    return day + timedelta(seconds=int(seconds)) if day and seconds else None
