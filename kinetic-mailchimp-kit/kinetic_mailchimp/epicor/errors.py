"""Errors of Kinetic, and of the gateway before it, beside those that all connectors have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, PermissionDeniedError
from kinetic_mailchimp.kit.http.call import Request

CHECK_BASE_URL = "Check `base_url`: host and instance, the part before `/api/v2`."
WHO_ANSWERS = "If it lasts, look at what answers at `base_url`."


class PageTimeoutError(ConnectorError):
    """The server, its gateway or our own patience ran out of time over a page: ask for a smaller one."""


class QueryRefusedError(ConnectorError):
    """The server cannot run a query of this form; the rows may be had in another way."""


class ServerLimitError(ConfigurationError):
    """The server takes less at once than was asked: ask for less, and tell a person where none helps."""


class UrlTooLongError(ServerLimitError):
    """A URL or its query is longer than the gateway or IIS takes."""


class FilterTooLargeError(ServerLimitError):
    """A `$filter` has more conditions than the server takes."""


class PageTooLargeError(ServerLimitError):
    """A `$top` is larger than the server takes; `field` is what it takes, where it says."""


class BodyTooLargeError(ServerLimitError):
    """A request, or the answer to it, is larger than the gateway takes."""


class PathRefusedError(ConfigurationError):
    """A path holds a character that the web server refuses; a method takes the same key in its parameters."""


class CompanyAccessError(PermissionDeniedError):
    """The company does not exist, or this identity may not work in it. Kinetic says no more than that."""


@dataclass(frozen=True)
class PageRequest(Request):
    """A read that its sender can make smaller, so that a time-out is told at once."""

    timeout_error: ClassVar[type[ConnectorError]] = PageTimeoutError


@dataclass(frozen=True)
class ProbeRequest(Request):
    """A read that finds out whether the server can run it, so that a refusal is told at once."""


def host_of(url: str) -> str:
    """Scheme, host and port of a URL, to compare two by."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
