"""A project as a user has it, in a folder of its own, between two simulators."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from kinetic_mailchimp.doctor.command import doctor
from kinetic_mailchimp.doctor.setup import setup
from kinetic_mailchimp.kit.project import load_env_file
from stage import PROGRAMS

OWN = ("AUDIT_", "CONNECTOR_", "EPICOR_", "MAILCHIMP_", "MELTANO_", "TAP_", "TARGET_")


@dataclass
class Project:
    """A folder with a meltano.yml and a .env; what a test changes there is written before a command runs."""

    folder: Path
    variables: dict[str, str]
    document: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict)

    def plugin(self, name: str) -> dict[str, Any]:
        plugins = (plugin for kind in self.document["plugins"].values() for plugin in kind)
        found: dict[str, Any] = next(plugin for plugin in plugins if plugin["name"] == name)
        return found

    def mapping(self, name: str) -> dict[str, Any]:
        mappings = self.plugin("meltano-map-transform")["mappings"]
        streams: dict[str, Any] = next(one for one in mappings if one["name"] == name)["config"][
            "stream_maps"
        ]
        return streams

    def write(self) -> None:
        (self.folder / "meltano.yml").write_text(yaml.safe_dump(self.document, sort_keys=False))
        file = self.folder / ".env"
        file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))
        file.chmod(0o600)

    def run(self, *command: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        return subprocess.run(
            [str(PROGRAMS / command[0]), *command[1:]],
            cwd=place,
            env={**inherited, **self.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def doctor(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit status and document of a doctor in this process, who has time: the machine may be busy."""
        self.write()
        with self._surroundings():
            load_env_file()
            ended = CliRunner().invoke(doctor, ["--json", "--seconds", "300", *options])
        return ended.exit_code, json.loads(ended.stdout)

    def ask(self, typed: str, *options: str) -> tuple[int, str]:
        """Exit status and output of a setup in this process, with what a person types."""
        with self._surroundings():
            ended = CliRunner().invoke(setup, options, input=typed)
        return ended.exit_code, ended.output

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        """The folder and the variables of the user, whom this process stands for."""
        before, place = dict(os.environ), Path.cwd()
        for name in [name for name in os.environ if name.startswith(OWN)]:
            del os.environ[name]
        os.environ.update(self.environ)
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(place)
            os.environ.clear()
            os.environ.update(before)


Change = Callable[[Project], object]
