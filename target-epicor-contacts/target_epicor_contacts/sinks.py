"""Collects contact updates of a stream and hands them on in batches."""

from __future__ import annotations

from typing import Any

from kinetic_mailchimp.audit.targets.audited_target import AuditedSink
from singer_sdk.sinks import BatchSink
from typing_extensions import override


class ContactUpdateSink(AuditedSink, BatchSink):
    """Takes contact updates of one stream."""

    @property
    @override
    def max_size(self) -> int:
        return int(self.config["batch_size"])

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self.target.apply(self.stream_name, context["records"])
