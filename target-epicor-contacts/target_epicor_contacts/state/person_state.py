"""What is remembered about a person between events: what was applied last, and the last values seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.contract.event_order import Age, Moment


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """The newest status.

    Attributes:
        moment: Of the newest event about status; a complaint keeps its value under later, weaker opt-outs.
        value: What holds.
        cause: Of the event that set the value.
        reason: Its reason.
        campaign_id: The campaign that caused it.
        pending: No row was there to take it; the first row that appears does.
        audiences: Ids of those in which an opt-out holds, as far as they are known.
    """

    moment: Moment
    value: Status
    cause: Moment
    reason: str | None = None
    campaign_id: str | None = None
    pending: bool = False
    audiences: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """The newest value that Mailchimp had in a field, as fingerprints.

    Attributes:
        moment: When it had it.
        value: The value.
        sent: What it had been given from Epicor until then, where that was known.
    """

    moment: Moment
    value: str
    sent: str | None = None

    def still_holds(self, sent: str | None) -> bool:
        """Whether Mailchimp was given nothing else since, so that this is what it had last."""
        return sent is None or sent == self.sent


@dataclass(frozen=True, slots=True)
class Moved:
    """The address was given up for another one."""

    moment: Moment
    to: str


@dataclass(frozen=True)
class PersonMemory:
    """Everything remembered about one address.

    Attributes:
        status: The newest status, if any.
        fields: By column.
        rows: Row id to the fingerprints of fields in which that row differs from what Mailchimp has.
        flagged: Ids of rows whose flag this connector set; only these are ever cleared again.
        moved: Where the person went.
        settled: When the person came to this address, if by a move: older moves are overtaken.
    """

    status: StatusSeen | None = None
    fields: Mapping[str, FieldSeen] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    flagged: frozenset[str] = frozenset()
    moved: Moved | None = None
    settled: Moment | None = None

    def taking_over(self, other: PersonMemory) -> PersonMemory:
        """This memory joined with that of the address the person had before; of each part the newer one."""
        status = self.status
        if other.status and (status is None or other.status.moment.age(status.moment) is Age.NEWER):
            status = other.status
        fields = dict(other.fields)
        for column, seen in self.fields.items():
            known = fields.get(column)
            if known is None or seen.moment.age(known.moment) is not Age.OLDER:
                fields[column] = seen
        return PersonMemory(
            status=status,
            fields=fields,
            rows={**other.rows, **self.rows},
            flagged=self.flagged | other.flagged,
            settled=self.settled,
        )

    def forgetting(self, columns: frozenset[str], before: PersonMemory) -> PersonMemory:
        """This memory with some fields as they were before: what could not be written was not seen."""
        fields = {column: seen for column, seen in self.fields.items() if column not in columns}
        known = {column: seen for column, seen in before.fields.items() if column in columns}
        return replace(self, fields={**fields, **known})

    def claiming(self, rows: frozenset[str]) -> PersonMemory:
        """This memory with more rows whose flag is ours: kept before they are written, so that a crash in
        between leaves no flag of which nobody knows whose it is.
        """
        return replace(self, flagged=self.flagged | rows)

    def to_json(self) -> dict[str, Any]:
        """A form to store; what is empty is left out."""
        stored: dict[str, Any] = {}
        if self.status:
            stored["status"] = {
                **self.status.moment.to_json(),
                "value": self.status.value.value,
                "cause": self.status.cause.to_json(),
                "reason": self.status.reason,
                "campaign_id": self.status.campaign_id,
                "pending": self.status.pending,
                "audiences": sorted(self.status.audiences),
            }
        if self.fields:
            stored["fields"] = {
                column: {**seen.moment.to_json(), "value": seen.value, "sent": seen.sent}
                for column, seen in self.fields.items()
            }
        if rows := {row_id: dict(values) for row_id, values in self.rows.items() if values}:
            stored["rows"] = rows
        if self.flagged:
            stored["flagged"] = sorted(self.flagged)
        if self.moved:
            stored["moved"] = {**self.moved.moment.to_json(), "to": self.moved.to}
        if self.settled:
            stored["settled"] = self.settled.to_json()
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> PersonMemory:
        """What `to_json` made; nothing for nothing."""
        if not stored:
            return cls()
        status, moved, settled = (stored.get(name) for name in ("status", "moved", "settled"))
        return cls(
            status=StatusSeen(
                Moment.from_json(status),
                Status(status["value"]),
                Moment.from_json(status["cause"]),
                status["reason"],
                status["campaign_id"],
                status["pending"],
                frozenset(status.get("audiences", ())),
            )
            if status
            else None,
            fields={
                column: FieldSeen(Moment.from_json(seen), seen["value"], seen["sent"])
                for column, seen in stored.get("fields", {}).items()
            },
            rows=stored.get("rows", {}),
            flagged=frozenset(stored.get("flagged", ())),
            moved=Moved(Moment.from_json(moved), moved["to"]) if moved else None,
            settled=Moment.from_json(settled) if settled else None,
        )
