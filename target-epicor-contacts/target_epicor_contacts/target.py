"""The target: its settings, its connections, and its run in the audit trail."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_mailchimp.audit.targets.audited_target import AuditedTarget
from kinetic_mailchimp.audit.trail.direction import EPICOR, MAILCHIMP, Direction
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.checks import FieldType, Finding, clock_finding
from kinetic_mailchimp.kit.http.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.singer.durable_target import RunStatus
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.sinks import Sink
from typing_extensions import override

from target_epicor_contacts.contract.campaign_result import RESULT_ID, is_campaign_event
from target_epicor_contacts.settings import JSON_SCHEMA, WriteSettings
from target_epicor_contacts.sinks import ContactUpdateSink

if TYPE_CHECKING:
    from target_epicor_contacts.applying.pipeline import EventProcessor
    from target_epicor_contacts.applying.results import ResultProcessor
    from target_epicor_contacts.assembly import Assembly
    from target_epicor_contacts.reconcile.comparison import Comparison

HANDOVER_SECONDS = 60.0
"""Between two looks for handovers while records come without an end, as from a tap that follows."""


class TargetEpicorContacts(AuditedTarget):
    """Writes contact status and contact fields back to Epicor Kinetic."""

    name = "target-epicor-contacts"
    config_jsonschema: ClassVar[dict[str, Any]] = JSON_SCHEMA
    default_sink_class: type[Sink] = ContactUpdateSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    direction = Direction(MAILCHIMP, EPICOR)
    personal_fields = ("moved",)
    # A STATE message follows each page of a backlog and each event that arrives alone: write with each.
    state_interval: ClassVar[float] = 0.0

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(**arguments)
        self._written_columns: set[str] = set()
        self._incomplete: set[str] = set()
        self._handovers_due_at = -math.inf  # by the monotonic clock
        self._processor: EventProcessor | Comparison | None = None

    @cached_property
    @override
    def settings(self) -> WriteSettings:
        return WriteSettings.from_config(self.config)

    @cached_property
    @override
    def client(self) -> EpicorClient:
        """Kinetic."""
        return EpicorClient(EpicorSettings.from_config(self.config), sleep=self.pause)

    @cached_property
    def executor(self) -> ThreadPoolExecutor:
        """Runs requests at the same time, as many as `concurrency` allows."""
        return ThreadPoolExecutor(self.client.settings.concurrency, thread_name_prefix="epicor")

    @cached_property
    def assembly(self) -> Assembly:
        """Builds the other things that a run works with."""
        from target_epicor_contacts.assembly import Assembly  # noqa: PLC0415 (slow to import: `--about` needs none of it)

        return Assembly(self.client, self.settings, self.executor)

    @property
    @override
    def server(self) -> str:
        return self.client.settings.base_url

    @override
    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Check the columns that a stream brings: all exist and can be written."""
        # Before Kinetic is asked for anything: a run that ends there must be in the trail, as failed.
        super().open_stream(stream, schema, key_properties)
        rules = self.assembly.rules
        names = [name for name in schema.get("properties", {}) if name[:1].isupper()]
        for name in names:
            rules.columns.check(name, rules.entities, origin=f"Stream `{stream}`")
        if "merges" in schema.get("properties", {}):
            for name in rules.merge_fields:
                rules.columns.check(name, rules.entities, origin="`merge_fields`")
            names += rules.merge_fields
        self._written_columns.update(names)
        self._processor = None
        self._incomplete.add(stream)

    @property
    def processor(self) -> EventProcessor | Comparison:
        """Applies records; made again when a stream brings other columns."""
        if self._processor is None:
            self._processor = self.assembly.processor(self.trail, self.run, self._written_columns)
        return self._processor

    @override
    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply a batch; its decisions are durable when this returns."""
        if time.monotonic() >= self._handovers_due_at:
            self._take_handovers()
        for apply, of_it in itertools.groupby(records, self._way_of):
            apply(stream, list(of_it))

    def _way_of(self, record: Mapping[str, Any]) -> Callable[[str, Sequence[Mapping[str, Any]]], None]:
        """Choose the way to apply a record."""
        if RESULT_ID in record:
            return self.result_processor.apply
        return (
            self.result_processor.note_campaign_events if is_campaign_event(record) else self.processor.apply
        )

    @cached_property
    def result_processor(self) -> ResultProcessor:
        """Applies campaign results."""
        return self.assembly.result_processor(self.trail, self.run)

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        # A tap that follows sends a state now and then, also while it has no events.
        if time.monotonic() >= max(self._handovers_due_at, self._started_at + HANDOVER_SECONDS):
            self._take_handovers()
        super()._write_state_message(state)

    @override
    def after_input(self) -> None:
        # target-mailchimp may have found something in the meantime.
        if self._handovers_due_at < math.inf:
            self._take_handovers()

    def _take_handovers(self) -> None:
        """Set and take back the flags that target-mailchimp found out about, also in a run without events."""
        # A dry run leaves them where they are, and tells of them once.
        self._handovers_due_at = math.inf if self.settings.dry_run else time.monotonic() + HANDOVER_SECONDS
        if self.assembly.has_handovers(self.trail):
            self.processor.take_handovers()

    @override
    def complete_stream(self, stream: str) -> None:
        self._incomplete.discard(stream)

    @property
    @override
    def shortfall(self) -> str:
        if not (self.settings.reconcile and self._incomplete):
            return super().shortfall
        return (
            f"Not all of {', '.join(sorted(self._incomplete))} may have been read (no ACTIVATE_VERSION "
            "message after the last record): the tap ended early, or lists no present states."
        )

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        try:
            super().end_run(status, error)
        finally:
            if "executor" in vars(self):
                self.executor.shutdown()

    @override
    def check_connection(self) -> Iterator[Finding | str]:
        # A person is waiting.
        settings = EpicorSettings.from_config(self.config)
        self.client = EpicorClient(settings, retry=INTERACTIVE_RETRY_POLICY, sleep=self.pause)
        yield from self.assembly.check_connection()
        yield clock_finding("Epicor Kinetic", self.client.server_time)

    @override
    def fields(self) -> Mapping[str, FieldType]:
        columns = self.assembly.rules.columns
        return {
            name: FieldType(edm_type, columns.lengths.get(entity, {}).get(name))
            for entity in reversed(list(columns.types))
            for name, edm_type in columns.types[entity].items()
        }
