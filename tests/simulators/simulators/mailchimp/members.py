"""Writes a contact: every way of the API ends in `write`, whatever the path was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulators.mailchimp import problems
from simulators.mailchimp.account import Account, Actor
from simulators.mailchimp.consent import LOCKED, Decision, Outcome, Standing, Way, decide
from simulators.mailchimp.email_addresses import complaint_about
from simulators.mailchimp.identity import subscriber_hash
from simulators.mailchimp.merge_fields import json_complaints, merge
from simulators.mailchimp.model import Activity, Audience, Member, archived, standing_for
from simulators.mailchimp.problems import FieldError, Problem
from simulators.mailchimp.validation import LANGUAGE, is_odd_time, parse_time

BY_ADMIN = "N/A (Unsubscribed by admin)"

_REFUSALS = {
    Outcome.EXISTS: problems.member_exists,
    Outcome.COMPLIANCE: problems.in_compliance_state,
    Outcome.FORGOTTEN: problems.forgotten_email,
}
_ASKS_FOR_CONSENT = frozenset({"subscribed", "pending", "transactional"})
_LEFT = frozenset(
    {*LOCKED, Standing.UNSUBSCRIBED_BY_ADMIN, Standing.CLEANED, Standing.PENDING, Standing.FORGOTTEN}
)
_PLAIN = ("email_type", "language", "vip", "ip_signup", "ip_opt")
_TIMES = ("timestamp_signup", "timestamp_opt")


@dataclass(frozen=True)
class Written:
    member: Member
    is_new: bool
    """Whether the contact was created, or came back from the archive."""


@dataclass(frozen=True)
class Write:
    """A request to write one contact, valid by its shape.

    Attributes:
        way: How the request arrives.
        actor: Who sends it.
        body: The parsed JSON.
        skip_merge_validation: Whether required merge values may be missing.
        sync_tags: Whether the tags replace all others; None for the ways that have no such option.
    """

    way: Way
    actor: Actor
    body: Mapping[str, Any]
    skip_merge_validation: bool = False
    sync_tags: bool | None = None


def break_on(account: Account, addresses: Iterable[object]) -> None:
    """Fail as the vendor does where something about one contact breaks it, whatever else the call holds.

    Raises:
        Problem: An address ends with the one of the switch.
    """
    end = account.switches.breaking_address
    if end and any(isinstance(address, str) and address.lower().endswith(end) for address in addresses):
        raise problems.TRIGGERED["InternalServerError"]


def write(account: Account, audience: Audience, current: Member | None, request: Write) -> Written:
    """Create or change a contact.

    Args:
        account: The account, whose switches and clock apply.
        audience: The list.
        current: The member that the path names, if there is one.
        request: What is asked.

    Raises:
        Problem: The vendor refuses the write; nothing is changed.
    """
    email_address = _target_address(account, audience, current, request)
    if current is None:
        current = audience.members.get(subscriber_hash(email_address))
        if current is not None and request.way is Way.PUT:
            raise problems.member_exists(email_address)
    standing = current.standing if current else audience.standing_of(email_address)
    status, if_new = request.body.get("status"), request.body.get("status_if_new")
    decision = decide(standing, request.way, status, if_new, account.switches)

    def note(outcome: str) -> None:
        asked = status or decision.status or (if_new if decision.outcome in _REFUSALS else None)
        is_repeated = decision.outcome is Outcome.KEEP and asked == "pending"
        if asked in _ASKS_FOR_CONSENT and not is_repeated:
            by = "status" if status else "status_if_new"
            account.note_raise(audience, email_address, standing, asked, by, outcome, request.actor.request)

    try:
        _refuse_who_left(account, standing, request.way, email_address)
        _refuse(decision, request.way, email_address)
        is_re_add = decision.status == "subscribed" and standing is not Standing.ABSENT
        if is_re_add and audience.re_adds[subscriber_hash(email_address)] >= account.switches.signup_throttle:
            raise problems.signup_throttled(email_address)
        changed = _changed(account, audience, current, email_address, request)
    except Problem:
        note("refused")
        raise
    if decision.status is not None:
        changed = with_status(account, changed, decision.status, is_new=current is None)
    if is_re_add:
        audience.re_adds[subscriber_hash(email_address)] += 1
    saved = account.save(audience, current, changed, request.actor)
    note("ignored" if decision.outcome is Outcome.KEEP else "raised")
    is_archived = standing in (Standing.ARCHIVED, Standing.ARCHIVED_LOCKED)
    return Written(saved, current is None or (is_archived and decision.outcome is Outcome.SET))


def _changed(
    account: Account, audience: Audience, current: Member | None, email_address: str, request: Write
) -> Member:
    """The contact with everything that the request asks for but the status."""
    base = current or _blank(account, email_address, request.way)
    changes = {"email_address": email_address, **_field_changes(account, audience, base, request)}
    if current is None or request.way is Way.BATCH or account.switches.put_applies_tags_to_existing:
        changes["tags"] = _tags(audience, base, request)
    return replace(base, **changes)


def _target_address(account: Account, audience: Audience, current: Member | None, request: Write) -> str:
    """The address that the contact will have."""
    given = request.body.get("email_address")
    if given is None:
        if current is None:
            raise problems.not_valid([FieldError("", "Required fields were not provided: email_address")])
        return current.email_address
    complaint = complaint_about(given, reject_examples=account.switches.reject_example_addresses)
    if complaint:
        raise problems.invalid_resource(complaint)
    if current is not None and subscriber_hash(given) != current.id:
        other = audience.standing_of(given)
        if other is Standing.FORGOTTEN:
            raise problems.forgotten_email(given)
        if other is not Standing.ABSENT:
            raise problems.member_exists(given)
    return str(given)


def _refuse_who_left(account: Account, standing: Standing, way: Way, email_address: str) -> None:
    """Refuse, by a switch, everything that a batch says about a person who left, in the switch's words."""
    words = account.switches.refuses_people_who_left
    if words and way is Way.BATCH and standing in _LEFT:
        raise problems.invalid_resource(words.replace("{email}", email_address))


