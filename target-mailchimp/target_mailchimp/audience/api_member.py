"""Reads the state of a member out of an answer of the API."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from typing import Any

from kinetic_mailchimp.audit.state.member_state import (
    CONSENTING_STATUSES,
    STATUS,
    CarriedOptOut,
    MemberState,
    carried_opt_out,
    is_before,
)
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from kinetic_mailchimp.mailchimp import consent_facts, member_key
from kinetic_mailchimp.mailchimp.stored_form import is_same
from msgspec.structs import replace

from target_mailchimp.audience.audience import MERGE_FIELD
from target_mailchimp.audience.tags import with_seen_tags


def state_of_member(member: Mapping[str, Any]) -> MemberState:
    """The state of a member as `GET /lists/{list_id}/members` shows it."""
    sent = {f"merge_fields.{tag}": value for tag, value in (member.get("merge_fields") or {}).items()}
    sent |= {f"interests.{key}": value for key, value in (member.get("interests") or {}).items()}
    sent |= {name: member[name] for name in ("language", "vip") if name in member}
    if "tags" in member:
        sent["tags"] = sorted(html.unescape(str(tag["name"])) for tag in member["tags"])
    reason = str(member.get("unsubscribe_reason") or "").lower()
    return MemberState(
        address=str(member["email_address"]),
        status=member.get("status", ""),
        contact_id=str(member.get("contact_id") or ""),
        web_id=str(member.get("web_id") or ""),
        sent=sent,
        changed_at=str(member.get("last_changed") or ""),
        complained=member.get("status") == "unsubscribed" and ("spam" in reason or "abuse" in reason),
        own_id=own_id(member),
    )


def own_id(member: Mapping[str, Any]) -> str:
    """The id of a member by which the API knows it, where that is not the hash of its address."""
    shown = str(member.get("id") or "")
    return "" if shown == member_key(member) else shown


def is_by_program(member: Mapping[str, Any]) -> bool:
    """Tell whether Mailchimp shows an opt-out as one of an API, and not as the person's own."""
    reason = str(member.get("unsubscribe_reason") or "")
    return not reason or "admin" in reason.lower()


def without_baseline(state: MemberState, names: Collection[str]) -> MemberState:
    """The member without what is known of some fields.

    Args:
        state: The member, with the values that the other direction found agreed.
        names: The flat names of the fields.
    """

    def without(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in names}

    return replace(
        state, sent=without(state.sent), shown=without(state.shown), refused=without(state.refused)
    )


def seen_member(
    state: MemberState | None,
    member: Mapping[str, Any],
    *,
    is_first_look: bool = False,
    owned_tags: Collection[str] = (),
) -> MemberState:
    """The state after a look at Mailchimp: the values sent before stay, and the others are noted beside them.

    Args:
        state: The state before.
        member: A member of `GET /lists/{list_id}/members`.
        is_first_look: Whether nothing is known of the audience: then the values that Mailchimp has yield to
            those of rows, and none was agreed on. A member that appears later has none: it may be a contact
            that has another address now.
        owned_tags: The tags that are remembered as Mailchimp shows them.
    """
    now = state_of_member(member)
    if state is None and is_first_look:
        return replace(now, field_owner=dict.fromkeys(now.sent))
    if state is None:
        tags = with_seen_tags({}, now.sent.get("tags", ()), owned_tags)
        return replace(now, sent=tags, shown=_edits(now.sent, {}))
    sent, rows = state.sent, state.rows
    if state.contact_id and now.contact_id and state.contact_id != now.contact_id:
        # Another contact under the address: both sides never agreed about it.
        sent = {}
        rows = {
            source: replace(row, contact_id=row.contact_id or state.contact_id)
            for source, row in rows.items()
        }
    elif state.sending:
        # The answer to this write was not stored: values that Mailchimp shows, it took.
        taken = {name: value for name, value in state.sending.items() if is_same(now.sent.get(name), value)}
        sent = {**sent, **taken}
    if state.moved_to and state.contact_id == now.contact_id:
        rows = {source: replace(row, moved_to="") for source, row in rows.items()}
    sent = with_seen_tags(sent, now.sent.get("tags", ()), owned_tags)
    shown = _edits(now.sent, sent)
    return replace(
        state,
        status=now.status,
        contact_id=now.contact_id,
        web_id=now.web_id,
        own_id=now.own_id,
        sent=sent,
        rows=rows,
        shown=shown,
        sending={},
        changed_at=now.changed_at,
        returned_at=_returned_at(state, now, str(member.get("timestamp_opt") or "")),
        complained=now.complained,
        carried_opt_out=carried_on(state, now, member),
        refused_for="",
    )


def is_news_of_consent(before: MemberState | None, now: MemberState) -> bool:
    """Tell whether a look shows a person who was not known, or who came or left since."""
    return before is None or (before.status, before.returned_at) != (now.status, now.returned_at)


def statement_of_member(member: Mapping[str, Any], list_id: str) -> dict[str, Any]:
    """Mailchimp's words about the consent of a member, as a listing has them.

    Args:
        member: A member of `GET /lists/{list_id}/members`.
        list_id: The audience.
    """
    return {
        "told_by": "read",
        "received_at": format_timestamp(utc_now()),
        "list_id": list_id,
        "status": str(member.get("status") or ""),
        **consent_facts(member),
    }


def _returned_at(state: MemberState, now: MemberState, opted_in_at: str) -> str:
    """When the person opted in last, where that is news: also after an opt-out between two looks."""
    is_news = state.opted_out or is_before(state.changed_at, opted_in_at)
    return opted_in_at if is_news and now.status in CONSENTING_STATUSES else state.returned_at


def carried_on(state: MemberState, now: MemberState, member: Mapping[str, Any]) -> CarriedOptOut | None:
    """The opt-out of ours, also one whose answer was not stored: until the person's own.

    A form that is not confirmed (`pending`) is nobody's word.

    Args:
        state: The contact before, under any address.
        now: The contact as it is shown.
        member: The same, as `GET /lists/{list_id}/members` has it.
    """
    carried = state.carried_opt_out
    if now.status == "subscribed":
        return replace(carried, returned=True) if carried and not carried.withdrawn else None
    if now.status != "unsubscribed":
        return carried
    if not is_by_program(member):
        return None
    rows = state.sending.get(STATUS)
    if rows is not None:
        return carried_opt_out(rows, now.changed_at)
    return None if carried and carried.returned else carried


def carried_over(before: MemberState, here: MemberState) -> MemberState:
    """The member under the address that the person chose in Mailchimp, with the baseline of the former one.

    Args:
        before: The member under its former address.
        here: The same contact, as it was listed under the new one, with what the other direction found agreed
            there since.
    """
    sent = {**before.sent, **here.sent}
    return replace(here, sent=sent, shown=_edits({**here.sent, **here.shown}, sent), refused=before.refused)


def _edits(shown: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The merge fields that Mailchimp shows with other values than those sent."""
    return {
        name: value
        for name, value in shown.items()
        if name.startswith(MERGE_FIELD) and not is_same(value, sent.get(name, ""))
    }
