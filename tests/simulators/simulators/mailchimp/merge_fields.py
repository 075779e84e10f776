"""Merge fields: their types, what each accepts, how it is stored and what is said about the rest."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from simulators.mailchimp.problems import FieldError
from simulators.mailchimp.switches import Switches

LONGEST_TEXT_BYTES = 255
LONGEST_TAG = 10
RESERVED_TAGS = frozenset(
    {"EMAIL", "EMAIL_TYPE", "INTERESTS", "UNSUB", "FORWARD", "REWARDS", "ARCHIVE", "USER_URL", "DATE", "TO"}
)

_UNSWITCHED = Switches()
_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d-%m-%Y", "%m/%d/%Y")
_ADDRESS_REQUIRED = ("addr1", "city", "state", "zip")
_ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
_ANY_OF = "Data did not match any of the schemas described in anyOf."


@dataclass(frozen=True)
class MergeField:
    merge_id: int
    tag: str
    name: str
    type: str = "text"
    required: bool = False
    default_value: str = ""
    public: bool = False
    display_order: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    help_text: str = ""

    def as_json(self, list_id: str) -> dict[str, Any]:
        return {
            "merge_id": self.merge_id,
            "tag": self.tag,
            "name": self.name,
            "type": self.type,
            "required": self.required,
            "default_value": self.default_value,
            "public": self.public,
            "display_order": self.display_order,
            "options": {**_DEFAULT_OPTIONS.get(self.type, {}), **self.options},
            "help_text": self.help_text,
            "list_id": list_id,
        }


class _RefusedError(Exception):
    """A value that its field does not take; the text is the vendor's message."""


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def cut_to_bytes(text: str, limit: int = LONGEST_TEXT_BYTES) -> str:
    return text.encode()[:limit].decode(errors="ignore")


def _text(value: object, _: MergeField) -> object:
    return cut_to_bytes(_as_text(value))


def _number(value: object, _: MergeField) -> object:
    try:
        number = float(_as_text(value))
    except ValueError:
        raise _RefusedError("Please enter a number") from None
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 the way to find NaN
        raise _RefusedError("Please enter a number")
    return int(number) if number.is_integer() else number


def _date(value: object, merge_field: MergeField) -> object:
    text = _as_text(value)
    day_first = merge_field.options.get("date_format") == "DD/MM/YYYY"
    for form in (*(("%d/%m/%Y",) if day_first else ()), *_DATE_FORMATS):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 a date has no zone
    raise _RefusedError("Please enter a valid date")


def _birthday(value: object, merge_field: MergeField) -> object:
    form = "%Y/%d/%m" if merge_field.options.get("date_format") == "DD/MM" else "%Y/%m/%d"
    try:
        # A leap year, because people are born on 29 February.
        datetime.strptime(f"2000/{_as_text(value)}", form)  # noqa: DTZ007 a date has no zone
    except ValueError:
        raise _RefusedError("Please enter a valid birthday") from None
    return _as_text(value)


def _address(value: object, _: MergeField) -> object:
    if not isinstance(value, dict):
        raise _RefusedError("Please enter a complete address")
    if not all(isinstance(part, str) for part in value.values()):
        raise _RefusedError(_ANY_OF)
    if not any(value.values()):
        return ""
    if not all(value.get(part) for part in _ADDRESS_REQUIRED):
        raise _RefusedError("Please enter a complete address")
    return {part: value.get(part) or ("US" if part == "country" else "") for part in _ADDRESS_PARTS}


def _zip(value: object, _: MergeField) -> object:
    if not re.fullmatch(r"\d{5}", _as_text(value)):
        raise _RefusedError("Please enter a valid zip code")
    return _as_text(value)


def _phone(value: object, merge_field: MergeField) -> object:
    text = _as_text(value)
    if merge_field.options.get("phone_format") == "US":
        digits = re.sub(r"[\s().+-]", "", text)
        if not re.fullmatch(r"1?\d{10}", digits):
            raise _RefusedError("Please enter a valid phone number")
        area, exchange, line = digits[-10:-7], digits[-7:-4], digits[-4:]
        return f"({area}) {exchange}-{line}"
    return cut_to_bytes(text)


