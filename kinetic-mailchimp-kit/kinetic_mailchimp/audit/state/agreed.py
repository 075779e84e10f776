"""Values on which the reverse direction found both sides to agree: laid over those sent last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kinetic_mailchimp.audit.state.member_state import MemberState, OpenWrite

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger


@dataclass(frozen=True, slots=True)
class AgreedValue:
    """A value that both sides have had.

    Attributes:
        value: As Mailchimp showed it: of a merge field with parts, the whole of it.
        version: Counts the entries of one member: see `next_version`.
        before: Of a write whose end is not noted, the values that it replaces, by the names of their rows: a
            row that shows another one was written. None where both sides are known to agree.
        earlier: What was agreed before such a write.
    """

    value: Any
    version: int
    before: Mapping[str, Any] | None = None
    earlier: AgreedValue | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AgreedValue:
        """Read what `to_json` made."""
        earlier = stored.get("earlier")
        return cls(
            stored["value"],
            stored["version"],
            stored.get("before"),
            cls.from_json(earlier) if earlier else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The entry of the ledger; what is empty is left out."""
        stored: dict[str, Any] = {"value": self.value, "version": self.version}
        if self.before is not None:
            stored["before"] = dict(self.before)
        if self.earlier:
            stored["earlier"] = self.earlier.to_json()
        return stored


Agreed = Mapping[str, AgreedValue]
"""Flat name of a field (`merge_fields.FNAME`) → the value. One entry of the ledger for each member."""


def agreed_namespace(list_id: str) -> str:
    """The namespace of the ledger by subscriber hash. Written by target-epicor-contacts alone."""
    return f"baseline/{list_id}"


def agreed_from_json(stored: Mapping[str, Any]) -> dict[str, AgreedValue]:
    """Read what `agreed_to_json` made."""
    return {name: AgreedValue.from_json(entry) for name, entry in stored.items()}


def agreed_to_json(agreed: Agreed) -> dict[str, Any]:
    """The entry of the ledger."""
    return {name: entry.to_json() for name, entry in agreed.items()}


def read_agreed(ledger: Ledger, members: Iterable[str]) -> dict[str, dict[str, AgreedValue]]:
    """The values agreed on with members.

    Args:
        ledger: The namespace `agreed_namespace(list_id)` of the trail.
        members: Their subscriber hashes.
    """
    return {member: agreed_from_json(value) for member, value in ledger.get_many(members).items()}


def settled(agreed: Agreed) -> dict[str, AgreedValue]:
    """The values on which both sides are known to agree, without writes whose end is not noted."""
    known = {name: entry if entry.before is None else entry.earlier for name, entry in agreed.items()}
    return {name: entry for name, entry in known.items() if entry}


def next_version(agreed: Agreed, state: MemberState | None) -> int:
    """The version of a new entry: newer than all others, and than those that target-mailchimp has seen.

    Args:
        agreed: The entries of the member.
        state: The member, as target-mailchimp knows it.
    """
    return 1 + max([state.merged_version if state else 0, *(entry.version for entry in agreed.values())])


def with_agreed(state: MemberState, agreed: Agreed) -> MemberState:
    """The member with the baseline as both directions know it: newer entries take the place of values sent.

    Args:
        state: The member, as target-mailchimp knows it.
        agreed: What the reverse direction learned.
    """
    known, now = settled(agreed), state.merged_version
    values = {name: entry.value for name, entry in known.items() if entry.version > now}
    open_writes = {
        name: OpenWrite(entry.value, entry.before)
        for name, entry in agreed.items()
        if entry.before is not None and entry.version > now
    }
    if not (values or open_writes):
        return state
    # The listing showed the agreed value earlier, where that is the difference it noted.
    shown = {
        name: value for name, value in state.shown.items() if name not in values or value != values[name]
    }
    version = max(entry.version for entry in agreed.values())
    writing = {name: write for name, write in state.writing.items() if name not in values} | open_writes
    return replace(state, sent={**state.sent, **values}, shown=shown, writing=writing, merged_version=version)


def in_common(state: MemberState, agreed: Agreed) -> dict[str, Any]:
    """The values that both sides last had: none that Mailchimp had before any row decided about it.

    Args:
        state: The member, as target-mailchimp knows it.
        agreed: What the reverse direction learned.
    """
    undecided = {name for name, owner in state.field_owner.items() if owner is None}
    unseen = undecided - settled(agreed).keys()
    return {name: value for name, value in with_agreed(state, agreed).sent.items() if name not in unseen}
