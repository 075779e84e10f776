"""The file of tenants, the environment of their processes, and what the ways to run them have in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from stage import ROOT
from tenants import CONNECTIONS, Tenant, TenantsError, read_tenants

DEPLOYED = ROOT / "deploy" / "dagster"
VARIANTS = [
    DEPLOYED / "one-machine" / "dagster.yaml",
    DEPLOYED / "celery" / "dagster.yaml",
    ROOT / "deploy" / "kubernetes" / "base" / "dagster.yaml",
]
RUNS = {"epicor": 2, "mailchimp": 2}
ACME = {"id": "acme", "epicor": "e", "mailchimp": "m"}
INHERITED_CONCURRENCY = """
import json
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.project import Project
project = Project.find()
project.activate_environment("prod")
print(json.dumps({
    plugin.name: PluginSettingsService(project, plugin).get("concurrency")
    for plugin in project.plugins.plugins() if plugin.inherit_from and "webhooks" not in plugin.inherit_from
}))
"""


@pytest.fixture
def read(tmp_path):
    """Read a file of tenants with a text, or with entries."""

    def reading(text: object, **defaults: object) -> dict[str, Tenant]:
        file = tmp_path / "tenants.yaml"
        document = text if isinstance(text, str) else yaml.safe_dump({"defaults": defaults, "tenants": text})
        file.write_text(document, encoding="utf-8")
        return read_tenants(file)

    return reading


def test_the_example_is_read_and_its_defaults_hold_for_each():
    (acme,) = read_tenants(DEPLOYED / "tenants.example.yaml").values()
    assert acme.schedules["forward"] == "*/15 * * * *"
    assert acme.receiver_url == "http://receiver-acme:8080"
    assert acme.environment["EPICOR_API_KEY"] == {"file": "/run/secrets/acme-epicor-api-key"}


def test_an_entry_replaces_defaults_and_takes_them_away(read):
    bolt = {
        **ACME,
        "id": "bolt",
        "timezone": "America/Chicago",
        "schedules": {"forward": None},
        "environment": {
            "PGPASSWORD": {"variable": "BOLT"},
            "LIMIT": 5,
            "MAPS": '{"a": {"b": 1}}',
            "OFF": None,
        },
    }
    found = read(
        [ACME, bolt],
        schedules={"forward": "* * * * *", "reverse": "5 * * * *"},
        environment={"PGPASSWORD": {"file": "/run/secrets/pg"}, "OFF": "x", "URL": "sqlite:///{tenant}"},
    )
    assert found["acme"].timezone == "UTC"
    assert found["bolt"].timezone == "America/Chicago"
    assert found["bolt"].schedules == {"reverse": "5 * * * *"}
    assert found["bolt"].environment == {
        "PGPASSWORD": {"variable": "BOLT"},
        "LIMIT": "5",
        "MAPS": '{"a": {"b": 1}}',
        "URL": "sqlite:///bolt",
    }


def test_a_process_gets_the_secrets_of_its_tenant_and_of_no_other(read, tmp_path, monkeypatch):
    secret = tmp_path / "acme"
    secret.write_text("from-a-file\n")
    monkeypatch.setenv("ACME_PASSWORD", "from-a-variable")
    monkeypatch.setenv("BOLT_PASSWORD", "of-somebody-else")
    environment = {
        "EPICOR_API_KEY": {"file": f"{tmp_path}/{{tenant}}"},
        "EPICOR_PASSWORD": {"variable": "ACME_PASSWORD"},
    }
    acme = read([{**ACME, "environment": environment}])["acme"]
    variables = acme.variables(RUNS)
    assert variables["EPICOR_API_KEY"] == "from-a-file"
    assert variables["EPICOR_PASSWORD"] == "from-a-variable"
    assert "of-somebody-else" not in variables.values()
    assert "from-a" not in repr(acme)

    secret.write_text("changed\n")
    assert acme.variables(RUNS)["EPICOR_API_KEY"] == "changed"


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"variable": "NOT_SET"}, "the variable NOT_SET is not set for the worker, or empty"),
        ({"file": "/nowhere/secret"}, "No such file or directory: '/nowhere/secret'"),
        ({"file": os.devnull}, "/dev/null is not set for the worker, or empty"),
    ],
)
def test_a_secret_that_is_not_there_is_named_with_its_tenant(value, said):
    tenant = Tenant(id="acme", epicor="e", mailchimp="m", environment={"EPICOR_PASSWORD": value})
    with pytest.raises(TenantsError, match="tenant `acme`: EPICOR_PASSWORD") as raised:
        tenant.variables(RUNS)
    assert said in str(raised.value)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mailchimp": None}, "mailchimp: Field required"),
        ({"cron": "x"}, "cron: Extra inputs are not permitted"),
        ({"id": "Acme & Söhne"}, "id: String should match pattern"),
        ({"id": "../acme"}, "id: String should match pattern"),
        ({"id": False}, "id: Input should be a valid string"),
        ({"schedules": "hourly"}, "schedules: Input should be a valid dictionary"),
        ({"fresh_hours": {"forward": "often"}}, "fresh_hours.forward: Input should be a valid number"),
        ({"fresh_hours": {"forward": -1}}, "fresh_hours.forward: Input should be greater"),
        ({"receiver_url": "receiver:8080"}, "receiver_url: String should match pattern"),
        ({"environment": {"PORT": ["a", "list"]}}, "environment.PORT"),
        ({"environment": {"KEY": {"varible": "s3cr3t"}}}, "varible"),
        ({"environment": {"KEY": {"variable": "s3cr3t", "file": "s3cr3t"}}}, "environment.KEY"),
    ],
)
def test_a_wrong_entry_is_named_without_its_values(read, changed, said):
    with pytest.raises(TenantsError) as raised:
        read([ACME | {"id": "fine"}, ACME | changed])
    assert said in str(raised.value)
    assert f"tenant `{ACME['id'] if 'id' not in changed else changed['id']}`" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "valid dictionary"),
        ("tenant: []", "tenants: Field required; tenant: Extra inputs"),
        ("tenants: [acme]", "tenants.0: Input should be a valid dictionary"),
        ("tenants:\n- id: acme\n epicor: e", "line 3"),
        ("tenants: []\ntenants: []", "a key is there twice"),
        ("tenants: [{id: acme, epicor: e, epicor: e}]", "a key is there twice"),
        ("tenants: [&a {id: acme, epicor: e, mailchimp: m}, *a]", "tenant `acme` is there twice"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(read, text, said):
    with pytest.raises(TenantsError, match=r"tenants\.yaml") as raised:
        read(text)
    assert said in str(raised.value)


@pytest.mark.rule("R10")
def test_a_file_that_is_not_there_says_where_to_begin(tmp_path):
    with pytest.raises(TenantsError, match=r"No such file.*Begin with tenants\.example\.yaml"):
        read_tenants(tmp_path / "tenants.yaml")


def test_runs_that_may_be_at_once_share_the_connections_of_the_vendor():
    tenant = Tenant(id="acme", epicor="e", mailchimp="m")
    for runs in (1, 2, 3, 10):
        variables = tenant.variables({"epicor": runs, "mailchimp": runs})
        assert 1 <= int(variables["TARGET_MAILCHIMP_CONCURRENCY"]) * runs <= CONNECTIONS["mailchimp"]
        for name in ("TAP_EPICOR_KINETIC", "TARGET_EPICOR_CONTACTS"):
            assert int(variables[f"{name}_CONCURRENCY"]) == max(1, CONNECTIONS["epicor"] // runs)


def test_plugins_that_inherit_take_the_connections_over(tmp_path):
    tenant = Tenant(id="acme", epicor="e", mailchimp="m", environment={"EPICOR_BASE_URL": "https://e/live"})
    given = tenant.variables({"epicor": 1, "mailchimp": 3})
    given |= {
        "MELTANO_SYS_DIR_ROOT": str(tmp_path),
        "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path}/m.sqlite3",
    }
    command = [sys.executable, "-c", INHERITED_CONCURRENCY]
    ended = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "tap-epicor-kinetic-whole": "4",
        "target-mailchimp-reconcile": "3",
        "target-mailchimp-repair": "3",
        "target-epicor-contacts-reconcile": "4",
        "target-epicor-contacts-repair": "4",
    }


def test_the_limits_are_the_same_however_runs_are_executed():
    limits = [
        yaml.safe_load(variant.read_text())["concurrency"]["runs"]["tag_concurrency_limits"]
        for variant in VARIANTS
    ]
    assert limits[0] == limits[1] == limits[2]
    assert all(limit["value"] == {"applyLimitPerUniqueValue": True} for limit in limits[0])
