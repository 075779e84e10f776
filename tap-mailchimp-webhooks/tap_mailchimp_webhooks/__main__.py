"""The command `tap-mailchimp-webhooks`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the tap."""
    # A tenth of the start would go into looking for garbage among modules; `run_plugin` turns it on again.
    gc.disable()
    from kinetic_mailchimp.kit.singer.plugin import run_plugin  # noqa: PLC0415 (said above)

    from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks  # noqa: PLC0415 (said above)

    run_plugin(TapMailchimpWebhooks)


if __name__ == "__main__":
    main()
