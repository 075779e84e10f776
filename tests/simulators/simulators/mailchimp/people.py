"""What people do outside the API: contacts with their mail and forms, admins in the vendor's app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.mailchimp.account import Account, Actor
from simulators.mailchimp.consent import Standing
from simulators.mailchimp.identity import subscriber_hash
from simulators.mailchimp.members import BY_ADMIN, delete_permanently
from simulators.mailchimp.merge_fields import merge
from simulators.mailchimp.model import AbuseReport, Activity, Audience, Member, archived


class ImpossibleActError(Exception):
    """A person cannot do this; the text says why."""


@dataclass(frozen=True)
class Act:
    """One act of a person.

    Attributes:
        account: The account.
        audience: The list.
        email: Whom it is about.
        details: What else the act needs: `merge_fields`, `new_email`, `reason`, `campaign_id`, `by`.
    """

    account: Account
    audience: Audience
    email: str
    details: Mapping[str, Any]

    @property
    def actor(self) -> Actor:
        return Actor(self.details.get("by", "user"))

    def text(self, name: str) -> str:
        return str(self.details.get(name, ""))

    def member(self) -> Member:
        member = self.audience.members.get(subscriber_hash(self.email))
        if member is None:
            raise ImpossibleActError("There is no such member.")
        return member

    def values(self, stored: Mapping[str, object]) -> Mapping[str, object]:
        given = self.details.get("merge_fields", {})
        values, errors = merge(self.audience.merge_fields, stored, given, check_required=False)
        if errors:
            raise ImpossibleActError(f"{errors[0].field}: {errors[0].message}")
        return values

    def save(self, old: Member | None, new: Member) -> None:
        self.account.save(self.audience, old, new, self.actor)

    def activity(self, kind: str, *, by_admin: bool = False, reason: str = "") -> Activity:
        return Activity(kind, self.account.now(), self.text("campaign_id"), reason, by_admin)


def _subscribe(act: Act) -> None:
    """Fill in the sign-up form: this is the way back for everybody, the forgotten included."""
    old = act.audience.members.get(subscriber_hash(act.email))
    if old is None:
        contact_id, web_id = act.account.new_contact_id()
        base = Member(act.email, contact_id, web_id, Standing.ABSENT, source="Hosted Signup Form")
    else:
        base = old
    now = act.account.now()
    base = replace(
        base, merge_values=act.values(base.merge_values), timestamp_signup=now, unsubscribe_reason=""
    )
    if act.audience.double_optin and not (old and old.standing is Standing.SUBSCRIBED):
        act.save(old, replace(base, standing=Standing.PENDING))
    else:
        act.save(old, _subscribed(act, base))


def _subscribed(act: Act, member: Member) -> Member:
    line = act.activity("signup")
    return replace(
        member,
        standing=Standing.SUBSCRIBED,
        timestamp_opt=act.account.now(),
        activity=(*member.activity, line),
    )


def _confirm(act: Act) -> None:
    member = act.member()
    if member.standing is not Standing.PENDING:
        raise ImpossibleActError("Only a pending member has something to confirm.")
    act.save(member, _subscribed(act, member))


def _unsubscribe(act: Act) -> None:
    member = act.member()
    by_admin = act.actor.source != "user"
    reason = BY_ADMIN if by_admin else act.text("reason") or "No longer interested"
    standing = Standing.UNSUBSCRIBED_BY_ADMIN if by_admin else Standing.UNSUBSCRIBED_BY_CONTACT
    line = act.activity("unsub", by_admin=by_admin, reason=reason)
    activity = (*member.activity, line)
    act.save(member, replace(member, standing=standing, unsubscribe_reason=reason, activity=activity))


def _complain(act: Act) -> None:
    member = act.member()
    reports = act.audience.abuse_reports
    reports.append(
        AbuseReport(len(reports) + 1, act.text("campaign_id"), member.email_address, act.account.now())
    )
    reason = "Marked as spam"
    activity = (*member.activity, act.activity("unsub", reason=reason))
    complained = replace(member, standing=Standing.COMPLAINED, unsubscribe_reason=reason, activity=activity)
    act.save(member, complained)


def _bounce(act: Act) -> None:
    member = act.member()
    hard = act.details.get("kind", "hard") == "hard"
    line = act.activity("bounce", reason="hard" if hard else "soft")
    standing = Standing.CLEANED if hard else member.standing
    bounced = replace(member, standing=standing, activity=(*member.activity, line))
    if hard:
        act.save(member, bounced)
    else:
        # A soft bounce is history and no change of the contact.
        act.audience.store(member, bounced)


def _open(act: Act) -> None:
    _note(act, "open")


def _click(act: Act) -> None:
    _note(act, "click")


def _note(act: Act, kind: str) -> None:
    """Add to the history of a member, which is no change of the contact."""
    member = act.member()
    act.audience.store(member, replace(member, activity=(*member.activity, act.activity(kind))))


def _edit_profile(act: Act) -> None:
    member = act.member()
    changes = {name: act.details[name] for name in ("email_type", "language", "vip") if name in act.details}
    if "interests" in act.details:
        changes["interests"] = frozenset(act.details["interests"])
    act.save(member, replace(member, merge_values=act.values(member.merge_values), **changes))


def _change_address(act: Act) -> None:
    member, new_email = act.member(), act.text("new_email")
    taken = subscriber_hash(new_email) in act.audience.members and subscriber_hash(new_email) != member.id
    if not new_email or taken:
        raise ImpossibleActError("new_email is missing or already a member.")
    act.save(member, replace(member, email_address=new_email))


def _archive(act: Act) -> None:
    member = act.member()
    act.account.save(act.audience, member, replace(member, standing=archived(member.standing)), _admin(act))


def _delete_permanently(act: Act) -> None:
    delete_permanently(act.account, act.audience, act.member(), _admin(act))


def _admin(act: Act) -> Actor:
    return Actor(act.details.get("by", "admin"))


ACTS: Mapping[str, Callable[[Act], None]] = {
    "subscribe": _subscribe,
    "confirm": _confirm,
    "unsubscribe": _unsubscribe,
    "complain": _complain,
    "bounce": _bounce,
    "open": _open,
    "click": _click,
    "edit_profile": _edit_profile,
    "change_address": _change_address,
    "archive": _archive,
    "delete_permanently": _delete_permanently,
}
