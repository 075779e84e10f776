"""Each plugin from built wheels alone, in an empty environment of its own, without the source tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stage import PROGRAMS, ROOT

LIBRARY = "kinetic-mailchimp-kit"
PLUGINS = ("tap-epicor-kinetic", "target-mailchimp", "tap-mailchimp-webhooks", "target-epicor-contacts")


def uv(*arguments: str | Path) -> None:
    subprocess.run([PROGRAMS / "uv", *arguments], check=True, capture_output=True, text=True)


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
    """Install a plugin into an environment of its own and say where its programs are."""

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
    assert (document["name"], document["version"]) == (plugin, "0.1.0")
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
    assert {"contact_events", "campaign_events", "webhooks", "opt_outs"} == {
        s["tap_stream_id"] for s in catalog["streams"]
    }
    says(folder, "tap-mailchimp-webhooks", "--config", mailchimp_config, "--test")
    assert "serve" in says(folder, "mailchimp-webhooks", "--help")
