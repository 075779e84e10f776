"""What a receiver is told when it starts, and what it refuses to start with."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from kinetic_mailchimp.kit.errors import ConfigurationError

from tap_mailchimp_webhooks.webhooks.signature import MAX_AGE_SECONDS

PATH = "/webhooks/mailchimp"
SHORTEST_SECRET = 16
ADVICE = "`mailchimp-webhooks secret` makes one; set it as MAILCHIMP_WEBHOOKS_SECRET."

_PLACEHOLDER = re.compile(r"change[-_ ]?me|example|default|placeholder|your[-_ ]|(.)\1{7}", re.IGNORECASE)
_URL_SAFE = re.compile(r"[A-Za-z0-9_.~-]+")


@dataclass(frozen=True)
class PathSecrets:
    """The last part of the address that Mailchimp posts to. The first is current, all are accepted."""

    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> PathSecrets:
        """Secrets, separated by commas while one replaces another.

        Raises:
            ConfigurationError: There is none, or one that could be guessed.
        """
        values = tuple(value.strip() for value in text.split(",") if value.strip())
        if not values:
            raise ConfigurationError("There is no path secret.", advice=ADVICE)
        for value in values:
            _check(value)
        return cls(values)

    @property
    def current(self) -> str:
        """The one that new webhooks are registered with."""
        return self.values[0]

    def accept(self, given: str) -> bool:
        """Whether it is one of them, found out in a time that tells nothing about them."""
        matches = [hmac.compare_digest(given.encode(), value.encode()) for value in self.values]
        return any(matches)


@dataclass(frozen=True)
class ReceiverSettings:
    """What one receiver does.

    Attributes:
        secrets: What the path must end with.
        signature_max_age: Seconds that the signature of a delivery may be old.
        max_body_bytes: A longer delivery is refused with 413.
        retention_days: Events that every reader has confirmed are deleted after so many days; 0 keeps them.
        min_free_bytes: Free disk space under which /readyz says no.
        wrong_secrets_per_minute: A client that sends more is refused for a minute; 0 for no limit.
        on_event: A command to run after new events; empty for none.
        on_event_delay: Seconds to wait for more events before it runs.
        root_path: The prefix under which a proxy publishes this server.
    """

    secrets: PathSecrets
    signature_max_age: float = MAX_AGE_SECONDS
    max_body_bytes: int = 1_048_576
    retention_days: int = 400
    min_free_bytes: int = 100 * 1_048_576
    wrong_secrets_per_minute: int = 0
    on_event: str = ""
    on_event_delay: float = 2.0
    root_path: str = ""


def webhook_path(secret: str) -> str:
    """The path that Mailchimp posts to."""
    return f"{PATH}/{secret}"


def _check(value: str) -> None:
    if len(value) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"The path secret is shorter than {SHORTEST_SECRET} characters: it could be guessed.",
            advice=ADVICE,
        )
    if _PLACEHOLDER.search(value):
        raise ConfigurationError("The path secret is a placeholder.", advice=ADVICE)
    if not _URL_SAFE.fullmatch(value):
        raise ConfigurationError(
            "The path secret has characters that change their form in a URL.", advice=ADVICE
        )
