"""Writes Singer messages to stdout in blocks that end with what makes their records count."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from typing import IO, Any

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding.simple import Message
from typing_extensions import override

LARGEST_BLOCK = 1 << 16


class BlockWriter(MsgSpecWriter):
    """Collects records until the STATE after their page, whether or not stdout has a buffer of its own.

    Args:
        output: Where to write; stdout by default.
    """

    def __init__(self, output: IO[bytes] | None = None) -> None:
        super().__init__()
        self._output = output
        self._block = bytearray()
        self.is_writing = False
        """True while a block is on its way: to end the process now would leave half a line."""
        self.exit_status: int | None = None
        """Set to end the process once the block is out."""

    @override
    def write_message(self, message: Message) -> None:
        encoder.encode_into(message.to_dict(), self._block, -1)
        self._block += b"\n"
        if not isinstance(message, RecordMessage) or len(self._block) > LARGEST_BLOCK:
            self.flush()

    def write_records(
        self, stream: str, records: Iterable[Any], extracted_at: dt.datetime, version: int | None = None
    ) -> int:
        """Write the records of a page without a message object for each, and count them.

        Args:
            stream: Its name.
            records: Dictionaries or typed rows.
            extracted_at: The time of all of them.
            version: Of the table, for a stream that tells when it is complete.
        """
        before = b'{"type":"RECORD","stream":%b,"record":' % encoder.encode(stream)
        versioned = b',"version":%d' % version if version is not None else b""
        after = b'%b,"time_extracted":%b}\n' % (versioned, encoder.encode(extracted_at))
        block, count = self._block, 0
        for count, record in enumerate(records, start=1):  # noqa: B007 (it is the result)
            block += before
            encoder.encode_into(record, block, -1)
            block += after
            if len(block) > LARGEST_BLOCK:
                self.flush()
                block = self._block
        return count

    def flush(self) -> None:
        """Write what was collected."""
        block, self._block = self._block, bytearray()
        output = self._output or sys.stdout.buffer
        self.is_writing = True
        try:
            # A raw stream takes as much as fits into a pipe.
            remaining = memoryview(block)
            while remaining:
                remaining = remaining[output.write(remaining) :]
            output.flush()
        finally:
            self.is_writing = False
        if self.exit_status is not None:
            sys.exit(self.exit_status)
