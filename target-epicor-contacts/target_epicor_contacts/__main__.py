"""Runs the target from the command line."""

from __future__ import annotations

from kinetic_mailchimp.kit.singer.plugin import run_plugin

from target_epicor_contacts.target import TargetEpicorContacts


def main() -> None:
    """Run the console script."""
    run_plugin(TargetEpicorContacts)


if __name__ == "__main__":
    main()
