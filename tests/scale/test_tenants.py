"""The file of tenants, the environment of their processes, and what the ways to run them have in common."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from processes import CONNECTIONS, command, environment, run_program
from stage import ROOT
from tenants import Tenant, TenantsError, read_tenants

DEPLOYED = ROOT / "deploy" / "dagster"
VARIANTS = [
    DEPLOYED / "one-machine" / "dagster.yaml",
    DEPLOYED / "celery" / "dagster.yaml",
    ROOT / "deploy" / "kubernetes" / "base" / "dagster.yaml",
]


def test_the_example_is_read_and_its_defaults_hold_for_each():
    (acme,) = read_tenants(DEPLOYED / "tenants.example.yaml").values()
    assert acme.schedules["forward"] == "*/15 * * * *"
    assert acme.receiver_url == "http://receiver-acme:8080"


def test_a_process_gets_the_secrets_of_its_tenant_and_of_no_other(tmp_path, monkeypatch):
    (tmp_path / "acme").write_text("from-a-file\n")
    monkeypatch.setenv("ACME_PASSWORD", "from-a-variable")
    monkeypatch.setenv("BOLT_PASSWORD", "of-somebody-else")
    acme = Tenant(
        id="acme",
        epicor="e",
        mailchimp="m",
        environment={
            "EPICOR_API_KEY": {"file": f"{tmp_path}/{{tenant}}"},
            "EPICOR_PASSWORD": {"variable": "ACME_PASSWORD"},
            "AUDIT_DATABASE_URL": "sqlite:///{tenant}.sqlite3",
            "TARGET_MAILCHIMP_BATCH_SIZE": 5,
        },
    )
    variables = acme.variables()
    assert variables["EPICOR_API_KEY"] == "from-a-file"
    assert variables["EPICOR_PASSWORD"] == "from-a-variable"
    assert variables["AUDIT_DATABASE_URL"] == "sqlite:///acme.sqlite3"
    assert variables["TARGET_MAILCHIMP_BATCH_SIZE"] == "5"
    assert "of-somebody-else" not in variables.values()
    assert "from-a" not in repr(acme)


@pytest.mark.rule("R9")
def test_what_a_run_writes_is_for_its_owner_alone(tmp_path):
    program = f"from pathlib import Path; Path({str(tmp_path / 'config.json')!r}).touch()"
    before = os.umask(0)
    try:
        assert run_program([sys.executable, "-c", program], os.environ) == (0, "")
    finally:
        os.umask(before)
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"variable": "NOT_SET"}, "the variable NOT_SET is not set. Set it for the worker."),
        ({"file": "/nowhere/secret"}, "Mount the secret into the worker."),
        (["a", "list"], "is not a value. Write a text"),
    ],
)
def test_a_secret_that_is_not_there_is_named_with_its_tenant(value, said):
    tenant = Tenant(id="acme", epicor="e", mailchimp="m", environment={"EPICOR_PASSWORD": value})
    with pytest.raises(TenantsError, match="`EPICOR_PASSWORD` of tenant `acme`") as raised:
        tenant.variables()
    assert said in str(raised.value)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"id": "acme", "epicor": "e"}], "['mailchimp'] missing"),
        ([{"id": "acme", "epicor": "e", "mailchimp": "m", "cron": "x"}], "unknown ['cron']"),
        ([{"id": "acme", "epicor": "e", "mailchimp": "m"}] * 2, "is there twice"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, entries, said):
    file = tmp_path / "tenants.yaml"
    file.write_text(yaml.safe_dump({"tenants": entries}))
    with pytest.raises(TenantsError) as raised:
        read_tenants(file)
    assert said in str(raised.value)
    assert "acme" in str(raised.value)


def test_runs_that_may_be_at_once_share_the_connections_of_the_vendor(monkeypatch, tmp_path):
    monkeypatch.setattr("processes.WORK", tmp_path)
    tenant = Tenant(id="acme", epicor="e", mailchimp="m")
    for runs in (1, 2, 3, 10):
        variables = environment(tenant, {"epicor": runs, "mailchimp": runs})
        for name in ("TARGET_MAILCHIMP", "TARGET_MAILCHIMP_RECONCILE", "TARGET_MAILCHIMP_REPAIR"):
            assert 1 <= int(variables[f"{name}_CONCURRENCY"]) * runs <= CONNECTIONS["mailchimp"]
        assert int(variables["TAP_EPICOR_KINETIC_WHOLE_CONCURRENCY"]) == max(1, CONNECTIONS["epicor"] // runs)


def test_every_run_of_a_tenant_has_a_state_and_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr("processes.WORK", tmp_path)
    tenant = Tenant(id="acme", epicor="e", mailchimp="m")
    folder = Path(environment(tenant, {"epicor": 1, "mailchimp": 1})["MELTANO_SYS_DIR_ROOT"])
    assert (folder / "loaders" / "target-mailchimp" / "venv" / "bin" / "target-mailchimp").exists()
    assert command("forward", tenant)[-3:] == ["--state-id-suffix", "acme", "forward"]


def test_the_limits_are_the_same_however_runs_are_executed():
    limits = [
        yaml.safe_load(variant.read_text())["concurrency"]["runs"]["tag_concurrency_limits"]
        for variant in VARIANTS
    ]
    assert limits[0] == limits[1] == limits[2]
    assert all(limit["value"] == {"applyLimitPerUniqueValue": True} for limit in limits[0])
