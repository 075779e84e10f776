"""Runs a pipeline in this process: tap, mapping and target, as meltano.yml sets them up."""

from __future__ import annotations

import contextlib
import copy
import fnmatch
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import time_machine
import yaml
from kinetic_mailchimp.audit import Run
from kinetic_mailchimp.audit.targets.audited_target import AuditedTarget
from meltano_map_transform.mapper import StreamTransform
from shared_work import shared_work
from singer_sdk import Tap
from tap_epicor_kinetic.tap import TapEpicorKinetic
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks
from target_epicor_contacts.target import TargetEpicorContacts
from target_mailchimp.target import TargetMailchimp

ROOT = Path(__file__).resolve().parents[2]
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
MAPPINGS = {
    mapping["name"]: mapping["config"]
    for mapper in PROJECT["plugins"]["mappers"]
    for mapping in mapper["mappings"]
}
PLUGINS = {
    plugin["name"]: plugin for kind in ("extractors", "loaders") for plugin in PROJECT["plugins"][kind]
}


class Killed(BaseException):
    """The process ends here as by SIGKILL: nothing is written after it."""


@dataclass(frozen=True)
class Pipeline:
    """The plugins of one job."""

    name: str
    tap: type[Tap]
    mapping: str
    target: type[AuditedTarget]


class Forward(TargetMailchimp):
    """The target, without pauses."""

    def pause(self, seconds: float) -> None:
        """Go on at once."""


class Reverse(TargetEpicorContacts):
    """The target, without pauses."""

    def pause(self, seconds: float) -> None:
        """Go on at once."""


FORWARD = Pipeline("forward", TapEpicorKinetic, "epicor-to-mailchimp", Forward)
REVERSE = Pipeline("reverse", TapMailchimpWebhooks, "mailchimp-to-epicor", Reverse)


def settings_of(plugin: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a plugin in meltano.yml; a name with a dollar sign is looked up among the variables."""
    found = {}
    for name, value in (PLUGINS[plugin].get("config") or {}).items():
        given = variables.get(value[1:]) if isinstance(value, str) and value.startswith("$") else value
        if given is not None:
            found[name] = given
    return found


@dataclass
class Kill:
    """Ends a run at a write of its target to the audit database, which does not happen any more.

    Attributes:
        at: The number of that write; 0 for none.
        is_due: Tells that the next one is it.
        meanwhile: What happens before that write instead; then the run goes on.
    """

    at: int = 0
    is_due: Callable[[], bool] = lambda: False
    meanwhile: Callable[[], None] | None = None
    writes: int = 0
    struck: bool = False

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """Be in force for the length of a `with` block."""
        record, finish = Run.record, Run.finish

        def counted(run: Run, made: Any, **more: Any) -> None:
            self.writes += 1
            self.strike_if_due()
            record(run, made, **more)

        def finished(run: Run, *given: Any, **more: Any) -> Any:
            self.strike_if_due()
            return finish(run, *given, **more)

        with mock.patch.object(Run, "record", counted), mock.patch.object(Run, "finish", finished):
            yield

    def strike_if_due(self) -> None:
        """End the process, if it is time or past it."""
        if not (self.struck or (self.at and self.writes >= self.at) or self.is_due()):
            return
        was_struck, self.struck = self.struck, True
        if self.meanwhile is None:
            raise Killed
        if not was_struck:
            self.meanwhile()


@dataclass
class Runner:
    """Runs pipelines with the settings of meltano.yml.

    Attributes:
        variables: What stands in the environment.
        now: The time as a process sees it that is right.
    """

    variables: Mapping[str, Any]
    now: Callable[[], float]
    catalogs: dict[str, str] = field(default_factory=dict)
    _clocks: list[time_machine.Traveller] = field(default_factory=list)

    def set_clock(self, seconds: float) -> None:
        """Set the clock of the processes at work forward by so many seconds."""
        for clock in self._clocks:
            clock.shift(seconds)

    def extract(
        self, pipeline: Pipeline, state: Mapping[str, Any], *, skew: float = 0, **settings: Any
    ) -> list[str]:
        """What the tap says, mapped, as lines."""
        config = settings_of(pipeline.tap.name, self.variables) | settings
        with self._process(skew) as printed:
            tap = pipeline.tap(
                config=config, catalog=self._catalog(pipeline, config), state=copy.deepcopy(dict(state))
            )
            tap.sync_all()
            read = printed()
        with self._process(skew) as printed:
            StreamTransform(config=copy.deepcopy(MAPPINGS[pipeline.mapping])).listen(
                io.StringIO("".join(read))
            )
            return printed()

    def load(
        self, pipeline: Pipeline, lines: Sequence[str], *, skew: float = 0, kill: Kill, **settings: Any
    ) -> dict[str, Any] | None:
        """Let the target read lines; the last state that it emitted."""
        config = settings_of(pipeline.target.name, self.variables) | settings
        with self._process(skew) as printed, kill.armed():
            target = pipeline.target(config=config)
            try:
                target.listen(io.StringIO("".join(lines)))
            except Killed:  # a process that is killed leaves no connection either
                target.trail.close()
            states = [json.loads(line) for line in printed()]
        return states[-1] if states else None

    @contextlib.contextmanager
    def _process(self, skew: float) -> Iterator[Callable[[], list[str]]]:
        """A process whose clock is off by so many seconds; hands out what reads its standard output."""
        raw = io.BytesIO()
        text = io.TextIOWrapper(raw, "utf-8", write_through=True)

        def printed() -> list[str]:
            text.flush()
            return raw.getvalue().decode().splitlines(keepends=True)

        with (
            time_machine.travel(self.now() + skew, tick=True) as clock,
            contextlib.redirect_stdout(text),
            _quiet(),
            shared_work(),
        ):
            self._clocks.append(clock)
            try:
                yield printed
            finally:
                self._clocks.remove(clock)

    def _catalog(self, pipeline: Pipeline, config: Mapping[str, Any]) -> Any:
        """The catalog with the selection of meltano.yml, and nothing else: a run copies it several times."""
        name = pipeline.tap.name
        if name not in self.catalogs:
            catalog = pipeline.tap(config=dict(config)).catalog_dict
            # Of a nested column, what holds it is selected too.
            patterns = {
                ".".join(parts[:length])
                for parts in (pattern.split(".") for pattern in PLUGINS[name]["select"])
                for length in range(2, len(parts) + 1)
            }
            for entry in catalog["streams"]:
                stream = entry["tap_stream_id"]
                for item in entry["metadata"]:
                    is_stream = not item["breadcrumb"]
                    path = ".".join([stream, *item["breadcrumb"][1::2]])
                    item["metadata"]["selected"] = any(
                        pattern.startswith(f"{stream}.") if is_stream else fnmatch.fnmatch(path, pattern)
                        for pattern in patterns
                    )
            catalog["streams"] = [
                entry
                for entry in catalog["streams"]
                if any(item["metadata"]["selected"] for item in entry["metadata"] if not item["breadcrumb"])
            ]
            self.catalogs[name] = json.dumps(catalog)
        return json.loads(self.catalogs[name])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: thousands of runs would."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
