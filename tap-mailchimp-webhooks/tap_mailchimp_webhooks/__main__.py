"""Runs the tap: `tap-mailchimp-webhooks`."""

from kinetic_mailchimp.kit.singer.plugin import run_plugin

from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks


def main() -> None:
    """Run the command line."""
    run_plugin(TapMailchimpWebhooks)


if __name__ == "__main__":
    main()
