"""Decides what is written for a record: pure functions, where nobody who opted out is ever raised.

The rule: `status` is sent only to lower consent. A new member gets `status_if_new`. A member that is known
gets `status_if_new: unsubscribed`, so that somebody who was archived meanwhile does not come back subscribed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sync_audit import Action

from target_mailchimp.audience import Audience
from target_mailchimp.known import LOWERABLE, Known
from target_mailchimp.records import NEW_STATUSES, MemberRecord
from target_mailchimp.settings import LoadSettings
from target_mailchimp.tagging import INACTIVE, plan_tags
from target_mailchimp.values import LeftOut, differing, told, wanted_values


@dataclass(frozen=True)
class Former:
    """The address that a source row had before."""

    member: str
    known: Known


@dataclass(frozen=True)
class Verdict:
    """A decision that needs no call.

    Attributes:
        record: The record.
        action: What it came to.
        reason: A stable code.
        detail: A sentence.
        after: What is known about the member from now on, where that changes.
        detached: What is known from now on about the member that the source row left.
    """

    record: MemberRecord
    action: Action
    reason: str
    detail: str = ""
    after: Known | None = None
    detached: Former | None = None


@dataclass(frozen=True)
class Write:
    """A write that is to be made.

    Attributes:
        record: The record.
        audience: Where to.
        known: What was known about the member; None for somebody new, or not known to be there.
        values: What is sent, by flat name.
        new_status: The status, should the person be new.
        lower: Whether `status: unsubscribed` is sent.
        archive: Whether the member is archived instead.
        replaces_tags: Whether the tags among the values are all that the member shall have.
        tag_changes: Tags to add (True) or take away (False) in a call of their own.
        permissions: Marketing permissions to set, by id or text.
        former: The member to move to this address.
        left_out: Fields that do not travel.
        after: What is known about the member once this is written.
        reason: Why, for the audit trail.
        detached: What is known from now on about the member that the source row left.
    """

    record: MemberRecord
    audience: Audience
    known: Known | None
    values: Mapping[str, Any]
    new_status: str
    after: Known
    lower: bool = False
    archive: bool = False
    replaces_tags: bool = False
    tag_changes: Mapping[str, bool] = field(default_factory=dict)
    permissions: Mapping[str, bool] = field(default_factory=dict)
    former: Former | None = None
    left_out: tuple[LeftOut, ...] = ()
    reason: str = ""
    detached: Former | None = None

    @property
    def needs_single_calls(self) -> bool:
        """Whether a batch cannot carry it."""
        return self.archive or self.former is not None

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Field → (value before, value after), as far as it is known here."""
        before = self.known.sent if self.known else {}
        changed = {name: (before.get(name), value) for name, value in self.values.items()}
        if self.lower:
            changed["status"] = (self.known.status if self.known else None, "unsubscribed")
        return changed


def membership_matters(record: MemberRecord, known: Known | None, settings: LoadSettings) -> bool:
    """Whether it must be asked if the person is a member now, and with which status."""
    if record.opted_out:
        return known is None or known.sent.get("status") != "unsubscribed"
    if known is not None:
        return False
    return record.stream in settings.update_only_streams or not record.active


def takes_precedence(record: MemberRecord, known: Known) -> bool:
    """Whether a record may decide about the fields of a member that another source row decided about before.

    The newest row does; rows of the same age, or without one, are told apart by their keys, so that two rows
    with one address do not take turns in every run.
    """
    source = record.source
    if known.owner is None or source is None or source == known.owner or known.owner not in known.sources:
        return True
    return (record.source_updated_on or "", source) > (known.owner_at or "", known.owner)


def plan(
    record: MemberRecord,
    known: Known | None,
    audience: Audience,
    settings: LoadSettings,
    *,
    archived: bool = False,
    former: Former | None = None,
) -> Verdict | Write:
    """What becomes of a record.

    Args:
        record: What the source says.
        known: What is known about the member with this address.
        audience: Where it goes.
        settings: How.
        archived: Whether the address is archived in the audience.
        former: The member that the same source row had under another address, if it may be moved.
    """
    if archived:
        return Verdict(
            record, Action.REFUSED, "archived", "The person is archived in the audience, and stays so."
        )
    if record.status_if_new and record.status_if_new not in NEW_STATUSES:
        return Verdict(record, Action.SKIPPED, "unknown_status", "`status_if_new` is no status.")
    base = former.known if former else known
    after = _with_source(base or Known(record.address), record)
    if base is None:
        refusal = _not_created(record, settings)
        if refusal:
            return refusal
    elif not takes_precedence(record, base):
        if not _lowers(record, base):
            return Verdict(
                record,
                Action.SUPERSEDED,
                "newer_row_of_same_address",
                "A newer row of the source has the same address, and decides about its fields.",
                after=after if after != base else None,
            )
        # An opt-out counts, whichever row says it; the fields of an older row do not.
        record = replace(record, attributes={}, merge_values={}, interests={}, permissions={}, tags=None)
    return _write(record, base, after, audience, settings, former)


