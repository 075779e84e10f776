"""Takes out of a write what Mailchimp did not accept: pure functions over its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.mailchimp import FieldError, Refusal, RefusedError

from target_mailchimp.audience.audience import MERGE_FIELD
from target_mailchimp.audience.stored_form import is_stored
from target_mailchimp.rules.plan import Write

NOT_STORED = "not_stored_by_mailchimp"
_ABOUT_FIELDS = frozenset({Refusal.INVALID_FIELDS, Refusal.OTHER})


def without_refused(write: Write, error: DataError | None) -> Write | None:
    """The same write without the fields that Mailchimp names in an error; None when that is not the cause."""
    if not isinstance(error, RefusedError) or error.reason not in _ABOUT_FIELDS:
        return None
    complaints = {
        name: complaint.message for complaint in error.field_errors if (name := _flat_name(complaint, write))
    }
    return write.without(complaints, "refused_by_mailchimp") if complaints else None


def without_unstored(write: Write, member: Mapping[str, Any]) -> Write:
    """The same write without values that the answer shows as not stored.

    A value that Mailchimp passed over goes again with the next record; one that it keeps in a form of its own
    would do so for ever.

    Args:
        write: The write that Mailchimp took.
        member: The member in the answer; one without merge fields says nothing about them.
    """
    shown = member.get("merge_fields")
    if not isinstance(shown, Mapping):
        return write
    before = {**write.state.sent, **write.state.shown} if write.state else {}
    passed_over: dict[str, str] = {}
    altered: dict[str, str] = {}
    for name, value in write.values.items():
        if not name.startswith(MERGE_FIELD):
            continue
        tag = name.removeprefix(MERGE_FIELD)
        if _shows(shown, tag, value):
            continue
        if not shown.get(tag) or _shows(shown, tag, before.get(name)):
            passed_over[name] = "Mailchimp took the value and does not show it as stored; it is sent again"
        else:
            altered[name] = "Mailchimp took the value and shows another one"
    return write.without(passed_over, NOT_STORED, again=True).without(altered, NOT_STORED)


def _shows(shown: Mapping[str, Any], tag: str, value: Any) -> bool:  # noqa: ANN401 (values of merge fields)
    if shown.get(tag) == value:
        return True
    if isinstance(value, Mapping):
        # Mailchimp has its own names of countries.
        value = {part: inner for part, inner in value.items() if part != "country"}
    return is_stored(shown.get(tag), value)


def _flat_name(complaint: FieldError, write: Write) -> str:
    """The flat name of the field that Mailchimp names: by tag, number or attribute, or a path with one in it.

    Where it names none, the field that it speaks of, if there is exactly one.
    """
    names = {name.removeprefix(MERGE_FIELD).lower(): name for name in write.values}
    for tag, field in write.audience.fields.items():
        if (name := f"{MERGE_FIELD}{tag}") in write.values and field.merge_id:
            names |= {f"merge{field.merge_id}": name, f"mmerge{field.merge_id}": name}
    parts = complaint.field.lower().split(".")
    # `members.item:0.location.latitude`: the longest part of the path that is a name.
    for length in range(len(parts), 0, -1):
        for start in range(len(parts) - length + 1):
            if found := names.get(".".join(parts[start : start + length])):
                return found
    words = set(re.findall(r"[\w.]+", complaint.message.lower())) if not complaint.field else set()
    spoken_of = {name for key, name in names.items() if key in words}
    return spoken_of.pop() if len(spoken_of) == 1 else ""
