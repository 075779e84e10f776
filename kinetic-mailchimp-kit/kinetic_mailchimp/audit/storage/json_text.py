"""Values as text that every database takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, overload

from msgspec import to_builtins
from msgspec.json import Encoder

_encode_json: Final = Encoder(enc_hook=str).encode


def to_json(value: object) -> str:
    """A value as compact JSON; what JSON does not know is written as text."""
    try:
        return _encode_json(value).decode()
    except UnicodeEncodeError:
        return _encode_json(_storable_throughout(to_builtins(value, enc_hook=str))).decode()


def _storable_throughout(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {_storable_throughout(name): _storable_throughout(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable_throughout(inner) for inner in value]
    return value


@overload
def storable(text: str) -> str: ...
@overload
def storable(text: None) -> None: ...
def storable(text: str | None) -> str | None:
    """The text as every database takes it: what is not Unicode, and NUL, become the replacement character."""
    if text is None:
        return None
    if type(text) is not str:
        text = str.__str__(text)  # a driver may write the name of an enum's member instead of its value
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")
