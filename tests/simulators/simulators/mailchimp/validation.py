"""Checks the JSON of request bodies against tables, with the vendor's words for what does not fit."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from simulators.mailchimp.model import WRITABLE_STATUSES
from simulators.mailchimp.problems import FieldError

Check = Callable[[Any], "str | None"]
"""Says what is wrong with a value; None if nothing is."""
Shape = Mapping[str, Check]

_JSON_NAMES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "NULL",
}


def _kind(expected: str, *types: type) -> Check:
    def check(value: Any) -> str | None:
        if type(value) in types:
            return None
        return f"Schema describes {expected}, {_JSON_NAMES.get(type(value), 'unknown')} found instead"

    return check


STRING = _kind("string", str)
BOOLEAN = _kind("boolean", bool)
INTEGER = _kind("integer", int)
NUMBER = _kind("number", int, float)
OBJECT = _kind("object", dict)
ARRAY = _kind("array", list)


def one_of(*choices: str) -> Check:
    def check(value: Any) -> str | None:
        if value in choices:
            return None
        return f"Data presented is not one of the accepted values: {', '.join(choices)}."

    return check


def array_of(item: Check) -> Check:
    def check(value: Any) -> str | None:
        return ARRAY(value) or next((complaint for entry in value if (complaint := item(entry))), None)

    return check


def object_of(shape: Shape, *required: str) -> Check:
    def check(value: Any) -> str | None:
        complaint = OBJECT(value)
        if complaint:
            return complaint
        errors = complaints(value, shape, required=required)
        return errors[0].message if errors else None

    return check


def _ip_address(value: Any) -> str | None:
    complaint = STRING(value)
    if complaint or value == "":
        return complaint
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "This value is not a valid IP address."
    return None


def _timestamp(value: Any) -> str | None:
    complaint = STRING(value)
    if complaint or value == "":
        return complaint
    try:
        parse_time(value)
    except ValueError:
        return "This value is not a valid datetime."
    return None


def parse_time(text: str) -> datetime:
    """Read a time of the API: ISO 8601, or with a space; UTC where no zone is named.

    Raises:
        ValueError: The text is no such time.
    """
    # A plus sign in a query that was not encoded arrives as a space.
    tidy = text[:-6] + "+" + text[-5:] if len(text) > 6 and text[-6] == " " and text[-3] == ":" else text
    time = datetime.fromisoformat(tidy.removesuffix("Z") + "+00:00" if tidy.endswith("Z") else tidy)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def is_odd_time(text: str) -> bool:
    """A time without a zone, or from before there were any contacts."""
    if not text:
        return False
    time = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" if text.endswith("Z") else text)
    return time.tzinfo is None or time.year < _FIRST_YEAR


_FIRST_YEAR = 1970
LANGUAGE = re.compile(
    r"(|en|ar|af|be|bg|ca|zh|hr|cs|da|nl|et|fa|fi|fr|fr_CA|de|el|he|hi|hu|is|id|ga|it|ja|km|ko|lv|lt|mt|ms|mk|no"
    r"|pl|pt|pt_PT|ro|ru|sr|sk|sl|es|es_ES|sw|sv|ta|th|tr|uk|vi)"
)
"""The codes of languages that the vendor's documentation lists."""

_MEMBER_COMMON: Shape = {
    "email_address": STRING,
    "email_type": one_of("html", "text", ""),
    "status": one_of(*WRITABLE_STATUSES),
    "merge_fields": OBJECT,
    "interests": OBJECT,
    "language": STRING,
    "vip": BOOLEAN,
    "location": object_of({"latitude": NUMBER, "longitude": NUMBER}),
    "ip_signup": _ip_address,
    "timestamp_signup": _timestamp,
    "ip_opt": _ip_address,
    "timestamp_opt": _timestamp,
    "tags": array_of(STRING),
}
_PERMISSIONS: Shape = {
    "marketing_permissions": array_of(
        object_of(
            {"marketing_permission_id": STRING, "enabled": BOOLEAN}, "marketing_permission_id", "enabled"
        )
    )
}
_STATUS_IF_NEW: Shape = {"status_if_new": one_of(*WRITABLE_STATUSES)}

MEMBER_POST: Shape = {**_MEMBER_COMMON, **_PERMISSIONS}
MEMBER_PUT: Shape = {**_MEMBER_COMMON, **_PERMISSIONS, **_STATUS_IF_NEW}
MEMBER_PATCH: Shape = {**_MEMBER_COMMON, **_PERMISSIONS}
BATCH_ITEM: Shape = {**_MEMBER_COMMON, **_STATUS_IF_NEW}


def complaints(
    body: Mapping[str, Any], shape: Shape, *, required: Collection[str] = (), strict: bool = True
) -> list[FieldError]:
    """What is wrong with an object.

    Args:
        body: The object.
        shape: A check for each key that is known.
        required: Keys that must be there.
        strict: Whether a key that is not known is an error.
    """
    missing = [name for name in required if name not in body]
    errors = [FieldError("", f"Required fields were not provided: {', '.join(missing)}")] if missing else []
    for name, value in body.items():
        check = shape.get(name)
        if check is not None:
            complaint = check(value)
            if complaint:
                errors.append(FieldError(name, complaint))
        elif strict:
            errors.append(FieldError(name, "This field is not described by the schema of the resource."))
    return errors
