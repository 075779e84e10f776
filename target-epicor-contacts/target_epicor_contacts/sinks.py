"""Collects contact updates of a stream and hands them on in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target
from typing_extensions import override

from target_epicor_contacts.settings import WriteSettings


class UpdateTarget(Protocol):
    """The part of the target that a sink needs."""

    write_settings: WriteSettings

    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Check the columns of a stream."""

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply a batch; its decisions are durable when this returns."""


class ContactUpdateSink(BatchSink):
    """Takes contact updates of one stream.

    Records are checked when they are applied, one by one: an invalid one ends as a decision in the audit
    trail, never as the end of the run.
    """

    def __init__(
        self, target: Target, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._updates = cast("UpdateTarget", target)

    @property
    @override
    def max_size(self) -> int:
        return self._updates.write_settings.batch_size

    @override
    def setup(self) -> None:
        self._updates.open_stream(self.stream_name, self.schema, self.key_properties)

    @override
    def get_validator(self) -> None:
        return None

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Leave it to the check of each record."""

    @override
    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Log nothing: the SDK would write the whole batch into the log."""

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self._updates.apply(self.stream_name, context["records"])
