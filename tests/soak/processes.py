"""Both pipelines as processes in pipes, with the settings and mappings of meltano.yml."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import MAPPINGS, Pipeline, Runner, settings_of
from stage import PROGRAMS, ROOT, Stage

MAPPER = "meltano-map-transform"


@dataclass(frozen=True)
class Running:
    """A pipeline that runs.

    Attributes:
        processes: Its processes, by the names of the programs.
        output: Gets the states.
        state: Keeps the last one.
    """

    processes: Mapping[str, subprocess.Popen[bytes]]
    output: Path
    state: Path

    def wait(self) -> dict[str, int]:
        """Wait for its end, and keep the last state; the exit statuses."""
        statuses = {name: process.wait() for name, process in self.processes.items()}
        if states := self.output.read_text().splitlines():
            self.state.write_text(states[-1])
        return statuses

    def kill(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            process.kill()
            process.wait()


def start(stage: Stage, pipeline: Pipeline, **tap_settings: Any) -> Running:
    """Start a pipeline from its last state.

    Args:
        stage: Where it runs.
        pipeline: The pipeline.
        tap_settings: Settings of the tap, beside those of meltano.yml.
    """
    names = ("tap.json", "mapper.json", "target.json", "catalog.json", "state.json", "states", "log")
    files = {name: stage.folder / f"{pipeline.name}-{name}" for name in names}
    config = settings_of(pipeline.tap.name, stage.environment) | tap_settings
    files["tap.json"].write_text(json.dumps(config))
    files["mapper.json"].write_text(json.dumps(MAPPINGS[pipeline.mapping]))
    files["target.json"].write_text(json.dumps(settings_of(pipeline.target.name, stage.environment)))
    if not files["catalog.json"].exists():
        catalog = Runner(stage.environment, time.time)._catalog(pipeline, config)
        files["catalog.json"].write_text(json.dumps(catalog))
        files["state.json"].write_text("{}")
    source = ("--catalog", str(files["catalog.json"]), "--state", str(files["state.json"]))
    commands = {
        pipeline.tap.name: ("--config", str(files["tap.json"]), *source),
        MAPPER: ("--config", str(files["mapper.json"])),
        pipeline.target.name: ("--config", str(files["target.json"])),
    }
    processes: dict[str, subprocess.Popen[bytes]] = {}
    before = None
    with files["log"].open("ab") as log, files["states"].open("wb") as states:
        for name, options in commands.items():
            process = subprocess.Popen(
                [str(PROGRAMS / name), *options],
                cwd=ROOT,
                env=stage.environment,
                stdin=before.stdout if before else subprocess.DEVNULL,
                stdout=states if name == pipeline.target.name else subprocess.PIPE,
                stderr=log,
            )
            if before and before.stdout:
                before.stdout.close()  # the next one holds it: its end must reach the one before
            processes[name] = before = process
    return Running(processes, files["states"], files["state.json"])
