"""The settings that every plugin which talks to Mailchimp has in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.web_url import web_url
from kinetic_mailchimp.kit.settings.declaration import json_schema, read, setting

MOST_CONNECTIONS = 10
"""Simultaneous connections that Mailchimp grants to a user, over all of the user's keys and programs."""

DEFAULT_CONNECTIONS = 8
"""Leaves two for everything else that the same user runs."""

METADATA_URL = "https://login.mailchimp.com/oauth2/metadata"

_KEY_WITH_DATA_CENTRE = re.compile(r"^\S+-(?P<data_centre>[a-z]+\d+)$")


def _text(value: object) -> str:
    return str(value).strip()


def _base_url(text: str) -> str:
    url = web_url(text, "base_url").rstrip("/")
    if not url.endswith("/3.0"):
        raise ConfigurationError(
            "`base_url` is not the URL of the Marketing API.",
            advice="It looks like https://us6.api.mailchimp.com/3.0: with its scheme, and ending in /3.0.",
        )
    return url


@dataclass(frozen=True)
class MailchimpSettings:
    """The way to an account.

    Attributes:
        base_url: Empty when it must be asked for with the access token.
        max_connections: Requests in flight at once, at most 10.
        url_from: The setting that says where the API is.
    """

    api_key: str = setting(
        "",
        description="Ends in its data centre (`…-us6`). Either this or `access_token`.",
        secret=True,
        parse=_text,
        variables=["MAILCHIMP_API_KEY"],
    )
    access_token: str = setting(
        "",
        title="OAuth2 access token",
        description="From `mailchimp-auth authorize`; it does not expire. Either this or `api_key`.",
        secret=True,
        parse=_text,
        variables=["MAILCHIMP_ACCESS_TOKEN"],
    )
    base_url: str = setting(
        "",
        description="The URL of the API, ending in `/3.0`. By default it follows from the data centre.",
        parse=_base_url,
        variables=["MAILCHIMP_BASE_URL"],
    )
    metadata_url: str = setting(
        METADATA_URL,
        title="OAuth2 metadata URL",
        description="The URL that tells the data centre of an access token. The API must be a host of "
        "Mailchimp's, or this host.",
        parse=partial(web_url, setting="metadata_url"),
    )
    request_timeout: float = setting(
        120,
        description="Seconds to wait for an answer. Mailchimp itself gives up after 120.",
        exclusiveMinimum=0,
    )
    max_connections: int = DEFAULT_CONNECTIONS
    url_from: str = "base_url"

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, max_connections: int = DEFAULT_CONNECTIONS
    ) -> MailchimpSettings:
        """Read the settings of a plugin; an empty value counts as none.

        Args:
            config: Of the plugin.
            max_connections: Requests in flight at once, at most 10.

        Raises:
            ConfigurationError: One is missing, or two contradict each other.
        """
        settings = replace(read(cls, config), max_connections=max_connections)
        if bool(settings.api_key) == bool(settings.access_token):
            raise ConfigurationError(
                "Both `api_key` and `access_token` are set."
                if settings.api_key
                else "There are no credentials for Mailchimp.",
                advice="Set exactly one of `api_key` and `access_token`.",
            )
        if not 1 <= max_connections <= MOST_CONNECTIONS:
            raise ConfigurationError(
                f"{max_connections} connections are not possible.",
                advice=f"Set `concurrency` to a number from 1 to {MOST_CONNECTIONS}: "
                "Mailchimp refuses more for one user.",
            )
        if settings.base_url or not settings.api_key:
            return settings
        data_centre = data_centre_of(settings.api_key)
        url = f"https://{data_centre}.api.mailchimp.com/3.0"
        return replace(settings, base_url=url, url_from="api_key")


MAILCHIMP_SETTINGS: Mapping[str, Any] = json_schema(MailchimpSettings)["properties"]
"""JSON schema of the settings that every Mailchimp plugin has, by name."""


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
