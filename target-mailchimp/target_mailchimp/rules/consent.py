"""Decides what is written for a record: pure functions, where nobody who opted out is ever raised.

The rule: `status` is sent only to lower consent. A new member gets `status_if_new`. A member that is known
gets `status_if_new: unsubscribed`, so that somebody who was archived meanwhile does not come back subscribed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState, SourceRow

from target_mailchimp.audience.audiences import Audience
from target_mailchimp.audience.member_values import LeftOut, told, wanted_values
from target_mailchimp.audience.tags import INACTIVE, TagPlan, plan_tags
from target_mailchimp.contract.member_record import NEW_STATUSES, MemberRecord
from target_mailchimp.rules.plan import Former, Verdict, Write
from target_mailchimp.settings import LoadSettings

_NEWER_ROW = "a newer row of the source has the same address, and decides"


def membership_matters(record: MemberRecord, known: MemberState | None, settings: LoadSettings) -> bool:
    """Whether it must be asked if the person is a member now, and with which status."""
    if known is None:
        return _opted_out(record) or not _creates(record, settings)
    return _opts_out_now(record, known) or (not record.active and settings.inactive_action == "unsubscribe")


def plan(
    record: MemberRecord,
    known: MemberState | None,
    audience: Audience,
    settings: LoadSettings,
    *,
    archived: bool = False,
    former: Former | None = None,
) -> Verdict | Write:
    """What becomes of a record, and of the older rows that it stands for.

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
    base = former.known if former else known
    if base is None:
        return _not_created(record, settings) or _creation(record, audience, settings)
    return _update(record, base, audience, settings, former)


def _not_created(record: MemberRecord, settings: LoadSettings) -> Verdict | None:
    """Why somebody who is no member does not become one."""
    refusals = (
        (_opted_out(record), "opted_out_at_source", "The source says that the person wants no mail."),
        (not _makers(record, settings), "not_a_member", "The stream only updates members."),
        (not _creates(record, settings), "inactive_at_source", "An inactive customer is not made a member."),
        (
            _new_status(record, settings) not in NEW_STATUSES,
            "unknown_status",
            "`status_if_new` is no status.",
        ),
    )
    return next(
        (
            Verdict(record, Action.SKIPPED, reason, detail, waits=True)
            for applies, reason, detail in refusals
            if applies
        ),
        None,
    )


def _creation(record: MemberRecord, audience: Audience, settings: LoadSettings) -> Write:
    merged = _merged(record, MemberState(record.address), audience)
    tags = plan_tags(merged.tags, {}, replaces=settings.tags == "replace", inactive_tag=None)
    status = _new_status(record, settings)
    return Write(
        record,
        audience,
        known=None,
        values=merged.changed | _batch_tags(tags),
        new_status="pending" if status == "subscribed" and audience.double_optin else status,
        after=replace(merged.known, sent={**merged.known.sent, **tags.sent}),
        left_out=merged.left_out,
    )


def _update(
    record: MemberRecord, base: MemberState, audience: Audience, settings: LoadSettings, former: Former | None
) -> Verdict | Write:
    merged = _merged(record, base, audience)
    inactive = "nothing" if merged.known.active else settings.inactive_action
    if inactive == "archive":
        return Write(
            record,
            audience,
            base,
            {},
            "",
            merged.known,
            archive=True,
            former=former,
            reason="inactive_at_source",
        )
    goes_now = inactive == "unsubscribe" and (base.active or not base.rows)
    lower = (_opts_out_now(record, base) or goes_now) and base.status in CONSENTING_STATUSES
    tags = plan_tags(
        merged.tags,
        base.sent,
        replaces=settings.tags == "replace",
        inactive_tag=settings.inactive_tag if inactive == "tag" else None,
    )
    sent = {name: value for name, value in merged.known.sent.items() if name not in {"tags", INACTIVE}}
    after = replace(merged.known, address=record.address, sent={**sent, **tags.sent})
    if not (merged.changed or lower or tags.batch is not None or tags.single or former):
        return _nothing_to_write(record, merged, after if after != base else None)
    return Write(
        record,
        audience,
        base,
        merged.changed | _batch_tags(tags),
        # Whoever is known and turns out to be gone must not come back as a subscriber.
        new_status="unsubscribed",
        after=after,
        lower=lower,
        replaces_tags=tags.replaces and tags.batch is not None,
        tag_changes=tags.single,
        former=former,
        left_out=merged.left_out,
        reason=_reason(record, lower=lower, inactive=inactive),
    )


