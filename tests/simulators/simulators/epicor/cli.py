"""The command `simulate-epicor`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from simulators.common.serve import serve_forever
from simulators.epicor.app import builder

PROFILES = ("updated-on", "stock")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a simulated Epicor Kinetic until SIGTERM; the first line on stdout is JSON for clients."""
    parser = argparse.ArgumentParser(prog="simulate-epicor", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 lets the system choose")
    parser.add_argument(
        "--customers", type=int, default=200, help="how many customers (default: %(default)s)"
    )
    parser.add_argument(
        "--orders", type=int, default=0, help="the most orders of one customer (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of data, credentials and faults")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default=PROFILES[0],
        help="updated-on: every table has UpdatedOn; stock: none has (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    serve_forever(builder(given.customers, given.seed, given.profile, orders=given.orders), given.port)
