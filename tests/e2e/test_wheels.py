"""Each plugin from built wheels alone, in an empty environment of its own, without the source tree."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from stage import PROGRAMS, ROOT

LIBRARY = "kinetic-mailchimp-kit"
PLUGINS = ("tap-epicor-kinetic", "target-mailchimp", "tap-mailchimp-webhooks", "target-epicor-contacts")
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
# SQLAlchemy is not among them: the Singer SDK itself needs it.
DATABASE = {"alembic", "psycopg"}
PAGES = {"jinja2", "starlette", "uvicorn"}
ALERTS = {"apprise"}
ABSENT = {
    "tap-epicor-kinetic": DATABASE | PAGES | ALERTS,
    "target-mailchimp": PAGES | ALERTS | {"psycopg"},
    "tap-mailchimp-webhooks": ALERTS | {"jinja2", "psycopg"},
    "target-epicor-contacts": PAGES | ALERTS | {"psycopg"},
}
"""Distributions that a plugin does not need, so that its environment must not have them."""


def uv(*arguments: str | Path) -> str:
    run = subprocess.run([PROGRAMS / "uv", *arguments], check=True, capture_output=True, text=True)
    return run.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("wheels")
    for member in (ROOT / name for name in (LIBRARY, *PLUGINS)):
        uv(
            "build",
            "--wheel",
            "--no-build-isolation",
            "--python",
            sys.executable,
            "--out-dir",
            folder,
            member,
        )
    return folder


@pytest.fixture(scope="session")
def installed(wheels, tmp_path_factory):
    """Install a plugin into an environment of its own and return the folder of its programs."""

    @functools.cache
    def install(plugin: str) -> Path:
        environment: Path = tmp_path_factory.mktemp(plugin)
        uv("venv", "--quiet", "--python", sys.executable, environment)
        python = environment / "bin" / "python"
        locked = ("--constraint", ROOT / "requirements.lock")
        uv("pip", "install", "--quiet", "--python", python, "--find-links", wheels, *locked, plugin)
        return environment / "bin"

    return install


def says(folder: Path, *command: str, status: int = 0) -> str:
    run = subprocess.run(
        [folder / command[0], *command[1:]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stderr[-2000:]
    return run.stdout


@pytest.fixture
def epicor_config(start_epicor, tmp_path) -> str:
    epicor = start_epicor(customers=5)
    file = tmp_path / "epicor.json"
    names = ("base_url", "api_key", "companies", "username", "password")
    file.write_text(json.dumps({name: epicor.hello[name] for name in names}))
    return str(file)


@pytest.fixture
def mailchimp_config(start_mailchimp, tmp_path) -> str:
    mailchimp = start_mailchimp()
    file = tmp_path / "mailchimp.json"
    settings = {
        "base_url": mailchimp.base_url,
        "api_key": mailchimp.api_key,
        "list_id": mailchimp.list_id,
        "list_ids": [mailchimp.list_id],
        "inbox_database_url": f"sqlite:///{tmp_path}/inbox.sqlite3",
        "audit_database_url": f"sqlite:///{tmp_path}/audit.sqlite3",
    }
    file.write_text(json.dumps(settings))
    return str(file)


def check_about(folder: Path, plugin: str) -> None:
    document = json.loads(says(folder, plugin, "--about", "--format=json"))
    assert (document["name"], document["version"]) == (plugin, VERSION)
    assert plugin in says(folder, plugin, "--help")


def test_tap_epicor_kinetic(installed, epicor_config):
    folder = installed("tap-epicor-kinetic")

    check_about(folder, "tap-epicor-kinetic")
    catalog = json.loads(says(folder, "tap-epicor-kinetic", "--config", epicor_config, "--discover"))
    assert {"customers", "customer_contacts", "vendors"} <= {s["tap_stream_id"] for s in catalog["streams"]}
    says(folder, "tap-epicor-kinetic", "--config", epicor_config, "--test")
    out = says(folder, "tap-epicor-kinetic", "--config", epicor_config)
    assert '"RECORD"' in out


def test_target_epicor_contacts(installed, epicor_config):
    folder = installed("target-epicor-contacts")

    check_about(folder, "target-epicor-contacts")
    says(folder, "target-epicor-contacts", "--config", epicor_config, "--test")


def test_target_mailchimp(installed, mailchimp_config):
    folder = installed("target-mailchimp")

    check_about(folder, "target-mailchimp")
    says(folder, "target-mailchimp", "--config", mailchimp_config, "--test")
    assert "search" in says(folder, "sync-audit", "--help")
    assert "keygen" in says(folder, "connector-secrets", "--help")
    assert "authorize" in says(folder, "mailchimp-auth", "--help")


def test_tap_mailchimp_webhooks(installed, mailchimp_config):
    folder = installed("tap-mailchimp-webhooks")

    check_about(folder, "tap-mailchimp-webhooks")
    catalog = json.loads(says(folder, "tap-mailchimp-webhooks", "--config", mailchimp_config, "--discover"))
    assert {"contact_events", "campaign_events", "webhooks", "opt_outs", "campaign_results"} == {
        s["tap_stream_id"] for s in catalog["streams"]
    }
    says(folder, "tap-mailchimp-webhooks", "--config", mailchimp_config, "--test")
    assert "serve" in says(folder, "mailchimp-webhooks", "--help")


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_installs_only_what_it_needs(installed, plugin):
    python = installed(plugin) / "python"

    listed = json.loads(uv("pip", "list", "--quiet", "--python", python, "--format", "json"))

    versions = {distribution["name"].lower(): distribution["version"] for distribution in listed}
    assert versions[plugin] == versions[LIBRARY] == VERSION
    assert versions.keys() & ABSENT[plugin] == set()


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("plugin", "command", "extra"),
    [
        ("target-mailchimp", ["serve"], "pages"),
        ("target-epicor-contacts", ["serve"], "pages"),
    ],
)
def test_sync_audit_names_the_extra_that_a_command_lacks(installed, plugin, command, extra):
    run = subprocess.run(
        [installed(plugin) / "sync-audit", *command],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode != 0
    assert f"kinetic-mailchimp-kit[{extra}]" in run.stderr
    assert "Traceback" not in run.stderr
