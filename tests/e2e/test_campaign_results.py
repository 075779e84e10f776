"""Campaign results travel from Mailchimp's reports to Epicor, through the programs themselves."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import PROGRAMS, Stage, set_stage

TAP, TARGET = "tap-mailchimp-webhooks", "target-epicor-contacts"


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    with set_stage(tmp_path / "stage", customers=40) as running:
        yield running


def configure(stage: Stage, **of_target: Any) -> None:
    """Write the files that the programs are started with."""
    folder, variables = stage.folder, stage.environment
    tap = {
        "api_key": variables["MAILCHIMP_API_KEY"],
        "base_url": variables["MAILCHIMP_BASE_URL"],
        "inbox_database_url": variables["MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL"],
    }
    target = {
        "base_url": variables["EPICOR_BASE_URL"],
        "companies": json.loads(variables["EPICOR_COMPANIES"]),
        "api_key": variables["EPICOR_API_KEY"],
        "username": variables["EPICOR_USERNAME"],
        "password": variables["EPICOR_PASSWORD"],
        "audit_database_url": variables["AUDIT_DATABASE_URL"],
        **of_target,
    }
    for name, config in ((TAP, tap), (TARGET, target)):
        (folder / f"{name}.json").write_text(json.dumps(config))
    said = stage.run(TAP, "--config", str(folder / f"{TAP}.json"), "--discover", log="catalog")
    catalog = json.loads(said[said.index("\n{") :])
    for entry in catalog["streams"]:
        wanted = entry["tap_stream_id"] in {"campaign_results", "campaign_events"}
        entry["selected"] = wanted
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = wanted
    (folder / "catalog.json").write_text(json.dumps(catalog))
    (folder / "state.json").write_text("{}")


def sync(stage: Stage, log: str) -> None:
    """Run both programs, and keep the state for the next time."""
    folder = shlex.quote(str(stage.folder))
    tap = f"{PROGRAMS / TAP} --config {TAP}.json --catalog catalog.json --state state.json"
    line = f"{tap} 2>tap.log | {PROGRAMS / TARGET} --config {TARGET}.json 2>target.log | tail -n 1"
    script = stage.folder / "sync.sh"
    script.write_text(
        f"set -eo pipefail; cd {folder}; {line} > next.json; [ ! -s next.json ] || mv next.json state.json"
    )
    stage.run("/bin/bash", str(script), log=log)


def contacts(stage: Stage, address: str) -> list[dict[str, Any]]:
    found = stage.epicor_control("GET", "/tables/CustCnt")
    return [row for row in found if email_key(row["EMailAddress"] or "") == address]


def written(stage: Stage) -> list[str]:
    requests = stage.epicor_control("GET", "/requests")
    return [request["path"] for request in requests if request["method"] in {"POST", "PATCH"}]


@pytest.mark.rule("R4")
@pytest.mark.rule("R6")
@pytest.mark.rule("R8")
def test_results_reach_columns_and_calls_once_and_a_further_run_writes_nothing(stage):
    known = [email_key(row["EMailAddress"] or "") for row in stage.epicor_control("GET", "/tables/CustCnt")]
    addresses = sorted({address for address in known if known.count(address) == 1 and "@" in address})
    reader, bounced, silent = addresses[:3]
    for address in (reader, bounced, silent):
        stage.person("subscribe", address)
    campaign = stage.mailchimp_control(
        "POST", "/campaigns", json={"list_id": stage.mailchimp["list_id"], "subject": "Pumps"}
    )["campaign_id"]
    stage.person("open", reader, campaign_id=campaign)
    stage.person("click", reader, campaign_id=campaign)
    stage.person("bounce", bounced, campaign_id=campaign)
    stage.mailchimp_control("POST", "/webhooks/flush")
    configure(
        stage,
        result_columns={"sent": "MC_Sent_c", "clicked": "MC_Clicked_c", "last_campaign": "MC_LastCampaign_c"},
        result_calls={"bounced": "PHONE"},
    )

    sync(stage, "first")

    of_reader, of_silent = contacts(stage, reader)[0], contacts(stage, silent)[0]
    names = ("MC_Sent_c", "MC_Clicked_c", "MC_LastCampaign_c")
    assert [of_reader[name] for name in names] == [1, 1, "Pumps"]
    assert [of_silent[name] for name in names] == [1, 0, "Pumps"]
    [call] = stage.epicor_control("GET", "/tables/CRMCall")
    assert call["CallDesc"] == "Mailchimp: bounced"
    assert call["CallCustNum"] == contacts(stage, bounced)[0]["CustNum"]
    decisions = stage.decisions()
    reasons = {decision["subject"]: decision["reason"] for decision in decisions}
    assert {reasons[address] for address in (reader, bounced, silent)} == {"fields_differ"}
    assert "campaign_event" in {decision["reason"] for decision in decisions}

    stage.epicor_control("DELETE", "/requests")
    sync(stage, "second")
    assert written(stage) == []
    assert len(stage.decisions()) == len(decisions)

    # Without its state, the tap reads everything again, and the target knows it.
    (stage.folder / "state.json").write_text("{}")
    sync(stage, "third")
    assert written(stage) == []
    assert len(stage.epicor_control("GET", "/tables/CRMCall")) == 1
