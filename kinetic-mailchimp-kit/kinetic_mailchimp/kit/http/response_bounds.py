"""Bounds on the answers of servers: bytes as they travel, bytes when unpacked, and seconds in all.

urllib3's timeout is one between two bytes, so a server that sends one now and then is read for ever. Here
the stream below the parser of HTTP counts, so that the bounds hold for headers, chunk sizes and bodies alike.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.json_reading import without_half_pairs

MAX_MIB: Final = "CONNECTOR_MAX_RESPONSE_MIB"
MAX_SECONDS: Final = "CONNECTOR_MAX_RESPONSE_SECONDS"
_HEADERS: Final = 2**20
"""Bytes beside the body."""


class TooLargeError(Exception):
    """An answer has more bytes than the limit."""


class TooSlowError(Exception):
    """An answer takes longer than the limit, although bytes arrive."""


@dataclass(frozen=True)
class ResponseLimits:
    """Bounds of one answer.

    Attributes:
        mib: MiB of the body, compressed and unpacked.
        seconds: From the request to the last byte.
    """

    mib: float = 256
    seconds: float = 600

    @classmethod
    def from_environment(cls) -> ResponseLimits:
        """Read the two variables.

        Raises:
            ConfigurationError: One is not a positive number.
        """
        return cls(_positive(MAX_MIB, cls.mib), _positive(MAX_SECONDS, cls.seconds))

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return int(self.mib * 2**20)


def _positive(variable: str, default: float) -> float:
    text = os.environ.get(variable, "").strip()
    try:
        value = float(text or default)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigurationError(
            f"`{variable}` is not a positive number.",
            advice=f"Leave it out ({default:g}), or write a number.",
        )
    return value


class _BoundedStream(io.RawIOBase):
    """The bytes of a connection that belong to one answer."""

    def __init__(self, raw: io.RawIOBase, limits: ResponseLimits, clock: Callable[[], float]) -> None:
        self._raw = raw
        self._left = limits.size + _HEADERS
        self._clock = clock
        self._ends_at = clock() + limits.seconds

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:  # a buffer has no type of its own before Python 3.12
        if self._clock() > self._ends_at:
            raise TooSlowError
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooLargeError
        return count

    @override
    def fileno(self) -> int:
        return self._raw.fileno()

    @override
    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class BoundedAdapter(HTTPAdapter):
    """Holds answers to limits."""

    def __init__(
        self,
        limits: ResponseLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        **arguments: Any,  # noqa: ANN401 (passed on)
    ) -> None:
        self._pools = _bounded_pools(limits, clock)
        super().__init__(**arguments)

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    @override
    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Session(requests.Session):
    """A session without cookies that never looks where an answer sends it."""

    def __init__(self) -> None:
        super().__init__()
        self._environments: dict[str, Any] = {}

    @override
    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """A request with the session's headers: there are no other settings to merge."""
        headers = CaseInsensitiveDict({**self.headers, **(request.headers or {})})
        data = request.data
        if request.json is not None:
            # requests would take fifteen times as long.
            data = _as_json(request.json)
            headers.setdefault("Content-Type", "application/json")
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=request.method, url=request.url, headers=headers, data=data, auth=request.auth
        )
        return prepared

    @override
    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Proxies and certificates by the environment, once for each server.

        With each call, as requests does it, that took a third of its time.
        """
        origin = url[: url.find("/", len("https://"))]
        if origin not in self._environments:
            self._environments[origin] = super().merge_environment_settings(
                url, proxies, stream, verify, cert
            )
        return self._environments[origin]

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: to know of a next call, requests would read all of a body, without bounds."""


def _as_json(document: object) -> bytes:
    """A document in UTF-8, which cannot carry half a surrogate pair."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(without_half_pairs(document))


def bounded_session(
    limits: ResponseLimits, *, clock: Callable[[], float] = time.monotonic, max_connections: int = 1
) -> requests.Session:
    """A session without cookies and redirects, whose answers have bounds."""
    session = _Session()
    adapter = BoundedAdapter(limits, clock=clock, pool_connections=4, pool_maxsize=max_connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _bounded_pools(limits: ResponseLimits, clock: Callable[[], float]) -> dict[str, type[HTTPConnectionPool]]:
    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on)
            super().__init__(sock, *args, **kwargs)
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_BoundedStream(raw, limits, clock))

    class Connection(HTTPConnection):
        response_class = Response

    class SecureConnection(HTTPSConnection):
        response_class = Response

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