def _refuse(decision: Decision, way: Way, email_address: str) -> None:
    """Raise the problem that a decision stands for, if it stands for one."""
    if decision.outcome in _REFUSALS:
        raise _REFUSALS[decision.outcome](email_address)
    if decision.outcome is Outcome.NOT_FOUND:
        raise problems.not_found()
    if decision.outcome is Outcome.NO_STATUS:
        missing = "status" if way is Way.POST else "status_if_new"
        raise problems.not_valid([FieldError("", f"Required fields were not provided: {missing}")])


def _blank(account: Account, email_address: str, way: Way) -> Member:
    contact_id, web_id = account.new_contact_id()
    source = "Import" if way is Way.BATCH else "API - Generic"
    return Member(email_address, contact_id, web_id, Standing.ABSENT, source=source)


def _refuse_attributes(account: Account, body: Mapping[str, Any]) -> None:
    """Raise the problems that the switches ask for."""
    switches = account.switches
    demanded = switches.demanded_merge_field
    if demanded not in ("", *body.get("merge_fields", {})):
        raise problems.invalid_merge_fields([FieldError(demanded, "Please enter a value")])
    if switches.unknown_languages == "refused" and not LANGUAGE.fullmatch(body.get("language", "")):
        raise problems.not_valid([FieldError("language", "This value is not a language that is supported.")])
    odd = [name for name in _TIMES if switches.odd_times == "refused" and is_odd_time(body.get(name, ""))]
    if odd:
        raise problems.not_valid([FieldError(odd[0], "This value is not a valid datetime.")])


