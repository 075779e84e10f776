"""What the commands of `sync-audit` share: times and ages, the opened trail, and errors as messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import sqlalchemy as sa
from rich.console import Console

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.redaction import MASKER, mask_logs
from kinetic_mailchimp.kit.timestamps import format_timestamp, utc_now

_COULD_NOT: Final = 3
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


def to_age(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    """An age: `730d`, `12h` or `30m`."""
    match = re.fullmatch(r"(\d{1,5})([dhm])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not an age: write 730d, 12h or 30m.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def to_time(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A date, a time or an age before now, as the trail writes times."""
    if value is None:
        return None
    if re.fullmatch(r"\d{1,5}[dhm]", value):
        return format_timestamp(utc_now() - to_age(ctx, param, value))
    try:
        when = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a time: write 2026-03-01, 2026-03-01T09:30 or 7d."
        ) from error
    return format_timestamp(when if when.tzinfo else when.replace(tzinfo=UTC))


class Commands(click.Group):
    """Turns errors that say what to do into a message and an exit status; no secret is told."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's signature
        """Run the command line."""
        mask_logs()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConnectorError as error:
            click.echo(MASKER.mask(f"sync-audit: {error}"), err=True)
            ctx.exit(_COULD_NOT)


@contextmanager
def opened(ctx: click.Context) -> Iterator[AuditTrail]:
    """The trail that the options of the group name."""
    url, key = ctx.obj
    _check_exists(url)
    with AuditTrail.open(url, encryption_key=key) as trail:
        yield trail


def _check_exists(url: str) -> None:
    # To look into a trail must not make an empty one where the address was mistyped.
    if not url.startswith("sqlite"):
        return
    try:
        file = sa.make_url(url).database
    except sa.exc.ArgumentError:
        return
    if file and not Path(file).exists():
        raise ConfigurationError(
            f"There is no audit trail at {file}.",
            advice="A target makes it in its first run. Or set --database or AUDIT_DATABASE_URL.",
        )


def make_console() -> Console:
    """A console as wide as the terminal, or as COLUMNS says."""
    return Console(highlight=False, soft_wrap=False)
