"""The base of the four plugins on top of the Singer SDK (needs the extra `singer`)."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import threading
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, ClassVar, Final, Self

import click
from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError, MappingError, RecordsWithoutSchemaException
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from kinetic_mailchimp.kit.checks import Check, FieldType, Finding, Verdict
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.project import env_file, load_env_file, own_variable, with_origins
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs
from kinetic_mailchimp.kit.secrets.encryption import reveal, secret_values
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared
from kinetic_mailchimp.kit.settings.from_text import from_text
from kinetic_mailchimp.kit.singer.input_files import json_file, require_state
from kinetic_mailchimp.kit.singer.messages import discard_input
from kinetic_mailchimp.kit.singer.process_memory import settle_memory

EXIT_BY_SIGNAL = 128
"""Added to the number of a signal, as shells do: a run that was cut short did not succeed."""


_SDK_MESSAGES: Final = (
    "An unhandled error occurred while syncing '%s'",
    "Error initializing target sink '%s'",
)
"""Messages before an error that has words of its own."""


def without_sdk_words(record: logging.LogRecord) -> bool:
    """Filter of a log: False for a message of the SDK that only frightens, since the cause is told last."""
    return record.msg not in _SDK_MESSAGES


def run_plugin(plugin: type[ConnectorPlugin]) -> None:
    """Run a plugin's command line: the body of its console script.

    A ConnectorError, such as one about settings, ends it with one readable line on stderr and exit status 1;
    logs are masked. A target that ends so reads the rest of its input first.
    """
    settle_memory()
    mask_logs()
    load_env_file()
    _quiet_under_meltano(plugin)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # one byte that is not UTF-8 stops no run
    warn_if_shared(env_file())
    # Its debug lines hold whole addresses of requests, and these the people that are looked up.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    try:
        plugin.cli()
    except ConnectorError as error:
        _log_errors(plugin, [str(error)])
    except RecordsWithoutSchemaException as error:
        _log_errors(plugin, [f"{error} The tap or the mapper in front is at fault."])
    except MappingError as error:
        _log_errors(plugin, [f"Setting `stream_maps`: {error}"])
    except RecursionError:
        # From Python 3.12 on, JSON is read that is nested more deeply than anything can be worked on.
        plugin.logger.error("A record or an answer is nested too deeply to be worked on.")  # noqa: TRY400 (a traceback would hide it)
    except Exception:  # noqa: BLE001 (an error of this software: told as ever)
        sys.excepthook(*sys.exc_info())
    else:
        return
    if plugin.is_reading:
        discard_input()
    sys.exit(1)


def _quiet_under_meltano(plugin: type[PluginBase]) -> None:
    """Leave out the routine of the SDK, unless Meltano asks for everything (`--log-level=debug`)."""
    try:
        asked = json.loads(Path(os.environ["SINGER_SDK_LOG_CONFIG"]).read_text(encoding="utf-8"))
        is_wanted = asked["root"]["level"] == "DEBUG"
    except (KeyError, OSError, TypeError, ValueError):
        return  # it was not Meltano that started this process, or it has a configuration of its own
    if not is_wanted:
        os.environ.setdefault(own_variable(plugin.name, "loglevel"), "WARNING")  # of its metrics
        for name in (plugin.name, "singer_sdk"):
            logging.getLogger(name).setLevel(logging.WARNING)


def _log_errors(plugin: type[PluginBase], messages: Iterable[str]) -> None:
    """Log what is wrong as the last lines: a traceback or a warning of a library would hide it."""
    warnings.simplefilter("ignore")
    for message in messages:
        plugin.logger.error("%s", with_origins(message, plugin.name, plugin.config_jsonschema["properties"]))


_REQUIRED = re.compile(r"'(\w+)' is a required property")
_PLACE = re.compile(r"^(.*) in config\['(\w+)'.*\]$", re.DOTALL)


def set_by_signal(stop: threading.Event) -> None:
    """Set an event in a handler of a signal, through another thread.

    The thread that the signal interrupted may be on its way into or out of `stop.wait`: it holds the lock of
    the event then, and would wait for itself.
    """
    threading.Thread(target=stop.set, daemon=True).start()


class ConnectorPlugin(PluginBase):
    """A plugin whose settings may be written as `enc:…` or as text, and whose secrets never show in a log.

    The doctor runs its checks, each in a thread of its own, and compares its fields and audiences with those
    of the others where every check is good.
    """

    selected_streams: frozenset[str] | None = None
    """The streams that a run reads; None where that is not known."""
    is_reading: ClassVar[bool] = False
    """True while another program writes to standard input."""

    @abstractmethod
    def check_connection(self) -> Iterator[Finding | str]:
        """Try what a run needs: a readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """

    def checks(self) -> Sequence[Check]:
        """The things that `--test` and the doctor look at."""
        return [Check("connection", self.check_connection)]

    def fields(self) -> Mapping[str, FieldType]:
        """The fields of the system behind it, by name."""
        return {}

    def audiences(self) -> frozenset[str]:
        """The ids of the audiences that its settings name."""
        return frozenset()

    def select_streams(self, rules: Sequence[str]) -> None:
        """Leave out the streams that these rules, `stream.column`, do not select."""
        wanted = {rule.partition(".")[0] for rule in rules if not rule.startswith("!")}
        self.selected_streams = None if not wanted or "*" in wanted else frozenset(wanted)

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a plugin of a configuration.

        Raises:
            ConfigurationError: It does not fit; the error names each setting.
        """
        return cls(config=dict(config), validate_config=True)

    @classmethod
    def run_checks(cls, given: Any, **arguments: Any) -> None:  # noqa: ANN401 (a private type of the SDK)
        """Look at everything for `--test`: what works goes to stdout, and what does not ends the process."""
        plugin = cls(config=given.config, parse_env_config=given.parse_env, validate_config=True, **arguments)
        wrong = []
        for found in chain.from_iterable(check.findings() for check in plugin.checks()):
            if found.verdict is Verdict.WRONG:
                wrong.append(str(found))
            else:
                click.echo(str(found))
        if wrong:
            _log_errors(cls, wrong)
            sys.exit(1)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 (the SDK's form)
        """Variables as they are: `_validate_config` reads them, and says which one is wrong."""
        cls.append_builtin_config(cls.config_jsonschema)
        texts = {name: {"type": ["string"]} for name in cls.config_jsonschema["properties"]}
        return parse_environment_config({"properties": texts}, cls._env_var_prefix)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        MASKER.add(secret_values(self._config, self.config_jsonschema))
        self._config = {
            # The SDK reads a fraction in a file as a Decimal, which no clock understands.
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in from_text(reveal(self._config), self.config_jsonschema).items()
            # A variable that is empty in .env is a setting that is not set.
            if value is not None and value != ""
        }
        MASKER.add(secret_values(self._config, self.config_jsonschema))
        try:
            return super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as error:
            # The SDK would print it as it is, without the variable and the file.
            messages = (
                _REQUIRED.sub(r"Setting `\1` is missing.", _PLACE.sub(r"Setting `\2`: \1.", message))
                for message in error.errors
            )
            raise ConfigurationError(
                " ".join(messages), advice="`--about` describes every setting."
            ) from None


class CheckedStream(Stream):
    """A stream of a `CheckedTap`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(*arguments, **named)
        self.logger.addFilter(without_sdk_words)


class CheckedTap(ConnectorPlugin, Tap):
    """A tap whose `--test` runs its checks."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(**arguments)
        if self.input_catalog is not None:
            self.selected_streams = frozenset(
                name for name, entry in self.input_catalog.items() if entry.metadata.resolve_selection()[()]
            )

    @classmethod
    @override
    def invoke(cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **options: Any) -> None:
        """Run the tap; a file that cannot be read as it must is told in words."""
        super().invoke(state=json_file("--state", state), catalog=json_file("--catalog", catalog), **options)

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        require_state(state)
        super().load_state(state)

    def sample(self, name: str, count: int, is_selected: Callable[[str], bool]) -> list[dict[str, Any]]:
        """The first records of a stream as a run would emit them; no state moves, and nothing is written.

        Args:
            name: The stream.
            count: The most records.
            is_selected: Tells of `stream.column` whether it is read; keys are in any case.

        Raises:
            ConnectorError: The system behind it cannot be read.
        """
        self.setup_mapper()
        stream = self.streams[name]
        stream.ABORT_AT_RECORD_COUNT = count  # it is tried out only: whole records, each by itself
        for breadcrumb, metadata in stream.metadata.items():
            if breadcrumb:
                metadata.selected = is_selected(f"{name}.{breadcrumb[-1]}")
        # The SDK writes states to standard output.
        with redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            whole: list[Any] = [None]
            records = chain.from_iterable(map(stream.get_records, stream.partitions or whole))
            return [dict(record) for record in islice(records, count) if isinstance(record, dict)]

    @classmethod
    @override
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        # Without asking for its streams: the checks give up sooner.
        return cls(config=dict(config), validate_config=True, setup_mapper=False)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run the checks for `--test`; `--test=schema` writes the schemas, as the SDK does."""
        if value != "all":
            super().cb_test(ctx, param, value)
            return
        given = ctx.params.get("catalog")  # opened by click; the SDK takes a path
        catalog = given.name if given else None
        cls.run_checks(ctx.params["config"], catalog=catalog, setup_mapper=False)
        ctx.exit()
