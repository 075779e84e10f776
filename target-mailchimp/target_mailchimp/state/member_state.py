"""What is known about a member: the last value sent of each field, and which source rows stand behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

OPTED_OUT = frozenset({"unsubscribed", "cleaned", "archived"})
LOWERABLE = frozenset({"subscribed", "pending", "transactional"})
"""States that an opt-out at the source lowers; every other state is kept."""


@dataclass(frozen=True)
class Row:
    """A source row with the member's address.

    Attributes:
        active: Whether the source says that the customer still is one.
        out: Whether the source says that the person wants no mail.
        at: When the row changed, as the source says it.
    """

    active: bool = True
    out: bool = False
    at: str = ""

    def as_value(self) -> dict[str, Any]:
        """What differs from a row of which nothing is known."""
        return {name: inner for name, inner in vars(self).items() if inner != _NOTHING[name]}


_NOTHING = vars(Row())


@dataclass(frozen=True)
class Known:
    """A member, as the ledger keeps it.

    Attributes:
        address: As it was spelled last.
        status: As it was seen last.
        contact: Mailchimp's `contact_id`, which survives a change of the address.
        sent: The last value sent, or read from Mailchimp, by flat name.
        rows: The source rows with this address, by source.
        by: Which row decided about a field, where there are several; None where the value is one that
            Mailchimp had. With one row, it decided about all others.
    """

    address: str
    status: str = ""
    contact: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Row] = field(default_factory=dict)
    by: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Known:
        """Read an entry of the ledger; what a newer version added is left alone."""
        names = {attribute.name for attribute in dataclasses.fields(cls)}
        rows = {source: Row(**row) for source, row in value.get("rows", {}).items()}
        return cls(**{name: inner for name, inner in value.items() if name in names} | {"rows": rows})

    def as_value(self) -> dict[str, Any]:
        """The entry of the ledger."""
        rows = {source: row.as_value() for source, row in self.rows.items()}
        # `dataclasses.asdict` copies all the way down, which shows over 100,000 members.
        return {name: inner for name, inner in {**vars(self), "rows": rows}.items() if inner}

    @classmethod
    def from_member(cls, member: Mapping[str, Any]) -> Known:
        """What a member of the API says about itself."""
        sent = {f"merge_fields.{tag}": value for tag, value in (member.get("merge_fields") or {}).items()}
        sent |= {f"interests.{key}": value for key, value in (member.get("interests") or {}).items()}
        sent |= {name: member[name] for name in ("language", "vip") if name in member}
        if "tags" in member:
            sent["tags"] = sorted(str(tag["name"]) for tag in member["tags"])
        return cls(
            address=str(member["email_address"]),
            status=str(member["status"]),
            contact=str(member.get("contact_id") or ""),
            sent=sent,
        )

    @property
    def opted_out(self) -> bool:
        """Whether no mail may go to the member."""
        return self.status in OPTED_OUT

    @property
    def active(self) -> bool:
        """Whether any source row of the member is active; true when none is known."""
        return any(row.active for row in self.rows.values()) or not self.rows

    def with_row(self, source: str, row: Row) -> Known:
        """The member with a row, or with news of one."""
        by = self.by
        if len(self.rows) == 1 and source not in self.rows:
            first = next(iter(self.rows))
            by = {**dict.fromkeys(self.sent, first), **by}
        return replace(self, rows={**self.rows, source: row}, by=by)

    def without_row(self, source: str) -> Known:
        """The member without a row; what it decided about is anybody's."""
        rows = {name: row for name, row in self.rows.items() if name != source}
        return replace(self, rows=rows, by={name: by for name, by in self.by.items() if by != source})

    def decides(self, source: str, field_name: str) -> bool:
        """Whether a row of the member may set a field that another row may have set before.

        The newest row does; rows of one age are told apart by their keys, so that two rows with one address
        do not take turns in every run. Records that name no row are of one row, with an empty key.
        """
        owner = self.by.get(field_name)
        if owner is None or owner == source or owner not in self.rows:
            return True
        return age(source, self.rows[source].at) > age(owner, self.rows[owner].at)


def age(source: str, at: str) -> tuple[int, str, str]:
    """What rows are ordered by: revisions by number, times by text, rows of one age by their keys."""
    return (int(at), "", source) if at.isdecimal() else (0, at, source)
