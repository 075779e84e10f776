"""A member: the key by which Mailchimp names a person, and what it shows, in a form to count on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kinetic_mailchimp.kit.parsing.email_address import email_key


@lru_cache(maxsize=10_000)
def subscriber_hash(address: str) -> str:
    """The key of a member in the paths of the API: MD5 of the lower-cased address, in hex."""
    return hashlib.md5(email_key(address).encode(), usedforsecurity=False).hexdigest()


_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("id", "email_address", "contact_id", "status", "unsubscribe_reason"), str),
    **dict.fromkeys(("language", "timestamp_opt", "last_changed"), str),
    **dict.fromkeys(("ip_signup", "timestamp_signup", "ip_opt", "source"), str),
    **dict.fromkeys(("merge_fields", "interests"), dict),
    **dict.fromkeys(("tags", "marketing_permissions"), list),
    "vip": bool,
}
CONSENT_FACTS = (
    "timestamp_signup",
    "ip_signup",
    "timestamp_opt",
    "ip_opt",
    "source",
    "unsubscribe_reason",
    "last_changed",
)
"""Attributes that tell when, from where and by which form a person came or left. Empty ones are `""`."""
_NAMED_BY = {"tags": "name", "marketing_permissions": "marketing_permission_id"}


def normalized_member(member: Mapping[str, Any]) -> dict[str, Any]:
    """The member without attributes that are null or of another type than the reference gives them."""
    shown: dict[str, Any] = {
        name: value
        for name, value in member.items()
        if value is not None and isinstance(value, _TYPES.get(name, object))
    }
    for name, key in _NAMED_BY.items():
        entries = shown.get(name)
        if isinstance(entries, list):
            shown[name] = [entry for entry in entries if isinstance(entry, dict) and entry.get(key)]
    return shown


def consent_facts(shown: Mapping[str, Any]) -> dict[str, str]:
    """Mailchimp's words about how a person came or left, in a member or a webhook's `data`; no empty ones."""
    return {name: text for name in CONSENT_FACTS if (text := shown.get(name)) and isinstance(text, str)}


def member_key(member: Mapping[str, Any]) -> str:
    """The key of a member that Mailchimp shows: made of its address, because its `id` may be another one."""
    address = str(member.get("email_address") or "")
    return subscriber_hash(address) if address else str(member.get("id") or "")
