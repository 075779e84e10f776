"""The sink of every stream: hands each record to the loader, which writes for all streams together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from singer_sdk import Target
from singer_sdk.sinks import RecordSink
from typing_extensions import override

from target_mailchimp.contract.member_record import HANDLED_ATTRIBUTES, is_tag


class RecordLoader(Protocol):
    """Loads records of all streams."""

    def take(self, stream: str, record: Mapping[str, Any]) -> None:
        """Take a record."""

    def flush(self) -> None:
        """Write everything that was taken."""


class MemberTarget(Protocol):
    """The part of the target that its sinks need."""

    @property
    def loader(self) -> RecordLoader:
        """The loader of this run."""

    def expect(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Prepare for the records of a stream."""


class MemberSink(RecordSink):
    """Takes member records of any stream."""

    def __init__(self, target: Target, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(target, *arguments, **named)
        self._members = cast("MemberTarget", target)

    @override
    def setup(self) -> None:
        """Prepare the loader and the audit trail for the stream."""
        super().setup()
        self._members.expect(self.stream_name, self.schema, self.key_properties)
        unknown = sorted(
            name
            for name in self.schema.get("properties", {})
            if name not in HANDLED_ATTRIBUTES
            and not is_tag(name)
            and not name.startswith(("source_", "_sdc_"))
        )
        if unknown:
            self.logger.warning(
                "Not sent, as they are neither attributes of a member nor upper-case merge fields: %s.",
                ", ".join(unknown),
            )

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave the record as it is: an error in it goes to the audit trail, and ends no run."""
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Let a record without its key pass: it is recorded as one without an address."""

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Hand a record to the loader."""
        self._members.loader.take(self.stream_name, record)

    @override
    def clean_up(self) -> None:
        """Finish all writes at the end of the input, whether a state follows or not."""
        self._members.loader.flush()
        super().clean_up()
