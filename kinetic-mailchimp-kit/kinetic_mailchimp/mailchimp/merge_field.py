"""Brings values into the form that a merge field of some type takes: one function per type."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST_TEXT = 255
"""Bytes of a text field; Mailchimp cuts what is longer, in the middle of a character if need be."""

_ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
_ADDRESS_REQUIRED = ("addr1", "city", "state", "zip")
_ADDRESS_OF_SOME_COUNTRIES = frozenset({"state", "zip"})
_US_DIGITS = 10
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d-%m-%Y")
_BIRTHDAY_FORMS = ("%Y/%m/%d", "%Y/%m-%d")
_WORDS = {True: {"true", "yes", "y", "1"}, False: {"false", "no", "n", "0"}}
"""Choices that mean a yes or a no, as `target-epicor-contacts` reads them."""

_HOST = re.compile(r"[^\s/:@]+\.[^\s/:@]+(/\S*)?")


class UnfitValueError(ValueError):
    """A value that its merge field cannot take as it is.

    Attributes:
        detail: A sentence without the value.
        instead: The value that travels in its place; None for none.
    """

    def __init__(self, reason: str, detail: str, instead: Any = None) -> None:  # noqa: ANN401 (JSON)
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.instead = instead


@dataclass(frozen=True)
class MergeField:
    """A merge field of an audience.

    Attributes:
        tag: Upper-case, at most ten characters.
        phone_format: `US` or `none`.
        date_format: Of a date or birthday, such as `DD/MM`.
        placeholder: Stands for a state and a zip that an address does not have; empty for none.
        merge_id: Mailchimp's number of the field: a field made again under its tag has another.
        signature: Tells this definition of the field from an earlier or later one.
        label: The name that people see.
    """

    tag: str
    type: str = "text"
    choices: tuple[str, ...] = ()
    phone_format: str = "none"
    date_format: str = ""
    placeholder: str = ""
    merge_id: int = 0
    signature: str = ""
    label: str = ""

    @classmethod
    def from_api(cls, field: Mapping[str, Any], *, placeholder: str = "") -> MergeField:
        """Read an entry of the audience's merge fields.

        Args:
            field: The entry.
            placeholder: As the attribute.
        """
        options, merge_id = field.get("options"), field.get("merge_id")
        options = options if isinstance(options, Mapping) else {}
        kind = str(field.get("type") or "text")
        definition = json.dumps([merge_id, kind, options], sort_keys=True)
        return cls(
            tag=str(field["tag"]).upper(),
            type=kind,
            # Some texts are shown with entities, as a page would have them.
            choices=tuple(html.unescape(str(choice)) for choice in options.get("choices") or ()),
            phone_format=str(options.get("phone_format") or "none"),
            date_format=str(options.get("date_format") or "").upper(),
            placeholder=placeholder,
            merge_id=merge_id if isinstance(merge_id, int) else 0,
            signature=hashlib.sha256(definition.encode()).hexdigest()[:16],
            label=html.unescape(str(field.get("name") or "")),
        )

    def to_json(self) -> dict[str, Any]:
        """The definition in the form that `from_api` reads."""
        options = {
            "choices": list(self.choices),
            "phone_format": self.phone_format,
            "date_format": self.date_format,
        }
        return {"tag": self.tag, "type": self.type, "merge_id": self.merge_id, "options": options}

    @property
    def most_bytes(self) -> int | None:
        """Bytes that a value may have; None where it is another type."""
        return LONGEST_TEXT if self.type == "text" else None


def coerce(value: Any, field: MergeField) -> Any:  # noqa: ANN401 (JSON in, JSON out)
    """The value in the form of its field; an empty text stays, because it clears any field.

    Args:
        value: As the record has it.
        field: The audience's definition.

    Raises:
        UnfitValueError: It cannot be brought into that form.
    """
    if isinstance(value, str) and not value.strip():
        return ""
    return _BY_TYPE[field.type if field.type in _BY_TYPE else "text"](value, field)


def as_shown(value: Any, field: MergeField) -> Any:  # noqa: ANN401 (JSON in, JSON out)
    """The value as its field shows it; as it is where it cannot be brought into that form.

    Args:
        value: Of either side.
        field: The audience's definition.
    """
    try:
        return coerce(value, field)
    except UnfitValueError:
        return value


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text, cut to a number of bytes between two characters."""
    return text if len(text) * 4 <= longest else text.encode()[:longest].decode(errors="ignore")


