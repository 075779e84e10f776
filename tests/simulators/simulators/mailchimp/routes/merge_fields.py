"""The merge fields of a list."""

from __future__ import annotations

import re
from dataclasses import replace

from simulators.mailchimp import problems, queries
from simulators.mailchimp.merge_fields import LONGEST_TAG, RESERVED_TAGS, TYPES, MergeField
from simulators.mailchimp.model import Audience
from simulators.mailchimp.problems import FieldError
from simulators.mailchimp.rendering import Json, links, shown_text
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.validation import BOOLEAN, INTEGER, OBJECT, STRING, Shape, one_of

_PATCH: Shape = {
    "tag": STRING,
    "name": STRING,
    "required": BOOLEAN,
    "default_value": STRING,
    "public": BOOLEAN,
    "display_order": INTEGER,
    "options": OBJECT,
    "help_text": STRING,
}
_POST: Shape = {**_PATCH, "type": one_of(*TYPES)}


def _all(call: Call) -> Json:
    audience = call.audience()
    found = audience.merge_fields
    if "type" in call.query:
        found = [field for field in found if field.type == call.query["type"]]
    if "required" in call.query:
        required = queries.flag(call.query, "required")
        found = [field for field in found if field.required is required]
    return {
        "merge_fields": [_shown(call, audience, field) for field in call.page(found)],
        "list_id": audience.id,
        "total_items": len(found),
        "_links": links(call.account, f"/lists/{audience.id}/merge-fields"),
    }


def _shown(call: Call, audience: Audience, field: MergeField) -> Json:
    document = field.as_json(audience.id)
    options: Json = document["options"]
    if "choices" in options:
        options = {**options, "choices": [shown_text(call.account, choice) for choice in options["choices"]]}
    return {**document, "options": options}


def _create(call: Call) -> Json:
    audience = call.audience()
    body = call.body(_POST, "name", "type")
    limit = call.account.switches.merge_field_limit
    if len(audience.merge_fields) >= limit:
        raise problems.invalid_resource(f"This list has reached its limit of {limit} merge fields.")
    merge_id = max((field.merge_id for field in audience.merge_fields), default=0) + 1
    tag = _tag(audience, body.pop("tag", "") or f"MMERGE{merge_id}")
    kind = body.pop("type")
    field = audience.add_merge_field(tag, body.pop("name"), kind)
    return _replace(call, audience, field, replace(field, **body))


def _tag(audience: Audience, wanted: str) -> str:
    """A tag as the vendor stores it: upper-case, cut to its longest length."""
    tag = wanted.upper()[:LONGEST_TAG]
    if not re.fullmatch(r"[A-Z0-9_]+", tag) or tag in RESERVED_TAGS:
        raise problems.not_valid([FieldError("tag", f'"{wanted}" is not a valid merge tag.')])
    if any(field.tag == tag for field in audience.merge_fields):
        raise problems.invalid_resource(f'A Merge Field with the tag "{tag}" already exists for this list.')
    return tag


def _field(call: Call) -> MergeField:
    for field in call.audience().merge_fields:
        if str(field.merge_id) == call.name("merge_id"):
            return field
    raise problems.not_found()


def _replace(call: Call, audience: Audience, old: MergeField, new: MergeField) -> Json:
    audience.merge_fields[audience.merge_fields.index(old)] = new
    return new.as_json(audience.id) | {
        "_links": links(call.account, f"/lists/{audience.id}/merge-fields/{new.merge_id}")
    }


def _get(call: Call) -> Json:
    return _field(call).as_json(call.audience().id)


def _update(call: Call) -> Json:
    field, body = _field(call), call.body(_PATCH)
    audience = call.audience()
    if body.get("tag", field.tag) != field.tag:
        body["tag"] = _tag(audience, body["tag"])
        audience.rename_values(field.tag, body["tag"])
    return _replace(call, audience, field, replace(field, **body))


def _delete(call: Call) -> None:
    audience, field = call.audience(), _field(call)
    audience.merge_fields.remove(field)
    audience.rename_values(field.tag, None)


RESOURCES = (
    Resource("/lists/{list_id}/merge-fields", *queries.PAGING, "type", "required", GET=_all, POST=_create),
    Resource("/lists/{list_id}/merge-fields/{merge_id}", GET=_get, PATCH=_update, DELETE=_delete),
)
