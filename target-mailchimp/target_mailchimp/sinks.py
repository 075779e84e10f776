"""The sink of every stream: hands each record to the loader, which writes for all streams together."""

from __future__ import annotations

from typing import Any

from kinetic_mailchimp.audit.targets.audited_target import AuditedSink
from singer_sdk.sinks import RecordSink
from typing_extensions import override

from target_mailchimp.contract.member_record import HANDLED_ATTRIBUTES, is_tag


class MemberSink(AuditedSink, RecordSink):
    """Takes member records of any stream."""

    @override
    def setup(self) -> None:
        super().setup()
        unknown = sorted(
            name
            for name in self.schema.get("properties", {})
            if name not in HANDLED_ATTRIBUTES
            and not is_tag(name)
            and not name.startswith(("source_", "purchase_", "_sdc_"))
        )
        if unknown:
            self.logger.warning(
                "Not sent, as they are neither attributes of a member nor upper-case merge fields: %s.",
                ", ".join(unknown),
            )

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self.target.apply(self.stream_name, (record,))

    @override  # type: ignore[misc] # final in the SDK, where it passes such files over
    def process_batch(self, context: dict[str, Any]) -> None:
        """Take the records in a file of a BATCH message; those of RECORD messages came one by one."""
        self.target.apply(self.stream_name, context.get("records", ()))

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Leave it to the reader of records, which looks whether the row is gone at its source."""
