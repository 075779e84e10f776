"""The settings that the rules read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from kinetic_mailchimp.audit.state.three_way import ConflictPolicy

InactiveAction = Literal["nothing", "tag", "unsubscribe", "archive"]
TagMode = Literal["add", "replace"]


class Policy(Protocol):
    """The choices of a user that decide about a record; each is the setting of that name."""

    @property
    def status_if_new(self) -> str:
        """The status of new members whose record has none."""

    @property
    def update_only_streams(self) -> frozenset[str]:
        """The streams that create nobody."""

    @property
    def tags(self) -> TagMode:
        """The use of a record's tags: added to others, or the whole set."""

    @property
    def owned_tags(self) -> frozenset[str]:
        """The tags that are taken away where no row names them."""

    @property
    def purchase_fields(self) -> Mapping[str, str]:
        """The merge fields that tell what was bought, by the name of the value."""

    @property
    def purchase_tag(self) -> str:
        """The tag of a product group, with `*` for its name; empty for none."""

    @property
    def lapsed_tags(self) -> Mapping[str, str]:
        """The tag after so many months without a purchase, by their number."""

    @property
    def two_way_fields(self) -> frozenset[str]:
        """Tags of the merge fields that both sides own."""

    @property
    def conflict_policy(self) -> ConflictPolicy:
        """The side whose value stays where both changed it."""

    @property
    def inactive_action(self) -> InactiveAction:
        """The consequence for a member without an active source row."""

    @property
    def inactive_tag(self) -> str:
        """The tag of such a member."""
