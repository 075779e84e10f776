"""Three tenants on one machine: one Mailchimp account for all of them, one Epicor instance for two."""

from __future__ import annotations

from typing import Any

import pytest
from fleet import Fleet, FleetTenant, local_url, running
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.reading.runs import correlated_runs

SLOW = {"match": {"method": "POST"}, "effect": {"kind": "latency", "seconds": 0.2}}
MAILCHIMP_CONNECTIONS = 10
EPICOR_CONNECTIONS = 4


@pytest.fixture
def tenants(start_epicor, start_mailchimp, tmp_path) -> list[FleetTenant]:
    account = start_mailchimp()
    shared, own = start_epicor(customers=60, seed=1), start_epicor(customers=40, seed=2)
    lists = [account.list_id, account.control.add_list("Second"), account.control.add_list("Third")]
    places = [("acme", shared, "EPIC06"), ("bolt", shared, "EPIC07"), ("cobalt", own, "EPIC06")]
    return [
        FleetTenant(
            id=name,
            epicor=epicor,
            company=company,
            mailchimp=account,
            list_id=list_id,
            urls={
                kind: f"sqlite:///{tmp_path / f'{name}-{kind}.sqlite3'}"
                for kind in ("audit", "inbox", "meltano")
            },
            receiver_url=local_url() if name == "acme" else "",
        )
        for (name, epicor, company), list_id in zip(places, lists, strict=True)
    ]


@pytest.mark.timeout(2700)  # a dozen programs start, which takes long on a busy machine
@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.rule("R4")
def test_three_tenants_share_an_account_and_each_ends_right(tenants, tmp_path):
    acme = tenants[0]
    account = acme.mailchimp.control
    account.set_faults([SLOW])
    with running(Fleet(tmp_path / "fleet", tenants)) as fleet:
        fleet.start_daemon()
        fleet.start_receiver(acme)
        fleet.launch("forward")
        forward = [run for run in fleet.runs(3) if run["status"] == "SUCCESS"]
        assert len(forward) == 3, fleet.logs()

        for tenant in tenants:
            assert tenant.members().keys() == tenant.customers()
            (run,) = (run for run in forward if run["tags"]["tenant"] == tenant.id)
            assert run["assets"].keys() == {f"{tenant.id}/members", f"{tenant.id}/member_names"}
            members = run["assets"][f"{tenant.id}/members"]
            assert created(run) == len(tenant.members())
            assert members["audience"] == tenant.list_id
            with AuditTrail.open(tenant.urls["audit"]) as trail:
                (audited,) = correlated_runs(trail, members["correlation"])
            assert audited.plugin == "target-mailchimp"
            # Meltano writes secrets in clear while a plugin runs.
            assert (fleet.folder / "work" / tenant.id / "run").stat().st_mode & 0o077 == 0
            assert run["tags"].items() >= {
                ("pipeline", f"{tenant.id}/forward"),
                ("epicor", tenant.epicor.base_url),
                ("mailchimp", tenant.mailchimp.base_url),
            }
        assert most_at_once(forward) <= 2

        # The sensor sees the event and starts the way back, for this tenant alone.
        person = min(acme.members())
        account.unsubscribe(person, acme.list_id)
        account.flush_webhooks()
        (back,) = (run for run in fleet.runs(4) if run["status"] == "SUCCESS" and run not in forward)
        assert (back["job"], back["tags"]["tenant"]) == ("reverse", "acme")
        assert back["assets"]["acme/contact_updates"]["flagged"] == 1
        assert acme.is_flagged(person)

    connections = account.connections()
    assert connections["refused"] == 0
    assert connections["most"] <= MAILCHIMP_CONNECTIONS
    assert all(tenant.epicor.control.most_open() <= EPICOR_CONNECTIONS for tenant in tenants)
    assert account.raises() == []


def created(run: dict[str, Any]) -> int:
    """Members that a run made, over all streams."""
    return sum(int(counts.get("created", 0)) for counts in run["assets"].values())


def most_at_once(runs: list[dict[str, Any]]) -> int:
    """The most runs that were at work at once."""
    return max(sum(bool(run["start"] <= other["start"] < run["end"]) for run in runs) for other in runs)
