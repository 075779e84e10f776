"""Values on which the reverse direction found both sides to agree: laid over those sent last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.audit.state.member_state import MemberState

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger


@dataclass(frozen=True, slots=True)
class AgreedValue:
    """A value that both sides have had.

    Attributes:
        value: As Mailchimp showed it: of a merge field with parts, the whole of it.
        version: Counts the entries of one member: see `next_version`.
    """

    value: Any
    version: int


Agreed = Mapping[str, AgreedValue]
"""Flat name of a field (`merge_fields.FNAME`) → the value. One entry of the ledger for each member."""


def agreed_namespace(list_id: str) -> str:
    """The namespace of the ledger by subscriber hash. Written by target-epicor-contacts alone."""
    return f"baseline/{list_id}"


def agreed_from_json(stored: Mapping[str, Any]) -> dict[str, AgreedValue]:
    """Read what `agreed_to_json` made."""
    return {name: AgreedValue(entry["value"], entry["version"]) for name, entry in stored.items()}


def agreed_to_json(agreed: Agreed) -> dict[str, Any]:
    """The entry of the ledger."""
    return {name: {"value": entry.value, "version": entry.version} for name, entry in agreed.items()}


def read_agreed(ledger: Ledger, members: Iterable[str]) -> dict[str, dict[str, AgreedValue]]:
    """The values agreed on with members.

    Args:
        ledger: The namespace `agreed_namespace(list_id)` of the trail.
        members: Their subscriber hashes.
    """
    return {member: agreed_from_json(value) for member, value in ledger.get_many(members).items()}


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
    news = {name: entry for name, entry in agreed.items() if entry.version > state.merged_version}
    if not news:
        return state
    values = {name: entry.value for name, entry in news.items()}
    # The listing showed the agreed value earlier, where that is the difference it noted.
    shown = {name: value for name, value in state.shown.items() if name not in news or value != values[name]}
    version = max(entry.version for entry in news.values())
    return replace(state, sent={**state.sent, **values}, shown=shown, merged_version=version)
