"""What a tenant costs in CPU, memory, bytes and calls: the inputs of the model in docs/scale.md.

CPU seconds of the processes of a run, not of the simulators; slopes are between two sizes, which tells
start-up apart. Databases are PostgreSQL. `BENCH_JSON=FILE` keeps the numbers, for tests/bench/capacity.py.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from servers import postgres
from sizing import SMOKE, keep, size
from stage import PROGRAMS, RECEIVER_SECRET, ROOT, Stage, borrow_plugins, free_port, set_stage

CUSTOMERS = (size(200, 30), size(4_000, 90))
EVENTS = (size(10, 5), size(210, 15))
DELIVERIES = size(3_000, 50)
QUESTIONS = size(500, 5)
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Cost:
    """What one run needed."""

    cpu_seconds: float
    peak_mib: float
    audit_bytes: int
    mailchimp_calls: int
    epicor_calls: int


@contextlib.contextmanager
def stage(folder: Path, customers: int) -> Iterator[Stage]:
    borrow_plugins(folder / "plugins")
    with (
        postgres() as new_database,
        set_stage(
            folder / "stage", customers=customers, plugins=folder / "plugins", receiver=False
        ) as running,
    ):
        running.environment["AUDIT_DATABASE_URL"] = new_database("audit")
        running.environment["MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL"] = new_database("inbox")
        yield running


def run(stage: Stage, job: str) -> Cost:
    """Run a job, and see what its processes needed."""
    stage.epicor_control("DELETE", "/requests")
    stage.mailchimp_control("DELETE", "/requests")
    before = database_bytes(stage.environment["AUDIT_DATABASE_URL"])
    command = [str(PROGRAMS / "meltano"), "--environment=dev", "run", "--no-install", job]
    process = subprocess.Popen(
        command, cwd=ROOT, env=stage.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak))
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    assert process.returncode == 0, job
    return Cost(
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mib=peak[0],
        audit_bytes=database_bytes(stage.environment["AUDIT_DATABASE_URL"]) - before,
        mailchimp_calls=sum(stage.mailchimp_control("GET", "/requests/counts").values()),
        epicor_calls=sum(stage.epicor_control("GET", "/requests/counts").values()),
    )


def watch(group: int, peak: list[float]) -> None:
    """Note the most memory that all processes of a session had at once, until there is none."""
    while Path(f"/proc/{group}").exists():
        resident = 0.0
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, IndexError):
                if process.name.isdigit() and os.getsid(int(process.name)) == group:
                    resident += int((process / "statm").read_text().split()[1]) * PAGE_MIB
        peak[0] = max(peak[0], resident)
        time.sleep(0.1)


def database_bytes(url: str) -> int:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        found: int = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    engine.dispose()
    return found


def slope(costs: Mapping[int, float]) -> tuple[float, float]:
    """What the work of none needs, and what 1,000 more need."""
    (few, low), (many, high) = sorted(costs.items())
    per_one = (high - low) / (many - few)
    return max(0.0, low - per_one * few), max(0.0, per_one * 1000)


@pytest.mark.timeout(3600)
def test_runs(tmp_path: Path) -> None:
    first, idle, back = {}, [], {}
    sizes = {}
    for customers, events in zip(CUSTOMERS, EVENTS, strict=True):
        with stage(tmp_path / str(customers), customers) as running:
            first[customers] = run(running, "forward")
            idle.append(run(running, "forward"))
            members = sorted(a for a, m in running.members().items() if m["status"] == "subscribed")
            sizes[customers] = len(members)
            run(running, "reverse")  # its first catch-up looks at everybody
            for address in members[:events]:
                running.person("unsubscribe", address)
            back[events] = run(running, "reverse")
    start, per_1000 = slope({n: cost.cpu_seconds for n, cost in first.items()})
    _, bytes_per_1000 = slope({n: cost.audit_bytes for n, cost in first.items()})
    _, mailchimp_calls = slope({n: cost.mailchimp_calls for n, cost in first.items()})
    _, epicor_calls = slope({n: cost.epicor_calls for n, cost in first.items()})
    large = first[max(first)]
    keep(
        "forward",
        start_cpu_seconds=start,
        per_1000_customers_cpu_seconds=per_1000,
        idle_cpu_seconds=idle[0].cpu_seconds,
        idle_mailchimp_calls=idle[0].mailchimp_calls,
        idle_epicor_calls=idle[0].epicor_calls,
        per_1000_customers_audit_bytes=bytes_per_1000,
        per_1000_customers_mailchimp_calls=mailchimp_calls,
        per_1000_customers_epicor_calls=epicor_calls,
        members_per_customer=sizes[max(sizes)] / max(sizes),
        peak_mib=large.peak_mib,
    )
    start, per_1000 = slope({n: cost.cpu_seconds for n, cost in back.items()})
    _, epicor_calls = slope({n: cost.epicor_calls for n, cost in back.items()})
    _, bytes_per_1000 = slope({n: cost.audit_bytes for n, cost in back.items()})
    keep(
        "reverse",
        start_cpu_seconds=start,
        per_1000_events_cpu_seconds=per_1000,
        per_1000_events_epicor_calls=epicor_calls,
        per_1000_events_audit_bytes=bytes_per_1000,
        peak_mib=max(cost.peak_mib for cost in back.values()),
    )
    for name, costs in (("forward", first), ("reverse", back)):
        for number, cost in costs.items():
            print(f"\n{name} {number:,}: {cost}")
    assert SMOKE or idle[0].mailchimp_calls < 20


@pytest.mark.timeout(1200)
def test_receiver(tmp_path: Path) -> None:
    port = free_port()
    with postgres() as new_database:
        url = new_database("inbox")
        variables = {
            "MAILCHIMP_WEBHOOKS_SECRET": RECEIVER_SECRET,
            "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": url,
            "CONNECTOR_ENV_FILE": os.devnull,
        }
        command = [str(PROGRAMS / "mailchimp-webhooks"), "serve", "--port", str(port)]
        with (
            (tmp_path / "receiver.log").open("wb") as log,
            subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log) as process,
        ):
            try:
                numbers = deliver(process.pid, f"http://127.0.0.1:{port}", url)
            finally:
                process.terminate()
    print(f"\nreceiver: {numbers}")
    keep("receiver", **numbers)


def deliver(pid: int, address: str, url: str) -> dict[str, float]:
    end = time.monotonic() + 300
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{address}/readyz", timeout=60).ok:
                break
        assert time.monotonic() < end
        time.sleep(0.1)
    idle, size_before, cpu_before = resident_mib(pid), database_bytes(url), cpu_seconds(pid)
    with requests.Session() as session:
        for number in range(DELIVERIES):
            form = {
                "type": "unsubscribe",
                "fired_at": "2026-03-01 09:30:00",
                "data[action]": "unsub",
                "data[reason]": "manual",
                "data[id]": f"{number:010x}",
                "data[email]": f"person{number}@example.com",
                "data[email_type]": "html",
                "data[list_id]": "a1b2c3d4e5",
            }
            answer = session.post(f"{address}/webhooks/mailchimp/{RECEIVER_SECRET}", data=form, timeout=60)
            assert answer.ok
    per_1000 = (cpu_seconds(pid) - cpu_before) * 1000 / DELIVERIES
    return {
        "idle_mib": idle,
        "per_1000_events_cpu_seconds": per_1000,
        "per_1000_events_inbox_bytes": (database_bytes(url) - size_before) * 1000 / DELIVERIES,
        "per_1000_questions_cpu_seconds": ask(pid, address),
    }


def ask(pid: int, address: str) -> float:
    """CPU seconds of both sides for 1,000 questions like those of Dagster's sensor."""
    before = cpu_seconds(pid) + time.process_time()
    for _ in range(QUESTIONS):
        assert requests.get(f"{address}/metrics", timeout=60).ok
    return (cpu_seconds(pid) + time.process_time() - before) * 1000 / QUESTIONS


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MIB


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


