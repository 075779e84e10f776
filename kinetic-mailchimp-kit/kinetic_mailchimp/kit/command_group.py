"""Groups of commands whose errors are one line, and which import a command only when it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource
from typing_extensions import override

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.parsing.nearest import did_you_mean
from kinetic_mailchimp.kit.project import NAMED_SETTING, Project, load_env_file
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs


class _CommandContext(click.Context):
    """The context of a command within a group, which the group finds when an error names an option."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*args, **kwargs)
        self.meta[__name__] = self


class CommandGroup(click.Group):
    """Masks logs, reads the project's `.env`, and turns errors into a message and an exit status.

    Args:
        failure_status: Exit status of a command that could not do its work.
        settings_status: The same where a setting is wrong; by default no other.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's
        failure_status: int = 1,
        settings_status: int | None = None,
        **settings: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(*args, **settings)
        self._failure_status = failure_status
        self._settings_status = failure_status if settings_status is None else settings_status

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        mask_logs()
        try:
            load_env_file()
        except ConnectorError as error:
            sys.exit(self._failed(error))
        return super().main(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConnectorError as error:
            ctx.exit(self._failed(error, ctx.meta.get(__name__)))

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            command.context_class = _CommandContext
        return name, command, rest

    def _failed(self, error: ConnectorError, command: click.Context | None = None) -> int:
        origins = _origins(str(error), command) if command else ()
        click.echo(MASKER.mask(" ".join([f"{self.name}: {error}", *origins])), err=True)
        is_setting = isinstance(error, ConfigurationError)
        return self._settings_status if is_setting else self._failure_status


def _origins(text: str, command: click.Context) -> Iterator[str]:
    """The origins of the options that a message names, as sentences."""
    named = set(NAMED_SETTING.findall(text))
    options = [option for option in command.command.params if option.name in named and option.envvar]
    if not options:
        return
    try:
        project = Project.find()
    except ConfigurationError:
        return  # a file that cannot be read must not hide what is wrong
    given: dict[str, list[str]] = {}
    for option in options:
        name, variables = str(option.name), option.envvar or ()
        if command.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            yield f"`{name}` comes from {option.opts[0]}."
        else:
            names = [variables] if isinstance(variables, str) else list(variables)
            given[name] = [next((one for one in names if project.variables.get(one)), names[-1])]
    yield from project.origins_of_variables(given)


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet.

    Args:
        module: The module that has it, under the name of the command.
        summary: For the list of commands.
        extra: The distribution with the extra that installs what the module needs.
    """

    module: str
    summary: str
    extra: str = "kinetic-mailchimp-kit[audit]"


class LazyGroup(CommandGroup):
    """Imports a command when it runs: the list of them appears at once."""

    def __init__(self, *, lazy: Mapping[str, LazyCommand], **settings: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(**settings)
        self._lazy = lazy

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._lazy)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (lazy := self._lazy.get(cmd_name)) is None:
            if near := did_you_mean(cmd_name, self._lazy):
                ctx.fail(f"No such command {cmd_name!r}. {near.strip()}")
            return None
        try:
            command: click.Command = getattr(import_module(lazy.module), cmd_name.replace("-", "_"))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in (__name__.partition(".")[0], lazy.module.partition(".")[0]):
                raise
            raise ConfigurationError(
                f"`{cmd_name}` needs {package}, which is not installed.",
                advice=f"Install the extra: pip install '{lazy.extra}'.",
            ) from error
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name].summary) for name in self.list_commands(ctx)])
