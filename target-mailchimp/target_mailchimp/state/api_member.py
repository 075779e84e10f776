"""Reads the state of a member out of an answer of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinetic_mailchimp.audit.state.member_state import MemberState


def state_of_member(member: Mapping[str, Any]) -> MemberState:
    """The state of a member as the API shows it.

    Args:
        member: A member of `GET /lists/{list_id}/members`.
    """
    sent = {f"merge_fields.{tag}": value for tag, value in (member.get("merge_fields") or {}).items()}
    sent |= {f"interests.{key}": value for key, value in (member.get("interests") or {}).items()}
    sent |= {name: member[name] for name in ("language", "vip") if name in member}
    if "tags" in member:
        sent["tags"] = sorted(str(tag["name"]) for tag in member["tags"])
    return MemberState(
        address=str(member["email_address"]),
        status=str(member["status"]),
        contact_id=str(member.get("contact_id") or ""),
        sent=sent,
    )