def _not_created(record: MemberRecord, settings: LoadSettings) -> Verdict | None:
    """Why somebody who is no member does not become one."""
    if record.opted_out:
        return Verdict(
            record, Action.SKIPPED, "opted_out_at_source", "The source says that the person wants no mail."
        )
    if record.stream in settings.update_only_streams:
        return Verdict(record, Action.SKIPPED, "not_a_member", "The stream only updates members.")
    if not (record.active or any(record.others.values())):
        return Verdict(
            record, Action.SKIPPED, "inactive_at_source", "An inactive customer is not made a member."
        )
    return None


def _write(
    record: MemberRecord,
    base: Known | None,
    after: Known,
    audience: Audience,
    settings: LoadSettings,
    former: Former | None,
) -> Verdict | Write:
    inactive = settings.inactive_action if base is not None and not after.active else "nothing"
    if inactive == "archive":
        return Write(
            record, audience, base, {}, "", after, archive=True, former=former, reason="inactive_at_source"
        )
    sent = base.sent if base else {}
    wanted = wanted_values(record, audience)
    values = differing(wanted.values, sent)
    lower = _lowers(record, base) or (inactive == "unsubscribe" and _may_lower(base))
    tags = plan_tags(
        record.tags,
        sent,
        replaces=settings.tags == "replace",
        inactive_tag=settings.inactive_tag if inactive == "tag" else None,
    )
    permissions = {
        name: given
        for name, given in record.permissions.items()
        if sent.get(f"marketing_permissions.{name}") != given
    }
    now_sent = {name: value for name, value in sent.items() if name not in {"status", "tags", INACTIVE}}
    now_sent |= {**values, **tags.sent}
    now_sent |= {f"marketing_permissions.{name}": given for name, given in permissions.items()}
    if record.opted_out or inactive == "unsubscribe":
        now_sent["status"] = "unsubscribed"
    after = replace(after, address=record.address, sent=now_sent)
    if base and not (values or lower or tags.batch is not None or tags.single or permissions or former):
        return Verdict(
            record,
            Action.UNCHANGED,
            "no_field_differs",
            told(wanted.left_out),
            after=after if after != base else None,
        )
    return Write(
        record,
        audience,
        base,
        values | ({"tags": tags.batch} if tags.batch is not None else {}),
        _new_status(record, audience, settings, known=base is not None),
        after,
        lower=lower,
        replaces_tags=tags.replaces and tags.batch is not None,
        tag_changes=tags.single,
        permissions=permissions,
        former=former,
        left_out=wanted.left_out,
        reason=_reason(record, lower=lower, inactive=inactive),
    )


def _reason(record: MemberRecord, *, lower: bool, inactive: str) -> str:
    if lower:
        return "opted_out_at_source" if record.opted_out else "inactive_at_source"
    return "inactive_at_source" if inactive != "nothing" else ""


def _new_status(record: MemberRecord, audience: Audience, settings: LoadSettings, *, known: bool) -> str:
    if known:
        return "unsubscribed"
    status = record.status_if_new or settings.status_if_new
    return "pending" if status == "subscribed" and audience.double_optin else status


def _may_lower(base: Known | None) -> bool:
    return base is not None and base.status in LOWERABLE and base.sent.get("status") != "unsubscribed"


def _lowers(record: MemberRecord, base: Known | None) -> bool:
    """Whether the source's opt-out is news: the person may have taken back one that was sent before."""
    return record.opted_out and _may_lower(base)


def _with_source(known: Known, record: MemberRecord) -> Known:
    source = record.source
    if source is None:
        return known
    known = replace(known, sources={**known.sources, **record.others, source: record.active})
    if takes_precedence(record, known):
        return replace(known, owner=source, owner_at=record.source_updated_on)
    return known
