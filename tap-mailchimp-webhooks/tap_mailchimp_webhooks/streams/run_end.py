"""The end of a run that a signal asks for: between two batches, with the state of what is out."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kinetic_mailchimp.kit.http.retry import pause
from kinetic_mailchimp.kit.singer.plugin import EXIT_BY_SIGNAL, set_by_signal


class RunEnd:
    """Lets the batch in hand and its state go out whole; while only waiting for Mailchimp, ends at once.

    Attributes:
        stop: Set once a signal has asked for the end.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._signal: int | None = None
        self._is_interruptible = False
        self.stop = threading.Event()

    def take_signal(self, signum: int) -> None:
        """Ask for the end; a second signal, or one while nothing is in hand, ends the process."""
        if self._is_interruptible or self._signal is not None:
            sys.exit(EXIT_BY_SIGNAL + signum)
        self._signal = signum
        set_by_signal(self.stop)

    @property
    def is_asked(self) -> bool:
        """True once a signal has asked for the end."""
        return self._signal is not None

    def exit_if_asked(self) -> None:
        """End the process if a signal has asked for it."""
        if self._signal is not None:
            self._logger.warning("Signal %d: ended with the state of what is out.", self._signal)
            sys.exit(EXIT_BY_SIGNAL + self._signal)

    def pause(self, seconds: float) -> None:
        """Wait, but not any longer once a signal has asked for the end.

        Raises:
            TransientError: It has.
        """
        pause(self.stop, seconds)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """While this runs, nothing is in hand."""
        self._is_interruptible = True
        try:
            yield
        finally:
            self._is_interruptible = False
