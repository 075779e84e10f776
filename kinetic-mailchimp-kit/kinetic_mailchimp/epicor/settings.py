"""The settings that every plugin which talks to Kinetic has in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kinetic_mailchimp.kit.errors import ConfigurationError

LICENSE_TYPES: Mapping[str, str] = {
    "web_service": "00000003-9439-4B30-A6F4-6D2FD4B9FD0F",
    "web_service_shared": "00000003-231B-4E2B-9B47-13F87EA9A0A3",
    "default": "00000003-B615-4300-957B-34956697F040",
    "crm": "00000003-15F2-4059-8C79-11849198F488",
    "data_collection": "00000003-B8EB-40C4-8897-248CB30C5D47",
}
"""What a call may claim, by name; without a claim it takes a seat of the users' own licence."""

NO_LICENSE = "none"
DEFAULT_TOKEN_URL = "https://login.epicor.com/connect/token"  # noqa: S105 (an address)
LAST_LATIN_1 = 0xFF
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_API_PATH = re.compile(r"/api(/(v1|v2|help|swagger)(/.*)?)?$", re.IGNORECASE)
_CREDENTIALS = ("api_key", "username", "password", "client_id", "client_secret")

EPICOR_SETTINGS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "base_url": {
            "type": ["string"],
            "title": "Base URL",
            "description": (
                "Address of the Kinetic instance, the part before `/api/v2`: "
                "`https://<tenant>.epicorsaas.com/<instance>`, or `https://<host>/<instance>` on premises."
            ),
        },
        "companies": {
            "type": ["array"],
            "items": {"type": ["string"]},
            "minItems": 1,
            "title": "Companies",
            "description": "IDs of the companies to work with, as they stand in Kinetic (`EPIC06`).",
        },
        "api_key": {
            "type": ["string"],
            "title": "API key",
            "description": "From API Key Maintenance in this environment; sent with every other identity.",
            "secret": True,
            "writeOnly": True,
        },
        "auth_method": {
            "type": ["string", "null"],
            "title": "Authentication method",
            "description": (
                "Who calls, beside the API key: a Kinetic user by `basic`, the same user by a token "
                "(`token_resource`), an application at an identity provider (`oauth2`), or nobody "
                "else (`api_key`)."
            ),
            "default": "basic",
            "enum": ["basic", "token_resource", "oauth2", "api_key"],
        },
        "username": {
            "type": ["string", "null"],
            "title": "User",
            "description": "Kinetic user, for `basic` and `token_resource`.",
        },
        "password": {
            "type": ["string", "null"],
            "title": "Password",
            "description": "Password of that user.",
            "secret": True,
            "writeOnly": True,
        },
        "client_id": {
            "type": ["string", "null"],
            "title": "Client ID",
            "description": "Of the application at the identity provider, for `oauth2`.",
        },
        "client_secret": {
            "type": ["string", "null"],
            "title": "Client secret",
            "description": "Of the application at the identity provider, for `oauth2`.",
            "secret": True,
            "writeOnly": True,
        },
        "token_url": {
            "type": ["string", "null"],
            "title": "Token URL",
            "description": (
                "Where tokens come from. Without it: Epicor's identity provider for `oauth2`, "
                "`TokenResource.svc` of the instance for `token_resource`."
            ),
        },
        "token_request": {
            "type": ["string", "null"],
            "title": "Token request",
            "description": (
                "The form in which `token_resource` sends user and password: in headers of their own, "
                "as a Basic login, or as a form. Servers differ in what they take."
            ),
            "default": "headers",
            "enum": ["headers", "basic", "form"],
        },
        "oauth_scope": {
            "type": ["string", "null"],
            "title": "OAuth2 scope",
            "description": "Scope to ask for with `oauth2`, as the application server is set up.",
            "default": "epicor_erp",
        },
        "license_type": {
            "type": ["string", "null"],
            "title": "Licence type",
            "description": (
                "The licence a call claims: `web_service`, `web_service_shared`, `default`, `crm`, "
                "`data_collection`, the GUID of another one, or `none` to send no claim, which takes a "
                "user's seat for each call."
            ),
            "default": "web_service",
        },
        "plant": {
            "type": ["string", "null"],
            "title": "Plant",
            "description": "Site to work in, for services that depend on it.",
        },
        "ca_bundle": {
            "type": ["string", "null"],
            "title": "CA bundle",
            "description": "File with the CA certificates to trust, for a private certificate.",
        },
        "request_timeout": {
            "type": ["number", "null"],
            "title": "Request timeout",
            "description": "Seconds to wait for a connection, and for the next byte of an answer.",
            "default": 120,
            "exclusiveMinimum": 0,
        },
        "concurrency": {
            "type": ["integer", "null"],
            "title": "Concurrency",
            "description": "Requests at the same time. Each may take a licence seat: keep it low.",
            "default": 2,
            "minimum": 1,
            "maximum": 16,
        },
    },
    "required": ["base_url", "companies", "api_key"],
}
"""JSON schema of the shared settings; a plugin merges it into its own with `with_epicor_settings`."""

NEEDED_BY_METHOD: Mapping[str, tuple[str, ...]] = {
    "basic": ("username", "password"),
    "token_resource": ("username", "password"),
    "oauth2": ("client_id", "client_secret"),
    "api_key": (),
}


