"""The tap."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.checks import Check, FieldType, Finding, clock_finding
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.http.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.singer.plugin import EXIT_BY_SIGNAL, CheckedTap
from singer_sdk import Stream
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_epicor_kinetic.catalog.declarations import STREAMS, StreamDeclaration, custom_streams
from tap_epicor_kinetic.catalog.discovery import Discovery
from tap_epicor_kinetic.connection_check import ConnectionCheck
from tap_epicor_kinetic.records.activity import ACTIVE
from tap_epicor_kinetic.records.message_writer import BlockWriter
from tap_epicor_kinetic.settings import CONFIG_JSONSCHEMA, ReadSettings
from tap_epicor_kinetic.streams import EpicorStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType


class TapEpicorKinetic(CheckedTap):
    """Reads an Epicor Kinetic ERP through its REST API v2."""

    name = "tap-epicor-kinetic"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_JSONSCHEMA
    dynamic_catalog = True
    message_writer_class = BlockWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
    ]

    @cached_property
    def settings(self) -> ReadSettings:
        """The tap's own settings."""
        return ReadSettings.from_config(self.config)

    @cached_property
    def client(self) -> EpicorClient:
        """The client of the configured instance."""
        return EpicorClient(EpicorSettings.from_config(self.config))

    @cached_property
    def declarations(self) -> tuple[StreamDeclaration, ...]:
        """The built-in streams and those of the configuration."""
        custom = custom_streams(self.settings.custom_streams or (), [stream.name for stream in STREAMS])
        return (*STREAMS, *custom)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        settings, discovery = self.settings, Discovery(self.client)
        names = {declaration.name for declaration in self.declarations}
        unknown = sorted(settings.named_streams - names)
        if unknown:
            raise ConfigurationError(
                f"There is no stream {unknown[0]}.", advice="Check `report_deletions` and `cursors`."
            )
        if self.input_catalog is None:
            discovery.prepare(self.declarations)
        return [
            EpicorStream(self, declaration, discovery, self.client, settings)
            for declaration in self.declarations
        ]

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End between two lines. No state is due: the one after the last page is out already."""
        self.logger.warning("Signal %d: ending.", signum)
        self.client.stop()
        writer = self.message_writer
        if isinstance(writer, BlockWriter) and writer.is_writing:
            writer.exit_status = EXIT_BY_SIGNAL + signum
        else:
            sys.exit(EXIT_BY_SIGNAL + signum)

    @override
    def checks(self) -> Sequence[Check]:
        return [Check("clock", self._check_clock), *super().checks()]

    def _check_clock(self) -> Iterator[Finding]:
        client, stream = self._impatient_client, self.declarations[0]
        with suppress(ConnectorError):  # the other check says more about it
            client.count(client.settings.companies[0], stream.path)
            yield clock_finding("Epicor Kinetic", client.server_time)

    @override
    def check_connection(self) -> Iterator[str]:
        is_selected = self.selected_streams is not None
        return ConnectionCheck(
            self._impatient_client, self._declarations_read, self.settings, is_selected=is_selected
        ).lines()

    @property
    def _declarations_read(self) -> Sequence[StreamDeclaration]:
        """The streams that a run reads; all where that is not known."""
        selected = self.selected_streams
        return [one for one in self.declarations if selected is None or one.name in selected]

    @override
    def fields(self) -> Mapping[str, FieldType]:
        discovery = Discovery(self._impatient_client)
        found: dict[str, FieldType] = {}
        for declaration in self._declarations_read:
            entity = discovery.entity(declaration)
            if declaration.derives_active:
                found[f"{declaration.name}.{ACTIVE}"] = FieldType("Edm.Boolean")
            for name, column in entity.properties.items():
                is_key = name in entity.key
                found[f"{declaration.name}.{name}"] = FieldType(column.edm_type, column.max_length, is_key)
        return found

    @cached_property
    def _impatient_client(self) -> EpicorClient:
        """Made for a person who waits."""
        return EpicorClient(EpicorSettings.from_config(self.config), retry=INTERACTIVE_RETRY_POLICY)
