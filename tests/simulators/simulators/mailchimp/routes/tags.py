"""The tags of a member, and the search for tags of a list."""

from __future__ import annotations

from dataclasses import replace

from simulators.mailchimp import queries
from simulators.mailchimp.rendering import Json, iso, links, shown_tags
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.validation import BOOLEAN, STRING, array_of, object_of, one_of

_SHAPE = {
    "tags": array_of(object_of({"name": STRING, "status": one_of("active", "inactive")}, "name", "status")),
    "is_syncing": BOOLEAN,
}


def _all(call: Call) -> Json:
    audience, member = call.audience(), call.member()
    tags = shown_tags(call.account, audience, member)
    added = iso(member.last_changed)
    return {
        "tags": [{**tag, "date_added": added} for tag in call.page(tags)],
        "total_items": len(tags),
        "_links": links(call.account, f"/lists/{audience.id}/members/{member.id}/tags"),
    }


def _change(call: Call) -> None:
    audience, member = call.audience(), call.member()
    tags = member.tags
    for entry in call.body(_SHAPE, "tags")["tags"]:
        tag = frozenset({audience.tag_id(entry["name"])})
        tags = tags | tag if entry["status"] == "active" else tags - tag
    call.account.save(audience, member, replace(member, tags=tags), call.actor)


def _search(call: Call) -> Json:
    audience = call.audience()
    start = call.query.get("name", "").lower()
    found = [
        {"id": tag_id, "name": name}
        for tag_id, name in audience.tags.items()
        if name.lower().startswith(start)
    ]
    return {
        "tags": found,
        "total_items": len(found),
        "_links": links(call.account, f"/lists/{audience.id}/tag-search"),
    }


RESOURCES = (
    Resource("/lists/{list_id}/members/{subscriber_hash}/tags", *queries.PAGING, GET=_all, POST=_change),
    Resource("/lists/{list_id}/tag-search", "name", GET=_search),
)
