"""The target: settings, connections, and a run in the audit trail from the first stream to the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, ClassVar

from kinetic_mailchimp.audit import (
    RECONCILE,
    AuditTrail,
    Direction,
    Run,
    default_database_url,
    encryption_key,
)
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.errors import text_to_keep
from kinetic_mailchimp.kit.singer import DurableTarget, RunStatus
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.sinks import Sink
from typing_extensions import override

from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.contact_creator import ContactMaker
from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, PERSON, SYNC_EMAIL, SYSTEM_ID, Entity
from target_epicor_contacts.epicor.opt_out_log import MEMO, EvidenceWriter, crm_call
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.pipeline import Applier, Tools
from target_epicor_contacts.reconcile.comparison import Comparer, shortfall
from target_epicor_contacts.rules.policy import ConflictPolicy, Rules
from target_epicor_contacts.rules.profile import CHANGE_MOMENTS
from target_epicor_contacts.settings import JSON_SCHEMA, WriteSettings
from target_epicor_contacts.sinks import ContactUpdateSink
from target_epicor_contacts.state.last_sent import SentValues

PROGRESS_SECONDS = 10.0
_YES_OR_NO = ("Edm.Boolean",)
_TEXT = ("Edm.String",)
_TYPES_OF_PARTICULARS: Mapping[str, tuple[str, ...]] = {
    "status": _TEXT,
    "reason": _TEXT,
    "date": ("Edm.DateTimeOffset", "Edm.Date", "Edm.String"),
    "campaign": _TEXT,
}
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
        self._run: Run | None = None
        self._applier: Applier | Comparer | None = None
        self._told_at = time.monotonic()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        for name in _NOT_HONOURED:
            config_jsonschema["properties"].pop(name, None)

    # What it works with

    @cached_property
    def write_settings(self) -> WriteSettings:
        """How records are written."""
        return WriteSettings.from_config(self.config)

    @cached_property
    def client(self) -> EpicorClient:
        """Kinetic."""
        return EpicorClient(EpicorSettings.from_config(self.config), sleep=self.pause)

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail."""
        return self._open_trail()

    @cached_property
    def executor(self) -> ThreadPoolExecutor:
        """Runs requests at the same time, as many as `concurrency` allows."""
        return ThreadPoolExecutor(self.client.settings.concurrency, thread_name_prefix="epicor")

    @cached_property
    def rules(self) -> Rules:
        """How events become changes, with the columns checked.

        Raises:
            ConfigurationError: A configured column does not exist.
        """
        settings = self.write_settings
        company = self.client.settings.companies[0]
        columns = Columns(
            {
                entity.name: {
                    name: column.edm_type
                    for name, column in self.client.metadata(company, entity.service)
                    .entity(entity.set_name)
                    .properties.items()
                }
                for entity in settings.match
            }
        )
        columns.check(
            settings.flag_column,
            settings.match,
            origin="`flag_column`",
            everywhere=True,
            types=("Edm.Boolean",),
        )
        for name, types in _TYPES_OF_PARTICULARS.items():
            column = getattr(settings.status_columns, name)
            if column:
                columns.check(column, settings.match, origin=f"`{name}_column`", types=types)
        return settings.rules(columns)

    # The life of a run

    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Check the columns that a stream brings, and let its dead letters be replayed under its schema.

        Raises:
            ConfigurationError: A column does not exist or cannot be written.
        """
        # Before Kinetic is asked for anything: a run that ends there must be in the trail, as failed.
        run = self.run
        rules = self.rules
        names = [name for name in schema.get("properties", {}) if name[:1].isupper()]
        for name in names:
            rules.columns.check(name, rules.entities, origin=f"Stream `{stream}`")
        self._written_columns.update(names)
        self._applier = None
        self._incomplete.add(stream)
        run.describe_stream(stream, schema, key_properties)

    @property
    def run(self) -> Run:
        """This run in the audit trail; it starts when it is first asked for."""
        if self._run is None:
            self._run = self.trail.start_run(
                plugin=self.name,
                version=self.plugin_version,
                pipeline=RECONCILE if self.write_settings.reconcile else "",
                dry_run=self.write_settings.dry_run,
                direction=Direction("Mailchimp", "Epicor"),
                personal_fields=["moved"],
            )
        return self._run

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply a batch; its decisions are durable when this returns.

        Raises:
            ConnectorError: The run cannot go on.
        """
        if self._applier is None:
            self._applier = self._new_applier()
        self._applier.apply(stream, records)
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            told = ", ".join(f"{count} {action}" for action, count in self.run.counts.most_common())
            self.logger.info("%d records so far: %s.", self.run.records_read, told)

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        if not self.write_settings.dry_run:
            super()._write_state_message(state)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Take note that everything came: only a comparison asks for it."""
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            self._incomplete.discard(stream_map.stream_alias)

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        if self._run is None:
            return
        told = text_to_keep(error) if error else None
        if status == "succeeded" and self.write_settings.reconcile and self._incomplete:
            # Half of a listing may agree with Epicor where the whole does not.
            status, told = "stopped", shortfall(self._incomplete)
            self.logger.warning("%s", told)
        self.logger.info("%s", self._run.finish(status, told))
        self.trail.close()
        self.executor.shutdown()
        self.client.close()

    @override
    def check_connection(self) -> Iterator[str]:
        settings, client = self.write_settings, self.client
        for entity in settings.match:
            client.metadata(client.settings.companies[0], entity.service)
        yield f"Logged in at {client.settings.base_url} with `auth_method` `{client.settings.auth_method}`."
        rules = self.rules
        columns = ", ".join(sorted(rules.status_group()))
        yield f"The columns for status exist: {columns}."
        for company in client.settings.companies:
            for entity in settings.match:
                client.read(company, entity.path, select=entity.key, top=1)
                yield f"Company {company}: {entity.setting} can be read."
        if settings.unmatched == "create":
            self._maker(self._finder()).customer_number()
            yield "The customer for new contacts exists."
        with self._open_trail():
            yield "The audit database can be written."

    # Building

    def _open_trail(self) -> AuditTrail:
        """The trail, encrypting with the key that `sync-audit` reads it with, where there is one.

        Raises:
            ConfigurationError: The database or the key is not usable.
        """
        url = self.config.get("audit_database_url") or default_database_url()
        keep_payloads = self.write_settings.keep_payloads
        return AuditTrail.open(url, encryption_key=encryption_key(), keep_payloads=keep_payloads)

    def _new_applier(self) -> Applier | Comparer:
        settings, rules, client = self.write_settings, self.rules, self.client
        finder = self._finder()
        if settings.reconcile:
            return Comparer(self.run, finder, rules, settings)
        writer = RowWriter(
            client,
            finder,
            rules.columns,
            self.executor,
            mode=settings.write_mode,
            verify=settings.verify_writes,
            first=rules.status_group(),
        )
        journals = {"memo": MEMO, "crm_call": crm_call(settings.crm_call_type)}
        tools = Tools(
            trail=self.trail,
            run=self.run,
            finder=finder,
            writer=writer,
            sent_values=SentValues(self.trail, settings.merge_fields, settings.sent_values_namespace),
            evidence=EvidenceWriter(client, [journals[kind] for kind in settings.evidence])
            if settings.evidence
            else None,
            maker=self._maker(finder) if settings.unmatched == "create" else None,
            is_replay=CORRELATION_VARIABLE in os.environ,
        )
        return Applier(tools, rules, settings)

    def _finder(self) -> RowFinder:
        settings = self.write_settings
        return RowFinder(
            self.client,
            {entity: self._selected(entity) for entity in settings.match},
            self.executor,
            address_filter=settings.address_filter,
            keep_seconds=settings.cache_seconds,
        )

    def _selected(self, entity: Entity) -> tuple[str, ...]:
        """The columns to read: what identifies a row, and what may be written or compared."""
        rules = self.rules
        known = rules.columns.types[entity.name]
        wanted = [*entity.key, EMAIL, SYSTEM_ID, rules.flag_column, *rules.status_columns.given()]
        if entity is CONTACT:
            wanted += [PERSON, SYNC_EMAIL, "Name", "FirstName", "MiddleName", "LastName"]
        if rules.conflict_policy is ConflictPolicy.NEWEST_WINS:
            wanted += [*CHANGE_MOMENTS, "ChangeDate", "ChangeTime"]
        wanted += sorted(self._written_columns)
        return tuple(dict.fromkeys(name for name in wanted if name in known))

    def _maker(self, finder: RowFinder) -> ContactMaker:
        settings = self.write_settings
        return ContactMaker(
            self.client,
            finder,
            company=settings.create_in_company or self.client.settings.companies[0],
            customer=settings.create_under_customer or "",
        )
