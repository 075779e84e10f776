"""Bounds on trying a call again: attempts, time and pauses."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import backoff

from kinetic_mailchimp.kit.errors import TransientError


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds on trying again; the pauses grow exponentially and are fully jittered.

    Attributes:
        max_attempts: Attempts in all, the first included.
        max_seconds: No pause begins that would end later than this after the first attempt.
        first_pause: The longest first pause, in seconds; each further one may be twice as long.
        longest_pause: The longest pause of all, in seconds.
        connect_seconds: Seconds to wait for a connection, where the time-out is longer.
        answer_seconds: Seconds to wait for the next byte of an answer, likewise.
        awaits_server: Whether a server that cannot be reached may come back in that time.
    """

    max_attempts: int = 6
    max_seconds: float = 300.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    connect_seconds: float = math.inf
    answer_seconds: float = math.inf
    awaits_server: bool = True

    def pauses(self) -> Iterator[float]:
        """Yield seconds to wait, without end."""
        schedule = backoff.expo(factor=self.first_pause, max_value=self.longest_pause)
        next(schedule)  # the generator begins with an empty value, for use with send()
        for longest in schedule:
            yield backoff.full_jitter(longest)


INTERACTIVE_RETRY_POLICY = RetryPolicy(
    max_attempts=2, max_seconds=5, connect_seconds=3, answer_seconds=10, awaits_server=False
)
"""A connection check rather fails than keeps a person waiting."""


def pause(stop: threading.Event, seconds: float) -> None:
    """Wait, for a transport that tries again; a process that was asked to stop waits no longer.

    Args:
        stop: Set by a signal.
        seconds: The time to wait.

    Raises:
        TransientError: The process was asked to stop.
    """
    if stop.wait(seconds):
        raise TransientError(
            "Stopped while waiting to try again.", advice="Start again: a run goes on where its state is."
        )
