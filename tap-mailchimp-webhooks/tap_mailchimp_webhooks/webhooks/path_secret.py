"""The path secret: the last part of the URL that Mailchimp posts to, by which a delivery is admitted."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.settings.declaration import setting

SHORTEST_SECRET = 16
ADVICE = "`mailchimp-webhooks secret` makes one; set it as MAILCHIMP_WEBHOOKS_SECRET."

_PLACEHOLDER = re.compile(r"change[-_ ]?me|example|default|placeholder|your[-_ ]|(.)\1{7}", re.IGNORECASE)
_URL_SAFE = re.compile(r"[A-Za-z0-9_.~-]+")


@dataclass(frozen=True)
class PathSecrets:
    """All path secrets that are accepted; the first one is current."""

    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> PathSecrets:
        """Read secrets, separated by commas while one replaces another, and mask them in logs.

        Raises:
            ConfigurationError: There is none, or one that could be guessed.
        """
        values = tuple(value.strip() for value in text.split(",") if value.strip())
        _check_presence(values)
        for value in values:
            _check(value)
        MASKER.add(values)
        return cls(values)

    @property
    def current(self) -> str:
        """The one that new webhooks are registered with."""
        return self.values[0]

    def accept(self, given: str) -> bool:
        """True for one of them, found out in a time that reveals nothing about them."""
        matches = [hmac.compare_digest(given.encode(), value.encode()) for value in self.values]
        return any(matches)


@dataclass(frozen=True)
class PathSecretSettings:
    """The path secrets of a receiver.

    Raises:
        ConfigurationError: There is none.
    """

    secret: PathSecrets = setting(
        PathSecrets(()),
        description="The last part of the webhook's URL; `NEW,OLD` while one replaces another.",
        secret=True,
        schema={"type": ["string"], "default": ""},
        parse=PathSecrets.parse,
    )

    def __post_init__(self) -> None:
        """Refuse to go on without a secret."""
        _check_presence(self.secret.values)


def _check_presence(values: tuple[str, ...]) -> None:
    if not values:
        raise ConfigurationError("There is no path secret.", advice=ADVICE)


def _check(value: str) -> None:
    problem = ""
    if len(value) < SHORTEST_SECRET:
        problem = f"is shorter than {SHORTEST_SECRET} characters: it could be guessed"
    elif _PLACEHOLDER.search(value):
        problem = "is a placeholder"
    elif not _URL_SAFE.fullmatch(value):
        problem = "has characters that change their form in a URL"
    if problem:
        raise ConfigurationError(f"The path secret {problem}.", advice=ADVICE)
