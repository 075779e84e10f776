"""Options of a command line, made from the settings that `settings.declaration` declares on a dataclass.

@click.command()
@options_of(ReceiverSettings, prefix="MAILCHIMP_WEBHOOKS")
def serve(**options: Any) -> None:
    settings = read(ReceiverSettings, options)
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar

import click

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.redaction.secret_names import is_address_alone
from kinetic_mailchimp.kit.settings.declaration import REQUIRED, Setting, declared_settings


class SecretText(click.types.StringParamType):
    """Option whose text is decrypted if need be, and masked in the logs of the process from then on.

    For options and for the variables behind them: `click.option("--secret", type=SecretText(), envvar=…)`.
    Call `mask_logs` before the command runs.
    """

    name = "secret"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Decrypt the text; an error ends the call with status 2."""
        text = str(super().convert(value, param, ctx))
        name = (param and param.name) or "value"
        # Imported here: a command line that only shows its help needs no cryptography.
        from kinetic_mailchimp.kit.secrets.encryption import reveal  # noqa: PLC0415

        try:
            clear = str(reveal({name: text})[name])
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)
        if not is_address_alone(clear):
            MASKER.add([clear])
        return clear


empty_database_option = click.option(
    "--to",
    "url",
    type=SecretText(),
    required=True,
    metavar="URL",
    help="An empty database: postgresql://user@host/name, with the password in PGPASSWORD or ~/.pgpass;"
    " arguments are visible to others.",
)
"""The option of commands that copy a database."""


Command = TypeVar("Command", bound=Callable[..., Any])

_LISTS = (tuple, frozenset, list)
_TYPES: Mapping[type, click.ParamType[Any]] = {str: click.STRING, int: click.INT, float: click.FLOAT}


def options_of(
    cls: type, *, prefix: str, names: Mapping[str, str] | None = None
) -> Callable[[Command], Command]:
    """Decorate a command with one option per setting of a dataclass, in the order of their declaration.

    The setting `max_body_bytes` becomes `--max-body-bytes`, which can also be set as the variable
    `{prefix}_MAX_BODY_BYTES` and as the further `variables` that the setting names. A boolean becomes the
    pair `--name/--no-name`; a list an option that may be given several times; a secret may be written as
    `enc:…` and is masked in logs. A setting with `parse` is an option of text: a default of it that is not
    JSON is declared as text, `schema={"default": "30m"}`.

    Args:
        cls: A dataclass whose attributes were declared with `setting`; `read(cls, options)` fills it.
        prefix: What the names of the environment variables begin with, without the underscore after it.
        names: Setting → name of its option without dashes, where that is another one: `{"urls": "to"}`. The
            parameter of the command and the variable keep the name of the setting.
    """
    options = [
        _option(setting, prefix, (names or {}).get(setting.name, setting.name))
        for setting in declared_settings(cls)
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def variables_of(setting: Setting, prefix: str) -> list[str]:
    """The environment variables that an option of `options_of` is read from, the first one that is set."""
    return [f"{prefix}_{setting.name.upper()}", *setting.variables]


def _option(setting: Setting, prefix: str, name: str) -> Callable[[Command], Command]:
    flag = f"--{name.replace('_', '-')}"
    given: dict[str, Any] = {
        "envvar": variables_of(setting, prefix),
        "show_envvar": True,
        "help": setting.description.replace("`", ""),
        "metavar": setting.metavar or None,
        "callback": parsed_by(setting.parse, keeps_text=True) if setting.parse else None,
    }
    default = setting.json_default
    if default is REQUIRED:
        given["required"] = True
    else:
        given |= {"default": default, "show_default": default not in (None, "", [])}
    if setting.kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", setting.name, **given)
    given |= {"type": _type_of(setting.kind, setting), "multiple": typing.get_origin(setting.kind) in _LISTS}
    return click.option(flag, setting.name, **given)


def _type_of(kind: Any, setting: Setting) -> click.ParamType[Any]:  # noqa: ANN401 (a type)
    if typing.get_origin(kind) in _LISTS:
        return _type_of(typing.get_args(kind)[0], setting)
    if setting.secret:
        return SecretText()
    if setting.parse:
        return click.STRING
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return click.Choice([member.value for member in kind])
    return _number_or_text(kind, setting.schema)


def _number_or_text(kind: Any, schema: Mapping[str, Any]) -> click.ParamType[Any]:  # noqa: ANN401 (a type)
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    if kind not in _TYPES:
        raise TypeError(f"A setting of type {kind} needs `parse` to be an option.")
    if least is None and most is None:
        return _TYPES[kind]
    is_open = {"min_open": "exclusiveMinimum" in schema, "max_open": "exclusiveMaximum" in schema}
    return (click.IntRange if kind is int else click.FloatRange)(least, most, **is_open)


def parsed_by(parse: Callable[[Any], Any], *, keeps_text: bool = False) -> Callable[..., Any]:
    """A callback of an option that parses its value; of one that cannot be read, click names the option.

    Args:
        parse: Makes a value of the text; raises `ValueError`.
        keeps_text: Whether the text is only checked, as `read` parses it again; an empty one is one not set.
    """

    def convert(_context: click.Context, _option: click.Parameter, value: Any) -> Any:  # noqa: ANN401 (click's form)
        if value is None or (keeps_text and value == ""):
            return value
        try:
            parsed = parse(value)
        except ValueError as error:
            raise click.BadParameter(f"{str(error).rstrip('.')}.") from error
        return value if keeps_text else parsed

    return convert