def _url(value: object, _: MergeField) -> object:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", _as_text(value)):
        raise _RefusedError("Please enter a valid URL")
    return _as_text(value)


def _choice(value: object, merge_field: MergeField) -> object:
    if _as_text(value) not in merge_field.options.get("choices", ()):
        raise _RefusedError("Please enter a value from the list of choices")
    return _as_text(value)


TYPES: Mapping[str, Callable[[object, MergeField], object]] = {
    "text": _text,
    "number": _number,
    "address": _address,
    "phone": _phone,
    "date": _date,
    "url": _url,
    "imageurl": _url,
    "radio": _choice,
    "dropdown": _choice,
    "birthday": _birthday,
    "zip": _zip,
}

_DEFAULT_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "text": {"size": 25, "choices": []},
    "address": {"default_country": 164},
    "phone": {"phone_format": "none"},
    "date": {"date_format": "MM/DD/YYYY"},
    "birthday": {"date_format": "MM/DD"},
}

DEFAULT_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("FNAME", "First Name", "text"),
    ("LNAME", "Last Name", "text"),
    ("ADDRESS", "Address", "address"),
    ("PHONE", "Phone Number", "phone"),
)
"""Tag, name and type of the fields that every new list has."""


def json_complaints(values: Mapping[str, Any], switches: Switches) -> list[FieldError]:
    """The values whose JSON type no merge field takes: null and arrays, whatever the field is."""
    accepted: tuple[type, ...] = (str, int, float, dict)
    return [
        FieldError(f"merge_fields.{tag}", _ANY_OF)
        for tag, value in values.items()
        if not isinstance(value, accepted)
        or (isinstance(value, bool) and switches.boolean_merge_values == "rejected")
    ]


def merge(
    fields: Sequence[MergeField],
    stored: Mapping[str, object],
    given: Mapping[str, Any],
    *,
    check_required: bool,
    switches: Switches = _UNSWITCHED,
) -> tuple[Mapping[str, object], list[FieldError]]:
    """Lay given values over stored ones.

    A tag that the list does not have is ignored without a word, as the vendor does; an empty string clears a
    value of any type.

    Args:
        fields: The fields of the list.
        stored: What the contact has, by tag; an empty value is absent.
        given: What the request carries, by tag.
        check_required: Whether a required field that ends up empty is an error.
        switches: Which images can be fetched, which value is refused, and which one is taken and not stored.

    Returns:
        The values by tag, and what is wrong with the given ones.
    """
    merged = dict(stored)
    errors = []
    for merge_field in fields:
        tag = merge_field.tag
        if tag in given and not _is_dropped(given[tag], switches):
            try:
                stored_value = _converted(given[tag], merge_field, switches)
            except _RefusedError as refused:
                errors.append(FieldError(tag, str(refused)))
                continue
            if stored_value == "":
                merged.pop(tag, None)
            else:
                merged[tag] = stored_value
        if check_required and merge_field.required and tag not in merged:
            errors.append(FieldError(tag, "Please enter a value"))
    return merged, errors


def displayed(value: object, merge_field: MergeField, switches: Switches) -> object:
    """A stored value as a profile page shows it."""
    if merge_field.type == "date" and value:
        day_first = merge_field.options.get("date_format") == "DD/MM/YYYY"
        return date.fromisoformat(str(value)).strftime("%d/%m/%Y" if day_first else "%m/%d/%Y")
    return html.escape(value) if switches.escapes_entities and isinstance(value, str) else value


def _is_dropped(value: Any, switches: Switches) -> bool:
    return value != "" and _as_text(value) == switches.unstored_merge_value


def _converted(value: Any, merge_field: MergeField, switches: Switches) -> object:
    """A value in the form in which its field stores it; the empty string stands for no value.

    Raises:
        _RefusedError: The field does not take it.
    """
    if value == "":
        return ""
    if _as_text(value) == switches.refused_merge_value:
        raise _RefusedError("Please enter another value")
    if isinstance(value, dict) and merge_field.type != "address":
        raise _RefusedError(_ANY_OF)
    if merge_field.type == "imageurl" and not switches.image_urls_reachable:
        raise _RefusedError("Please enter a valid image URL")
    if switches.trims_texts and isinstance(value, str):
        value = value.strip()
    return TYPES[merge_field.type](value, merge_field)
