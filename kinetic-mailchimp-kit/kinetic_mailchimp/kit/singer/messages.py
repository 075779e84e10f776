"""Reads Singer messages from standard input (needs the extra `singer`)."""

from __future__ import annotations

import math
import os
import select
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import IO, Any, Final, cast

from singer_sdk.io_base import SingerReader
from typing_extensions import override

from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

_FIRST_INEXACT_FLOAT: Final = 2**53
"""From here on, several integers are read as one float."""
_MARKS_OF_UNFINISHED: Final = frozenset({"progress_markers", "unfinished"})
_QUIET_SECONDS: Final = 0.05
"""A pause between two messages in which nobody is in the midst of writing one."""
_PIECE: Final = 64 * 1024

_OBJECTS: Final = {"RECORD": "record", "SCHEMA": "schema", "STATE": "", "ACTIVATE_VERSION": "", "BATCH": ""}
"""Type of a message → the key in it that must hold an object."""


class MessageReader(SingerReader):
    """Reads messages with the numbers of JSON, where the SDK makes a Decimal of every fraction."""

    on_failure: Callable[[Exception], None] = staticmethod(lambda _: None)
    """Called before an error of a line or of its message ends the reading."""

    @override
    def process_lines(
        self, file_input: IO[str] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Process lines; an empty one and a byte order mark, as other programs leave them, say nothing."""
        lines = (line.removeprefix("\ufeff") for line in file_input or self.default_input)
        try:
            return super().process_lines(cast("IO[str]", filter(str.strip, lines)), callbacks)
        except Exception as error:
            self.on_failure(error)
            raise

    @override
    def deserialize_json(self, line: str) -> dict[str, Any]:
        """Read a line; one that is not a message is never shown, because it may hold people.

        Raises:
            DataError: The line is not a JSON object.
        """
        try:
            message = parse_json(line, parse_float=exact_number)
        except ValueError as error:
            raise _not_a_message(line) from error
        # The SDK quotes the whole of a message without a type, and a type that it does not know.
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str) or kind not in _OBJECTS:
            raise _not_a_message(line)
        if (name := _OBJECTS[kind]) and not isinstance(message.get(name, {}), dict):
            raise DataError(
                f"`{name}` of a Singer message is not an object.",
                advice="The tap or the mapper in front is at fault.",
            )
        if kind == "STATE":
            self.assert_line_requires(message, {"value"})
        return cast("dict[str, Any]", message)

    @staticmethod
    @override
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Name the keys that a message lacks, and nothing that it holds."""
        if missing := requires - line_dict.keys():
            raise DataError(
                f"A Singer message lacks {', '.join(f'`{name}`' for name in sorted(missing))}.",
                advice="The tap or the mapper in front is at fault.",
            )


def is_unfinished(state: object) -> bool:
    """True for a state from the midst of a stream, as taps of the SDK and tap-epicor-kinetic mark it."""
    if isinstance(state, dict):
        return bool(_MARKS_OF_UNFINISHED & state.keys()) or any(map(is_unfinished, state.values()))
    return isinstance(state, list) and any(map(is_unfinished, state))


def discard_input(seconds: float = 10.0) -> None:
    """Read standard input to its end and keep nothing of it, so that the program in front can finish.

    To write where nobody reads is an error there, whose traceback would hide what is wrong. Nothing is read
    from a terminal or a file. A tap may go on for hours: after the time, the first pause is taken for an end,
    and after twice the time there is one in any case.
    """
    until = time.monotonic() + seconds
    with suppress(OSError, ValueError, KeyboardInterrupt):  # a stream without a descriptor, or closed
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):  # Meltano's is either, by the Python it runs on
            return
        while (left := until - time.monotonic()) > -seconds:
            is_ready = select.select([descriptor], [], [], max(left, _QUIET_SECONDS))[0]
            if not (is_ready and os.read(descriptor, _PIECE)):
                return


def _not_a_message(line: str) -> DataError:
    return DataError(
        f"A line of {len(line)} characters on standard input is not a Singer message.",
        advice="Only a tap or a mapper may write there: look for a program that prints.",
    )


def exact_number(text: str) -> int | float | str:
    """The number that a JSON text with a fraction or an exponent means: `3.0` is the integer 3.

    Integers stay exact at any size that a float can name; what exceeds it stays text, which no field of a
    number takes.
    """
    number = float(text)
    if math.isinf(number):
        return text
    if not number.is_integer():
        return number
    if abs(number) < _FIRST_INEXACT_FLOAT:
        return int(number)
    decimal = Decimal(text)
    return int(decimal) if decimal == decimal.to_integral_value() else number
