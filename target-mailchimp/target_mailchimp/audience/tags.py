"""Decides about tags: a batch can add some or replace all, and cannot take one away.

Upper and lower case are one tag: Mailchimp may alter the case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit.state.member_state import MemberState

INACTIVE = "inactive_tag"
"""The name under which the ledger remembers that the tag of inactive customers is one of ours."""


LONGEST_TAG = 100
"""Characters of a tag that Mailchimp takes."""


_MOST_SHOWN = 50
"""Mailchimp shows no more tags of a listed member."""


class TagPlan(msgspec.Struct, frozen=True, gc=False):
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

    @property
    def is_empty(self) -> bool:
        """Tell whether no tag changes."""
        return self.batch is None and not self.single

    @property
    def values(self) -> dict[str, Any]:
        """The tags among the values to send."""
        return {} if self.batch is None else {"tags": self.batch}


def is_owned(tag: str, owned: Iterable[str]) -> bool:
    """Tell whether a tag is one of ours: named, or by the beginning of its name, which ends in `*`.

    Args:
        tag: Its name.
        owned: As the setting `owned_tags` has them.
    """
    key = tag.lower()
    return any(
        key.startswith(name[:-1].lower()) if name.endswith("*") else key == name.lower() for name in owned
    )


def plan_tags(
    wanted: Collection[str] | None,
    sent: Mapping[str, Any],
    *,
    replaces: bool,
    inactive_tag: str | None,
    owned: Collection[str] = (),
) -> TagPlan:
    """Decide which tags travel.

    Args:
        wanted: The tags that the source rows name; None when none of them says anything.
        sent: The values that the ledger remembers of the member.
        replaces: Whether a record's tags are all that its member shall have.
        inactive_tag: The tag of inactive customers, if this one is.
        owned: Tags that are taken away where no row names them.
    """
    if not (wanted or inactive_tag or sent.get("tags") or sent.get(INACTIVE)):
        return TagPlan()
    have = {str(tag).lower(): str(tag) for tag in sent.get("tags") or ()}
    want = {tag.lower(): tag for tag in wanted or ()}
    if inactive_tag:
        want[inactive_tag.lower()] = inactive_tag
    remembered = {INACTIVE: inactive_tag} if inactive_tag else {}
    if replaces and wanted is not None:
        batch = sorted(want.values()) if want.keys() != have.keys() else None
        return TagPlan(batch, replaces=True, sent=_remember(want, remembered))
    missing = {key: tag for key, tag in want.items() if key not in have}
    dropped = {key: tag for key, tag in have.items() if wanted is not None and is_owned(tag, owned)}
    if ours := str(sent.get(INACTIVE) or ""):
        dropped[ours.lower()] = ours
    dropped = {key: tag for key, tag in dropped.items() if key not in want}
    left = {key: tag for key, tag in (have | want).items() if key not in dropped}
    single = dict.fromkeys(sorted(dropped.values()), False)
    if replaces:
        single |= dict.fromkeys(missing.values(), True)
        missing = {}
    return TagPlan(sorted(missing.values()) or None, single=single, sent=_remember(left, remembered))


def tags_to_restore(state: MemberState, owned: Collection[str]) -> TagPlan:
    """The changes that undo edits of owned tags in Mailchimp; an empty plan where there are none.

    Args:
        state: The member, as it was listed.
        owned: As the setting `owned_tags` has them.
    """
    if not owned or state.tags is None:
        return TagPlan()
    inactive_tag = state.sent.get(INACTIVE)
    return plan_tags(state.tags, state.sent, replaces=False, inactive_tag=inactive_tag, owned=owned)


def with_seen_tags(
    sent: Mapping[str, Any], shown: Collection[str], owned: Collection[str]
) -> Mapping[str, Any]:
    """The values sent, with the owned tags that Mailchimp shows in place of those that were sent.

    Args:
        sent: The values that the ledger remembers of the member.
        shown: The tags of a listed member.
        owned: As the setting `owned_tags` has them.
    """
    if not owned:
        return sent
    before = {str(tag).lower(): str(tag) for tag in sent.get("tags") or ()}
    is_whole = len(shown) < _MOST_SHOWN
    kept = {key: tag for key, tag in before.items() if not (is_whole and is_owned(tag, owned))}
    seen = {tag.lower(): before.get(tag.lower(), tag) for tag in shown if is_owned(tag, owned)}
    others = {name: value for name, value in sent.items() if name != "tags"}
    return {**others, **_remember(kept | seen, {})}


def describe_tags(before: Iterable[str], after: Iterable[str]) -> str:
    """Name the tags that were added and removed; empty for none."""
    had, has = ({tag.lower(): tag for tag in tags} for tags in (before, after))
    added = sorted(tag for key, tag in has.items() if key not in had)
    removed = sorted(tag for key, tag in had.items() if key not in has)
    said = (("Tags added", added), ("Tags removed", removed))
    return " ".join(f"{what}: {', '.join(tags)}." for what, tags in said if tags)


def _remember(tags: Mapping[str, str], more: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"tags": sorted(tags.values())} if tags else {}), **more}
