"""The tap."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import click
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.singer import EXIT_BY_SIGNAL, SecretSettings
from singer_sdk import Stream, Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_epicor_kinetic.catalog.declarations import STREAMS, StreamDeclaration, custom_streams
from tap_epicor_kinetic.catalog.discovery import Discovery
from tap_epicor_kinetic.connection_check import ConnectionCheck
from tap_epicor_kinetic.records.message_writer import BlockWriter
from tap_epicor_kinetic.settings import CONFIG_JSONSCHEMA, ReadSettings
from tap_epicor_kinetic.streams import EpicorStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType


class TapEpicorKinetic(SecretSettings, Tap):
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

    def check_connection(self) -> Iterator[str]:
        """Try what a run needs, for `--test`: one readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """
        client = EpicorClient(EpicorSettings.from_config(self.config), retry=INTERACTIVE_RETRY_POLICY)
        return ConnectionCheck(client, self.declarations, self.settings).lines()

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run the connection check for `--test`; `--test=schema` writes the schemas, as the SDK does."""
        if value != "all":
            super().cb_test(ctx, param, value)
            return
        given = ctx.params["config"]
        tap = cls(
            config=given.config,
            parse_env_config=given.parse_env,
            validate_config=True,
            setup_mapper=False,
        )
        for line in tap.check_connection():
            click.echo(line)
        ctx.exit()
