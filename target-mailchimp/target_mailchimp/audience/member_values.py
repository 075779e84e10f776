"""The fields of a member as flat values: those that a record wants, and the form in which they are sent.

The names are `merge_fields.TAG`, `interests.ID`, `marketing_permissions.NAME`, `tags`, and those of plain
attributes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.mailchimp.audiences import name_key
from kinetic_mailchimp.mailchimp.merge_field import UnfitValueError, coerce

from target_mailchimp.audience.audience import MERGE_FIELD, Audience
from target_mailchimp.audience.merge_fields import RESERVED_TAGS, tag_of
from target_mailchimp.audience.tags import LONGEST_TAG
from target_mailchimp.contract.member_record import MemberRecord

_NESTED = ("merge_fields", "interests")

PERMISSION = "marketing_permissions."
"""Begins the name of a marketing permission, named by its id or text: those never travel in a batch."""


class LeftOut(msgspec.Struct, frozen=True, gc=False):
    """A field that does not travel as the record has it; the member does."""

    field: str
    reason: str
    detail: str
    fate: str = "Left out"
    """The word for what became of it."""


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """The values that a record wants a member to have.

    Attributes:
        values: By flat name, in the form that Mailchimp takes.
        left_out: Those that could not be brought into that form.
    """

    values: Mapping[str, Any]
    left_out: tuple[LeftOut, ...] = ()


def wanted_values(record: MemberRecord, audience: Audience) -> Wanted:
    """Bring the values of a record into the forms of the audience's fields."""
    values: dict[str, Any] = {}
    left_out: list[LeftOut] = []
    for name, value in record.merge_values.items():
        tag = tag_of(name)
        field = audience.fields.get(tag)
        if field is None:
            reason = "reserved_tag" if tag in RESERVED_TAGS else "no_such_merge_field"
            left_out.append(LeftOut(name, reason, "the audience has no merge field of this tag"))
            continue
        try:
            values[f"{MERGE_FIELD}{tag}"] = coerce(value, field)
        except UnfitValueError as unfit:
            fate = "Left out" if unfit.instead is None else "Filled in" if unfit.instead else "Cleared"
            left_out.append(LeftOut(name, unfit.reason, unfit.detail, fate))
            if unfit.instead is not None:
                values[f"{MERGE_FIELD}{tag}"] = unfit.instead
    for name, chosen in record.interests.items():
        interest_id = audience.interests.get(name) or audience.interests.get(name_key(name))
        if interest_id is None:
            left_out.append(
                LeftOut(name, "no_such_interest", "the audience has no one interest of this name")
            )
        else:
            values[f"interests.{interest_id}"] = chosen
    for name, value in record.attributes.items():
        try:
            values[name] = _ATTRIBUTE_FORMS[name](value)
        except (TypeError, ValueError, KeyError, OverflowError):
            left_out.append(LeftOut(name, "malformed_attribute", "Mailchimp takes no such value"))
    values |= {f"{PERMISSION}{name}": given for name, given in record.permissions.items()}
    left_out += (
        LeftOut("tags", "tag_too_long", f"a tag has {LONGEST_TAG} characters at most, {tag[:20]!r}… has more")
        for tag in record.tags or ()
        if len(tag) > LONGEST_TAG
    )
    return Wanted(values, tuple(left_out))


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """Name the fields that do not travel as the record has them; empty for none."""
    said: dict[str, list[str]] = {}
    for entry in left_out:
        said.setdefault(entry.fate, []).append(f"{entry.field} ({entry.reason}: {entry.detail})")
    return " ".join(f"{fate}: {'; '.join(fields)}." for fate, fields in said.items())


def member_body(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as attributes of a member of the API."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        group, _, inner = name.partition(".")
        if group in _NESTED:
            body.setdefault(group, {})[inner] = value
        elif not name.startswith(PERMISSION):
            body[name] = value
    return body


def _truth(value: Any) -> bool:  # noqa: ANN401 (JSON)
    return {"true": True, "1": True, "false": False, "0": False}[str(value).strip().lower()]


def _location(value: Any) -> dict[str, float]:  # noqa: ANN401 (JSON)
    return {name: _finite(value[name]) for name in ("latitude", "longitude")}


def _finite(value: Any) -> float:  # noqa: ANN401 (JSON)
    """A number that JSON can carry.

    Raises:
        ValueError: It is none.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("neither NaN nor infinite")
    return number


_ATTRIBUTE_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "email_type": str,
    "language": str,
    "vip": _truth,
    "location": _location,
    "ip_signup": str,
    "timestamp_signup": str,
    "ip_opt": str,
    "timestamp_opt": str,
}
