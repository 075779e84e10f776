"""The job `repair`: drift on both sides is shown, put right by its owner, and gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from stage import Stage, borrow_plugins, set_stage
from test_reconcile import drift, edit, forget_requests, sources, writes

NOT_STORED = "A name that was not stored"
DRY_RUN = {"TARGET_MAILCHIMP_DRY_RUN": "true", "TARGET_EPICOR_CONTACTS_DRY_RUN": "true"}


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    borrow_plugins(tmp_path / "plugins")
    # Without a receiver: what people do is told by nobody.
    with set_stage(tmp_path / "stage", customers=60, plugins=tmp_path / "plugins", receiver=False) as running:
        yield running


def run(stage: Stage, job: str, log: str) -> None:
    stage.meltano("run", "--no-install", job, log=log)


def make_field_again(stage: Stage, tag: str) -> None:
    url = f"{stage.mailchimp['base_url']}/lists/{stage.mailchimp['list_id']}/merge-fields"
    with requests.Session() as session:
        session.auth = ("any", str(stage.mailchimp["api_key"]))
        fields = session.get(url, params={"count": "100"}, timeout=120).json()["merge_fields"]
        [field] = [field for field in fields if field["tag"] == tag]
        session.delete(f"{url}/{field['merge_id']}", timeout=120).raise_for_status()
        again = {name: field[name] for name in ("tag", "name", "type")}
        session.post(url, json=again, timeout=120).raise_for_status()


def changes_in_last_run(stage: Stage, plugin: str) -> dict[str, Mapping[str, Any]]:
    """What the last run of a plugin would change, or has changed, by person and field."""
    found = stage.decisions("--plugin", plugin)
    last = max(decision["run_id"] for decision in found)
    return {
        decision["subject"]: decision["changes"]
        for decision in found
        if decision["run_id"] == last and decision["changes"]
    }


@pytest.mark.rule("R2")
@pytest.mark.rule("R8")
def test_drift_on_both_sides_is_shown_then_repaired_and_gone(stage):
    run(stage, "forward", "forward")
    rows = sources(stage)
    not_stored, edited, left, kept_out = list(rows)[:4]
    edit(stage, rows[not_stored], Name=NOT_STORED)
    stage.mailchimp_control("PUT", "/switches", json={"unstored_merge_value": NOT_STORED})
    run(stage, "forward", "forward-not-stored")
    stage.mailchimp_control("PUT", "/switches", json={"unstored_merge_value": ""})
    make_field_again(stage, "REGION")
    stage.person("edit_profile", edited, merge_fields={"COMPANY": "Another name"})
    stage.person("unsubscribe", left)
    edit(stage, rows[kept_out], NoContact=True)
    forget_requests(stage)

    stage.environment |= DRY_RUN
    run(stage, "repair", "repair-dry")
    for name in DRY_RUN:
        del stage.environment[name]
    assert writes(stage) == []
    shown = changes_in_last_run(stage, "target-mailchimp")
    company = "merge_fields.COMPANY"
    assert shown[not_stored][company] == [rows[not_stored]["Name"], NOT_STORED]
    assert shown[edited][company] == ["Another name", rows[edited]["Name"]]
    assert shown[kept_out]["status"] == ["subscribed", "unsubscribed"]

    run(stage, "repair", "repair")
    members = stage.members()
    assert members[not_stored]["merge_fields"]["COMPANY"] == NOT_STORED
    assert members[edited]["merge_fields"]["COMPANY"] == rows[edited]["Name"]
    assert members[edited]["merge_fields"]["REGION"] == rows[edited]["TerritoryID"]
    assert members[kept_out]["status"] == "unsubscribed"

    run(stage, "reconcile", "reconcile")
    assert drift(stage) == {}
