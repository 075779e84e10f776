"""The command `tap-epicor-kinetic`."""

from __future__ import annotations

from kinetic_mailchimp.kit.singer.plugin import run_plugin

from tap_epicor_kinetic.tap import TapEpicorKinetic


def main() -> None:
    """Run the tap."""
    run_plugin(TapEpicorKinetic)


if __name__ == "__main__":
    main()
