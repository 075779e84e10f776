"""The target: connects the Singer SDK, the audit trail and the loader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from kinetic_mailchimp.audit import Direction
from kinetic_mailchimp.audit.targets.audited_target import AuditedTarget
from kinetic_mailchimp.kit.singer import RunStatus
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


class TargetMailchimp(AuditedTarget):
    """Keeps a Mailchimp audience in step with its source."""

    name = "target-mailchimp"
    config_jsonschema: ClassVar[dict[str, Any]] = JSON_SCHEMA
    default_sink_class = MemberSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    direction = Direction("Epicor", "Mailchimp")

    @cached_property
    @override
    def settings(self) -> LoadSettings:
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

    @property
    @override
    def calls(self) -> int:
        return sum(self.client.transport.calls.values())

    @override
    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        self.directory.expect(stream, schema)
        super().open_stream(stream, schema, key_properties)
        if "email_address" in schema.get("properties", {}):  # else it brings no members
            self.loader.expect(stream)

    @override
    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            self.loader.take(stream, record)

    @override
    def flush(self) -> None:
        self.loader.flush()

    @override
    def check_connection(self) -> Iterator[str]:
        self.client.ping()
        account = self.client.account()
        yield f"Mailchimp answers: account {account['account_name']}, role {account['role']}."
        for named in {self.settings.list_id, *(self.settings.list_id_by_stream or {}).values()} - {""}:
            audience = self.directory.get(named)
            opt_in = "double" if audience.double_optin else "single"
            fields = len(audience.fields)
            yield f"Audience {audience.name} ({audience.id}): {fields} merge fields, {opt_in} opt-in."
        self.trail.ledger("connection-check").count()
        yield "The audit database answers."

    @override
    def process_endofpipe(self) -> None:
        """Put back what was edited in Mailchimp, then end as every target does."""
        if "loader" in vars(self):
            self._uninterrupted(lambda _: self.loader.restore(), {})
        super().process_endofpipe()

    @override
    def complete_stream(self, stream: str) -> None:
        if self.comparison is not None:
            self.comparison.complete(stream)

    @property
    @override
    def shortfall(self) -> str:
        return self.comparison.shortfall if self.comparison is not None else ""

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        """Decide about records that were not written, then end as every target does."""
        if "loader" in vars(self):
            if error is not None:
                self.loader.abandon(error)
            self.loader.close()
        super().end_run(status, error)
