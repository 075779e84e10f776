"""The command line of the target."""

from kinetic_mailchimp.kit.singer.plugin import run_plugin

from target_mailchimp.target import TargetMailchimp


def main() -> None:
    """Run the target."""
    run_plugin(TargetMailchimp)


if __name__ == "__main__":
    main()
