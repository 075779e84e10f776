"""The command `simulate-mailchimp`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial

from simulators.common.serve import serve_forever
from simulators.mailchimp.app import build
from simulators.mailchimp.switches import Switches


def _switches(text: str) -> Switches:
    try:
        return Switches().changed(json.loads(text))
    except (ValueError, AttributeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM; the first line on stdout is what a client needs, as JSON."""
    parser = argparse.ArgumentParser(
        prog="simulate-mailchimp", description="Simulate Mailchimp's Marketing API."
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 lets the system choose")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything that looks random")
    parser.add_argument("--members", type=int, default=0, help="members that the main list starts with")
    parser.add_argument(
        "--switches",
        type=_switches,
        default=Switches(),
        metavar="JSON",
        help='unconfirmed behaviours, such as {"webhook_retry_scale": 1}',
    )
    options = parser.parse_args(arguments)
    serve_forever(
        partial(build, seed=options.seed, switches=options.switches, member_count=options.members),
        options.port,
    )