def _nothing_to_write(record: MemberRecord, merged: _Merged, after: MemberState | None) -> Verdict:
    if merged.blocked and not merged.agreed:
        return Verdict(
            record, Action.SUPERSEDED, "newer_row_of_same_address", f"{_NEWER_ROW.capitalize()}.", after=after
        )
    return Verdict(record, Action.UNCHANGED, "no_field_differs", told(merged.left_out), after=after)


@dataclass(frozen=True)
class _Merged:
    """What rows come to, laid over what is known.

    Attributes:
        known: With the rows and the values.
        changed: The values that are not the last ones sent.
        tags: The tags of the newest row that names some, or None.
        left_out: What does not travel.
        blocked: Whether a newer row kept a value from being changed.
        agreed: Whether any value was changed, or was as it should be.
    """

    known: MemberState
    changed: dict[str, Any]
    tags: tuple[str, ...] | None
    left_out: tuple[LeftOut, ...]
    blocked: bool
    agreed: bool


def _merged(record: MemberRecord, base: MemberState, audience: Audience) -> _Merged:
    known = base
    sent, owner = dict(base.sent), dict(base.field_owner)
    tags: tuple[str, ...] | None = None
    left_out: list[LeftOut] = []
    blocked = agreed = False
    for row in record.rows:
        is_first = not known.rows
        news = SourceRow(row.active, row.opted_out, row.source_updated_on or "")
        known = replace(known, sent=sent, field_owner=owner).with_row(row.source, news)
        owner = dict(known.field_owner)
        wanted = wanted_values(row, audience)
        left_out += wanted.left_out
        tags = tags if row.tags is None else row.tags
        for name, value in wanted.values.items():
            if name in sent and sent[name] == value:
                agreed = True
                if len(known.rows) > 1 and owner.get(name) is None:
                    owner[name] = row.source
            elif known.may_set(row.source, name):
                agreed = True
                sent[name] = value
                if len(known.rows) > 1:
                    owner[name] = row.source
            else:
                blocked = True
                left_out.append(LeftOut(name, "newer_row_of_same_address", _NEWER_ROW))
        if len(known.rows) == 1:
            # A row that says nothing about a value that Mailchimp had keeps no other row from setting it.
            kept = (sent if is_first else owner).keys() - wanted.values.keys()
            owner = {name: None for name in sorted(kept) if owner.get(name) is None}
    changed = {
        name: value for name, value in sent.items() if name not in base.sent or base.sent[name] != value
    }
    return _Merged(
        replace(known, sent=sent, field_owner=owner), changed, tags, tuple(left_out), blocked, agreed
    )


def _batch_tags(tags: TagPlan) -> dict[str, Any]:
    return {} if tags.batch is None else {"tags": tags.batch}


def _reason(record: MemberRecord, *, lower: bool, inactive: str) -> str:
    if lower and _opted_out(record):
        return "opted_out_at_source"
    return "fields_differ" if inactive == "nothing" else "inactive_at_source"


def _opts_out_now(record: MemberRecord, known: MemberState) -> bool:
    """Whether an opt-out is news: the person may have taken back one that was sent before."""
    return any(row.opted_out and not known.rows.get(row.source, SourceRow()).opted_out for row in record.rows)


def _opted_out(record: MemberRecord) -> bool:
    return any(row.opted_out for row in record.rows)


def _makers(record: MemberRecord, settings: LoadSettings) -> list[MemberRecord]:
    """The rows whose stream may make somebody a member, the newest first."""
    return [row for row in reversed(record.rows) if row.stream not in settings.update_only_streams]


def _creates(record: MemberRecord, settings: LoadSettings) -> bool:
    """Whether a row that may make somebody a member is of an active customer."""
    return any(row.active for row in _makers(record, settings))


def _new_status(record: MemberRecord, settings: LoadSettings) -> str:
    asked_for = (row.status_if_new for row in _makers(record, settings))
    return next(filter(None, asked_for), settings.status_if_new)
