"""Ten tenants on two workers behind a broker, one of which is killed: `make scale-test`.

Everything that is shared is in PostgreSQL. Four tenants share a Mailchimp account, two an Epicor instance.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import DEPLOYED, Fleet, FleetTenant, local_url, running, until
from servers import postgres, rabbitmq
from test_three_tenants import EPICOR_CONNECTIONS, MAILCHIMP_CONNECTIONS, SLOW, created, most_at_once

TENANTS = 10
SHARE_THE_ACCOUNT = 4
COMPANIES = ("EPIC06", "EPIC07")
STALLED = {"match": {"method": "POST", "after": 2}, "effect": {"kind": "latency", "seconds": 240}}
"""Writes of the tenant whose worker is killed: two arrive, and the run cannot end before."""


@pytest.fixture
def fleet(start_epicor, start_mailchimp, tmp_path) -> Iterator[Fleet]:
    shared_account, shared_instance = start_mailchimp(), start_epicor(customers=40)
    with postgres() as new_database, rabbitmq(tmp_path / "rabbitmq") as broker:

        def make(number: int) -> FleetTenant:
            name = f"tenant{number}"
            in_account = number < SHARE_THE_ACCOUNT
            in_instance = number >= TENANTS - len(COMPANIES)
            mailchimp = shared_account if in_account else start_mailchimp(seed=number)
            urls = {kind: new_database(f"{name}_{kind}") for kind in ("audit", "inbox", "meltano")}
            return FleetTenant(
                id=name,
                epicor=shared_instance if in_instance else start_epicor(customers=40, seed=number),
                company=COMPANIES[TENANTS - 1 - number if in_instance else 0],
                mailchimp=mailchimp,
                list_id=mailchimp.control.add_list(name) if in_account else mailchimp.list_id,
                urls=urls | {"meltano": urls["meltano"].replace("postgresql:", "postgresql+psycopg:")},
                receiver_url=local_url() if number in {0, TENANTS - 1} else "",
            )

        variables = {
            "DAGSTER_POSTGRES_URL": new_database("dagster"),
            "DAGSTER_CELERY_BROKER": broker,
            "DAGSTER_CELERY_BACKEND": f"db+{new_database('celery')}",
            "PYTHONPATH": str(DEPLOYED / "celery"),
        }
        tenants = [make(number) for number in range(TENANTS)]
        with running(Fleet(tmp_path / "fleet", tenants, "celery", variables)) as started:
            yield started


def start_worker(fleet: Fleet, name: str) -> None:
    options = ["--concurrency", "2", "--hostname", f"{name}@localhost", "--queues", "dagster"]
    fleet.start("celery", "--app", "dagster_celery.app", "worker", *options, log=name)


def group_of_run(tenant: FleetTenant) -> int:
    """The process group that the run of a tenant belongs to: all of what its machine does for the fleet."""
    groups = set()
    for process in (process for process in Path("/proc").iterdir() if process.name.isdigit()):
        with contextlib.suppress(OSError):  # others end meanwhile
            if f"--state-id-suffix\0{tenant.id}\0" in (process / "cmdline").read_text(errors="replace"):
                groups.add(os.getpgid(int(process.name)))
    (group,) = groups
    return group


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.rule("R3")
@pytest.mark.rule("R4")
def test_every_tenant_ends_right_although_a_worker_is_killed(fleet):
    victim = fleet.tenants[SHARE_THE_ACCOUNT]
    accounts = {tenant.mailchimp.base_url: tenant.mailchimp.control for tenant in fleet.tenants}
    for account in accounts.values():
        account.set_faults([SLOW])
    victim.mailchimp.control.set_faults([STALLED])
    fleet.start_daemon()
    start_worker(fleet, "worker1")
    start_worker(fleet, "worker2")
    for tenant in fleet.tenants:
        if tenant.receiver_url:
            fleet.start_receiver(tenant)
    fleet.launch("forward")

    until(lambda: len(victim.members()) > 0, "the victim's run writes")
    assert len(victim.members()) < len(victim.customers())
    os.killpg(group_of_run(victim), signal.SIGKILL)
    victim.mailchimp.control.clear_faults()
    # As a service manager does.
    start_worker(fleet, "worker3")

    check_the_runs(fleet, victim)
    check_the_way_back(fleet)
    check_that_nothing_is_left(fleet, [victim, fleet.tenants[0]])
    for account in accounts.values():
        assert account.connections()["refused"] == 0
        assert account.connections()["most"] <= MAILCHIMP_CONNECTIONS
        assert account.raises() == []
    for tenant in fleet.tenants:
        assert tenant.epicor.control.most_open() <= EPICOR_CONNECTIONS


def check_the_runs(fleet: Fleet, victim: FleetTenant) -> None:
    """Every tenant is complete after one run, or after one more where its worker was killed; limits held."""
    runs = fleet.runs(TENANTS)
    ended = Counter((run["tags"]["tenant"], run["status"]) for run in runs)
    failed = {tenant for tenant, status in ended if status != "SUCCESS"}
    assert victim.id in failed
    for tenant in fleet.tenants:
        assert tenant.members().keys() == tenant.customers(), tenant.id
        assert ended[tenant.id, "SUCCESS"] == 1, (tenant.id, ended, fleet.logs())
        (run,) = (r for r in runs if r["status"] == "SUCCESS" and r["tags"]["tenant"] == tenant.id)
        assert tenant.id in failed or created(run) == len(tenant.members())
    for tag, limit in (("mailchimp", 2), ("epicor", 2), ("pipeline", 1)):
        for value in {run["tags"][tag] for run in runs}:
            assert most_at_once([run for run in runs if run["tags"][tag] == value]) <= limit


def succeeded(runs: list[dict[str, Any]]) -> int:
    """The number of runs that ended well."""
    return [run["status"] for run in runs].count("SUCCESS")


def check_the_way_back(fleet: Fleet) -> None:
    """Opt-outs start runs for their tenants alone, and reach every row once."""
    before = succeeded(fleet.runs(0))
    people = {}
    for tenant in (tenant for tenant in fleet.tenants if tenant.receiver_url):
        people[tenant.id] = min(tenant.members())
        tenant.epicor.control.clear_requests()
        tenant.mailchimp.control.unsubscribe(people[tenant.id], tenant.list_id)
        tenant.mailchimp.control.flush_webhooks()
    for tenant in (tenant for tenant in fleet.tenants if tenant.id in people):
        until(lambda tenant=tenant: tenant.is_flagged(people[tenant.id]), "the opt-out is in Epicor")
    runs = fleet.runs(before + len(people))
    back = [run for run in runs if run["job"] == "reverse" and run["status"] == "SUCCESS"]
    assert sorted(run["tags"]["tenant"] for run in back) == sorted(people)


def check_that_nothing_is_left(fleet: Fleet, tenants: list[FleetTenant]) -> None:
    """A further run of tenants writes nothing: what was killed left neither gaps nor doubles."""
    for tenant in tenants:
        tenant.mailchimp.control.clear_requests()
    before = succeeded(fleet.runs(0))
    fleet.launch("forward", *(tenant.id for tenant in tenants))
    fleet.runs(before + len(tenants))
    for tenant in tenants:
        written = [r for r in tenant.mailchimp.control.requests() if r["method"] not in {"GET", "HEAD"}]
        assert written == []
