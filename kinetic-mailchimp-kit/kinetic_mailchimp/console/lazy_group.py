"""A group of commands each of which is imported only when it runs: the list of them appears at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import click
from typing_extensions import override

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.project import load_env_file
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs

_NOT_DONE: Final = 3
"""Exit status of a command that could not do its work."""


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet.

    Args:
        module: The module that has it, under the name of the command.
        extra: The extra of the distribution that installs what the module needs.
    """

    module: str
    summary: str
    extra: str = "audit"


class LazyGroup(click.Group):
    """Imports a command when it runs, and turns errors into a message and an exit status."""

    def __init__(self, *, lazy: Mapping[str, LazyCommand], **settings: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(**settings)
        self._lazy = lazy

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._lazy)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (lazy := self._lazy.get(cmd_name)) is None:
            return None
        try:
            command: click.Command = getattr(import_module(lazy.module), cmd_name)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == __name__.partition(".")[0]:
                raise
            raise ConfigurationError(
                f"`{cmd_name}` needs {package}, which is not installed.",
                advice=f"Install the extra: pip install 'kinetic-mailchimp-kit[{lazy.extra}]'.",
            ) from error
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name].summary) for name in self.list_commands(ctx)])

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
