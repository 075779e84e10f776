"""The command `sync-audit serve`."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import click

from kinetic_mailchimp.audit.cli.common import open_trail
from kinetic_mailchimp.console.pages.app import create_app
from kinetic_mailchimp.console.pages.settings import PagesSettings, parse_replay_commands
from kinetic_mailchimp.kit.redaction.masker import mask_logs
from kinetic_mailchimp.kit.server.bounded_server import serve as serve_bounded
from kinetic_mailchimp.kit.server.connections import Limits
from kinetic_mailchimp.kit.settings.declaration import read
from kinetic_mailchimp.kit.settings.options import options_of, parsed_by

PREFIX = "AUDIT_PAGES"
LIMITS = Limits(connections=200, per_client=200)


@click.command()
@options_of(PagesSettings, prefix=PREFIX, names={"trusted_proxies": "trusted-proxy"})
@click.option(
    "--replay",
    "replay_commands",
    multiple=True,
    metavar="PLUGIN=COMMAND",
    callback=parsed_by(parse_replay_commands),
    help='What a button may start: "target-mailchimp=meltano invoke target-mailchimp".',
)
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    replay_commands: dict[str, str],
    **options: Any,  # noqa: ANN401 - the settings, by name
) -> None:
    """Show the trail in a browser, to those who log in.

    Each option but --replay can be set as a variable: AUDIT_PAGES_ and its name.
    """
    mask_logs()
    settings = replace(read(PagesSettings, options), replay_commands=replay_commands)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with open_trail(ctx) as trail:
        # Without proxy headers: only those of trusted proxies count, and the middleware reads them.
        serve_bounded(
            create_app(trail, settings),
            LIMITS,
            prefix=PREFIX,
            host=settings.host,
            port=settings.port,
            proxy_headers=False,
        )
