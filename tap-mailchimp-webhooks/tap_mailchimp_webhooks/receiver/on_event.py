"""Runs a command after new events: a drain at once, without a process that follows all the time."""

from __future__ import annotations

import asyncio
import logging
import shlex
from dataclasses import dataclass, replace

from kinetic_mailchimp.kit.parsing.timestamps import utc_now

from tap_mailchimp_webhooks.events.event import rfc3339

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 30.0
LONGEST_RETRY_SECONDS = 900.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class CommandStatus:
    """State of the command, as `/readyz` shows it.

    Attributes:
        state: `off`, `idle`, `running` or `failing`.
        failures_in_a_row: Since the last success.
        last_exit: The exit status of the last run; None before one.
        ended_at: The time at which that ended; RFC 3339, UTC.
    """

    state: str = "off"
    failures_in_a_row: int = 0
    last_exit: int | None = None
    ended_at: str | None = None


class EventCommand:
    """A command that runs after events arrived: once for many, never two at a time, again after a failure.

    Args:
        command: As a shell would split it; it is run without one. Empty for none.
        delay: Seconds to wait for more events before it runs.
        first_retry: Seconds until it runs again after a failure; doubled with each further one.
    """

    def __init__(self, command: str, *, delay: float, first_retry: float = FIRST_RETRY_SECONDS) -> None:
        self._arguments = shlex.split(command)
        self._delay = delay
        self._first_retry = first_retry
        self._wake = asyncio.Event()
        self.status = CommandStatus("idle" if self._arguments else "off")

    def wake(self) -> None:
        """Note that an event arrived."""
        self._wake.set()

    async def run(self) -> None:
        """Run the command whenever it is due, until cancelled; then the one that runs is ended first."""
        while self._arguments:
            await self._wake.wait()
            await asyncio.sleep(self._delay)
            # Events that come from here on may be too late for this run: they cause another one.
            self._wake.clear()
            self.status = replace(self.status, state="running")
            exit_status = await self._execute()
            ended_at = rfc3339(utc_now())
            if exit_status == 0:
                self.status = CommandStatus("idle", 0, 0, ended_at)
                continue
            failures = self.status.failures_in_a_row + 1
            self.status = CommandStatus("failing", failures, exit_status, ended_at)
            pause = min(self._first_retry * 2 ** (failures - 1), LONGEST_RETRY_SECONDS)
            logger.error(
                "The command of --on-event ended with status %d; it runs again in %.0f s.", exit_status, pause
            )
            await asyncio.sleep(pause)
            self._wake.set()

    async def _execute(self) -> int:
        try:
            process = await asyncio.create_subprocess_exec(*self._arguments, stdin=asyncio.subprocess.DEVNULL)
        except OSError as error:
            logger.error("The command of --on-event cannot be started: %s.", error.strerror)  # noqa: TRY400 (the reason is in it)
            return 127
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
            raise
