"""Runs the target from the command line."""

from __future__ import annotations

import logging

from connector_kit.singer import run_plugin

from target_epicor_contacts.target import TargetEpicorContacts


def main() -> None:
    """Run the console script."""
    # Its debug lines hold whole addresses of requests, and these the people that are looked up.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    run_plugin(TargetEpicorContacts)


if __name__ == "__main__":
    main()
