"""Limits how often one client may fail, as one that guesses a secret does."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

WINDOW_SECONDS: Final = 60.0
MOST_KEYS: Final = 10_000
"""Clients that are remembered: one that comes from ever new addresses must not fill the memory."""


class RateLimit:
    """Failures per key within a sliding minute. Shared by threads.

    Args:
        most: Failures that are let pass within a minute; 0 for no limit.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str) -> int:
        """The whole seconds until a key may try again; 0 if it may now."""
        times = self._failures.get(key)
        if not times or len(times) < self._most:
            return 0
        left = times[0] + WINDOW_SECONDS - self._clock()
        return int(left) + 1 if left > 0 else 0

    def count(self, key: str) -> None:
        """Count a failure."""
        if not self._most:
            return
        with self._lock:
            times = self._failures.setdefault(key, deque(maxlen=self._most))
            times.append(self._clock())
            self._failures.move_to_end(key)
            if len(self._failures) > MOST_KEYS:
                self._failures.popitem(last=False)
