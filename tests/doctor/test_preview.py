"""A preview shows records beside what each side would get, and writes to neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.plans.plans import list_plans
from kinetic_mailchimp.audit.plans.previews import ABSENT, Preview, panels, read_previews
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.reading.runs import latest_runs
from kinetic_mailchimp.mailchimp import subscriber_hash
from stage import Stage
from user_project import Project

EVENT = {
    "event_id": "e1",
    "sequence": 1,
    "type": "unsubscribe",
    "reason": "manual",
    "action": "unsub",
    "list_id": "1a2b3c4d5e",
    "occurred_at": "2026-03-01T11:59:58+00:00",
    "merges": {"FNAME": "Ada"},
}


@pytest.fixture
def own(project: Project, tmp_path: Path) -> Project:
    """The project with an audit database of its own, which is not there yet."""
    project.variables["AUDIT_DATABASE_URL"] = f"sqlite:///{tmp_path / 'preview.sqlite3'}"
    return project


def previewed(project: Project, *options: str) -> str:
    project.write()
    ended = project.run("sync-audit", "preview", *options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def kept(project: Project) -> Preview:
    with AuditTrail.open(project.variables["AUDIT_DATABASE_URL"]) as trail:
        assert list_plans(trail) == []
        assert {run.status for run in latest_runs(trail)} == {"succeeded"}
        return read_previews(trail)[0]


def first_customer(project: Project) -> dict[str, object]:
    previewed(project, "--count", "1")
    return dict(kept(project).records[0].source)


def test_real_records_stand_beside_what_mailchimp_would_get(own: Project, running: Stage) -> None:
    before = running.members()
    printed = previewed(own, "--count", "3")
    assert "3 records of customers. Nothing was written." in printed
    assert running.members() == before
    one = kept(own).records[0]
    source, mapped, written = panels(one)
    assert source.rows["CustNum"] == mapped.rows["source_key"].rpartition("/")[2]
    assert "CustID" not in source.rows  # not selected
    assert mapped.rows["COMPANY"] == source.rows["Name"]
    assert written.rows["merge_fields.COMPANY"] == f"nothing → {source.rows['Name']}"
    assert written.note.startswith("created: ")


def test_a_changed_mapping_shows_what_differs_alone(own: Project) -> None:
    own.write()
    document = yaml.safe_load((own.folder / "meltano.yml").read_text(encoding="utf-8"))
    [mapper] = document["plugins"]["mappers"]
    customers = mapper["mappings"][0]["config"]["stream_maps"]["customers"]
    customers |= {"COMPANY": "Name.upper()", "SEGMENT": "_.get('GroupCode')", "REGION": None}
    (own.folder / "changed.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    previewed(own, "--count", "2", "--compare", str(own.folder / "changed.yml"))
    for record in kept(own).records:
        _, mapped, _, changed, written = panels(record)
        assert changed.title == "changed.yml: mapped to members"
        assert {"COMPANY", "SEGMENT"} <= changed.rows.keys() <= {"COMPANY", "SEGMENT", "REGION"}
        assert changed.rows["COMPANY"] == mapped.rows["COMPANY"].upper()
        assert mapped.rows["SEGMENT"] == ABSENT
        assert written.rows["merge_fields.COMPANY"].endswith(mapped.rows["COMPANY"].upper())


def test_an_event_stands_beside_what_epicor_would_get(own: Project, running: Stage) -> None:
    customer = first_customer(own)
    before = running.epicor_control("GET", "/tables/Customer")
    event = own.folder / "event.json"
    event.write_text(json.dumps({**EVENT, "email": customer["EMailAddress"]}), encoding="utf-8")
    previewed(own, "--stream", "contact_events", "--record", str(event))
    _, mapped, written = panels(kept(own).records[0])
    assert mapped.rows["contact_status"] == "unsubscribed"
    assert written.note.startswith("flagged: ")
    assert any(
        name.startswith("NoContact") and value == "false → true" for name, value in written.rows.items()
    )
    assert running.epicor_control("GET", "/tables/Customer") == before


def test_a_refused_record_says_why(own: Project) -> None:
    record = own.folder / "record.json"
    record.write_text(
        json.dumps({"Company": "EPIC06", "CustNum": 1, "Name": "A", "EMailAddress": "a@example.com, b@x"}),
        encoding="utf-8",
    )
    previewed(own, "--record", str(record))
    *_, written = panels(kept(own).records[0])
    assert written.note.startswith("skipped: ")
    assert written.rows == {}


@pytest.mark.rule("R10")
def test_a_record_that_cannot_be_mapped_is_named_and_costs_no_other(own: Project) -> None:
    good = {"Company": "EPIC06", "CustNum": 2, "Name": "B", "EMailAddress": "b@example.com"}
    bad = {"Company": "EPIC06", "CustNum": 1, "EMailAddress": "a@example.com"}
    record = own.folder / "record.json"
    record.write_text(json.dumps([bad, good]), encoding="utf-8")
    previewed(own, "--record", str(record))
    (source, mapped, written), (*_, after) = map(panels, kept(own).records)
    assert source.rows["CustNum"] == "1"
    assert mapped.note.startswith("A run ends here. The mapping of stream customers cannot read a record: ")
    assert (written.note, after.rows["merge_fields.COMPANY"]) == ("Gets nothing.", "nothing → B")
    record.write_text(json.dumps(bad), encoding="utf-8")
    ended = own.run("sync-audit", "preview", "--record", str(record))
    assert (ended.returncode, "cannot read a record: " in ended.stderr) == (3, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--stream", "nothing"), "maps a stream 'nothing'. Use one of customers,"),
        (("--record", "meltano.yml"), "The records are not JSON."),
        (("--compare", ".env"), ".env is not a meltano.yml."),
    ],
)
def test_wrong_use_is_told(own: Project, options: tuple[str, ...], told: str) -> None:
    own.write()
    ended = own.run("sync-audit", "preview", *options)
    assert (ended.returncode, told in ended.stderr) == (3, True), ended.stderr


def test_a_record_shows_each_audience_that_its_company_feeds(own: Project, running: Stage) -> None:
    main = str(running.mailchimp["list_id"])
    second = "93426b2d3f"
    fed = {company: [main, second] for company in running.epicor["companies"]}
    own.plugin("target-mailchimp")["config"]["audiences_by_company"] = fed
    record = own.folder / "record.json"
    row = {"Company": running.epicor["companies"][0], "Name": "A", "EMailAddress": "new@example.com"}
    record.write_text(json.dumps({**row, "CustNum": 1}), encoding="utf-8")
    previewed(own, "--record", str(record))
    *_, written = panels(kept(own).records[0])
    for audience in (main, second):
        assert f"list {audience}: created: new " in written.note
        assert written.rows[f"merge_fields.COMPANY (list {audience})"] == "nothing → A"


def test_a_mapping_is_read_as_the_mapper_reads_it(own: Project) -> None:
    mapping = own.plugin("meltano-map-transform")["mappings"][0]["config"]
    mapping["stream_map_config"] = {"prefix": "Customer "}
    mapping["stream_maps"]["customers"]["source_key"] = "config['prefix'] + Company + '/' + str(CustNum)"
    [forward] = [job for job in own.document["jobs"] if job["name"] == "forward"]
    forward["tasks"] = [forward["tasks"]]
    own.document["jobs"].insert(0, {"name": "empty"})
    own.plugin("meltano-map-transform")["mappings"].append({"name": "empty"})
    previewed(own, "--count", "1")
    source, mapped, written = panels(kept(own).records[0])
    assert mapped.rows["source_key"] == f"Customer {source.rows['Company']}/{source.rows['CustNum']}"
    assert written.note.startswith("created: ")


@pytest.mark.rule("R6")
def test_an_erasure_takes_a_person_out_of_the_previews(own: Project) -> None:
    previewed(own, "--count", "1")
    one = kept(own).records[0]
    with AuditTrail.open(own.variables["AUDIT_DATABASE_URL"]) as trail:
        erase(trail, str(one.source["EMailAddress"]), vendor_hash=subscriber_hash)
        assert read_previews(trail) == []