def with_epicor_settings(own: Mapping[str, Any]) -> dict[str, Any]:
    """A plugin's JSON schema with the shared settings before its own; its own win where names meet."""
    return {
        **own,
        "properties": {**EPICOR_SETTINGS["properties"], **own.get("properties", {})},
        "required": [*EPICOR_SETTINGS["required"], *own.get("required", [])],
    }


@dataclass(frozen=True)
class EpicorSettings:
    """How to reach a Kinetic instance, and as whom. Build it with `from_config`.

    Attributes:
        base_url: Without a trailing slash and without `/api/...`.
        companies: At least one.
        license_guid: The licence to claim, or None for no claim.
        request_timeout: Seconds.
        concurrency: Requests at the same time.
    """

    base_url: str
    companies: tuple[str, ...]
    api_key: str = field(repr=False)
    auth_method: str = "basic"
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_url: str = ""
    token_request: str = "headers"  # noqa: S105 (the form of a request)
    oauth_scope: str = "epicor_erp"
    license_guid: str | None = LICENSE_TYPES["web_service"]
    plant: str = ""
    ca_bundle: str | None = None
    request_timeout: float = 120.0
    concurrency: int = 2

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EpicorSettings:
        """Read and check the shared settings of a plugin's configuration.

        Raises:
            ConfigurationError: The message names the setting that is missing or wrong.
        """
        given = {name: value for name, value in config.items() if value not in (None, "")}
        defaults = {
            name: definition["default"]
            for name, definition in EPICOR_SETTINGS["properties"].items()
            if "default" in definition
        }
        values = {**defaults, **given}
        # A key that was read out of a file ends with the end of its line.
        values |= {name: str(values[name]).strip("\r\n") for name in _CREDENTIALS if name in values}
        method = _one_of(values, "auth_method")
        for name in (*EPICOR_SETTINGS["required"], *NEEDED_BY_METHOD[method]):
            if not values.get(name):
                raise ConfigurationError(
                    f"Setting `{name}` is missing.",
                    advice=f"It is needed with `auth_method` `{method}`." if name not in given else "",
                )
        base_url = _base_url(values["base_url"])
        _check_headers(values, method)
        return cls(
            base_url=base_url,
            companies=_companies(values["companies"]),
            api_key=values["api_key"],
            auth_method=method,
            username=values.get("username", ""),
            password=values.get("password", ""),
            client_id=values.get("client_id", ""),
            client_secret=values.get("client_secret", ""),
            token_url=values.get("token_url") or _token_url(method, base_url),
            token_request=_one_of(values, "token_request"),
            oauth_scope=values["oauth_scope"],
            license_guid=_license_guid(values["license_type"]),
            plant=values.get("plant", ""),
            ca_bundle=_ca_bundle(values.get("ca_bundle")),
            request_timeout=float(values["request_timeout"]),
            concurrency=int(values["concurrency"]),
        )


def _one_of(values: Mapping[str, Any], name: str) -> str:
    allowed = EPICOR_SETTINGS["properties"][name]["enum"]
    if values[name] not in allowed:
        raise ConfigurationError(
            f"Setting `{name}` is {values[name]!r}.", advice=f"Use one of: {', '.join(allowed)}."
        )
    return str(values[name])


def _base_url(text: str) -> str:
    """The instance's address, also out of an address that was copied with more behind it."""
    url = _API_PATH.sub("", text.strip().rstrip("/")).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            "Setting `base_url` is no web address.",
            advice="Use `https://<host>/<instance>`, the part before `/api/v2`.",
        )
    if parts.username or parts.query or parts.fragment:
        raise ConfigurationError(
            "Setting `base_url` holds a login, a query or a fragment.",
            advice="Use `https://<host>/<instance>`; a login belongs in `username` and `password`.",
        )
    return url


def _check_headers(values: Mapping[str, Any], method: str) -> None:
    """See to it that what is sent as a header of its own can be one."""
    are_headers = method == "token_resource" and values["token_request"] == "headers"  # noqa: S105 (a form)
    for name in ("api_key", *(("username", "password") if are_headers else ())):
        text = values[name]
        if any(ord(letter) > LAST_LATIN_1 or letter in "\r\n" for letter in text):
            raise ConfigurationError(
                f"Setting `{name}` holds a character that a header cannot carry.",
                advice="Copy it again without line ends, typographic dashes or quotes."
                + (" Or set `token_request` to `basic`." if name != "api_key" else ""),
            )


def _ca_bundle(path: str | None) -> str | None:
    if path is not None and not Path(path).exists():
        raise ConfigurationError(
            "Setting `ca_bundle` names a file that does not exist.", advice="Check the path in `ca_bundle`."
        )
    return path


def _companies(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(company, str) and company for company in value
    ):
        raise ConfigurationError(
            "Setting `companies` is no list of company IDs.", advice='Use a list, such as ["EPIC06"].'
        )
    return tuple(dict.fromkeys(value))


def _license_guid(license_type: str) -> str | None:
    if license_type == NO_LICENSE:
        return None
    guid = LICENSE_TYPES.get(license_type, license_type)
    if not _GUID.fullmatch(guid):
        raise ConfigurationError(
            f"Setting `license_type` is {license_type!r}.",
            advice=f"Use one of {', '.join(LICENSE_TYPES)}, {NO_LICENSE}, or a GUID.",
        )
    return guid


def _token_url(method: str, base_url: str) -> str:
    return {"oauth2": DEFAULT_TOKEN_URL, "token_resource": f"{base_url}/TokenResource.svc/"}.get(method, "")