def _field_changes(account: Account, audience: Audience, member: Member, request: Write) -> dict[str, Any]:
    body = request.body
    _refuse_attributes(account, body)
    changes: dict[str, Any] = {name: body[name] for name in _PLAIN if name in body}
    for name in _TIMES:
        if name in body:
            changes[name] = int(parse_time(body[name]).timestamp()) if body[name] else 0
    if "location" in body:
        changes |= body["location"]
    if "interests" in body:
        changes["interests"] = _interests(audience, member.interests, body["interests"])
    if "marketing_permissions" in body:
        changes["marketing_permissions"] = _permissions(audience, member, body["marketing_permissions"])
    given = body.get("merge_fields", {})
    if account.switches.unstored_updates and member.standing is not Standing.ABSENT:
        given = {}
    bad_types = json_complaints(given, account.switches)
    if bad_types:
        raise problems.not_valid(bad_types)
    values, errors = merge(
        audience.merge_fields,
        member.merge_values,
        given,
        check_required=not request.skip_merge_validation,
        switches=account.switches,
    )
    if errors:
        raise problems.invalid_merge_fields(errors)
    return {**changes, "merge_values": values}


def _interests(audience: Audience, chosen: frozenset[str], given: Mapping[str, Any]) -> frozenset[str]:
    for interest_id, wanted in given.items():
        if interest_id not in audience.interests:
            raise problems.invalid_resource(f"Invalid interest ID: '{interest_id}'.")
        if not isinstance(wanted, bool):
            raise problems.not_valid([FieldError(f"interests.{interest_id}", "Schema describes boolean")])
    added = {interest_id for interest_id, wanted in given.items() if wanted}
    return (chosen - given.keys()) | added


def _permissions(audience: Audience, member: Member, given: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    known = {permission.id for permission in audience.permissions}
    for entry in given:
        if entry["marketing_permission_id"] not in known:
            raise problems.invalid_resource("Invalid marketing permission ID.")
    named = {entry["marketing_permission_id"] for entry in given}
    enabled = {entry["marketing_permission_id"] for entry in given if entry["enabled"]}
    return (member.marketing_permissions - named) | enabled


def _tags(audience: Audience, member: Member, request: Write) -> frozenset[int]:
    if "tags" not in request.body and not request.sync_tags:
        return member.tags
    named = frozenset(audience.tag_id(name) for name in request.body.get("tags", ()))
    return named if request.sync_tags else member.tags | named


def with_status(account: Account, member: Member, status: str, *, is_new: bool) -> Member:
    """A member with a status that the API sets, and its line in the activity feed."""
    now = account.now()
    standing = standing_for(status)
    member = replace(member, standing=standing, unsubscribe_reason="")
    if standing is Standing.SUBSCRIBED:
        line = Activity("signup", now)
        return replace(member, timestamp_opt=member.timestamp_opt or now, activity=(*member.activity, line))
    if standing is Standing.UNSUBSCRIBED_BY_ADMIN and not is_new:
        line = Activity("unsub", now, reason=BY_ADMIN, by_admin=True)
        return replace(member, unsubscribe_reason=BY_ADMIN, activity=(*member.activity, line))
    if standing is Standing.UNSUBSCRIBED_BY_ADMIN:
        return replace(member, unsubscribe_reason=BY_ADMIN)
    return member


def archive(account: Account, audience: Audience, member: Member, actor: Actor) -> None:
    """Take a contact out of sight; the vendor calls it DELETE.

    Raises:
        Problem: The contact is bounced, pending or already archived.
    """
    if member.status in {"cleaned", "pending", "archived"}:
        raise problems.cannot_archive()
    account.save(audience, member, replace(member, standing=archived(member.standing)), actor)


def delete_permanently(account: Account, audience: Audience, member: Member, actor: Actor) -> None:
    """Forget a contact for good: the address can come back only by the contact's own act."""
    last = member
    if account.switches.forgotten_addresses:
        last = replace(member, email_address=f"{member.id}@forgotten.mailchimp.com")
        audience.store(member, last)
    last = account.save(audience, last, replace(last, standing=archived(member.standing)), actor)
    audience.store(last, None)
    audience.forgotten[member.id] = member.email_address
