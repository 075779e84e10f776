"""A target whose state follows its writes (needs the extra `singer`)."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, Literal

import click
from singer_sdk import Target
from typing_extensions import override

from kinetic_mailchimp.kit.errors import DataError, TransientError
from kinetic_mailchimp.kit.http.retry import pause
from kinetic_mailchimp.kit.singer.messages import MessageReader
from kinetic_mailchimp.kit.singer.plugin import (
    EXIT_BY_SIGNAL,
    ConnectorPlugin,
    set_by_signal,
    without_sdk_words,
)

RunStatus = Literal["succeeded", "failed", "stopped"]


class DurableTarget(ConnectorPlugin, Target):
    """A target whose state never runs ahead of its writes, however the process ends.

    The SDK advances the state over a batch that a signal interrupts (meltano/sdk#3775). Here a signal waits
    until the message in hand is done; then everything is written, the state follows, and the process ends.
    State is emitted during long loads too, not only at the end.
    """

    message_reader_class = MessageReader

    state_interval: ClassVar[float] = 10.0
    """Seconds between two drains that a STATE message causes; 0 drains with each."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(**arguments)
        self.logger.addFilter(without_sdk_words)
        self.max_parallelism = 1
        if isinstance(self.message_reader, MessageReader):
            self.message_reader.on_failure = self._end_of_broken_input
        self._busy = False
        self._signal: int | None = None
        self._is_over = False
        self._stop_requested = threading.Event()
        self._drained_at = time.monotonic()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add `--test` to the SDK's options: the SDK gives it to taps alone."""

        def test(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 (click's form)
            if wanted:
                cls.run_checks(context.params["config"])
                context.exit()

        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--test"], is_flag=True, help="Check the connection.", callback=test, expose_value=False
            )
        )
        return command

    @classmethod
    @override
    def invoke(cls, **options: Any) -> None:  # (passed on as they are)
        """Note down that standard input is read, which nobody does for `--about` or with `--input`."""
        cls.is_reading = not (options.get("about") or options.get("file_input"))
        super().invoke(**options)
        cls.is_reading = False

    @property
    def summary_logger(self) -> logging.Logger:
        """For progress and the last line of a run, which are shown however quiet the rest is."""
        logger: logging.Logger = self.logger.getChild("summary")
        logger.setLevel(logging.INFO)
        return logger

    def pause(self, seconds: float) -> None:
        """Wait for a transport that tries again; no longer once a signal has asked for the end."""
        pause(self._stop_requested, seconds)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self._uninterrupted(super()._process_schema_message, message_dict)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._uninterrupted(super()._process_record_message, message_dict)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        try:
            super()._process_batch_message(message_dict)
        except (OSError, ValueError, LookupError) as error:
            raise DataError(
                f"The files of a BATCH message cannot be read ({type(error).__name__}).",
                advice="Let the tap write records: take `batch_config` out of its settings.",
            ) from error

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self._uninterrupted(self._take_state, message_dict)

    def process_endofpipe(self) -> None:
        """Write what is left, then emit the last state."""
        self._uninterrupted(lambda _: super(DurableTarget, self).process_endofpipe(), {})
        self._uninterrupted(lambda _: self.after_input(), {})
        self._over("succeeded")

    def after_input(self) -> None:
        """Do what comes after all records; not called where a signal ends the run."""

    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        """Say how it went and let go of what is open. Called once, however the run ends, but by SIGKILL.

        Args:
            status: `stopped` after a signal.
            error: What ended the run, if an error did; it is raised afterwards.
        """

    def _take_state(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        if time.monotonic() - self._drained_at >= self.state_interval:
            self.drain_all()
            self._drained_at = time.monotonic()

    def _uninterrupted(self, step: Callable[[dict[str, Any]], None], message: dict[str, Any]) -> None:
        self._busy = True
        try:
            step(message)
        except Exception as error:
            self._over("failed" if self._signal is None else "stopped", error)
            if self._signal is None or not isinstance(error, TransientError):
                raise
            self.logger.warning("Signal %d: %s The state stays where it was.", self._signal, error)
            sys.exit(EXIT_BY_SIGNAL + self._signal)
        finally:
            self._busy = False
        if self._signal is not None:
            self._end_early(self._signal)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the SDK's form)
        self._signal = signum
        set_by_signal(self._stop_requested)
        if self._is_over:  # after a failure: what was read and not written waits for the next run
            sys.exit(EXIT_BY_SIGNAL + signum)
        if not self._busy:
            self._end_early(signum)

    def _end_early(self, signum: int) -> None:
        self.logger.warning("Signal %d: writing what was read, then ending.", signum)
        self._write_all()
        self._over("stopped")
        sys.exit(EXIT_BY_SIGNAL + signum)

    def _end_of_broken_input(self, error: Exception) -> None:
        """Write what came before a line that holds no message, such as half of one."""
        if not self._is_over:
            self._write_all()
            self._over("failed", error)

    def _write_all(self) -> None:
        """Write what was read, and let the state follow, before an early end."""
        self._busy = True
        try:
            self.drain_all(is_endofpipe=True)
        except Exception as error:
            self._over("failed", error)
            raise

    def _over(self, status: RunStatus, error: Exception | None = None) -> None:
        if not self._is_over:
            self._is_over = True
            self.end_run(status, error)
