"""Shows the records that arrive on standard input while a target is busy with those before them."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from threading import Thread
from typing import Any, Final, Self

from kinetic_mailchimp.kit.parsing.json_reading import parse_json

_MOST_BYTES: Final = 8_000
"""So much is seen at once: where more is waiting, a backlog, its beginning would be a part of a batch."""

Records = Sequence[Mapping[str, Any]]
Take = Callable[[str, Records], None]
"""Takes a stream and its records, which come again; it must be quick."""


class UpcomingRecords:
    """Looks at the input that nobody has read yet, and leaves it there.

    Args:
        source: The input, with a descriptor.
    """

    def __init__(self, source: BufferedReader) -> None:
        self._source = source

    @classmethod
    def on_standard_input(cls) -> Self | None:
        """Those on standard input; None where something else stands in its place."""
        buffer = getattr(sys.stdin, "buffer", None)
        return cls(buffer) if isinstance(buffer, BufferedReader) else None

    @contextmanager
    def shown_to(self, take: Take) -> Iterator[None]:
        """Hand over the next batch once, if it is there or arrives before the block is left.

        The block must read nothing of the input.

        Args:
            take: Called in another thread, never after the block.
        """
        over, end = os.pipe()
        watcher = Thread(target=self._watch, args=(over, take), name="upcoming", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            os.close(end)
            watcher.join()
            os.close(over)

    def _watch(self, over: int, take: Take) -> None:
        descriptor = self._source.fileno()
        ready = select.select([descriptor, over], [], [])[0]
        if descriptor not in ready:
            return
        stream, records = next_batch(self._source.peek())
        if records:
            take(stream, records)


def next_batch(waiting: bytes) -> tuple[str, Records]:
    """The records before the next STATE message, and their stream; none where they may be a part of more.

    Args:
        waiting: The first bytes of the input, whole lines or not.
    """
    stream, records = "", list[Mapping[str, Any]]()
    whole, _, rest = waiting.rpartition(b"\n")
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        for line in filter(bytes.strip, whole.splitlines()):
            message = parse_json(line.decode())
            if message["type"] == "STATE" and records:
                return stream, records
            if message["type"] == "RECORD":
                if stream not in {"", message["stream"]} or not isinstance(message["record"], dict):
                    return "", []
                stream = message["stream"]
                records.append(message["record"])
        if not rest and len(waiting) < _MOST_BYTES:
            return stream, records
    return "", []
