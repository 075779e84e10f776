"""The settings that every plugin which talks to Kinetic has in common."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.web_url import split_url, web_url
from kinetic_mailchimp.kit.settings.declaration import json_schema, read, setting

AuthMethod = Literal["basic", "token_resource", "oauth2", "api_key"]
TokenRequest = Literal["headers", "basic", "form"]

LICENSE_TYPES: Mapping[str, str] = {
    "web_service": "00000003-9439-4B30-A6F4-6D2FD4B9FD0F",
    "web_service_shared": "00000003-231B-4E2B-9B47-13F87EA9A0A3",
    "default": "00000003-B615-4300-957B-34956697F040",
    "crm": "00000003-15F2-4059-8C79-11849198F488",
    "data_collection": "00000003-B8EB-40C4-8897-248CB30C5D47",
}
"""Licences that a call may claim, by name; without a claim it takes a seat of the users' own licence."""

NO_LICENSE = "none"
DEFAULT_TOKEN_URL = "https://login.epicor.com/connect/token"  # noqa: S105 (an address)
LAST_LATIN_1 = 0xFF
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_API_PATH = re.compile(r"/api(/(v1|v2|help|swagger)(/.*)?)?$", re.IGNORECASE)

NEEDED_BY_METHOD: Mapping[str, tuple[str, ...]] = {
    "basic": ("username", "password"),
    "token_resource": ("username", "password"),
    "oauth2": ("client_id", "client_secret"),
    "api_key": (),
}
_REQUIRED = ("base_url", "companies", "api_key")
_CREDENTIALS = ("api_key", "username", "password", "client_id", "client_secret")


def _base_url(text: str) -> str:
    """Read the instance's URL, also out of one that was copied with more behind it."""
    url = _API_PATH.sub("", text.strip().rstrip("/")).rstrip("/")
    parts = split_url(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            "Setting `base_url` is not a valid web address.",
            advice="Use `https://<host>/<instance>`, the part before `/api/v2`.",
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            "Setting `base_url` holds a login, a query or a fragment.",
            advice="Use `https://<host>/<instance>`; a login belongs in `username` and `password`.",
        )
    return url


def _ca_bundle(path: str | None) -> str | None:
    if path is not None and not Path(path).exists():
        raise ConfigurationError(
            "Setting `ca_bundle` names a file that does not exist.", advice="Check the path in `ca_bundle`."
        )
    if path is not None and Path(path).is_file():
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ConfigurationError(
                "Setting `ca_bundle` names a file without a certificate that can be read.",
                advice="Name one in PEM form, with `-----BEGIN CERTIFICATE-----`.",
            ) from error
    return path


def _companies(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(company, str) and company for company in value
    ):
        raise ConfigurationError(
            "Setting `companies` is not a list of company IDs.", advice='Use a list, such as ["EPIC06"].'
        )
    return tuple(dict.fromkeys(value))


def _license_type(name: str) -> str:
    if name != NO_LICENSE and name not in LICENSE_TYPES and not _GUID.fullmatch(name):
        raise ConfigurationError(
            f"Setting `license_type` is {name!r}.",
            advice=f"Use one of {', '.join(LICENSE_TYPES)}, {NO_LICENSE}, or a GUID.",
        )
    return name


