"""Policy for statuses, tags, conflicts and purchases: everything that the rules need of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kinetic_mailchimp.audit.state.audience_matrix import AudienceMatrix
from kinetic_mailchimp.audit.state.three_way import ConflictPolicy
from kinetic_mailchimp.kit.settings.declaration import setting

InactiveAction = Literal["nothing", "tag", "unsubscribe", "archive"]
NewStatus = Literal["subscribed", "pending", "transactional", "unsubscribed"]
TagMode = Literal["add", "replace"]


@dataclass(frozen=True)
class Policy(AudienceMatrix):
    """Settings that decide about a record."""

    status_if_new: NewStatus = setting(
        "subscribed",
        description="For a record that brings none. With double opt-in, `subscribed` becomes `pending`.",
    )
    update_only_streams: frozenset[str] = setting(
        frozenset(),
        description="Records of these streams update members and never create one.",
    )
    tags: TagMode = setting(
        "add",
        description="Use of a record's `tags`: they are added, or are all that the member shall have.",
    )
    owned_tags: frozenset[str] = setting(
        frozenset(),
        description="Tags that belong to this software: names, or the beginning of names and `*`, such as "
        "`ERP *`. Of a member whose records bring `tags`, those that no record names are taken away, and "
        "edits in Mailchimp are put back. No other tag is ever taken away by `tags: add`.",
        schema={"type": ["array"], "items": {"type": ["string"], "pattern": r"^[^*]+\*?$"}},
    )
    purchase_fields: Mapping[str, str] = setting(
        {},
        description="Sum of a customer's purchases → tag of the merge field that shows it: `last_on` (day of "
        "the last purchase), `orders` and `revenue` (of twelve months), `months` (since the last purchase). "
        "No mapping sets these fields.",
        schema={
            "type": ["object"],
            "properties": {
                name: {"type": ["string"], "pattern": "^[A-Z0-9_]{1,10}$"}
                for name in ("last_on", "orders", "revenue", "months")
            },
            "additionalProperties": False,
        },
    )
    purchase_tag: str = setting(
        "",
        description="The tag of each product group that was bought, `*` for its name: `Bought *`.",
        pattern=r"^$|^[^*]+\*[^*]*$|^[^*]*\*[^*]+$",
    )
    lapsed_tags: Mapping[str, str] = setting(
        {},
        description="Months without a purchase → tag; of several, the longest that is reached.",
        schema={
            "type": ["object"],
            "patternProperties": {"^[1-9][0-9]{0,2}$": {"type": ["string"], "pattern": r"\S"}},
            "additionalProperties": False,
        },
    )
    two_way_fields: frozenset[str] = setting(
        frozenset(),
        title="Fields of both sides",
        description="Tags of merge fields that the other direction brings back: an edit in Mailchimp stays. "
        "In all others it is put back by the next run.",
    )
    conflict_policy: ConflictPolicy = setting(
        ConflictPolicy.MAILCHIMP_WINS,
        description="Side whose value stays in a field that both changed since they last agreed. "
        "`newest_wins` needs a timestamp in `source_updated_on`.",
    )
    inactive_action: InactiveAction = setting(
        "nothing",
        description="Action for a member whose records all say `source_active: false`.",
    )
    inactive_tag: str = setting(
        "Inactive",
        description="Tag that `inactive_action: tag` adds, and removes when the customer is active again.",
    )

    @property
    def sums_purchases(self) -> bool:
        """True when members are told what they bought."""
        return bool(self.purchase_fields or self.purchase_tag or self.lapsed_tags)
