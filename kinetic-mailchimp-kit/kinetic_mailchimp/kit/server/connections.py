"""Counts the connections of a server, in all and of each client; closes those that are too many or late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

HEAD_SECONDS = 10.0
REQUEST_SECONDS = 30.0
"""From the first byte of a request to its last. Mailchimp itself waits 10 s for an answer."""
SWEEP_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """Bounds of one server.

    Attributes:
        connections: In all.
        per_client: Of one address.
        proxies: Addresses that stand for many clients: only the bound on all holds for them.
        head_seconds: From the beginning of a request to the end of its headers.
        request_seconds: From the beginning of a request to its end.
    """

    connections: int
    per_client: int
    proxies: Container[str] = ()
    head_seconds: float = HEAD_SECONDS
    request_seconds: float = REQUEST_SECONDS


class BoundedConnection(Protocol):
    """A connection as `Connections` knows it."""

    @property
    def client_host(self) -> str:
        """The address at the other end."""

    @property
    def may_give_way(self) -> bool:
        """True for a connection that may be closed in favour of another one."""

    def is_late(self, now: float, limits: Limits) -> bool:
        """True if it has begun something too long ago that is not whole."""

    def refuse(self, status: int) -> None:
        """Close it, where that is possible with an answer before."""


class Connections:
    """The open connections of one server.

    Where there are too many, the oldest that has no whole request gives way to a new one: a delivery comes at
    once and whole, and what is only held open must not keep it out.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._all: dict[BoundedConnection, None] = {}
        self._by_client: dict[str, dict[BoundedConnection, None]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def add(self, connection: BoundedConnection) -> None:
        """Take a new connection in, or close it where all others are at work."""
        limits, client = self.limits, connection.client_host
        same = self._by_client.setdefault(client, {})
        self._all[connection] = same[connection] = None
        if len(same) > limits.per_client and client not in limits.proxies:
            _make_room(same)
        elif len(self._all) > limits.connections:
            _make_room(self._all)
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(SWEEP_SECONDS, self._close_late, loop)

    def remove(self, connection: BoundedConnection) -> None:
        """Forget a connection that is closed."""
        self._all.pop(connection, None)
        same = self._by_client.get(connection.client_host, {})
        same.pop(connection, None)
        if not same:
            self._by_client.pop(connection.client_host, None)

    def _close_late(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for connection in list(self._all):
            if connection.is_late(now, self.limits):
                connection.refuse(408)
        self._sweep = loop.call_later(SWEEP_SECONDS, self._close_late, loop) if self._all else None


def _make_room(connections: dict[BoundedConnection, None]) -> None:
    *others, newest = connections
    next((other for other in others if other.may_give_way), newest).refuse(503)