@dataclass(frozen=True)
class EpicorSettings:
    """The way to a Kinetic instance, and the identity that calls it. Build it with `from_config`."""

    base_url: str = setting(
        description="Address of the Kinetic instance, the part before `/api/v2`: "
        "`https://<tenant>.epicorsaas.com/<instance>`, or `https://<host>/<instance>` on premises.",
        parse=_base_url,
    )
    companies: tuple[str, ...] = setting(
        description="IDs of the companies to work with, as they stand in Kinetic (`EPIC06`).",
        parse=_companies,
        minItems=1,
    )
    api_key: str = setting(
        description="From API Key Maintenance in this environment; sent with every other identity.",
        secret=True,
    )
    auth_method: AuthMethod = setting(
        "basic",
        title="Authentication method",
        description="The caller, beside the API key: a Kinetic user by `basic`, the same user by a token "
        "(`token_resource`), an application at an identity provider (`oauth2`), or nobody else (`api_key`).",
    )
    username: str = setting("", description="Kinetic user, for `basic` and `token_resource`.")
    password: str = setting("", description="Password of that user.", secret=True)
    client_id: str = setting("", description="Of the application at the identity provider, for `oauth2`.")
    client_secret: str = setting(
        "",
        description="Of the application at the identity provider, for `oauth2`.",
        secret=True,
    )
    token_url: str = setting(
        "",
        description="The URL that tokens come from. Without it: Epicor's identity provider for `oauth2`, "
        "`TokenResource.svc` of the instance for `token_resource`.",
        parse=partial(web_url, setting="token_url"),
    )
    token_request: TokenRequest = setting(
        "headers",
        description="The form in which `token_resource` sends user and password: in headers of their own, "
        "as a Basic login, or as a form. Servers differ in what they take.",
    )
    oauth_scope: str = setting(
        "epicor_erp",
        title="OAuth2 scope",
        description="Scope to ask for with `oauth2`, as the application server is set up.",
    )
    license_type: str = setting(
        "web_service",
        title="Licence type",
        description="The licence a call claims: `web_service`, `web_service_shared`, `default`, `crm`, "
        "`data_collection`, the GUID of another one, or `none` to send no claim, which takes a "
        "user's seat for each call.",
        parse=_license_type,
    )
    plant: str = setting("", description="Site to work in, for services that depend on it.")
    ca_bundle: str | None = setting(
        None,
        title="CA bundle",
        description="File with the CA certificates to trust, for a private certificate.",
        parse=_ca_bundle,
    )
    request_timeout: float = setting(
        120,
        description="Seconds to wait for a connection, and for the next byte of an answer.",
        exclusiveMinimum=0,
    )
    concurrency: int = setting(
        2,
        description="Requests at the same time. Each may take a licence seat: keep it low.",
        parse=int,
        minimum=1,
        maximum=16,
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EpicorSettings:
        """Read and check the shared settings of a plugin's configuration.

        Raises:
            ConfigurationError: The message names the setting that is missing or wrong.
        """
        # A key that was read out of a file ends with the end of its line.
        lines = {name: str(config[name]).strip("\r\n") for name in _CREDENTIALS if config.get(name)}
        config = {**config, **lines}
        _check_choice(config, "auth_method", get_args(AuthMethod))
        _check_choice(config, "token_request", get_args(TokenRequest))
        method = config.get("auth_method") or "basic"
        for name in (*_REQUIRED, *NEEDED_BY_METHOD[method]):
            if not config.get(name):
                raise ConfigurationError(
                    f"Setting `{name}` is missing.",
                    advice="It is always needed."
                    if name in _REQUIRED
                    else f"It is needed with `auth_method` `{method}`.",
                )
        settings = read(cls, config)
        _check_headers(settings)
        return replace(settings, token_url=settings.token_url or default_token_url(settings))

    @property
    def license_guid(self) -> str | None:
        """The licence to claim; None for no claim."""
        name = self.license_type
        return None if name == NO_LICENSE else LICENSE_TYPES.get(name, name)


EPICOR_SETTINGS: Mapping[str, Any] = json_schema(EpicorSettings)
"""JSON schema of the shared settings."""


def with_epicor_settings(own: Mapping[str, Any]) -> dict[str, Any]:
    """A plugin's JSON schema with the shared settings before its own; its own win where names meet."""
    return {
        **own,
        "properties": {**EPICOR_SETTINGS["properties"], **own.get("properties", {})},
        "required": [*EPICOR_SETTINGS["required"], *own.get("required", [])],
    }


def _check_choice(config: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> None:
    if (value := config.get(name)) and value not in allowed:
        raise ConfigurationError(
            f"Setting `{name}` is {value!r}.", advice=f"Use one of: {', '.join(allowed)}."
        )


def _check_headers(settings: EpicorSettings) -> None:
    """See to it that what is sent as a header of its own can be one."""
    are_headers = settings.auth_method == "token_resource" and settings.token_request == "headers"  # noqa: S105 (a form)
    for name in ("api_key", *(("username", "password") if are_headers else ())):
        if any(ord(letter) > LAST_LATIN_1 or letter in "\r\n" for letter in getattr(settings, name)):
            raise ConfigurationError(
                f"Setting `{name}` holds a character that a header cannot carry.",
                advice="Copy it again without line ends, typographic dashes or quotes."
                + (" Or set `token_request` to `basic`." if name != "api_key" else ""),
            )


def default_token_url(settings: EpicorSettings) -> str:
    """The address that tokens come from where `token_url` names none; empty where none are needed."""
    token_resource = f"{settings.base_url}/TokenResource.svc/"
    return {"oauth2": DEFAULT_TOKEN_URL, "token_resource": token_resource}.get(settings.auth_method, "")
