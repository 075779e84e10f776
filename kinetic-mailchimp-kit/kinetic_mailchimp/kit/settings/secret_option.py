"""A type of command line options whose value may be written as `enc:…`, as settings of plugins may."""

from __future__ import annotations

import click

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.redaction.secret_names import is_address_alone


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
