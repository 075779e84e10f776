"""The command `target-epicor-contacts`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the target."""
    # A tenth of the start would go into looking for garbage among modules; `run_plugin` turns it on again.
    gc.disable()
    from kinetic_mailchimp.kit.singer.plugin import run_plugin  # noqa: PLC0415 (said above)

    from target_epicor_contacts.target import TargetEpicorContacts  # noqa: PLC0415 (said above)

    run_plugin(TargetEpicorContacts)


if __name__ == "__main__":
    main()
