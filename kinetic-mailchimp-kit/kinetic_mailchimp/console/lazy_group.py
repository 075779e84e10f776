"""The group of the commands of `sync-audit`: it turns errors into a message and an exit status."""

from __future__ import annotations

import sys
from typing import Any, Final

import click
from typing_extensions import override

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.lazy_group import LazyGroup
from kinetic_mailchimp.kit.project import load_env_file
from kinetic_mailchimp.kit.redaction import MASKER, mask_logs

_NOT_DONE: Final = 3
"""Exit status of a command that could not do its work."""


class AuditGroup(LazyGroup):
    """Tells what is not installed, and turns errors into a message and an exit status."""

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return super().get_command(ctx, cmd_name)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == __name__.partition(".")[0]:
                raise
            raise ConfigurationError(
                f"`{cmd_name}` needs {package}, which is not installed.",
                advice="Install the extra: pip install "
                f"'kinetic-mailchimp-kit[{self._lazy[cmd_name].extra or 'audit'}]'.",
            ) from error

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        mask_logs()
        try:
            load_env_file()
        except ConnectorError as error:
            click.echo(f"{self.name}: {error}", err=True)
            sys.exit(_NOT_DONE)
        return super().main(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConnectorError as error:
            click.echo(MASKER.mask(f"{self.name}: {error}"), err=True)
            ctx.exit(_NOT_DONE)
