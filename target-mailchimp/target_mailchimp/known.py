"""What is known about a member: the last value sent of each field, and whose rows it belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OPTED_OUT = frozenset({"unsubscribed", "cleaned", "archived"})
LOWERABLE = frozenset({"subscribed", "pending", "transactional"})
"""States that an opt-out at the source lowers; every other state is kept."""


@dataclass(frozen=True)
class Known:
    """A member, as the ledger keeps it.

    Attributes:
        address: As it was spelled last.
        status: As it was seen last.
        contact: Mailchimp's `contact_id`, which survives a change of the address.
        sent: The last value sent, or read from Mailchimp, by field; see `values`.
        owner: The source row that decides about the fields; of several rows with one address the newest.
        owner_at: When that row changed.
        sources: All source rows with this address, and whether each is active.
    """

    address: str
    status: str = ""
    contact: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None
    owner_at: str | None = None
    sources: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Known:
        """Read an entry of the ledger; what a newer version added is left alone."""
        names = {attribute.name for attribute in dataclasses.fields(cls)}
        return cls(**{name: inner for name, inner in value.items() if name in names})

    def as_value(self) -> dict[str, Any]:
        """The entry of the ledger."""
        return {
            name: inner for name, inner in dataclasses.asdict(self).items() if inner not in (None, "", {})
        }

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
        return any(self.sources.values()) or not self.sources
