"""The target: connects the Singer SDK, the audit trail and the loader."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
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
from kinetic_mailchimp.kit.checks import Check, FieldType, Finding, clock_finding
from kinetic_mailchimp.kit.errors import ConfigurationError, text_to_keep
from kinetic_mailchimp.kit.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.singer import DurableTarget, RunStatus
from kinetic_mailchimp.kit.web_url import check_is_local
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from typing_extensions import override

from target_mailchimp.audience.directory import AudienceDirectory
from target_mailchimp.membership import Membership
from target_mailchimp.pipeline import Loader
from target_mailchimp.reconcile.comparison import Comparison
from target_mailchimp.reconcile.live_membership import LiveMembership
from target_mailchimp.reconcile.snapshot import Snapshot
from target_mailchimp.settings import JSON_SCHEMA, LoadSettings, load_settings
from target_mailchimp.sinks import MemberSink
from target_mailchimp.writing.writer import DryRunWriter, MailchimpWriter, Writer

PROGRESS_SECONDS = 10.0
_NOT_HONOURED = ("add_record_metadata", "load_method", "batch_size_rows", "validate_records")


class TargetMailchimp(DurableTarget):
    """Keeps a Mailchimp audience in step with its source."""

    name = "target-mailchimp"
    config_jsonschema: ClassVar[dict[str, Any]] = JSON_SCHEMA
    default_sink_class = MemberSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(**arguments)
        self._started_at = self._progress_at = time.monotonic()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leave out the SDK's settings that mean nothing here."""
        super().append_builtin_config(config_jsonschema)
        for name in _NOT_HONOURED:
            config_jsonschema["properties"].pop(name, None)

    @cached_property
    def settings(self) -> LoadSettings:
        """The settings."""
        return load_settings(self.config)

    @cached_property
    def client(self) -> MailchimpClient:
        """The account."""
        settings = MailchimpSettings.from_config(self.config, max_connections=self.settings.concurrency)
        return MailchimpClient(settings, sleep=self.pause)

    @cached_property
    def directory(self) -> AudienceDirectory:
        """The audiences of the account."""
        create = self.settings.create_merge_fields and not self.settings.dry_run
        return AudienceDirectory(
            self.client,
            create_merge_fields=create,
            address_placeholder=self.settings.address_placeholder,
        )

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail, with the ledger."""
        return AuditTrail.open(
            self.settings.audit_database_url or default_database_url(),
            encryption_key=encryption_key(),
            keep_payloads=self.settings.keep_payloads,
        )

    @cached_property
    def run(self) -> Run:
        """This run, as the audit trail knows it."""
        return self.trail.start_run(
            plugin=self.name,
            version=self.plugin_version,
            pipeline=RECONCILE if self.settings.reconcile else "",
            dry_run=self.settings.dry_run,
            direction=Direction("Epicor", "Mailchimp"),
        )

    @cached_property
    def writer(self) -> Writer:
        """Carries out writes, or says what they would do."""
        if self.settings.dry_run:
            return DryRunWriter()
        return MailchimpWriter(
            self.client,
            skip_merge_validation=self.settings.skip_merge_validation,
            keep_payloads=self.settings.keep_payloads,
        )

    @cached_property
    def loader(self) -> Loader:
        """Writes records of all streams."""
        if self.comparison is not None:
            return self.comparison
        return Loader(
            self.settings,
            self.directory,
            lambda audience: Membership(
                self.client, self.trail, lambda ledger: self.run.record([], ledger=ledger), audience.id
            ),
            self.writer,
            self.run,
        )

    @cached_property
    def comparison(self) -> Comparison | None:
        """Takes the place of the loader where nothing is written but differences are looked for."""
        if not self.settings.reconcile:
            return None
        snapshot = Snapshot()
        return Comparison(
            self.settings,
            self.directory,
            lambda audience: LiveMembership(self.client, self.trail, audience.id, snapshot),
            self.run,
            snapshot,
        )

    def expect(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Prepare for the records of a stream.

        Args:
            stream: Its name.
            schema: The JSON schema of its records.
            key_properties: The names of its key.
        """
        if self.settings.local_servers_only and not self.settings.dry_run:
            check_is_local(self.client.base_url)
        self.directory.expect(stream, schema)
        self.run.describe_stream(stream, schema, key_properties)
        if "email_address" in schema.get("properties", {}):  # else it brings no members
            self.loader.expect(stream)

    @override
    def checks(self) -> Sequence[Check]:
        return [*super().checks(), Check("audit database", self._check_trail)]

    @override
    def check_connection(self) -> Iterator[Finding | str]:
        settings = MailchimpSettings.from_config(self.config)
        self.client = MailchimpClient(settings, retry=INTERACTIVE_RETRY_POLICY, sleep=self.pause)
        server_time = self.client.server_time()
        account = self.client.account()
        yield f"Mailchimp answers: account {account['account_name']}, role {account['role']}."
        yield clock_finding("Mailchimp", server_time)
        named = {self.settings.list_id, *(self.settings.list_id_by_stream or {}).values()} - {""}
        if not named:
            raise ConfigurationError(
                "Setting `list_id` is empty, so that no audience is named.",
                advice="Set it to the id or the name of an audience of this account: "
                f"{self.directory.listed()}.",
            )
        for audience in map(self.directory.get, sorted(named)):
            opt_in = "double" if audience.double_optin else "single"
            fields = len(audience.fields)
            yield f"Audience {audience.name} ({audience.id}): {fields} merge fields, {opt_in} opt-in."
            unknown = sorted(self.settings.two_way_fields - audience.fields.keys())
            if unknown and not self.settings.create_merge_fields:
                raise ConfigurationError(
                    f"`two_way_fields` names {unknown[0]}, which audience {audience.name} does not have.",
                    advice="Correct its tag, make the merge field, or set `create_merge_fields`.",
                )

    @override
    def fields(self) -> Mapping[str, FieldType]:
        audience = self.directory.get(self.settings.list_id)
        return {tag: FieldType(field.type, field.most_bytes) for tag, field in audience.fields.items()}

    def _check_trail(self) -> Iterator[str]:
        self.trail.ledger("connection-check").count()
        yield "The audit database answers."

    @override
    def process_endofpipe(self) -> None:
        """Put back what was edited in Mailchimp, then end as every target does."""
        if "loader" in vars(self):
            self._uninterrupted(lambda _: self.loader.restore(), {})
        super().process_endofpipe()

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit the state once everything before it is written; a dry run writes nothing, so it emits none."""
        self.loader.flush()
        if not self.settings.dry_run:
            super()._write_state_message(state)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Take note that a full read is complete: only a comparison asks which rows it did not bring."""
        comparison = self.comparison
        if comparison is None:
            return

        def complete(message: dict[str, Any]) -> None:
            for stream_map in self.mapper.stream_maps[message["stream"]]:
                comparison.complete(stream_map.stream_alias)

        self._uninterrupted(complete, message_dict)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_record_message(message_dict)
        self._show_progress()

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        """Decide about records that were not written, and log the summary."""
        if "loader" in vars(self):
            if error is not None:
                self.loader.abandon(error)
            self.loader.close()
        error_text = text_to_keep(error) if error else None
        if status == "succeeded" and self.comparison is not None and self.comparison.shortfall:
            # Half of a source may agree with the audience where the whole does not.
            status, error_text = "stopped", self.comparison.shortfall
        summary = self.run.finish(status, error=error_text)
        self.summary_logger.info(
            "%s; %d calls to Mailchimp.", summary, sum(self.client.transport.calls.values())
        )
        self.trail.close()

    def _show_progress(self) -> None:
        now = time.monotonic()
        if now - self._progress_at < PROGRESS_SECONDS:
            return
        self._progress_at = now
        if "run" not in vars(self):
            return
        decided = sum(self.run.counts.values())
        self.summary_logger.info(
            "%d records read, %d decided, %.0f per second; %d calls to Mailchimp.",
            self.run.records_read,
            decided,
            decided / (now - self._started_at),
            sum(self.client.transport.calls.values()),
        )
