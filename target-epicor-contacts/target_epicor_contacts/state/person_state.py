"""State of a person between events: the newest event that was applied, and the last values seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from kinetic_mailchimp.audit.state.people import Corrected
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.contract.event_order import Age, EventTime


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """The newest status.

    Attributes:
        event_time: Of the newest event about status; a complaint keeps its value under weaker opt-outs.
        cause: Time of the event that set the value.
        pending: No row was there to take it; the first row that appears does.
        audiences: Ids of those in which an opt-out holds, as far as they are known.
        origins: Names of the rows on which a rep opted the person out, where Mailchimp had it from us.
    """

    event_time: EventTime
    value: Status
    cause: EventTime
    reason: str | None = None
    campaign_id: str | None = None
    pending: bool = False
    audiences: frozenset[str] = frozenset()
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AudienceSeen:
    """The newest status in one audience.

    Attributes:
        event_time: Of the newest event about it; a complaint keeps its value under weaker opt-outs.
        rows: Names of the rows in whose column this software wrote an opt-out: it may take those back.
    """

    event_time: EventTime
    value: Status
    rows: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """The newest value that Mailchimp had in a field, as fingerprints.

    Attributes:
        sent: The value that Mailchimp had accepted from Epicor until then, where one was known.
        refused: A value that did not get into Epicor: then `value` is the one before it.
    """

    event_time: EventTime
    value: str
    sent: str | None = None
    refused: str | None = None

    def still_holds(self, sent: str | None) -> bool:
        """True if Mailchimp accepted nothing else since, so that this is the value it had last."""
        return sent is None or sent == self.sent

    def refusing(self, before: FieldSeen | None) -> FieldSeen:
        """This value after it could not be written: the one before stays the last that both sides had."""
        known = before.value if before and before.still_holds(self.sent) else self.sent
        return replace(self, value=known or "", refused=self.value)


@dataclass(frozen=True, slots=True)
class Moved:
    """The address was given up for another one.

    Attributes:
        audiences: Ids of those in which it was, where they are known: another one may still have it.
    """

    event_time: EventTime
    to: str
    audiences: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PersonState:
    """The state of the person at one address.

    Attributes:
        status: The newest status, if any.
        fields: By column.
        rows: Row id to the fingerprints of fields in which that row differs from what Mailchimp has.
        moved: The address that the person went on to.
        settled: Time of the move that brought the person to this address, if any: older moves are overtaken.
        audiences: The status in audiences that have a column, by id.
    """

    status: StatusSeen | None = None
    fields: Mapping[str, FieldSeen] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moved: Moved | None = None
    settled: EventTime | None = None
    audiences: Mapping[str, AudienceSeen] = field(default_factory=dict)

    def taking_over(self, other: PersonState) -> PersonState:
        """This state joined with that of the address the person had before; of each part the newer one."""
        status = self.status
        if other.status and (status is None or other.status.event_time.age(status.event_time) is Age.NEWER):
            status = other.status
        fields = dict(other.fields)
        for column, seen in self.fields.items():
            known = fields.get(column)
            if known is None or seen.event_time.age(known.event_time) is not Age.OLDER:
                fields[column] = seen
        audiences = dict(other.audiences)
        for list_id, here in self.audiences.items():
            before = audiences.get(list_id)
            if before is None or here.event_time.age(before.event_time) is not Age.OLDER:
                audiences[list_id] = replace(here, rows=here.rows | (before.rows if before else frozenset()))
        return PersonState(
            status=status,
            fields=fields,
            rows={**other.rows, **self.rows},
            settled=self.settled,
            audiences=audiences,
        )

    def refusing(self, columns: frozenset[str], before: PersonState) -> PersonState:
        """This state after some fields could not be written, and what is known of them is what was before."""
        refused = {
            column: seen.refusing(before.fields.get(column))
            for column, seen in self.fields.items()
            if column in columns
        }
        return replace(self, fields={**self.fields, **refused})

    def moved_by(self, corrected: Corrected | None) -> PersonState:
        """This state with the move that target-mailchimp made, where the person made none."""
        if corrected is None or self.moved:
            return self
        at = EventTime(parse_timestamp(corrected.at), "")
        return replace(self, moved=Moved(at, email_key(corrected.address), frozenset({corrected.list_id})))

    def without_status(self) -> PersonState:
        """This state after an opt-out was withdrawn."""
        return replace(self, status=None)

    def to_json(self) -> dict[str, Any]:
        """A form to store, without empty parts."""
        return _flat(msgspec.to_builtins(self, order="deterministic"))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> PersonState:
        """Read what `to_json` made; without an entry nothing is known."""
        if not stored:
            return cls()
        dated = {name: _dated(stored[name]) for name in ("status", "moved") if name in stored}
        for name in ("fields", "audiences"):
            dated[name] = {key: _dated(seen) for key, seen in stored.get(name, {}).items()}
        return msgspec.convert({**stored, **dated}, cls)


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what is empty; the time of an event lies beside what was seen then."""
    flat: dict[str, Any] = {}
    for name, value in entry.items():
        part = _flat(value) if isinstance(value, dict) else value
        flat |= part if name == "event_time" else {} if part in (None, {}, [], ()) else {name: part}
    return flat


def _dated(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {"event_time": seen, **seen}
