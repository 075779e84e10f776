"""What a connection to Mailchimp needs, and the settings that plugins share for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kinetic_mailchimp.kit.errors import ConfigurationError

MOST_CONNECTIONS = 10
"""Simultaneous connections that Mailchimp grants to a user, over all of the user's keys and programs."""

DEFAULT_CONNECTIONS = 8
"""Leaves two for everything else that the same user runs."""

METADATA_URL = "https://login.mailchimp.com/oauth2/metadata"

_KEY_WITH_DATA_CENTRE = re.compile(r"^\S+-(?P<data_centre>[a-z]+\d+)$")

MAILCHIMP_SETTINGS: Mapping[str, Any] = {
    "api_key": {
        "type": ["string", "null"],
        "title": "API key",
        "description": "Ends in its data centre (`…-us6`). Either this or `access_token`.",
        "secret": True,
        "writeOnly": True,
    },
    "access_token": {
        "type": ["string", "null"],
        "title": "OAuth2 access token",
        "description": "From `mailchimp-auth authorize`; it does not expire. Either this or `api_key`.",
        "secret": True,
        "writeOnly": True,
    },
    "base_url": {
        "type": ["string", "null"],
        "title": "Base URL",
        "description": "Where the API is, ending in `/3.0`. By default it follows from the data centre.",
    },
    "metadata_url": {
        "type": ["string", "null"],
        "title": "OAuth2 metadata URL",
        "description": "Where the data centre of an access token is asked for.",
        "default": METADATA_URL,
    },
    "request_timeout": {
        "type": ["number", "null"],
        "title": "Request timeout",
        "description": "Seconds to wait for an answer. Mailchimp itself gives up after 120.",
        "default": 120,
        "exclusiveMinimum": 0,
    },
}
"""JSON schema of the settings that every Mailchimp plugin has, by name."""


@dataclass(frozen=True)
class MailchimpSettings:
    """How to reach an account.

    Attributes:
        api_key: Either this or `access_token` is set; the other is empty.
        access_token: From the OAuth2 authorization-code flow.
        base_url: Ends in `/3.0`; empty when it must be asked for with the access token.
        metadata_url: Where it is asked for.
        request_timeout: Seconds.
        max_connections: Requests in flight at once, at most 10.
    """

    api_key: str = ""
    access_token: str = ""
    base_url: str = ""
    metadata_url: str = METADATA_URL
    request_timeout: float = 120.0
    max_connections: int = DEFAULT_CONNECTIONS

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, max_connections: int = DEFAULT_CONNECTIONS
    ) -> MailchimpSettings:
        """Read the settings of a plugin; an empty value counts as none.

        Raises:
            ConfigurationError: One is missing, or two contradict each other.
        """
        api_key, access_token = _text(config, "api_key"), _text(config, "access_token")
        if bool(api_key) == bool(access_token):
            raise ConfigurationError(
                "Both `api_key` and `access_token` are set."
                if api_key
                else "There are no credentials for Mailchimp.",
                advice="Set exactly one of `api_key` and `access_token`.",
            )
        if not 1 <= max_connections <= MOST_CONNECTIONS:
            raise ConfigurationError(
                f"{max_connections} connections are not possible.",
                advice=f"Set `concurrency` to a number from 1 to {MOST_CONNECTIONS}: "
                "Mailchimp refuses more for one user.",
            )
        base_url = _text(config, "base_url").rstrip("/")
        if base_url:
            _check_base_url(base_url)
        elif api_key:
            base_url = f"https://{data_centre_of(api_key)}.api.mailchimp.com/3.0"
        return cls(
            api_key=api_key,
            access_token=access_token,
            base_url=base_url,
            metadata_url=_text(config, "metadata_url") or METADATA_URL,
            request_timeout=float(config.get("request_timeout") or 120.0),
            max_connections=max_connections,
        )


def data_centre_of(api_key: str) -> str:
    """The data centre that an API key ends in, such as `us6`.

    Raises:
        ConfigurationError: The key ends in none.
    """
    match = _KEY_WITH_DATA_CENTRE.match(api_key)
    if match is None:
        raise ConfigurationError(
            "The API key does not end in a data centre such as `-us6`, so it is not complete.",
            advice="Copy the whole key into `api_key`, or set `base_url`.",
        )
    return match["data_centre"]


def _check_base_url(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or not parts.path.endswith("/3.0"):
        raise ConfigurationError(
            "`base_url` is not the address of the Marketing API.",
            advice="It looks like https://us6.api.mailchimp.com/3.0: with its scheme, and ending in /3.0.",
        )


def _text(config: Mapping[str, Any], name: str) -> str:
    return str(config.get(name) or "").strip()
