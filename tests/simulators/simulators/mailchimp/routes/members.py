"""The members of a list, one at a time."""

from __future__ import annotations

from simulators.mailchimp import queries
from simulators.mailchimp.consent import Way
from simulators.mailchimp.listing import PARAMETERS
from simulators.mailchimp.members import Write, archive, delete_permanently, write
from simulators.mailchimp.model import Member
from simulators.mailchimp.rendering import Json, links, member_json
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.validation import MEMBER_PATCH, MEMBER_POST, MEMBER_PUT, Shape


def _members(call: Call) -> Json:
    audience = call.audience()
    found = call.simulator.listings.members(
        audience, call.query, offset_ignored=call.account.switches.since_offset_ignored
    )
    shown = queries.page(found, call.query)
    return {
        "members": [member_json(call.account, audience, member) for member in shown],
        "list_id": audience.id,
        "total_items": len(found),
        "_links": links(call.account, f"/lists/{audience.id}/members"),
    }


def _member(call: Call) -> Json:
    return member_json(call.account, call.audience(), call.member())


def _write(call: Call, way: Way, current: Member | None, shape: Shape, *required: str) -> Json:
    request = Write(
        way, call.actor, call.body(shape, *required), queries.flag(call.query, "skip_merge_validation")
    )
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
