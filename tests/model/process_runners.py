"""Runs a pipeline as processes, or through `meltano run`: the same stories, as they are run in a company."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked
from forked import Conditions, Files
from pipelines import MAPPINGS, Kill, Pipeline, Runner, settings_of
from stage import PROGRAMS, Stage

MAPPER = "meltano-map-transform"
POLL_SECONDS = 0.01
Send = Callable[[signal.Signals], None]


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as variables of an environment have them."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


@dataclass(kw_only=True)
class OutsideRunner(Runner):
    """A runner whose targets are seen from outside: a run is cut short by what it has written at the vendors.

    Attributes:
        stage: The folder, and the environment of processes.
        written: Counts the writes at both vendors.
    """

    stage: Stage
    written: Callable[[], int]

    def _strike(self, kill: Kill, is_alive: Callable[[], bool], kill_by: Send) -> None:
        """Wait for the end of a process, or for the write at which it is ended or interrupted."""

        def send(signum: signal.Signals) -> None:
            with contextlib.suppress(ProcessLookupError):  # it may end between a look and a signal
                kill_by(signum)

        before = self.written()
        while is_alive():
            if not kill.struck and (kill.is_due() or (kill.at and self.written() - before >= kill.at)):
                kill.struck = True
                if kill.meanwhile is None:
                    send(signal.SIGKILL)
                else:
                    self._interrupt(kill.meanwhile, send)
            time.sleep(POLL_SECONDS)
        if kill.meanwhile and not kill.struck:
            kill.meanwhile()

    def _interrupt(self, act: Callable[[], None], send: Send) -> None:
        send(signal.SIGSTOP)
        while self._holds_audit_database():
            send(signal.SIGCONT)
            time.sleep(POLL_SECONDS)
            send(signal.SIGSTOP)
        act()
        send(signal.SIGCONT)

    def _holds_audit_database(self) -> bool:
        file = self.stage.folder / "audit.sqlite3"
        with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
        return False


class ProcessRunner(OutsideRunner):
    """Runs each program in a process of its own, with the clock of the story."""

    def extract(
        self, pipeline: Pipeline, state: Mapping[str, Any], *, skew: float = 0, **settings: Any
    ) -> list[str]:
        config = settings_of(pipeline.tap.name, self.variables) | settings
        source = {"catalog": json.dumps(self._catalog(pipeline, config)), "state": json.dumps(state)}
        read = self._printed(pipeline.tap.name, config, skew, Kill(), **source)
        mapped = self._printed(MAPPER, MAPPINGS[pipeline.mapping], skew, Kill(), input=read)
        return mapped.splitlines(keepends=True)

    def load(
        self, pipeline: Pipeline, lines: Sequence[str], *, skew: float = 0, kill: Kill, **settings: Any
    ) -> dict[str, Any] | None:
        config = settings_of(pipeline.target.name, self.variables) | settings
        states = self._printed(pipeline.target.name, config, skew, kill, input="".join(lines)).splitlines()
        return json.loads(states[-1]) if states else None

    def _printed(
        self, program: str, config: Mapping[str, Any], skew: float, kill: Kill, **contents: str
    ) -> str:
        here = Path(tempfile.mkdtemp(dir=self.stage.folder))
        command = [program]
        for name, content in {"config": json.dumps(config), **contents}.items():
            (here / name).write_text(content)
            command += [f"--{name}", str(here / name)]
        files = Files(here / "log", here / "output")
        conditions = Conditions(clock_off_by=self.now() + skew - time.time())
        process = forked.start(command, self.stage.environment, files, conditions)
        self._strike(kill, process.is_alive, lambda signum: os.kill(process.pid or 0, signum))
        status = forked.ended(process)
        assert status == 0 or (kill.struck and kill.meanwhile is None), files.log.read_text()
        assert files.output
        return files.output.read_text()


@dataclass(kw_only=True)
class MeltanoRunner(OutsideRunner):
    """Runs whole pipelines through `meltano run`, which keeps the states and has the machine's clock.

    What a tap has read before its target begins is read when the target does.

    Attributes:
        begun: State and settings of the taps that are to run, by pipeline.
        kept: The states that Meltano has.
    """

    begun: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def extract(
        self, pipeline: Pipeline, state: Mapping[str, Any], *, skew: float = 0, **settings: Any
    ) -> list[str]:
        del skew
        self.begun[pipeline.name] = (state, settings)
        return []

    def load(
        self, pipeline: Pipeline, lines: Sequence[str], *, skew: float = 0, kill: Kill, **settings: Any
    ) -> dict[str, Any] | None:
        del lines, skew
        state, tap_settings = self.begun.pop(pipeline.name)
        state_id = f"dev:{pipeline.tap.name}-to-{pipeline.target.name}"
        if state != self.kept.get(pipeline.name, {}):
            given = json.dumps({"singer_state": state})
            self.stage.meltano("state", "set", "--force", state_id, given, log="state")
        variables = {
            f"{plugin}_{name}".replace("-", "_").upper(): value
            for plugin, given in ((pipeline.tap.name, tap_settings), (pipeline.target.name, settings))
            for name, value in as_text(given).items()
        }
        self._run(pipeline.name, variables, kill)
        got = self.stage.meltano("state", "get", state_id, log="state").splitlines()
        after: dict[str, Any] = json.loads(got[-1]).get("singer_state", {}) if got else {}
        self.kept[pipeline.name] = after
        return after

    def _run(self, job: str, variables: Mapping[str, str], kill: Kill) -> None:
        log = self.stage.folder / f"{job}.log"
        command = ("meltano", "--environment=dev", "--env-file", os.devnull, "run", "--no-install", "--force")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PROGRAMS / command[0], *command[1:], job],
                cwd=self.stage.project,
                env={**self.stage.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._strike(kill, lambda: process.poll() is None, lambda signum: os.killpg(process.pid, signum))
        finally:
            if process.poll() is None:  # Ctrl-C does not reach it
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert process.returncode == 0 or (kill.struck and kill.meanwhile is None), log.read_text()
