"""Makes merge fields that an audience lacks, out of a stream's schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from target_mailchimp.contract.member_record import is_tag

LONGEST_TAG = 10
LONGEST_NAME = 50

RESERVED_TAGS = frozenset(
    {
        "ARCHIVE",
        "DATE",
        "EMAIL",
        "EMAIL_TYPE",
        "FORWARD",
        "INTERESTS",
        "REWARDS",
        "TO",
        "UNSUB",
        "USER_URL",
    }
)
"""Tags that Mailchimp keeps for itself."""

_TAG = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class NewField:
    """A merge field to make."""

    tag: str
    name: str
    type: str
    choices: tuple[str, ...] = ()

    def as_body(self) -> dict[str, Any]:
        """The body of the call that makes it."""
        body: dict[str, Any] = {"tag": self.tag, "name": self.name, "type": self.type}
        if self.choices:
            body["options"] = {"choices": list(self.choices)}
        return body


@lru_cache(maxsize=1_000)
def tag_of(property_name: str) -> str:
    """The tag that a property is sent under: Mailchimp cuts what is longer."""
    return property_name.upper()[:LONGEST_TAG]


def missing_fields(schema: Mapping[str, Any], known_tags: Iterable[str]) -> list[NewField]:
    """The fields that a stream's schema has and the audience lacks, in the order of the schema."""
    known = set(known_tags)
    properties: dict[str, Mapping[str, Any]] = {
        name: definition for name, definition in schema.get("properties", {}).items() if is_tag(name)
    }
    nested = schema.get("properties", {}).get("merge_fields", {}).get("properties", {})
    properties |= {name.upper(): definition for name, definition in nested.items()}
    found = []
    for name, definition in properties.items():
        tag = tag_of(name)
        if tag in known or tag in RESERVED_TAGS or not _TAG.fullmatch(tag):
            continue
        known.add(tag)
        found.append(_new_field(tag, name, definition))
    return found


def _new_field(tag: str, name: str, definition: Mapping[str, Any]) -> NewField:
    choices = tuple(str(choice) for choice in definition.get("enum", ()) if choice not in {None, ""})
    title = str(definition.get("title") or name.replace("_", " ").capitalize())[:LONGEST_NAME]
    return NewField(tag, title, "dropdown" if choices else _type_of(definition), choices)


def _type_of(definition: Mapping[str, Any]) -> str:
    kinds = definition.get("type", "string")
    kind = next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), "string")
    if kind == "object" and "addr1" in definition.get("properties", {}):
        return "address"
    if kind in {"integer", "number"}:
        return "number"
    return {"date": "date", "date-time": "date", "uri": "url"}.get(definition.get("format", ""), "text")
