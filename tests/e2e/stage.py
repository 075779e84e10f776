"""A stage for both pipelines: simulators, receiver and Meltano as real processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
RECEIVER_SECRET = "a-secret-for-simulated-webhooks-only"
FOREIGN = ("AUDIT_", "CONNECTOR_", "EPICOR_", "MAILCHIMP_", "MELTANO_", "PYTEST_", "TAP_", "TARGET_")
"""How the names of variables begin that a stage must not take over from whoever starts it."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class PipelineError(RuntimeError):
    """A command failed; the message ends with what it said last."""


@dataclass
class Stage:
    """Everything that both pipelines need, running.

    Attributes:
        folder: Where databases and logs of this stage lie.
        environment: What a command needs in its environment.
        epicor: What the Epicor simulator says about itself: `base_url`, `control_url` …
        mailchimp: What the Mailchimp simulator says about itself.
        receiver_url: Where the receiver listens.
        project: The folder with the meltano.yml that runs.
    """

    folder: Path
    environment: dict[str, str]
    epicor: Mapping[str, Any]
    mailchimp: Mapping[str, Any]
    receiver_url: str
    project: Path = ROOT
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *command: str, log: str, status: int = 0, variables: Mapping[str, str] = NOTHING) -> str:
        """Run a command to its end; what it prints goes to a log file and is returned.

        Args:
            command: A program of this project and its arguments.
            log: The name of the log file.
            status: How it must end.
            variables: Of its environment, beside those of the stage or instead of them.

        Raises:
            PipelineError: It ended otherwise.
        """
        file = self.folder / f"{log}.log"
        with file.open("w") as output:
            ended = subprocess.run(
                [str(PROGRAMS / command[0]), *command[1:]],
                cwd=self.project,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        text = file.read_text(errors="replace")
        if ended != status:
            last = "\n".join(text.splitlines()[-25:])
            raise PipelineError(
                f"`{' '.join(command)}` ended with status {ended}:\n{last}\n(all of it: {file})"
            )
        return text

    def meltano(self, *arguments: str, log: str, variables: Mapping[str, str] = NOTHING) -> str:
        """Run Meltano in the environment `dev`, without the .env of whoever works here."""
        command = ("meltano", "--environment=dev", "--env-file", os.devnull, *arguments)
        return self.run(*command, log=log, variables=variables)

    def forward(self, log: str = "forward", *options: str) -> str:
        """Run the forward pipeline."""
        return self.meltano("run", *options, "forward", log=log)

    def reverse(self, log: str = "reverse", *options: str) -> str:
        """Run the reverse pipeline."""
        return self.meltano("run", *options, "reverse", log=log)

    def start_receiver(self) -> None:
        """Start the receiver and wait until it is ready."""
        port = self.receiver_url.rpartition(":")[2]
        self.start("mailchimp-webhooks", "serve", "--port", port, log="receiver", url=self.receiver_url)

    def start(self, *command: str, log: str, url: str) -> None:
        """Start a server, which ends with the stage, and wait until it is ready.

        Args:
            command: A program of this project and its arguments.
            log: The name of the log file.
            url: Where it will answer `/healthz`.

        Raises:
            PipelineError: It did not start.
        """
        file = self.folder / f"{log}.log"
        with file.open("ab") as output:
            process = subprocess.Popen(
                [str(PROGRAMS / command[0]), *command[1:]],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        self._processes.append(process)
        for _ in range(1_200):
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{url}/healthz", timeout=120).ok:
                    return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        raise PipelineError(f"{command[0]} did not start:\n{file.read_text()}")

    def register_webhook(self) -> None:
        """Tell the Mailchimp simulator where the receiver is."""
        self.run(
            "mailchimp-webhooks",
            "register",
            "--url",
            self.receiver_url,
            "--list-id",
            str(self.mailchimp["list_id"]),
            log="register",
        )

    def epicor_control(self, method: str, path: str, **options: Any) -> Any:
        """Ask the Epicor simulator's control API."""
        return _control(method, f"{self.epicor['control_url']}{path}", **options)

    def mailchimp_control(self, method: str, path: str, **options: Any) -> Any:
        """Ask the Mailchimp simulator's control API."""
        return _control(method, f"{self.mailchimp['control_url']}{path}", **options)

    def person(self, action: str, email: str, **details: Any) -> None:
        """Let a member of the main list do something."""
        body = {"list_id": self.mailchimp["list_id"], "email": email, **details}
        self.mailchimp_control("POST", f"/people/{action}", json=body)

    def members(self) -> dict[str, Any]:
        """All members of the main list in any state, by address in small letters."""
        dump = self.mailchimp_control("GET", f"/lists/{self.mailchimp['list_id']}/members")
        return {member["email_address"].lower(): member for member in dump["members"]}

    def decisions(self, *options: str) -> list[dict[str, Any]]:
        """What the targets decided, from the audit trail; the options are those of `sync-audit search`."""
        lines = self.run(
            "sync-audit", "search", "--format", "json", "--limit", "1000000", *options, log="search"
        )
        return [json.loads(line) for line in lines.splitlines()]

    def close(self) -> None:
        """Stop every process that this stage started."""
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=120)
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def _control(method: str, url: str, **options: Any) -> Any:
    response = requests.request(method, url, timeout=300, **options)
    response.raise_for_status()
    return response.json()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _start_simulator(*command: str, log: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [str(PROGRAMS / command[0]), *command[1:]], stdout=subprocess.PIPE, stderr=errors
        )
    assert process.stdout
    first_line = process.stdout.readline()
    if not first_line:
        raise PipelineError(f"{command[0]} did not start:\n{log.read_text()}")
    return process, json.loads(first_line)


@contextlib.contextmanager
def set_stage(
    folder: Path,
    *,
    customers: int,
    orders: int = 0,
    seed: int = 1,
    profile: str = "updated-on",
    receiver: bool = True,
    plugins: Path = ROOT / ".meltano",
) -> Iterator[Stage]:
    """Start both simulators, and the receiver with its webhook registered, for the length of a `with` block.

    Args:
        folder: For databases and logs; emptied first.
        customers: How many customers the Epicor simulator has.
        orders: The most orders that one of them has.
        seed: What its data follow from.
        profile: `updated-on` or `stock`.
        receiver: Whether the receiver runs from the start.
        plugins: Where Meltano has installed the plugins, or will.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    epicor_process, epicor = _start_simulator(
        "simulate-epicor",
        *("--port", "0", "--customers", str(customers), "--orders", str(orders)),
        *("--seed", str(seed), "--profile", profile),
        log=folder / "epicor.log",
    )
    mailchimp_process, mailchimp = _start_simulator(
        "simulate-mailchimp", "--port", "0", "--seed", str(seed), log=folder / "mailchimp.log"
    )
    stage = Stage(
        folder=folder,
        environment=stage_variables(folder, plugins, epicor, mailchimp),
        epicor=epicor,
        mailchimp=mailchimp,
        receiver_url=f"http://127.0.0.1:{free_port()}",
    )
    stage._processes += [epicor_process, mailchimp_process]
    try:
        if receiver:
            stage.start_receiver()
            stage.register_webhook()
        yield stage
    finally:
        stage.close()


def borrow_plugins(folder: Path) -> None:
    """Let `meltano run --no-install` start the programs of this environment, which takes no time to install.

    No link leads to the environment itself: Meltano clears the place in which it installs.

    Args:
        folder: The `plugins` of a stage.
    """
    kinds = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))["plugins"]
    for place in (folder / kind / plugin["name"] for kind, plugins in kinds.items() for plugin in plugins):
        (place / "venv").mkdir(parents=True)
        (place / "venv" / "bin").symlink_to(PROGRAMS)


def stage_variables(
    folder: Path, plugins: Path, epicor: Mapping[str, Any], mailchimp: Mapping[str, Any]
) -> dict[str, str]:
    """The variables of .env.example, and a Meltano database of this stage's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return inherited | {
        "CONNECTOR_ENV_FILE": os.devnull,
        "EPICOR_BASE_URL": str(epicor["base_url"]),
        "EPICOR_COMPANIES": json.dumps(epicor["companies"]),
        "EPICOR_AUTH_METHOD": "basic",
        "EPICOR_API_KEY": str(epicor["api_key"]),
        "EPICOR_USERNAME": str(epicor["username"]),
        "EPICOR_PASSWORD": str(epicor["password"]),
        "MAILCHIMP_API_KEY": str(mailchimp["api_key"]),
        "MAILCHIMP_BASE_URL": str(mailchimp["base_url"]),
        "MAILCHIMP_LIST_ID": str(mailchimp["list_id"]),
        "MAILCHIMP_LIST_IDS": json.dumps([mailchimp["list_id"]]),
        "MAILCHIMP_WEBHOOKS_SECRET": RECEIVER_SECRET,
        "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": f"sqlite:///{folder / 'inbox.sqlite3'}",
        "AUDIT_DATABASE_URL": f"sqlite:///{folder / 'audit.sqlite3'}",
        "MELTANO_SYS_DIR_ROOT": str(plugins),
        "MELTANO_DATABASE_URI": f"sqlite:///{folder / 'meltano.sqlite3'}",
        "NO_COLOR": "1",
    }
