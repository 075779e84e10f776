"""The target: its settings, its connections, and its run in the audit trail."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, ClassVar

from kinetic_mailchimp.audit import RECONCILE, AuditTrail, Direction, Run
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.checks import Check, FieldType, Finding, clock_finding
from kinetic_mailchimp.kit.errors import text_to_keep
from kinetic_mailchimp.kit.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.singer import DurableTarget, RunStatus
from kinetic_mailchimp.kit.web_url import check_is_local
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.sinks import Sink
from typing_extensions import override

from target_epicor_contacts.assembly import Assembly, open_trail
from target_epicor_contacts.pipeline import EventProcessor
from target_epicor_contacts.reconcile.comparison import Comparer, shortfall
from target_epicor_contacts.settings import JSON_SCHEMA, WriteSettings
from target_epicor_contacts.sinks import ContactUpdateSink

PROGRESS_SECONDS = 10.0
_NOT_HONOURED = ("add_record_metadata", "load_method", "batch_size_rows", "validate_records")


class TargetEpicorContacts(DurableTarget):
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
    # A STATE message follows each page of a backlog and each event that arrives alone: write with each.
    state_interval: ClassVar[float] = 0.0

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(**arguments)
        self._written_columns: set[str] = set()
        self._incomplete: set[str] = set()
        self._took_handovers = False
        self._run: Run | None = None
        self._processor: EventProcessor | Comparer | None = None
        self._progress_at = time.monotonic()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        for name in _NOT_HONOURED:
            config_jsonschema["properties"].pop(name, None)

    @cached_property
    def write_settings(self) -> WriteSettings:
        """The settings beside those of the connection."""
        return WriteSettings.from_config(self.config)

    @cached_property
    def client(self) -> EpicorClient:
        """Kinetic."""
        return EpicorClient(EpicorSettings.from_config(self.config), sleep=self.pause)

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail."""
        return open_trail(self.write_settings)

    @cached_property
    def executor(self) -> ThreadPoolExecutor:
        """Runs requests at the same time, as many as `concurrency` allows."""
        return ThreadPoolExecutor(self.client.settings.concurrency, thread_name_prefix="epicor")

    @cached_property
    def assembly(self) -> Assembly:
        """Builds the other things that a run works with."""
        return Assembly(self.client, self.write_settings, self.executor)

    @property
    def run(self) -> Run:
        """This run in the audit trail; it starts when it is first asked for."""
        if self._run is None:
            self._run = self.trail.start_run(
                plugin=self.name,
                version=self.plugin_version,
                pipeline=self._pipeline,
                dry_run=self.write_settings.dry_run,
                direction=Direction("Mailchimp", "Epicor"),
                personal_fields=["moved"],
            )
        return self._run

    @property
    def _pipeline(self) -> str:
        if self.write_settings.reconcile:
            return RECONCILE
        return "repair" if self.write_settings.repair else ""

    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Check the columns that a stream brings, and let its dead letters be replayed under its schema.

        Args:
            stream: Its name.
            schema: Its JSON schema, from the SCHEMA message.
            key_properties: From the same message.

        Raises:
            ConfigurationError: A column does not exist or cannot be written.
        """
        # Before Kinetic is asked for anything: a run that ends there must be in the trail, as failed.
        run = self.run
        if self.write_settings.local_servers_only and not self.write_settings.dry_run:
            check_is_local(self.client.settings.base_url)
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
        run.describe_stream(stream, schema, key_properties)

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply a batch; its decisions are durable when this returns.

        Args:
            stream: The stream that it came on.
            records: In the order of arrival.

        Raises:
            ConnectorError: The run cannot go on.
        """
        if self._processor is None:
            self._processor = self.assembly.processor(self.trail, self.run, self._written_columns)
            if not self._took_handovers:
                self._took_handovers = True
                self._take_handovers()
        self._processor.apply(stream, records)
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = now
            counts = ", ".join(f"{count} {action}" for action, count in self.run.counts.most_common())
            self.summary_logger.info("%d records so far: %s.", self.run.records_read, counts)

    @override
    def after_input(self) -> None:
        # target-mailchimp may have found something in the meantime. A dry run has told of it already.
        if not (self.write_settings.dry_run and self._took_handovers):
            self._take_handovers()

    def _take_handovers(self) -> None:
        """Set and take back the flags that target-mailchimp found out about, also in a run without events."""
        if self.write_settings.reconcile or CORRELATION_VARIABLE in os.environ:
            return
        if not self.trail.ledger(HANDOVER_NAMESPACE).count():
            return
        if self._processor is None:
            self._processor = self.assembly.processor(self.trail, self.run, self._written_columns)
        if isinstance(self._processor, EventProcessor):
            self._processor.take_handovers()

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        if not (self.write_settings.dry_run or self.write_settings.repair):
            super()._write_state_message(state)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Note that all of a stream was read: only a comparison needs it."""
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            self._incomplete.discard(stream_map.stream_alias)

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        if self._run is None:
            if "trail" in vars(self):
                self.trail.close()
            return
        reason = text_to_keep(error) if error else None
        if status == "succeeded" and self.write_settings.reconcile and self._incomplete:
            # Half of a listing may agree with Epicor where the whole does not.
            status, reason = "stopped", shortfall(self._incomplete)
            self.logger.warning("%s", reason)
        self.summary_logger.info("%s", self._run.finish(status, reason))
        self.trail.close()
        self.executor.shutdown()
        self.client.close()

    @override
    def checks(self) -> Sequence[Check]:
        return [*super().checks(), Check("audit database", self._check_trail)]

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

    def _check_trail(self) -> Iterator[str]:
        with open_trail(self.write_settings):
            yield "The audit database can be written."