def _text(value: Any, _: MergeField) -> str:  # noqa: ANN401 (JSON)
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, (Mapping, list)):
        raise UnfitValueError("not_a_text", "an object or a list is not a text")
    return cut(_text_of(value))


def _text_of(value: Any) -> str:  # noqa: ANN401 (JSON)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(value: Any, _: MergeField) -> int | float:  # noqa: ANN401 (JSON)
    try:
        number = float(_text_of(value).strip())
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnfitValueError("not_a_number", "the value is not a number")
    return int(number) if number.is_integer() else number


def _date(value: Any, field: MergeField) -> str:  # noqa: ANN401 (JSON)
    text = _text_of(value).strip()
    # Of a timestamp, the date that the source shows is meant, whatever the zone.
    day = text[:10] if _ISO_DATE.match(text) else text
    for form in ("%d/%m/%Y", *_DATE_FORMS) if field.date_format == "DD/MM/YYYY" else _DATE_FORMS:
        parsed = _parsed(day, form)
        if parsed:
            return parsed.date().isoformat()
    raise UnfitValueError("not_a_date", "the value is not a date")


def _birthday(value: Any, field: MergeField) -> str:  # noqa: ANN401 (JSON)
    text = _text_of(value).strip()
    day_first = field.date_format == "DD/MM"
    forms = ("%Y/%d/%m", "%Y/%m-%d") if day_first else _BIRTHDAY_FORMS
    if _ISO_DATE.match(text):
        text = text[5:10]
    for form in forms:
        # A leap year, because people are born on 29 February.
        parsed = _parsed(f"2000/{text}", form)
        if parsed:
            return f"{parsed:%d/%m}" if day_first else f"{parsed:%m/%d}"
    raise UnfitValueError("not_a_birthday", "the value is not a day of a year")


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 (a date has no zone)
    except ValueError:
        return None


def _phone(value: Any, field: MergeField) -> str:  # noqa: ANN401 (JSON)
    text = _text(value, field).strip()
    if field.phone_format != "US":
        return text
    digits = re.sub(r"\D", "", text)
    digits = digits[1:] if len(digits) == _US_DIGITS + 1 and digits.startswith("1") else digits
    if len(digits) != _US_DIGITS:
        raise UnfitValueError("not_a_us_phone", "the value is not a phone number of the USA")
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"


def _zip(value: Any, _: MergeField) -> str:  # noqa: ANN401 (JSON)
    text = (
        f"{value:05d}" if isinstance(value, int) and not isinstance(value, bool) else _text_of(value).strip()
    )
    match = re.fullmatch(r"(\d{5})(-?\d{4})?", text)
    if match is None:
        raise UnfitValueError("not_a_zip", "the value is not a five-digit zip code")
    return match[1]


def _url(value: Any, _: MergeField) -> str:  # noqa: ANN401 (JSON)
    text = _text_of(value).strip()
    if _HOST.fullmatch(text):
        text = f"http://{text}"
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise UnfitValueError("not_a_url", "the value is not a web address")
    return text


def _choice(value: Any, field: MergeField) -> str:  # noqa: ANN401 (JSON)
    text = html.unescape(_text_of(value)).strip().lower()
    words = _WORDS[value] if isinstance(value, bool) else {text}
    for choice in field.choices:
        if choice.strip().lower() in words:
            return choice
    raise UnfitValueError("not_a_choice", "the value is not one of the field's choices")


def _address(value: Any, field: MergeField) -> Any:  # noqa: ANN401 (JSON)
    if not isinstance(value, Mapping):
        raise UnfitValueError(
            "not_an_address_object", "an address is an object with addr1, city, state and zip"
        )
    given = {
        part: "" if value.get(part) is None else _text_of(value[part]).strip() for part in _ADDRESS_PARTS
    }
    if not any(given.values()):
        return ""
    if not given["country"]:
        del given["country"]
    missing = [part for part in _ADDRESS_REQUIRED if not given[part]]
    if not missing:
        return given
    lacks = f"the address lacks {', '.join(missing)}"
    if not field.placeholder or not _ADDRESS_OF_SOME_COUNTRIES.issuperset(missing):
        # The address before is not the present one.
        raise UnfitValueError("incomplete_address", lacks, "")
    filled = given | dict.fromkeys(missing, field.placeholder)
    raise UnfitValueError("address_placeholder", f"{lacks}, so that `{field.placeholder}` is sent", filled)


_BY_TYPE: Mapping[str, Callable[[Any, MergeField], Any]] = {
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
