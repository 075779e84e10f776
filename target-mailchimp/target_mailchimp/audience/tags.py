"""Decides about tags: a batch can add some or replace all, and cannot take one away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

INACTIVE = "inactive_tag"
"""The name under which the ledger remembers that the tag of inactive customers is one of ours."""


class TagPlan(msgspec.Struct, frozen=True):
    """The changes of a member's tags.

    Attributes:
        batch: Tags that travel with the member; None when none do.
        replaces: Whether those are all that the member shall have.
        single: Tags to add (True) or take away (False) in a call of their own.
        sent: The tags that the ledger remembers from now on.
    """

    batch: list[str] | None = None
    replaces: bool = False
    single: Mapping[str, bool] = {}
    sent: Mapping[str, Any] = {}


def plan_tags(
    wanted: Iterable[str] | None, sent: Mapping[str, Any], *, replaces: bool, inactive_tag: str | None
) -> TagPlan:
    """Decide which tags travel.

    Args:
        wanted: The tags of the record; None when it has none.
        sent: The values that the ledger remembers of the member.
        replaces: Whether a record's tags are all that its member shall have.
        inactive_tag: The tag of inactive customers, if this one is.
    """
    # Mailchimp may alter the case of a tag.
    have = {str(tag).lower(): str(tag) for tag in sent.get("tags") or ()}
    want = {tag.lower(): tag for tag in wanted or ()}
    if inactive_tag:
        want[inactive_tag.lower()] = inactive_tag
    remembered = {INACTIVE: inactive_tag} if inactive_tag else {}
    if replaces and wanted is not None:
        batch = sorted(want.values()) if want.keys() != have.keys() else None
        return TagPlan(batch, replaces=True, sent=_remember(want, remembered))
    missing = {key: tag for key, tag in want.items() if key not in have}
    ours = sent.get(INACTIVE)
    dropped = str(ours) if ours and not inactive_tag else ""
    left = {key: tag for key, tag in (have | want).items() if key != dropped.lower()}
    single = {dropped: False} if dropped else {}
    if replaces:
        single |= dict.fromkeys(missing.values(), True)
        missing = {}
    return TagPlan(sorted(missing.values()) or None, single=single, sent=_remember(left, remembered))


def _remember(tags: Mapping[str, str], more: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"tags": sorted(tags.values())} if tags else {}), **more}
