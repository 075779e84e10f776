"""The tap."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import click
from connector_kit.singer import SecretSettings
from epicor_kinetic_client import EpicorClient, EpicorSettings
from singer_sdk import Stream, Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_epicor_kinetic.connection_check import check_connection
from tap_epicor_kinetic.declarations import STREAMS, StreamDeclaration, custom_streams
from tap_epicor_kinetic.discovery import Discovery
from tap_epicor_kinetic.settings import CONFIG_JSONSCHEMA, ReadSettings
from tap_epicor_kinetic.streams import EpicorStream
from tap_epicor_kinetic.writer import PageWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class TapEpicorKinetic(SecretSettings, Tap):
    """Reads an Epicor Kinetic ERP through its REST API v2."""

    name = "tap-epicor-kinetic"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_JSONSCHEMA
    dynamic_catalog = True
    message_writer_class = PageWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
    ]

    @cached_property
    def client(self) -> EpicorClient:
        """The client of the configured instance."""
        return EpicorClient(EpicorSettings.from_config(self.config))

    @cached_property
    def declarations(self) -> tuple[StreamDeclaration, ...]:
        """The built-in streams and those of the configuration."""
        custom = custom_streams(self.config.get("custom_streams") or (), [stream.name for stream in STREAMS])
        return (*STREAMS, *custom)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        settings, discovery = ReadSettings.from_config(self.config), Discovery(self.client)
        return [
            EpicorStream(self, declaration, discovery, self.client, settings)
            for declaration in self.declarations
        ]

    def check_connection(self) -> Iterator[str]:
        """Try what a run needs, for `--test`: one readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """
        return check_connection(self.client, self.declarations, ReadSettings.from_config(self.config))

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run the connection check for `--test`; `--test=schema` writes the schemas, as the SDK does."""
        if value != "all":
            super().cb_test(ctx, param, value)
            return
        given = ctx.params["config"]
        tap = cls(
            config=given.config, parse_env_config=given.parse_env, validate_config=True, setup_mapper=False
        )
        for line in tap.check_connection():
            click.echo(line)
        ctx.exit()
