"""Takes out of a write what Mailchimp did not accept: pure functions over its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.mailchimp import FieldError, Refusal, RefusedError
from kinetic_mailchimp.mailchimp.stored_form import is_stored

from target_mailchimp.audience.audience import MERGE_FIELD
from target_mailchimp.rules.plan import Write

NOT_STORED = "not_stored_by_mailchimp"
_ABOUT_FIELDS = frozenset({Refusal.INVALID_FIELDS, Refusal.OTHER})
_PARTS = {"latitude": "location", "longitude": "location"}
_BETWEEN_PARTS = re.compile(r"[./\\\[\]]+")
_PLAIN_VALUES = ("language", "vip", "email_type")
"""Attributes that an answer shows as they were sent."""
_GROUPS = ("merge_fields", "interests")
"""Attributes that hold values of their own."""
_NOT_SHOWN = object()
"""In place of a value of which an answer says nothing."""


def without_refused(write: Write, error: DataError | None) -> Write | None:
    """The same write without the fields that Mailchimp names in an error; None when none is the cause.

    Where it names none, without what a member can do without: attributes, interests and tags.
    """
    if not isinstance(error, RefusedError) or error.reason not in _ABOUT_FIELDS:
        return None
    if complaints := named_values(write, error):
        return write.without(complaints, "refused_by_mailchimp")
    names_another = any(complaint.field for complaint in error.field_errors)
    optional = {
        name: error.message for name in write.values if not (names_another or name.startswith(MERGE_FIELD))
    }
    return write.without(optional, "refused_by_mailchimp", again=True) if optional else None


def named_values(write: Write, error: RefusedError) -> dict[str, str]:
    """The values of a write that Mailchimp names in an error, by flat name, each with its complaint.

    Args:
        write: The write.
        error: Mailchimp's reason.
    """
    return {
        name: complaint.message for complaint in error.field_errors for name in _flat_names(complaint, write)
    }


def without_unstored(write: Write, member: Mapping[str, Any]) -> Write:
    """The same write without values that the answer shows as not stored.

    A value that Mailchimp passed over goes again with the next record; one that it keeps in a form of its own
    would do so for ever.

    Args:
        write: The write that Mailchimp took.
        member: The member in the answer; it says nothing about what it does not show.
    """
    passed_over: dict[str, str] = {}
    altered: dict[str, str] = {}
    for name, value in write.values.items():
        shown = _shown(member, name)
        if shown is _NOT_SHOWN or _is_shown_as(shown, value):
            continue
        if not shown or _is_shown_as(shown, write.known.get(name)):
            passed_over[name] = "Mailchimp took the value and does not show it as stored; it is sent again"
        else:
            altered[name] = "Mailchimp took the value and shows another one"
    return write.without(passed_over, NOT_STORED, again=True).without(altered, NOT_STORED)


def is_not_lowered(write: Write, member: Mapping[str, Any]) -> bool:
    """Tell whether Mailchimp took an opt-out and shows the member as a subscriber all the same.

    Args:
        write: The write that Mailchimp took.
        member: The member in the answer.
    """
    return write.lower and member.get("status") in CONSENTING_STATUSES


def _shown(member: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 (values of a member)
    """The value that an answer shows under a flat name."""
    group, _, inner = name.partition(".")
    if not inner:
        return member.get(name, _NOT_SHOWN) if name in _PLAIN_VALUES else _NOT_SHOWN
    values = member.get(group) if group in _GROUPS else None
    return values.get(inner, _NOT_SHOWN) if isinstance(values, dict) else _NOT_SHOWN


def _is_shown_as(shown: Any, value: Any) -> bool:  # noqa: ANN401 (values of a member)
    if shown == value:
        return True
    if isinstance(value, Mapping):
        # Mailchimp has its own names of countries.
        value = {part: inner for part, inner in value.items() if part != "country"}
    return is_stored(shown, value)


def _flat_names(complaint: FieldError, write: Write) -> set[str]:
    """The flat names of what Mailchimp names: a tag, number, label, attribute or group, or a path with one.

    Where it names none, those that it speaks of.
    """
    names, groups = _names_of(write)
    parts = [_word(part) for part in _BETWEEN_PARTS.split(complaint.field) if part]
    # `members.item:0.location.latitude`: the longest part of the path that is a name.
    for known in (names, groups):
        for length in range(len(parts), 0, -1):
            for start in range(len(parts) - length + 1):
                if found := known.get(".".join(parts[start : start + length])):
                    return found
    if complaint.field:
        return set()
    words = set(re.findall(r"[\w.]+", complaint.message.lower()))
    spoken_of = (found for word, found in {**groups, **names}.items() if word in words)
    return set().union(*spoken_of)


def _names_of(write: Write) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The values of a write by the words that name one, and by those that name a group of them."""
    names: dict[str, set[str]] = {}
    groups: dict[str, set[str]] = {}
    for name in write.values:
        group, _, inner = name.partition(".")
        for word in (name.removeprefix(MERGE_FIELD).lower(), inner.lower()):
            names[word] = {name}
        if inner and f"{group}." != MERGE_FIELD:
            for word in (group, group.removesuffix("s")):
                groups.setdefault(word, set()).add(name)
        field = write.audience.fields.get(inner) if f"{group}." == MERGE_FIELD else None
        if field and field.label:
            names.setdefault(_word(field.label), {name})
        if field and field.merge_id:
            names |= {f"merge{field.merge_id}": {name}, f"mmerge{field.merge_id}": {name}}
    groups |= {part: names[whole] for part, whole in _PARTS.items() if whole in names}
    names.pop("", None)
    return names, groups


def _word(text: str) -> str:
    return text.strip().lower().replace(" ", "_")
