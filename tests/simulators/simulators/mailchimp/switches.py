"""Behaviours of the vendor that are not confirmed, each with the choices that are plausible.

Where nobody knows, the default is the behaviour that does most harm to a careless client: a simulator that is
kinder than the vendor would hide a defect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Switches:
    # Consent, in the order of the table in consent.py.
    batch_status_on_admin_unsubscribed: Literal["subscribed", "ignored", "error"] = "subscribed"
    batch_status_on_locked: Literal["error", "ignored"] = "error"
    batch_status_on_pending: Literal["subscribed", "ignored"] = "subscribed"
    put_status_if_new_on_archived: Literal["applied", "kept"] = "applied"
    batch_status_if_new_on_archived: Literal["applied", "kept"] = "applied"
    archive_forgets_opt_out: bool = True
    post_on_locked: Literal["exists", "compliance"] = "exists"

    # What is accepted.
    strict_bodies: bool = True
    strict_queries: bool = True
    boolean_merge_values: Literal["accepted", "rejected"] = "accepted"
    put_applies_tags_to_existing: bool = False
    reject_example_addresses: bool = False
    image_urls_reachable: bool = True
    merge_field_limit: int = 30
    refused_merge_value: str = ""
    unstored_merge_value: str = ""
    signup_throttle: int = 12
    lower_case_tag_names: bool = False
    odd_times: Literal["accepted", "refused"] = "accepted"
    unknown_languages: Literal["refused", "accepted"] = "refused"
    demanded_merge_field: str = ""
    unstored_updates: bool = False
    breaking_address: str = ""
    refuses_people_who_left: str = ""

    # Reading.
    since_offset_ignored: bool = True
    largest_page: int = 1000
    total_items: Literal["all", "page"] = "all"
    contacts_without_address: Literal["none", "absent", "null", "empty"] = "none"
    member_ids: Literal["md5", "other"] = "md5"
    escapes_entities: bool = False
    merge_fields_shown: Literal["all", "filled", "none"] = "all"
    """Which merge fields a member is shown with."""
    trims_texts: bool = False
    """Whether texts are stored without blanks at their ends."""

    # Limits of the account.
    connection_limit: int = 10
    connection_limit_answer: Literal["json", "empty_429", "empty_403"] = "json"
    edge_block: Literal["off", "403", "503"] = "off"
    wrong_datacenter: bool = False
    api_key_valid: bool = True
    pending_batch_limit: int = 500
    batch_seconds: float = 0.0

    # Which changes fire which webhook.
    archive_fires: Literal["delete", "unsub", "nothing"] = "delete"
    forgotten_addresses: bool = False
    complaint_fires: Literal["unsubscribe", "cleaned"] = "unsubscribe"
    resubscribe_fires: Literal["subscribe", "profile"] = "profile"
    tags_fire_profile: bool = False
    omit_unsubscribe_action: bool = False
    upemail_before_profile: bool = True
    sms_events: bool = False
    """Whether an opt-out also fires `sms_unsubscribe`, which no hook asked for."""

    webhook_values: Literal["stored", "displayed"] = "stored"
    """Whether webhooks tell values as the API does, or as a profile page shows them: dates in the field's
    own format, and texts with entities where `escapes_entities` is on."""

    # How webhooks are delivered.
    sign_new_webhooks: bool = True
    validator_posts: bool = False
    """Whether the check of a new address ends with a POST without a body."""
    resign_each_attempt: bool = True
    omitted_events_and_sources: bool = True
    webhook_timeout_seconds: float = 10.0
    webhook_connections: int = 1
    webhook_retry_scale: float = 0.001
    webhook_duplicate_rate: float = 0.0
    webhook_reorder_window: int = 0
    webhook_disable_after: int = 20

    def changed(self, changes: Mapping[str, Any]) -> Switches:
        """These switches with some of them set anew.

        Raises:
            ValueError: A name is unknown or a value is none of its choices.
        """
        for name, value in changes.items():
            kind = _KINDS.get(name)
            if kind is None:
                raise ValueError(f"There is no switch {name!r}. Known: {', '.join(sorted(_KINDS))}.")
            if not _fits(kind, value):
                raise ValueError(f"The switch {name!r} does not take {value!r}.")
        return dataclasses.replace(self, **changes)


_KINDS = get_type_hints(Switches)


def _fits(kind: object, value: object) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is kind
