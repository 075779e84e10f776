"""A group of commands each of which is imported only when it runs: the list of them appears at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet.

    Args:
        module: The module that has it, under the name of the command.
        extra: The extra of the distribution that installs what the module needs.
    """

    module: str
    summary: str
    extra: str = ""


class LazyGroup(click.Group):
    """Imports a command when it runs."""

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
        command: click.Command = getattr(import_module(lazy.module), cmd_name.replace("-", "_"))
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name].summary) for name in self.list_commands(ctx)])
