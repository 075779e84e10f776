"""The target: connects the Singer SDK, the audit trail and the loader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_mailchimp.audit.targets.audited_target import AuditedTarget
from kinetic_mailchimp.audit.trail.direction import EPICOR, MAILCHIMP, Direction
from kinetic_mailchimp.kit.checks import FieldType, Finding
from kinetic_mailchimp.kit.http.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.singer.durable_target import RunStatus
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from typing_extensions import override

from target_mailchimp.contract.purchase_record import PURCHASE_KEY
from target_mailchimp.rules.purchases import fields_schema
from target_mailchimp.settings import JSON_SCHEMA, LoadSettings, load_settings
from target_mailchimp.sinks import MemberSink

if TYPE_CHECKING:
    from target_mailchimp.assembly import Assembly
    from target_mailchimp.loading.pipeline import Loader
    from target_mailchimp.loading.purchases import PurchaseBook


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
    direction = Direction(EPICOR, MAILCHIMP)
    _has_begun = False

    @cached_property
    @override
    def settings(self) -> LoadSettings:
        return load_settings(self.config)

    @cached_property
    @override
    def client(self) -> MailchimpClient:
        """The account."""
        settings = MailchimpSettings.from_config(self.config, max_connections=self.settings.concurrency)
        return MailchimpClient(settings, sleep=self.pause)

    @cached_property
    def assembly(self) -> Assembly:
        """Builds the other things that a run works with."""
        from target_mailchimp.assembly import Assembly  # noqa: PLC0415 (slow to import: `--about` needs none of it)

        return Assembly(self.client, self.settings)

    @cached_property
    def loader(self) -> Loader:
        """Writes records of all streams, or compares them."""
        return self.assembly.loader(self.trail, self.run)

    @cached_property
    def purchases(self) -> PurchaseBook:
        """Keeps purchases, and tells members of them."""
        return self.assembly.purchases(self.loader, self.trail, self.run)

    @property
    @override
    def server(self) -> str:
        return self.client.base_url

    @override
    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        super().open_stream(stream, schema, key_properties)
        if self.settings.audiences_by_company and not self._has_begun:
            self._has_begun = True
            self.assembly.begin(self.loader, self.trail, self.run)
        self.assembly.directory.expect(stream, schema)
        if "email_address" in schema.get("properties", {}):  # else it brings no members
            self.loader.expect(stream)
        elif PURCHASE_KEY in schema.get("properties", {}):
            self.assembly.directory.expect(stream, fields_schema(self.settings.purchase_fields))
            self.loader.expect(stream)

    @override
    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            (self.purchases if PURCHASE_KEY in record else self.loader).take(stream, record)

    @override
    def flush(self) -> None:
        self.purchases.flush()
        self.loader.flush()

    @override
    def check_connection(self) -> Iterator[Finding | str]:
        # A person is waiting.
        settings = MailchimpSettings.from_config(self.config)
        self.client = MailchimpClient(settings, retry=INTERACTIVE_RETRY_POLICY, sleep=self.pause)
        return self.assembly.check_connection()

    @override
    def fields(self) -> Mapping[str, FieldType]:
        named = min(self.settings.fed_audiences, default=self.settings.list_id)
        audience = self.assembly.directory.get(named)
        return {tag: FieldType(field.type, field.most_bytes) for tag, field in audience.fields.items()}

    @override
    def audiences(self) -> frozenset[str]:
        return frozenset(self.assembly.directory.get(named).id for named in self.settings.named_audiences)

    @override
    def process_endofpipe(self) -> None:
        """Put back what was edited in Mailchimp, tell what was bought, then end as every target does."""
        if "loader" in vars(self):
            self._uninterrupted(lambda _: self._finish_members(), {})
        super().process_endofpipe()

    def _finish_members(self) -> None:
        from target_mailchimp.loading.restoring import restore  # noqa: PLC0415 (as for the assembly)

        restore(self.loader, self.settings)
        self.purchases.tell_members()

    @override
    def complete_stream(self, stream: str) -> None:
        self.loader.review.complete(stream, self.loader)

    @property
    @override
    def shortfall(self) -> str:
        return self.loader.review.shortfall or super().shortfall

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        """Decide about records that were not written, then end as every target does."""
        # A run without input makes its loader here, which says what is missing: it is closed in any case.
        if status == "succeeded" or "loader" in vars(self):
            if error is not None:
                self.purchases.abandon(error)
                self.loader.abandon(error)
            self.loader.close()
        super().end_run(status, error)
