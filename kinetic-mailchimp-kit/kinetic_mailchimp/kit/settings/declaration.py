"""Settings that are declared once: one frozen dataclass gives the JSON schema, the defaults and the values.

    @dataclass(frozen=True)
    class ReadSettings:
        page_size: int = setting(1000, description="Rows of a page.", minimum=1)

`json_schema(ReadSettings)` is what the plugin publishes, and with it what the README, Meltano's definition
and the options of a command line are made from; `read(ReadSettings, config)` is what the plugin works with.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from enum import Enum
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

Settings = TypeVar("Settings")
Schema = dict[str, Any]

REQUIRED: Any = MISSING
"""The default of a setting that has none."""

_DECLARATION = "setting"
_ABSENT = (None, "")
_ACRONYMS = frozenset({"api", "ca", "crm", "id", "ids", "tls", "url"})
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of a dataclass: its name, its type without `None`, its default, and what `setting` took."""

    name: str
    kind: Any
    default: Any
    title: str
    description: str
    secret: bool
    schema: Mapping[str, Any]
    parse: Callable[[Any], Any] | None
    variables: Sequence[str]
    metavar: str

    @property
    def json_default(self) -> Any:  # noqa: ANN401 (JSON)
        """The default as JSON: the one that the schema states, or else the attribute's; or `REQUIRED`."""
        default = self.schema.get("default", self.default)
        if default is REQUIRED:
            return default
        return msgspec.json.decode(msgspec.json.encode(default, order="deterministic"))


def setting(
    default: Any = REQUIRED,  # noqa: ANN401 (of the type of the attribute)
    *,
    description: str,
    title: str = "",
    secret: bool = False,
    schema: Mapping[str, Any] | None = None,
    parse: Callable[[Any], Any] | None = None,
    variables: Sequence[str] = (),
    metavar: str = "",
    **constraints: Any,  # noqa: ANN401 (JSON schema)
) -> Any:  # noqa: ANN401 (stands where a value of the attribute's type is expected)
    """Declare a setting as an attribute of a frozen dataclass.

    Args:
        default: The value without the setting; `REQUIRED` where there must be one.
        description: One or two sentences, in Markdown.
        title: For forms and tables; by default it follows from the name.
        secret: Whether its value must never be shown; it is left out of the `repr` of the settings too.
        schema: JSON schema of a value, where the type of the attribute does not say it.
        parse: Turns the value of a configuration into that of the attribute, likewise; raises `ValueError`.
        variables: Further environment variables of its option on a command line, the first one that is set.
        metavar: Placeholder of the value in the help of a command line, such as `AGE`.
        constraints: Further JSON schema, such as `minimum=1`.
    """
    declared = partial(
        Setting,
        title=title,
        description=description,
        secret=secret,
        schema={**(schema or {}), **constraints},
        parse=parse,
        variables=variables,
        metavar=metavar,
    )
    given: dict[str, Any] = {"default": default}
    if isinstance(default, dict | list):
        given = {"default_factory": lambda: type(default)(default)}
    return dataclasses.field(**given, repr=not secret, metadata={_DECLARATION: declared})


def json_schema(*classes: type) -> Schema:
    """JSON schema of an object with the settings of some dataclasses; of one name, the last one counts."""
    properties: Schema = {}
    required: list[str] = []
    for cls in classes:
        for found in declared_settings(cls):
            properties[found.name] = _property(found)
            if found.default is REQUIRED:
                required.append(found.name)
    return {"type": "object", "properties": properties, "required": required}


def read(cls: type[Settings], config: Mapping[str, Any]) -> Settings:
    """Read the settings of a dataclass out of a configuration that was validated against its schema.

    A value that is empty or null is one that is not set.
    """
    given = {
        found.name: (found.parse or partial(_as_type, kind=found.kind))(config[found.name])
        for found in declared_settings(cls)
        if config.get(found.name) not in _ABSENT
    }
    return cls(**given)


def declared_settings(cls: type) -> Sequence[Setting]:
    """The settings of a dataclass, its own before inherited ones; other attributes are left out."""
    kinds = typing.get_type_hints(cls)
    declared = [field for field in dataclasses.fields(cls) if _DECLARATION in field.metadata]
    owners = [vars(owner).get("__annotations__", {}) for owner in cls.__mro__]
    declared.sort(key=lambda field: next(depth for depth, own in enumerate(owners) if field.name in own))
    return [
        field.metadata[_DECLARATION](
            name=field.name, kind=_without_none(kinds[field.name]), default=_default_of(field)
        )
        for field in declared
    ]


def _property(found: Setting) -> Schema:
    default = found.json_default
    of_value = _schema_of(found.kind) if "type" not in found.schema else {}
    of_value |= found.schema
    if found.default is not REQUIRED:
        of_value["type"] = [*of_value["type"], "null"]
    of_value |= {"title": found.title or _title(found.name), "description": found.description}
    if default not in (REQUIRED, *_ABSENT):
        of_value["default"] = default
    if found.secret:
        of_value |= {"secret": True, "writeOnly": True}
    return of_value


def _title(name: str) -> str:
    words = name.split("_")
    title = [word.upper() if word in _ACRONYMS else word for word in words]
    return " ".join([title[0][:1].upper() + title[0][1:], *title[1:]])


def _schema_of(kind: Any) -> Schema:  # noqa: ANN401 (a type)
    """JSON schema of a value of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"type": ["string"], "enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": ["string"], "enum": [member.value for member in kind]}
    if kind in _TYPES:
        return {"type": [_TYPES[kind]]}
    if origin in (tuple, frozenset, list):
        return {"type": ["array"], "items": _schema_of(arguments[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": ["object"], "additionalProperties": _schema_of(arguments[1])}
    raise TypeError(f"A setting of type {kind} needs a JSON schema of its own.")


def _as_type(value: Any, kind: Any) -> Any:  # noqa: ANN401 (JSON to any type)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, frozenset, list):
        return origin(_as_type(inner, arguments[0]) for inner in value)
    if kind is float or (isinstance(kind, type) and issubclass(kind, Enum)):
        return kind(value)
    return value


def _without_none(kind: Any) -> Any:  # noqa: ANN401 (a type)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = (inner for inner in typing.get_args(kind) if inner is not type(None))
    return kind


def _default_of(field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 (of any type)
    return field.default if field.default_factory is MISSING else field.default_factory()
