from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it publishes no types
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.settings.declaration import REQUIRED, json_schema, read, setting
from kinetic_mailchimp.kit.settings.from_text import from_text


class Mode(StrEnum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True)
class Example:
    base_url: str = setting(title="URL", description="Where it is.")
    password: str = setting("", title="Password", description="Of the user.", secret=True)
    page_size: int = setting(100, title="Page size", description="Rows.", minimum=1)
    seconds: float = setting(60.0, title="Seconds", description="To wait.", exclusiveMinimum=0)
    mode: Mode = setting(Mode.SAFE, title="Mode", description="How.")
    kind: Literal["a", "b"] = setting("a", title="Kind", description="Which.")
    names: tuple[str, ...] = setting((), title="Names", description="Of streams.")
    modes: frozenset[Mode] = setting(frozenset({Mode.SAFE}), title="Modes", description="All.")
    columns: Mapping[str, str] = setting({"a": "b"}, title="Columns", description="From, to.")
    limit: int | None = setting(None, title="Limit", description="None without.")
    since: int = setting(
        0, title="Since", description="A number in words.", schema={"type": ["string"]}, parse=int
    )
    derived: str = "not a setting"


def test_a_declaration_gives_the_schema():
    schema = json_schema(Example)

    Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["base_url"]
    properties = schema["properties"]
    assert properties["base_url"] == {"type": ["string"], "title": "URL", "description": "Where it is."}
    assert properties["password"] == {
        "type": ["string", "null"],
        "title": "Password",
        "description": "Of the user.",
        "secret": True,
        "writeOnly": True,
    }
    kept = ("title", "description")
    constraints = {
        name: {key: value for key, value in inner.items() if key not in kept}
        for name, inner in properties.items()
    }
    assert constraints["page_size"] == {"type": ["integer", "null"], "minimum": 1, "default": 100}
    assert constraints["seconds"] == {"type": ["number", "null"], "exclusiveMinimum": 0, "default": 60.0}
    assert constraints["mode"] == {"type": ["string", "null"], "enum": ["fast", "safe"], "default": "safe"}
    assert constraints["kind"] == {"type": ["string", "null"], "enum": ["a", "b"], "default": "a"}
    assert constraints["names"] == {"type": ["array", "null"], "items": {"type": ["string"]}, "default": []}
    assert constraints["modes"]["default"] == ["safe"]
    assert constraints["columns"] == {
        "type": ["object", "null"],
        "additionalProperties": {"type": ["string"]},
        "default": {"a": "b"},
    }
    assert constraints["limit"] == {"type": ["integer", "null"]}
    assert constraints["since"]["type"] == ["string", "null"]
    assert "derived" not in properties


def test_settings_are_read_in_their_types():
    config: dict[str, Any] = {
        "base_url": "https://kinetic.example.com",
        "seconds": 5,
        "mode": "fast",
        "names": ["a"],
        "modes": ["fast"],
        "since": "7",
        "page_size": None,
        "kind": "",
        "derived": "ignored",
    }
    settings = read(Example, config)

    assert settings == Example(
        base_url="https://kinetic.example.com",
        seconds=5.0,
        mode=Mode.FAST,
        names=("a",),
        modes=frozenset({Mode.FAST}),
        since=7,
    )
    assert isinstance(settings.seconds, float)


def test_a_secret_is_not_in_the_repr():
    assert "top" not in repr(Example("https://kinetic.example.com", password="top"))


def test_a_default_that_can_be_changed_is_not_shared():
    first, second = Example("a"), Example("b")
    assert first.columns is not second.columns


def test_a_type_without_a_schema_is_refused():
    @dataclass(frozen=True)
    class Odd:
        value: complex = setting(REQUIRED, title="Odd", description="No JSON.")

    with pytest.raises(TypeError, match="JSON schema of its own"):
        json_schema(Odd)


SCHEMA = {
    "properties": {
        "companies": {"type": ["array"], "items": {"type": ["string"]}},
        "evidence": {"type": ["array", "null"], "items": {"type": ["string"], "enum": ["memo", "crm_call"]}},
        "cursors": {"type": ["object", "null"]},
        "page_size": {"type": ["integer", "null"]},
        "wait": {"type": ["number", "null"]},
        "dry_run": {"type": ["boolean", "null"]},
        "auth_method": {"type": ["string", "null"], "enum": ["basic", "oauth2"]},
    }
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("companies", "EPIC06", ["EPIC06"]),
        ("companies", "EPIC06, EPIC07", ["EPIC06", "EPIC07"]),
        ("companies", '["EPIC06", "EPIC07"]', ["EPIC06", "EPIC07"]),
        ("companies", "10", ["10"]),
        ("companies", 10, ["10"]),
        ("companies", "[10, 20]", ["10", "20"]),
        ("companies", [10], ["10"]),
        ("companies", "EPIC06,", ["EPIC06"]),
        ("evidence", "memo,crm_call", ["memo", "crm_call"]),
        ("cursors", '{"customers": "SysRevID"}', {"customers": "SysRevID"}),
        ("page_size", "500", 500),
        ("wait", "0.5", 0.5),
        ("dry_run", "True", True),
        ("dry_run", "off", False),
        ("auth_method", "oauth2", "oauth2"),
        ("auth_method", None, None),
        ("auth_method", "", ""),
        ("of_nobody", "1", "1"),
    ],
)
def test_a_value_that_came_as_text_has_the_type_of_its_setting(name, text, value):
    assert from_text({name: text}, SCHEMA) == {name: value}


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("companies", "[EPIC06", "words between commas"),
        ("companies", {"a": 1}, "JSON list"),
        ("companies", '[""]', "words between commas"),
        ("companies", [""], "words between commas"),
        ("evidence", "memo,letter", "memo, crm_call"),
        ("cursors", "customers", "JSON object"),
        ("page_size", "many", "whole number"),
        ("wait", "long", "a number"),
        ("dry_run", "flase", "`true` or `false`"),
        ("auth_method", "basik", "Is basic meant? Use one of basic, oauth2."),
        ("auth_method", "OAuth2", "Is oauth2 meant? Use one of basic, oauth2."),
        ("auth_method", "kerberos", "Use one of basic, oauth2."),
    ],
)
def test_a_bad_value_names_its_setting(name, text, advice):
    with pytest.raises(ConfigurationError) as caught:
        from_text({name: text}, SCHEMA)
    assert f"Setting `{name}`" in caught.value.message
    assert advice in caught.value.advice
    typed = text.rpartition(",")[2] if isinstance(text, str) else text
    assert repr(typed) in caught.value.message


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("name", "meant"), [("dry_rnu", "dry_run"), ("page-size", "page_size"), ("Companies", "companies")]
)
def test_a_misspelled_name_of_a_setting_is_told_and_not_ignored(name, meant):
    with pytest.raises(ConfigurationError) as caught:
        from_text({name: "1"}, SCHEMA)
    assert str(caught.value) == f"There is no setting `{name}`. Is `{meant}` meant? Correct it or remove it."


def test_a_name_near_a_setting_that_is_set_is_of_another_plugin():
    assert from_text({"page_size": "1", "page_sizes": "2"}, SCHEMA) == {"page_size": 1, "page_sizes": "2"}


def test_a_bad_value_of_a_secret_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        from_text({"keys": "[s3cret"}, {"properties": {"keys": {"type": ["array"], "secret": True}}})
    assert "s3cret" not in str(caught.value)
