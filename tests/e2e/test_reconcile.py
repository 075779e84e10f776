"""The job `reconcile`: every kind of difference between two real sides, told, mended and told to be over."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import PipelineError, Stage, borrow_plugins, set_stage

NOT_MENDED = ("row_gone", "member_archived", "member_missing")
"""Nobody is archived for a row that is gone, and nobody comes back who was archived or deleted."""


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    plugins = tmp_path / "meltano"
    borrow_plugins(plugins)
    # Without a receiver: what people do is told by nobody.
    with set_stage(tmp_path / "stage", customers=120, plugins=plugins, receiver=False) as running:
        running.environment["MELTANO_AUTO_INSTALL"] = "false"
        yield running


def sources(stage: Stage) -> dict[str, dict[str, Any]]:
    """Of each subscriber whom one customer and nobody else stands for, that customer's row."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for table in ("Customer", "CustCnt"):
        for row in stage.epicor_control("GET", f"/tables/{table}"):
            found.setdefault(email_key(row["EMailAddress"]), []).append(row)
    return {
        address: dict(found[address][0])
        for address, member in sorted(stage.members().items())
        if member["status"] == "subscribed"
        and [row.get("CustomerType") for row in found.get(address, ())] == ["CUS"]
    }


def edit(stage: Stage, row: Mapping[str, Any], **changes: Any) -> None:
    body = {"key": key(row), "changes": changes}
    stage.epicor_control("POST", "/tables/Customer/edit", json=body)


def key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("Company", "CustNum")}


def drift(stage: Stage) -> dict[str, str]:
    """The person of each difference that the last comparison found, with its kind."""
    try:
        text = stage.run("sync-audit", "drift", "--format", "csv", log="drift")
    except PipelineError:
        text = (stage.folder / "drift.log").read_text()
    rows = csv.DictReader(io.StringIO(text))
    return {email_key(row["subject"]): row["reason"] for row in rows if not row["part_of"]}


def writes(stage: Stage) -> list[Mapping[str, Any]]:
    ours = [*stage.epicor_control("GET", "/requests"), *stage.mailchimp_control("GET", "/requests")]
    return [request for request in ours if request["method"] in {"POST", "PUT", "PATCH", "DELETE"}]


def forget_requests(stage: Stage) -> None:
    stage.epicor_control("DELETE", "/requests")
    stage.mailchimp_control("DELETE", "/requests")


@pytest.mark.rule("R6")
@pytest.mark.rule("R8")
def test_every_difference_is_found_and_nothing_is_written(stage):
    stage.forward()
    stage.meltano("run", "reconcile", log="in-step")
    assert drift(stage) == {}

    rows = sources(stage)
    names = ["edited", "left", "kept_out", "gone", "archived", "deleted"]
    people = dict(zip(names, rows, strict=False))
    stage.person("edit_profile", people["edited"], merge_fields={"COMPANY": "Another name"})
    stage.person("unsubscribe", people["left"])
    edit(stage, rows[people["kept_out"]], NoContact=True)
    gone = rows[people["gone"]]
    stage.epicor_control("POST", "/tables/Customer/delete", json={"key": key(gone)})
    stage.person("archive", people["archived"])
    stage.person("delete_permanently", people["deleted"])
    forget_requests(stage)

    with pytest.raises(PipelineError):
        stage.meltano("run", "reconcile", log="apart")

    assert drift(stage) == {
        people["edited"]: "fields_differ",
        people["left"]: "opt_out_unknown_to_epicor",
        people["kept_out"]: "opt_out_unknown_to_mailchimp",
        people["gone"]: "row_gone",
        people["archived"]: "member_archived",
        people["deleted"]: "member_missing",
    }
    assert writes(stage) == []
    told = (stage.folder / "apart.log").read_text()
    assert "6 differences; the limit is 0." in told
    assert not [address for address in people.values() if address in told]

    edit(stage, rows[people["edited"]], Name="Another name")
    stage.forward("mend-forward")
    stage.reverse("mend-reverse")
    stage.environment["AUDIT_DRIFT_ACCEPT"] = " ".join(NOT_MENDED)
    stage.meltano("run", "reconcile", log="mended")
    assert drift(stage) == {
        people["gone"]: "row_gone",
        people["archived"]: "member_archived",
        people["deleted"]: "member_missing",
    }


def test_half_a_read_is_no_agreement(stage):
    stage.environment["EPICOR_API_KEY"] = "no-such-key"
    with pytest.raises(PipelineError):
        stage.meltano("run", "reconcile", log="reconcile")
    assert "limit" not in (stage.folder / "reconcile.log").read_text()
