"""Collects contact updates of a stream and hands them on in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import BatchSink
from typing_extensions import override

if TYPE_CHECKING:
    from target_epicor_contacts.target import TargetEpicorContacts


class ContactUpdateSink(BatchSink):
    """Takes contact updates of one stream.

    Records are checked when they are applied, one by one: one that does not fit ends as a decision in the
    audit trail, never as the end of the run.
    """

    def __init__(
        self,
        target: TargetEpicorContacts,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._contacts_target = target

    @property
    @override
    def max_size(self) -> int:
        return int(self.config["batch_size"])

    @override
    def setup(self) -> None:
        self._contacts_target.open_stream(self.stream_name, self.schema, self.key_properties)

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
        self._contacts_target.apply(self.stream_name, context["records"])
