"""The base of the four plugins on top of the Singer SDK (needs the extra `singer`)."""

from __future__ import annotations

import io
import logging
import math
import os
import sys
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, Literal, cast

import click
from singer_sdk import Target
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.io_base import SingerReader
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from kinetic_mailchimp.kit.encryption import reveal, secret_values
from kinetic_mailchimp.kit.errors import ConnectorError, DataError, TransientError
from kinetic_mailchimp.kit.json_reading import parse_json
from kinetic_mailchimp.kit.private_files import warn_if_shared
from kinetic_mailchimp.kit.redaction import MASKER, mask_logs
from kinetic_mailchimp.kit.settings import from_text

RunStatus = Literal["succeeded", "failed", "stopped"]

EXIT_BY_SIGNAL = 128
"""Added to the number of a signal, as shells do: a run that was cut short did not succeed."""


def run_plugin(plugin: type[PluginBase]) -> None:
    """Run a plugin's command line: the body of its console script.

    A ConnectorError ends it with one readable line on stderr and exit status 1, and settings that do not fit
    the schema with a line for each; logs are masked.
    """
    mask_logs()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # one byte that is not UTF-8 stops no run
    warn_if_shared(Path(os.environ.get("MELTANO_PROJECT_ROOT", "")) / ".env")
    # Its debug lines hold whole addresses of requests, and these the people that are looked up.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    try:
        plugin.cli()
    except ConnectorError as error:
        plugin.logger.error("%s", error)  # noqa: TRY400 (what to do is in the message; a traceback hides it)
        sys.exit(1)
    except ConfigValidationError as error:
        for message in error.errors:
            plugin.logger.error("%s", message)  # noqa: TRY400 (as above)
        sys.exit(1)
    except RecursionError:
        # From Python 3.12 on, JSON is read that is nested more deeply than anything can be worked on.
        plugin.logger.error("A record or an answer is nested too deeply to be worked on.")  # noqa: TRY400 (as above)
        sys.exit(1)


_FIRST_INEXACT_FLOAT = 2**53
"""From here on, several integers are read as one float."""


class SecretSettings(PluginBase):
    """A plugin whose settings may be written as `enc:…` or as text, and whose secrets never show in a log."""

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 (the SDK's form)
        """Variables as they are: `_validate_config` reads them, and says which one is wrong."""
        cls.append_builtin_config(cls.config_jsonschema)
        texts = {name: {"type": ["string"]} for name in cls.config_jsonschema["properties"]}
        return parse_environment_config({"properties": texts}, cls._env_var_prefix)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        MASKER.add(secret_values(self._config, self.config_jsonschema))
        self._config = {
            name: _as_float(value)
            for name, value in from_text(reveal(self._config), self.config_jsonschema).items()
            # A variable that is empty in .env is a setting that is not set.
            if value is not None and value != ""
        }
        MASKER.add(secret_values(self._config, self.config_jsonschema))
        return super()._validate_config(raise_errors=raise_errors)


def _as_float(value: Any) -> Any:  # noqa: ANN401 (settings are JSON)
    """A fraction in a configuration file: the SDK reads it as a Decimal, which no clock understands."""
    return float(value) if isinstance(value, Decimal) else value


class MessageReader(SingerReader):
    """Reads messages with the numbers of JSON, where the SDK makes a Decimal of every fraction."""

    @override
    def deserialize_json(self, line: str) -> dict[str, Any]:
        """Read a line; one that is not a message is never shown, because it may hold people.

        Raises:
            DataError: The line is not a JSON object.
        """
        try:
            message = parse_json(line, parse_float=exact_number)
        except ValueError as error:
            raise _not_a_message(line) from error
        # The SDK quotes the whole of a message without a type, and a type that it does not know.
        kind = message.get("type") if isinstance(message, dict) else None
        if not (isinstance(kind, str) and kind.isidentifier()):
            raise _not_a_message(line)
        return cast("dict[str, Any]", message)

    @staticmethod
    @override
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Name the keys that a message lacks, and nothing that it holds."""
        if missing := requires - line_dict.keys():
            raise DataError(
                f"A Singer message lacks {', '.join(f'`{name}`' for name in sorted(missing))}.",
                advice="The tap or the mapper in front is at fault.",
            )


def _not_a_message(line: str) -> DataError:
    return DataError(
        f"A line of {len(line)} characters on standard input is not a Singer message.",
        advice="Only a tap or a mapper may write there: look for a program that prints.",
    )


def exact_number(text: str) -> int | float | str:
    """The number that a JSON text with a fraction or an exponent means: `3.0` is the integer 3.

    Integers stay exact at any size that a float can name; what exceeds it stays text, which no field of a
    number takes.
    """
    number = float(text)
    if math.isinf(number):
        return text
    if not number.is_integer():
        return number
    if abs(number) < _FIRST_INEXACT_FLOAT:
        return int(number)
    decimal = Decimal(text)
    return int(decimal) if decimal == decimal.to_integral_value() else number


class DurableTarget(SecretSettings, Target):
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
        self.max_parallelism = 1
        self._busy = False
        self._signal: int | None = None
        self._is_over = False
        self._stop_requested = threading.Event()
        self._drained_at = time.monotonic()

    @abstractmethod
    def check_connection(self) -> Iterator[str]:
        """Try what a run needs, for `--test`: one readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add `--test` to the SDK's options: the SDK gives it to taps alone."""

        def test(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 (click's form)
            if wanted:
                cls._run_connection_check(context.params["config"])
                context.exit()

        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--test"], is_flag=True, help="Check the connection.", callback=test, expose_value=False
            )
        )
        return command

    @classmethod
    def _run_connection_check(cls, given: Any) -> None:  # noqa: ANN401 (a private type of the SDK)
        target = cls(config=given.config, parse_env_config=given.parse_env, validate_config=True)
        for line in target.check_connection():
            click.echo(line)

    def pause(self, seconds: float) -> None:
        """Wait, for a transport that tries again; a signal ends the wait.

        Raises:
            TransientError: The process was asked to stop.
        """
        if self._stop_requested.wait(seconds):
            raise TransientError("Stopped while waiting to try again.")

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self._uninterrupted(super()._process_schema_message, message_dict)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._uninterrupted(super()._process_record_message, message_dict)

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
        self._stop_requested.set()
        if not self._busy:
            self._end_early(signum)

    def _end_early(self, signum: int) -> None:
        self.logger.warning("Signal %d: writing what was read, then ending.", signum)
        self._busy = True
        try:
            self.drain_all(is_endofpipe=True)
        except Exception as error:
            self._over("failed", error)
            raise
        self._over("stopped")
        sys.exit(EXIT_BY_SIGNAL + signum)

    def _over(self, status: RunStatus, error: Exception | None = None) -> None:
        if not self._is_over:
            self._is_over = True
            self.end_run(status, error)
