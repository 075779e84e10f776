"""Many tenants under Dagster: its daemon and workers as real processes, between simulators."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml
from simulators.epicor.testing import RunningEpicor
from simulators.mailchimp.testing import RunningMailchimp
from stage import FOREIGN, PROGRAMS, RECEIVER_SECRET, ROOT, free_port
from test_pipelines import key_of

DEPLOYED = ROOT / "deploy" / "dagster"
DAGSTER = ROOT / ".venv" / "dagster"
Urls = Mapping[str, str]
SECONDS = 2000
"""No test waits longer for a run, however busy the machine is."""


@dataclass
class FleetTenant:
    """A tenant with its part of both vendors.

    Attributes:
        company: Its company of the Epicor instance.
        list_id: Its audience of the Mailchimp account.
        urls: `audit`, `inbox` and `meltano`: its databases.
    """

    id: str
    epicor: RunningEpicor
    company: str
    mailchimp: RunningMailchimp
    list_id: str
    urls: Urls
    receiver_url: str = ""

    def entry(self) -> dict[str, Any]:
        """Its entry in the file of tenants; the secrets are references."""
        return {
            "id": self.id,
            "epicor": str(self.epicor.base_url),
            "mailchimp": str(self.mailchimp.base_url),
            "receiver_url": self.receiver_url,
            "environment": {
                "EPICOR_BASE_URL": self.epicor.base_url,
                "EPICOR_COMPANIES": self.company,
                "EPICOR_AUTH_METHOD": "basic",
                "EPICOR_API_KEY": self.epicor.api_key,
                "EPICOR_USERNAME": self.epicor.username,
                "EPICOR_PASSWORD": {"variable": f"PASSWORD_{self.id.upper()}"},
                "MAILCHIMP_API_KEY": {"file": f"secrets/{self.id}"},
                "MAILCHIMP_BASE_URL": self.mailchimp.base_url,
                "MAILCHIMP_LIST_ID": self.list_id,
                "MAILCHIMP_LIST_IDS": self.list_id,
                **self.receiver_environment(),
                "AUDIT_DATABASE_URL": self.urls["audit"],
                "MELTANO_DATABASE_URI": self.urls["meltano"],
                "MELTANO_ENVIRONMENT": "dev",
                # Small writes, so that one run has several at once.
                "TARGET_MAILCHIMP_BATCH_SIZE": 5,
            },
        }

    def receiver_environment(self) -> dict[str, str]:
        return {
            "MAILCHIMP_WEBHOOKS_SECRET": RECEIVER_SECRET,
            "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": self.urls["inbox"],
        }

    def customers(self) -> set[str]:
        """The addresses of its customers that must be members: as the seed made them, by the control API."""
        truth = self.epicor.control.truth()["customers"]
        mine = [row for row in truth if row["company"] == self.company and row["customer_type"] == "CUS"]
        flagged = {
            key_of(row["EMailAddress"])
            for table in ("Customer", "CustCnt")
            for row in self.epicor.control.rows(table)
            if row["Company"] == self.company and row["NoContact"]
            if row.get("CustomerType", "CUS") == "CUS"
        }
        return {row["address"] for row in mine if row["active"] and row["address"]} - flagged

    def members(self) -> dict[str, Any]:
        return self.mailchimp.control.members(self.list_id)

    def is_flagged(self, address: str) -> bool:
        """True if every row of Epicor with this address says that the person must not be contacted."""
        flags = [
            row["NoContact"]
            for table in ("Customer", "CustCnt")
            for row in self.epicor.control.rows(table)
            if row["Company"] == self.company and key_of(row["EMailAddress"]) == address
        ]
        return bool(flags) and all(flags)


@dataclass
class Fleet:
    """Dagster with the configuration of deploy/dagster, for some tenants.

    Attributes:
        folder: Of this fleet's files.
        tenants: Whom it serves.
        variant: The folder of deploy/dagster whose dagster.yaml it has.
        variables: What that dagster.yaml takes from the environment.
    """

    folder: Path
    tenants: Sequence[FleetTenant]
    variant: str = "one-machine"
    variables: Mapping[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "dagster").mkdir(parents=True)
        shutil.copy(DEPLOYED / self.variant / "dagster.yaml", self.folder / "dagster")
        entries = [tenant.entry() for tenant in self.tenants]
        for tenant, entry in zip(self.tenants, entries, strict=True):
            secret = self.folder / "secrets" / tenant.id
            secret.parent.mkdir(exist_ok=True)
            secret.write_text(f"{tenant.mailchimp.api_key}\n")
            entry["environment"]["MAILCHIMP_API_KEY"] = {"file": str(secret)}
        document = {
            # They fire on no day of a test.
            "defaults": {"schedules": {"forward": "0 0 29 2 *"}, "fresh_hours": {"forward": 2}},
            "tenants": entries,
        }
        (self.folder / "tenants.yaml").write_text(yaml.safe_dump(document))

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {
            **inherited,
            **{f"PASSWORD_{tenant.id.upper()}": tenant.epicor.password for tenant in self.tenants},
            **self.variables,
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "CONNECTOR_PROJECT": str(ROOT),
            "CONNECTOR_TENANTS": str(self.folder / "tenants.yaml"),
            "CONNECTOR_TENANTS_WORK": str(self.folder / "work"),
            "PYTHONWARNINGS": "ignore",
            # On a busy machine, Dagster would take a code server that is at work for one that is lost.
            "DAGSTER_GRPC_TIMEOUT_SECONDS": str(SECONDS),
        }

    def start(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        """Start a program of Dagster's environment in a group of its own, which ends with the fleet."""
        with (self.folder / f"{log}.log").open("wb") as output:
            process = subprocess.Popen(
                [str(DAGSTER / "bin" / command[0]), *command[1:]],
                cwd=DEPLOYED,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_daemon(self) -> None:
        self.start("dagster-daemon", "run", "--workspace", "workspace.yaml", log="daemon")

    def start_receiver(self, tenant: FleetTenant) -> None:
        """Start a tenant's receiver and register its webhook."""
        port = tenant.receiver_url.rpartition(":")[2]
        environment = self.environment | tenant.receiver_environment() | {"CONNECTOR_ENV_FILE": os.devnull}
        with (self.folder / f"receiver-{tenant.id}.log").open("wb") as output:
            self.processes.append(
                subprocess.Popen(
                    [str(PROGRAMS / "mailchimp-webhooks"), "serve", "--port", port],
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )
        until(lambda: answers(f"{tenant.receiver_url}/readyz"), "the receiver is ready")
        account = {
            "MAILCHIMP_WEBHOOKS_API_KEY": tenant.mailchimp.api_key,
            "MAILCHIMP_WEBHOOKS_BASE_URL": tenant.mailchimp.base_url,
        }
        options = ["--url", tenant.receiver_url, "--list-id", tenant.list_id]
        subprocess.run(
            [str(PROGRAMS / "mailchimp-webhooks"), "register", *options],
            env=environment | account,
            check=True,
            capture_output=True,
        )

    def launch(self, job: str, *tenants: str) -> None:
        """Put a run of a job into the queue for each of some tenants, as the page of the job does."""
        where = '{repositoryName: "__repository__", repositoryLocationName: "kinetic-mailchimp"}'
        asked = (
            "mutation { launchPartitionBackfill(backfillParams: {"
            f'selector: {{partitionSetName: "{job}_partition_set", repositorySelector: {where}}}, '
            f"partitionNames: {json.dumps(tenants or [tenant.id for tenant in self.tenants])}"
            "}) { __typename } }"
        )
        said = self._finished("dagster-graphql", "--workspace", "workspace.yaml", "--text", asked)
        assert "LaunchBackfillSuccess" in said, said

    def runs(self, count: int) -> list[dict[str, Any]]:
        """All runs, when at least so many have succeeded and none waits or is at work.

        On a busy machine, Dagster may fail to start one, and then starts another in its place.
        """
        said = self._finished("python", str(ROOT / "tests/scale/await_runs.py"), str(count), str(SECONDS))
        found: list[dict[str, Any]] = json.loads(said)
        return found

    def _finished(self, program: str, *arguments: str) -> str:
        ended = subprocess.run(
            [str(DAGSTER / "bin" / program), *arguments],
            cwd=DEPLOYED,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise AssertionError(f"{program} {arguments}: {ended.stderr[-3000:]}\n{self.logs()}")
        return ended.stdout

    def logs(self) -> str:
        """The end of each log, for a test that fails."""
        return "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in self.folder.glob("*.log")
        )

    def close(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def running(fleet: Fleet) -> Iterator[Fleet]:
    """Lend a fleet, whose processes end with the block."""
    try:
        yield fleet
    finally:
        fleet.close()


def until(holds: Any, what: str, seconds: float = SECONDS) -> None:
    """Wait for something that happens in other processes.

    Raises:
        AssertionError: It did not happen in time.
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"Not in {seconds:.0f} s: {what}"
        time.sleep(0.2)


def answers(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(url, timeout=60).ok
    return False


def local_url() -> str:
    return f"http://127.0.0.1:{free_port()}"
