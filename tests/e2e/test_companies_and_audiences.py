"""Two companies and two audiences through `meltano run`; then what evidence and views tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import Stage, borrow_plugins, set_stage

TARGETS = ("TARGET_MAILCHIMP", "TARGET_EPICOR_CONTACTS")


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    plugins = tmp_path / "meltano"
    borrow_plugins(plugins)
    with set_stage(tmp_path / "stage", customers=40, plugins=plugins) as running:
        running.environment["MELTANO_AUTO_INSTALL"] = "false"
        yield running


def configure(stage: Stage) -> str:
    """Let the first company feed the main audience and the second both; who leaves the main one leaves both.

    Returns:
        The id of the second audience.
    """
    main = stage.mailchimp["list_id"]
    second = "93426b2d3f"
    first, other = stage.epicor["companies"]
    matrix = {
        "AUDIENCES_BY_COMPANY": {first: [main], other: [main, second]},
        "OPT_OUTS_COUNT_IN": {main: [second], second: []},
    }
    stage.environment |= {
        f"{target}_{name}": json.dumps(value) for target in TARGETS for name, value in matrix.items()
    }
    stage.environment["MAILCHIMP_LIST_IDS"] = json.dumps([main, second])
    return second


def members(stage: Stage, list_id: str) -> dict[str, str]:
    found = stage.mailchimp_control("GET", f"/lists/{list_id}/members")["members"]
    return {email_key(member["email_address"]): member.get("status", member["state"]) for member in found}


def flags(stage: Stage, address: str) -> set[tuple[str, bool]]:
    """The companies in which the address has rows, each with the flags there."""
    return {
        (row["Company"], row["NoContact"])
        for table in ("Customer", "CustCnt")
        for row in stage.epicor_control("GET", f"/tables/{table}")
        if address in (row["EMailAddress"] or "").casefold()
    }


def writes(stage: Stage) -> list[str]:
    asked = [*stage.epicor_control("GET", "/requests"), *stage.mailchimp_control("GET", "/requests")]
    return [one["path"] for one in asked if one["method"] not in {"GET", "HEAD"}]


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.rule("R8")
def test_each_company_feeds_its_audiences_and_opt_outs_count_where_that_is_set(stage):
    main, second = stage.mailchimp["list_id"], configure(stage)
    first_company, other_company = stage.epicor["companies"]
    stage.forward()
    in_main, in_second = (members(stage, one) for one in (main, second))
    here_alone, in_both = (
        [address for address in sorted(in_main) if {company for company, _ in flags(stage, address)} == where]
        for where in ({first_company}, {other_company})
    )
    assert in_second.keys() <= in_main.keys()
    assert not in_second.keys() & set(here_alone)
    assert set(in_both) <= in_second.keys()

    leaves_main, leaves_second = in_both[:2]
    stage.person("unsubscribe", leaves_main)
    stage.person("unsubscribe", leaves_second, list_id=second)
    stage.meltano("run", "reverse", "forward", "reverse", log="opt-outs")
    for address, in_each in (
        (leaves_main, ("unsubscribed", "unsubscribed")),
        (leaves_second, ("subscribed", "unsubscribed")),
    ):
        assert flags(stage, address) == {(other_company, True)}
        assert tuple(members(stage, one)[address] for one in (main, second)) == in_each
    assert stage.mailchimp_control("GET", "/raises") == []

    for side in (stage.epicor_control, stage.mailchimp_control):
        side("DELETE", "/requests")
    stage.meltano("run", "forward", "reverse", log="again")
    assert writes(stage) == []

    told = stage.run("sync-audit", "person", leaves_second, log="person")
    assert f"{other_company} (flagged: left " in told
    assert "unsubscribed" in told
    document = stage.run("sync-audit", "evidence", leaves_second, log="evidence")
    assert "a webhook of Mailchimp" in document or "Mailchimp, asked for what no webhook told" in document
    (stage.folder / "evidence.html").write_text(document)
    stage.run("sync-audit", "evidence", "--check", str(stage.folder / "evidence.html"), log="check")
    with AuditTrail.open(stage.environment["AUDIT_DATABASE_URL"]) as trail, trail.database.reading() as found:
        seen = found.exec_driver_sql("SELECT list_id, address, status FROM report_members").all()
    assert {(main, leaves_second, "subscribed"), (second, leaves_second, "unsubscribed")} <= {
        (row.list_id, email_key(row.address), row.status) for row in seen
    }
