"""Which webhooks a change fires, and the form that their bodies take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from simulators.mailchimp.consent import Standing
from simulators.mailchimp.merge_fields import displayed
from simulators.mailchimp.model import Audience, Member
from simulators.mailchimp.switches import Switches

_REACHABLE = frozenset({"subscribed", "unsubscribed", "transactional"})
UNASKED = frozenset({"sms_unsubscribe"})
"""Types of a beta, which come without being asked for."""


@dataclass(frozen=True)
class Event:
    """Something that webhooks tell: its type, who caused it and its data."""

    type: str
    source: str
    data: Mapping[str, object]


def form_body(event: Event, fired_at: float) -> bytes:
    """The body of a delivery: `application/x-www-form-urlencoded` with PHP's bracketed keys."""
    stamp = datetime.fromtimestamp(fired_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return urlencode([("type", event.type), ("fired_at", stamp), *_flat("data", event.data)]).encode()


def _flat(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}[{key}]", inner)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _flat(f"{prefix}[{index}]", inner)
    else:
        yield prefix, str(value)


def events_between(
    audience: Audience, old: Member | None, new: Member, source: str, switches: Switches
) -> list[Event]:
    """What the webhooks tell about the step from one state of a member to the next."""
    if not any(hook.sources.get(source) for hook in audience.webhooks.values()):
        return []
    events = []
    moved = old is not None and old.id != new.id
    if old is not None and moved:
        events.append(_upemail(audience, old, new, source))
    before = old.status if old else ""
    if before != new.status:
        events += _events_of_status(audience, before, new, source, switches)
    edited = old is not None and before == new.status and _profile_changed(old, new, switches)
    if (moved or edited) and new.status in _REACHABLE:
        events.append(Event("profile", source, _with_merges(audience, new, switches)))
    if switches.sms_events and any(event.type == "unsubscribe" for event in events):
        data = {"list_id": audience.id, "sms_phone_number": "+15550000001"}
        events.append(Event("sms_unsubscribe", source, data))
    return events if switches.upemail_before_profile else events[::-1]


def _profile_changed(old: Member, new: Member, switches: Switches) -> bool:
    def profile(member: Member) -> tuple[object, ...]:
        return (
            member.merge_values,
            member.interests,
            member.email_type,
            member.language,
            member.tags if switches.tags_fire_profile else None,
        )

    return profile(old) != profile(new)


def _events_of_status(
    audience: Audience, before: str, new: Member, source: str, switches: Switches
) -> list[Event]:
    if new.status == "subscribed":
        again = before in {"unsubscribed", "cleaned"}
        kind = switches.resubscribe_fires if again else "subscribe"
        return [Event(kind, source, _with_merges(audience, new, switches))]
    if new.status == "unsubscribed" and before not in {"", "archived"}:
        if new.standing is Standing.COMPLAINED and switches.complaint_fires == "cleaned":
            return [_cleaned(audience, new, source, "abuse")]
        return [unsubscribe(audience, new, source, "unsub", switches)]
    if new.status == "cleaned" and before:
        return [_cleaned(audience, new, source, "hard")]
    if new.status == "archived" and before not in {"", "archived"} and switches.archive_fires != "nothing":
        return [unsubscribe(audience, new, source, switches.archive_fires, switches)]
    return []


def unsubscribe(audience: Audience, member: Member, source: str, action: str, switches: Switches) -> Event:
    abuse = member.standing is Standing.COMPLAINED
    data: dict[str, object] = {} if switches.omit_unsubscribe_action else {"action": action}
    data |= {"reason": "abuse" if abuse else "manual"}
    data |= _with_merges(audience, member, switches)
    del data["ip_signup"]
    last = member.activity[-1] if member.activity else None
    if last is not None and last.type == "unsub" and last.campaign_id:
        data["campaign_id"] = last.campaign_id
    return Event("unsubscribe", source, data)


def _cleaned(audience: Audience, member: Member, source: str, reason: str) -> Event:
    last = member.activity[-1] if member.activity else None
    data = {
        "list_id": audience.id,
        "campaign_id": last.campaign_id if last else "",
        "reason": reason,
        "email": member.email_address,
    }
    return Event("cleaned", source, data)


def _upemail(audience: Audience, old: Member, new: Member, source: str) -> Event:
    data = {
        "list_id": audience.id,
        "new_id": new.unique_email_id,
        "new_email": new.email_address,
        "old_email": old.email_address,
    }
    return Event("upemail", source, data)


def _with_merges(audience: Audience, member: Member, switches: Switches) -> dict[str, object]:
    return {
        "id": member.unique_email_id,
        "email": member.email_address,
        "email_type": member.email_type,
        "ip_opt": member.ip_opt,
        "ip_signup": member.ip_signup,
        "web_id": member.web_id,
        "merges": _merges(audience, member, switches),
        "list_id": audience.id,
    }


def _merges(audience: Audience, member: Member, switches: Switches) -> dict[str, object]:
    merges: dict[str, object] = {"EMAIL": member.email_address}
    for merge_field in audience.merge_fields:
        value = member.merge_values.get(merge_field.tag, "")
        is_displayed = switches.webhook_values == "displayed"
        merges[merge_field.tag] = displayed(value, merge_field, switches) if is_displayed else value
    if audience.categories:
        groups = _groupings(audience, member)
        merges["INTERESTS"] = ", ".join(str(group["groups"]) for group in groups if group["groups"])
        merges["GROUPINGS"] = groups
    return merges


def _groupings(audience: Audience, member: Member) -> list[dict[str, object]]:
    return [
        {
            "id": int(category.id[:4], 16),
            "unique_id": category.id,
            "name": category.title,
            "groups": ", ".join(
                interest.name
                for interest in audience.interests.values()
                if interest.category_id == category.id and interest.id in member.interests
            ),
        }
        for category in audience.categories.values()
    ]
