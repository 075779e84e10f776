"""Runs the catch-up beside a tap that follows, so that no event waits for Mailchimp's answers."""

from __future__ import annotations

import logging
import threading

from tap_mailchimp_webhooks.catch_up.poller import CatchUp, reason_of

logger = logging.getLogger(__name__)


class PeriodicCatchUp:
    """A catch-up at once and then in regular intervals, in a thread of its own.

    A process that ends does not wait for it: what it stored is durable, and the next one repeats the rest.

    Args:
        interval: Seconds between the end of one and the beginning of the next.
    """

    def __init__(self, catch_up: CatchUp, interval: float, stop: threading.Event) -> None:
        self._catch_up = catch_up
        self._interval = interval
        self._stop = stop

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="catch-up", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._catch_up.run()
            except Exception as error:  # noqa: BLE001 (it would end the thread unnoticed)
                if not self._stop.is_set():
                    logger.error("The catch-up failed and is repeated later: %s", reason_of(error))  # noqa: TRY400 (a traceback could name people)
            self._stop.wait(self._interval)
