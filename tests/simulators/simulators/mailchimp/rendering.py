"""Turns the state of an account into the JSON that the API answers."""

from __future__ import annotations

import html
from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from simulators.mailchimp.account import Account
from simulators.mailchimp.identity import derived_id
from simulators.mailchimp.model import Audience, Member, Webhook

_MOST_TAGS_SHOWN = 50
Json = dict[str, Any]


@lru_cache(maxsize=4096)
def iso(time: int) -> str:
    """A time of the API; the empty string where there is none."""
    return datetime.fromtimestamp(time, UTC).isoformat() if time else ""


def links(account: Account, path: str) -> list[Json]:
    return [{"rel": "self", "href": f"{account.base_url}{path}", "method": "GET"}]


def merge_values(audience: Audience, member: Member) -> Json:
    """The values of all fields of the list; empty ones as the empty string."""
    stored = member.merge_values
    return {field.tag: stored.get(field.tag, "") for field in audience.merge_fields}


def shown_tags(account: Account, audience: Audience, member: Member) -> list[Json]:
    lower = account.switches.lower_case_tag_names
    names = ((tag_id, audience.tags[tag_id]) for tag_id in sorted(member.tags))
    return [{"id": tag_id, "name": name.lower() if lower else name} for tag_id, name in names]


def shown_id(account: Account, member: Member) -> str:
    """The id of a contact: the MD5 of its address, or by a switch something else of the same form."""
    if account.switches.member_ids == "md5":
        return member.id
    return derived_id(32, "member", member.email_address.lower())


def shown_text(account: Account, value: Any) -> Any:
    """A text as answers show it: by a switch with entities, as a page would have it."""
    return html.escape(value) if account.switches.escapes_entities and isinstance(value, str) else value


def member_json(account: Account, audience: Audience, member: Member) -> Json:
    member_id = shown_id(account, member)
    values = {tag: shown_text(account, value) for tag, value in merge_values(audience, member).items()}
    if account.switches.merge_fields_shown != "all":
        is_filled = account.switches.merge_fields_shown == "filled"
        values = {tag: value for tag, value in values.items() if is_filled and value != ""}
    body: Json = {
        "id": member_id,
        "email_address": member.email_address,
        "unique_email_id": member.unique_email_id,
        "contact_id": member.contact_id,
        "full_name": f"{values.get('FNAME', '')} {values.get('LNAME', '')}".strip(),
        "web_id": member.web_id,
        "email_type": member.email_type,
        "status": member.status,
    }
    if member.status == "unsubscribed":
        body["unsubscribe_reason"] = member.unsubscribe_reason
    body |= {
        "consents_to_one_to_one_messaging": True,
        "sms_phone_number": "",
        "sms_subscription_status": "",
        "sms_subscription_last_updated": "",
        "merge_fields": values,
    }
    if audience.interests:
        body["interests"] = {
            interest_id: interest_id in member.interests for interest_id in audience.interests
        }
    body |= {
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": member.ip_signup,
        "timestamp_signup": iso(member.timestamp_signup),
        "ip_opt": member.ip_opt,
        "timestamp_opt": iso(member.timestamp_opt),
        "member_rating": 2,
        "last_changed": iso(member.last_changed),
        "language": member.language,
        "vip": member.vip,
        "email_client": "",
        "location": {
            "latitude": member.latitude,
            "longitude": member.longitude,
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
            "region": "",
        },
    }
    if audience.permissions:
        body["marketing_permissions"] = [
            {
                "marketing_permission_id": permission.id,
                "text": permission.text,
                "enabled": permission.id in member.marketing_permissions,
            }
            for permission in audience.permissions
        ]
    body |= {
        "source": member.source,
        "tags_count": len(member.tags),
        "tags": shown_tags(account, audience, member)[:_MOST_TAGS_SHOWN],
        "list_id": audience.id,
        "_links": links(account, f"/lists/{audience.id}/members/{member_id}"),
    }
    return body


def audience_json(account: Account, audience: Audience, *, total_contacts: bool = False) -> Json:
    """A list; the number of contacts in any state is given only on request."""
    counts = Counter(member.status for member in audience.members.values())
    subscribe_page = f"{account.url}/subscribe?u={account.data_centre}&id={audience.id}"
    return {
        "id": audience.id,
        "web_id": int(audience.id[:6], 16),
        "name": audience.name,
        "contact": {
            "company": "Example Company",
            "address1": "1 Example Street",
            "address2": "",
            "city": "Exampleton",
            "state": "",
            "zip": "00000",
            "country": "US",
            "phone": "",
        },
        "permission_reminder": "You are a customer.",
        "use_archive_bar": True,
        "campaign_defaults": {
            "from_name": "Example Company",
            "from_email": "news@example.com",
            "subject": "",
            "language": "en",
        },
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": iso(audience.created_at),
        "list_rating": 0,
        "email_type_option": False,
        "subscribe_url_short": subscribe_page,
        "subscribe_url_long": subscribe_page,
        "beamer_address": f"{audience.id}@inbound.example.com",
        "visibility": "prv",
        "double_optin": audience.double_optin,
        "has_welcome": False,
        "marketing_permissions": bool(audience.permissions),
        "modules": [],
        "stats": {
            "member_count": counts["subscribed"],
            **({"total_contacts": len(audience.members)} if total_contacts else {}),
            "unsubscribe_count": counts["unsubscribed"],
            "cleaned_count": counts["cleaned"],
            "member_count_since_send": counts["subscribed"],
            "unsubscribe_count_since_send": 0,
            "cleaned_count_since_send": 0,
            "campaign_count": sum(c.list_id == audience.id for c in account.campaigns.values()),
            "campaign_last_sent": "",
            "merge_field_count": len(audience.merge_fields),
            "avg_sub_rate": 0,
            "avg_unsub_rate": 0,
            "target_sub_rate": 0,
            "open_rate": 0,
            "click_rate": 0,
            "last_sub_date": "",
            "last_unsub_date": "",
        },
        "_links": links(account, f"/lists/{audience.id}"),
    }


def webhook_json(account: Account, hook: Webhook, *, show_secret: bool = False) -> Json:
    """A webhook; its secret is shown once, in the answer to its creation."""
    return {
        "id": hook.id,
        "url": hook.url,
        "events": dict(hook.events),
        "sources": dict(hook.sources),
        "list_id": hook.list_id,
        "signing_enabled": hook.signing_enabled,
        "signing_secret": hook.signing_secret if show_secret else None,
        "_links": links(account, f"/lists/{hook.list_id}/webhooks/{hook.id}"),
    }