ORCHESTRATED = """
import sys
import dagster as dg, definitions
with dg.DagsterInstance.get() as instance:
    job = definitions.defs.get_job_def("alert")
    for _ in range(int(sys.argv[1])):
        assert job.execute_in_process(partition_key="acme", instance=instance).success
"""


@pytest.mark.timeout(1200)
def test_orchestrator(tmp_path: Path) -> None:
    """What Dagster itself adds to a run: a process that loads the project and records the run."""
    dagster = ROOT / ".venv" / "dagster" / "bin" / "python"
    if not dagster.exists():
        pytest.skip("Dagster's environment is not there: make .venv/dagster/installed")
    programs = tmp_path / "project" / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "sync-audit").symlink_to("/bin/true")
    (tmp_path / "project" / "meltano.yml").symlink_to(ROOT / "meltano.yml")
    (tmp_path / "dagster.yaml").symlink_to(ROOT / "deploy/dagster/one-machine/dagster.yaml")
    (tmp_path / "tenants.yaml").write_text("tenants: [{id: acme, epicor: e, mailchimp: m}]\n")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(tmp_path),
        "CONNECTOR_PROJECT": str(tmp_path / "project"),
        "CONNECTOR_TENANTS": str(tmp_path / "tenants.yaml"),
        "CONNECTOR_TENANTS_WORK": str(tmp_path / "work"),
        "PYTHONWARNINGS": "ignore",
    }
    process = subprocess.Popen(
        [str(dagster), "-c", ORCHESTRATED, "1"],
        cwd=ROOT / "deploy" / "dagster",
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    numbers = {"run_cpu_seconds": used.ru_utime + used.ru_stime, "run_peak_mib": used.ru_maxrss / 1024}
    print(f"\nDagster, for one run: {numbers}")
    keep("orchestrator", **numbers)


def test_alert(tmp_path: Path) -> None:
    """What a look for what is wrong costs, in an audit database that has nothing."""
    url = f"sqlite:///{tmp_path / 'audit.sqlite3'}"
    AuditTrail.open(url).close()
    command = [str(PROGRAMS / "sync-audit"), "--database", url, "alert", "--dry-run"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    keep("alert", cpu_seconds=used.ru_utime + used.ru_stime)
