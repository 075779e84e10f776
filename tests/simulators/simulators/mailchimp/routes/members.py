"""The members of a list, one at a time."""

from __future__ import annotations

from simulators.mailchimp import queries
from simulators.mailchimp.consent import Standing, Way
from simulators.mailchimp.identity import derived_id
from simulators.mailchimp.listing import PARAMETERS
from simulators.mailchimp.members import Write, archive, break_on, delete_permanently, write
from simulators.mailchimp.model import Member
from simulators.mailchimp.rendering import Json, links, member_json
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.validation import MEMBER_PATCH, MEMBER_POST, MEMBER_PUT, Shape

_SINCE = "since_last_changed"


def _members(call: Call) -> Json:
    audience = call.audience()
    found = call.simulator.listings.members(
        audience, call.query, offset_ignored=call.account.switches.since_offset_ignored
    )
    rows: list[Json | Member] = [*_without_address(call), *found]
    return {
        "members": [
            row if isinstance(row, dict) else member_json(call.account, audience, row)
            for row in call.page(rows)
        ],
        "list_id": audience.id,
        "total_items": len(rows),
        "_links": links(call.account, f"/lists/{audience.id}/members"),
    }


def _without_address(call: Call) -> list[Json | Member]:
    """Two contacts of the SMS channel alone, which an unbounded listing shows first, by a switch."""
    form = call.account.switches.contacts_without_address
    if form == "none" or call.query.get("status", "subscribed") != "subscribed" or _SINCE in call.query:
        return []
    audience = call.audience()
    address: dict[str, Json] = {
        "null": {"email_address": None, "id": ""},
        "empty": {"email_address": "", "id": ""},
    }
    now = call.account.now()
    return [
        {
            **_blank(
                call, Member("", derived_id(32, "sms", number), number, Standing.SUBSCRIBED, last_changed=now)
            ),
            "sms_phone_number": f"+1555000000{number}",
            "list_id": audience.id,
            **address.get(form, {}),
        }
        for number in (1, 2)
    ]


def _blank(call: Call, member: Member) -> Json:
    document = member_json(call.account, call.audience(), member)
    return {name: value for name, value in document.items() if name not in {"id", "email_address"}}


def _member(call: Call) -> Json:
    return member_json(call.account, call.audience(), call.member())


def _write(call: Call, way: Way, current: Member | None, shape: Shape, *required: str) -> Json:
    request = Write(
        way, call.actor, call.body(shape, *required), queries.flag(call.query, "skip_merge_validation")
    )
    address = current.email_address if current else request.body.get("email_address")
    break_on(call.account, [address, request.body.get("email_address")])
    written = write(call.account, call.audience(), current, request)
    return member_json(call.account, call.audience(), written.member)


def _post(call: Call) -> Json:
    call.audience()
    return _write(call, Way.POST, None, MEMBER_POST, "email_address", "status")


def _put(call: Call) -> Json:
    return _write(call, Way.PUT, call.find_member(), MEMBER_PUT)


def _patch(call: Call) -> Json:
    return _write(call, Way.PATCH, call.member(), MEMBER_PATCH)


def _delete(call: Call) -> None:
    archive(call.account, call.audience(), call.member(), call.actor)


def _delete_permanently(call: Call) -> None:
    delete_permanently(call.account, call.audience(), call.member(), call.actor)


_MEMBER = "/lists/{list_id}/members/{subscriber_hash}"

RESOURCES = (
    Resource(
        "/lists/{list_id}/members",
        *queries.PAGING,
        *PARAMETERS,
        "skip_merge_validation",
        GET=_members,
        POST=_post,
    ),
    Resource(_MEMBER, "skip_merge_validation", GET=_member, PUT=_put, PATCH=_patch, DELETE=_delete),
    Resource(f"{_MEMBER}/actions/delete-permanent", POST=_delete_permanently),
)
