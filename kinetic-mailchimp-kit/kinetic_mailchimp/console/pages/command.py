"""The command `sync-audit serve`."""

from __future__ import annotations

import logging
import shlex
import signal
from importlib.util import find_spec
from shutil import which
from typing import Final

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction import mask_logs
from kinetic_mailchimp.kit.secret_option import SecretText

PREFIX: Final = "AUDIT_PAGES"
_NEEDED: Final = ("fastapi", "jinja2", "uvicorn")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _commands(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    commands = {}
    for value in values:
        plugin, equals, command = value.partition("=")
        if not (plugin and equals and command):
            raise click.BadParameter(f"{value!r} is not PLUGIN=COMMAND.")
        program = next(iter(_words(command)), "")
        if which(program) is None:
            raise click.BadParameter(
                f"{program!r}, which shall start {plugin}, is not found. Write its whole path: a service has "
                "another PATH than a shell."
            )
        commands[plugin] = command
    return commands


@click.command()
@click.option(
    "--token",
    type=SecretText(),
    envvar=f"{PREFIX}_TOKEN",
    show_envvar=True,
    default="",
    help="What one types to log in. Set the variable: arguments are visible to others.",
)
@click.option(
    "--user-header",
    envvar=f"{PREFIX}_USER_HEADER",
    default="",
    help="The header in which a reverse proxy names who is logged in, such as X-Forwarded-User.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    envvar=f"{PREFIX}_TRUSTED_PROXIES",
    default=("127.0.0.1", "::1"),
    show_default=True,
    help="An address or network whose headers are believed; may be given several times.",
)
@click.option(
    "--public-url",
    envvar=f"{PREFIX}_PUBLIC_URL",
    default="",
    help="Where people reach the pages: https://audit.example.com, or with a prefix.",
)
@click.option(
    "--host", envvar=f"{PREFIX}_HOST", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option("--port", envvar=f"{PREFIX}_PORT", default=8090, show_default=True, help="Where to listen.")
@click.option(
    "--receiver-url",
    envvar=f"{PREFIX}_RECEIVER_URL",
    default="",
    help="The receiver of webhooks, to show its health: http://127.0.0.1:8080.",
)
@click.option(
    "--replay",
    "replay_commands",
    multiple=True,
    metavar="PLUGIN=COMMAND",
    callback=_commands,
    help='What a button may start: "target-mailchimp=meltano invoke target-mailchimp".',
)
@click.pass_context
def serve(ctx: click.Context, /, port: int, **options: object) -> None:
    """Show the trail in a browser, to those who log in.

    Each option but --replay can be set as a variable: AUDIT_PAGES_ and its name.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The pages need {', '.join(missing)}, which are not installed.",
            advice="Install the extra: pip install 'kinetic-mailchimp-kit[pages]'.",
        )
    # The web server is imported where it is needed: the other commands start faster without.
    import uvicorn  # noqa: PLC0415

    from kinetic_mailchimp.console.pages.app import create_app  # noqa: PLC0415

    mask_logs()
    settings = PagesSettings(**options)  # type: ignore[arg-type] # the options, by name
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # After its graceful end uvicorn raises the signal again; whoever asked it to stop shall see a success.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with opened(ctx) as trail:
        # Without an access log: it would tell who was looked up, and when. Without proxy headers: only
        # those of trusted proxies count, and the gate reads them.
        uvicorn.run(
            create_app(trail, settings),
            host=settings.host,
            port=port,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            log_config=None,
        )
