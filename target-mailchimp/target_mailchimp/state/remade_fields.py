"""Forgets the values of merge fields that were deleted or made anew: Mailchimp has none of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit.state.member_state import MemberState

from target_mailchimp.audience.audience import MERGE_FIELD


def remade(before: Mapping[str, int], now: Mapping[str, int]) -> frozenset[str]:
    """The flat names of fields that are not the ones they were.

    Args:
        before: The numbers of the audience's merge fields by tag, as they were at the last run.
        now: The same as they are.
    """
    return frozenset(f"{MERGE_FIELD}{tag}" for tag, merge_id in before.items() if now.get(tag) != merge_id)


def without_values(
    stored: Iterable[tuple[str, Mapping[str, Any]]], names: Collection[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The members that have a value under some of the names, as they are without it.

    Args:
        stored: Subscriber hashes and entries of the ledger.
        names: Flat names of values.
    """
    for member, entry in stored:
        state = MemberState.from_json(entry)
        if any(name in state.sent or name in state.refused for name in names):
            kept = {name: value for name, value in state.sent.items() if name not in names}
            refused = {name: value for name, value in state.refused.items() if name not in names}
            yield member, replace(state, sent=kept, refused=refused).to_json()
