"""The floor of a `meltano run`: the same kind of pipeline, with two plugins that are nothing but the SDK.

Whoever runs a tap, the mapper and a target by Meltano waits for this much, whatever the plugins do.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROGRAMS = Path(sys.executable).parent

_PLUGINS = {
    "tap-bare": """
from singer_sdk import Stream, Tap


class Bare(Stream):
    name = "bare"
    primary_keys = ("id",)
    schema = {"properties": {"id": {"type": "integer"}}}

    def get_records(self, context):
        return ()


class TapBare(Tap):
    name = "tap-bare"
    config_jsonschema = {"properties": {}}

    def discover_streams(self):
        return [Bare(self)]


TapBare.cli()
""",
    "target-bare": """
from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class Nowhere(BatchSink):
    def process_batch(self, context):
        pass


class TargetBare(Target):
    name = "target-bare"
    config_jsonschema = {"properties": {}}
    default_sink_class = Nowhere


TargetBare.cli()
""",
}


@dataclass(frozen=True)
class Cost:
    """What a command and all its children took.

    Attributes:
        cpu: Seconds of user and system time: these hold on a busy machine too.
        wall: Seconds from its start to its end.
    """

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.2f} s of CPU, {self.wall:.2f} s in all"


def cost_of(command: Sequence[str | Path], folder: Path, **options: Any) -> Cost:
    """Run a command to its end, which must be a success.

    Args:
        command: A program and its arguments.
        folder: Where it works; what it prints goes to `command.log` there.
        options: Of `subprocess.run`, instead of these.
    """
    before, began = _children_seconds(), time.perf_counter()
    with (folder / "command.log").open("wb") as log:
        usual = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        ended = subprocess.run(command, check=False, **{**usual, **options})
    cost = Cost(_children_seconds() - before, time.perf_counter() - began)
    assert ended.returncode == 0, (folder / "command.log").read_text(errors="replace")[-4000:]
    return cost


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare_project(folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    """Make a Meltano project of two bare plugins and the mapper.

    Args:
        folder: A place for it, where nothing is yet.

    Returns:
        The command that runs its pipeline in `folder`, and the environment of that.
    """
    folder.mkdir(parents=True)
    executables = {}
    for name, source in _PLUGINS.items():
        executables[name] = folder / name
        executables[name].write_text(f"#!{sys.executable}\n{source}")
        executables[name].chmod(0o755)
    project = {
        "project_id": "floor",
        "default_environment": "dev",
        "send_anonymous_usage_stats": False,
        "environments": [{"name": "dev"}],
        "plugins": {
            "extractors": [
                _plugin("tap-bare", executables["tap-bare"], capabilities=["catalog", "discover", "state"])
            ],
            "mappers": [
                _plugin(
                    "meltano-map-transform",
                    PROGRAMS / "meltano-map-transform",
                    mappings=[{"name": "to-nowhere", "config": {"stream_maps": {"bare": {"id": "id"}}}}],
                )
            ],
            "loaders": [_plugin("target-bare", executables["target-bare"])],
        },
    }
    (folder / "meltano.yml").write_text(yaml.safe_dump(project))
    foreign = ("MELTANO_", "TAP_", "TARGET_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment["NO_COLOR"] = "1"
    return [PROGRAMS / "meltano", "run", "--no-install", "tap-bare", "to-nowhere", "target-bare"], environment


def _plugin(name: str, executable: Path, **more: object) -> dict[str, object]:
    return {"name": name, "namespace": name.replace("-", "_"), "executable": str(executable), **more}


def floor_cost(folder: Path) -> Cost:
    """What an empty `meltano run` of two bare plugins and the mapper costs, once it has run before.

    Args:
        folder: A place for its project, where nothing is yet.
    """
    command, environment = bare_project(folder)
    cost_of(command, folder, env=environment)
    return cost_of(command, folder, env=environment)
