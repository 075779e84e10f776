"""Slows down whoever tries path secrets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

WINDOW_SECONDS = 60.0
MOST_CLIENTS = 10_000


class WrongSecretLimit:
    """Blocks a client for the rest of a minute in which it sent too many wrong secrets.

    Args:
        most: Wrong secrets a minute that are let pass; 0 for no limit.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def blocks(self, client: str) -> bool:
        """Whether the client has to wait."""
        if not self._most or client not in self._counts:
            return False
        since, count = self._counts[client]
        return count >= self._most and self._clock() - since < WINDOW_SECONDS

    def count(self, client: str) -> None:
        """Count a wrong secret."""
        if not self._most:
            return
        now = self._clock()
        since, count = self._counts.pop(client, (now, 0))
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
        self._counts[client] = (since, count + 1)
        if len(self._counts) > MOST_CLIENTS:
            self._counts.popitem(last=False)
