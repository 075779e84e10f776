"""Without a public address and without webhooks: the catch-up alone brings every kind of event to Epicor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import Stage, borrow_plugins, set_stage

MOVED = "moved.person@example.com"


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    plugins = tmp_path / "meltano"
    borrow_plugins(plugins)
    with set_stage(tmp_path / "stage", customers=60, receiver=False, plugins=plugins) as running:
        running.environment["MELTANO_AUTO_INSTALL"] = "false"
        running.environment["TAP_MAILCHIMP_WEBHOOKS_CATCH_UP_SCOPE"] = "all_changes"
        yield running


def contacts(stage: Stage, address: str) -> list[dict[str, Any]]:
    found = stage.epicor_control("GET", "/tables/CustCnt")
    return [row for row in found if email_key(row["EMailAddress"] or "") == address]


def written(stage: Stage) -> list[dict[str, Any]]:
    requests = stage.epicor_control("GET", "/requests")
    return [request for request in requests if request["method"] in {"POST", "PATCH"}]


@pytest.mark.rule("R2")
@pytest.mark.rule("R8")
def test_polling_alone_brings_every_kind_of_event(stage):
    stage.forward()
    stage.reverse("reverse-first")
    assert written(stage) == []

    subscribed = [a for a, member in sorted(stage.members().items()) if member["status"] == "subscribed"]
    people = [address for address in subscribed if contacts(stage, address)]
    left, complained, bounced, edited, moved, returned = people[:6]
    held = {row["SysRowID"] for row in contacts(stage, moved)}
    stage.person("unsubscribe", left)
    stage.person("complain", complained)
    stage.person("bounce", bounced)
    stage.person("edit_profile", edited, merge_fields={"FNAME": "Robin"})
    stage.person("change_address", moved, new_email=MOVED)
    stage.person("unsubscribe", returned)
    stage.reverse("reverse-opt-outs")
    assert all(row["NoContact"] for row in contacts(stage, returned))
    stage.person("subscribe", returned)

    stage.reverse("reverse-return")

    for address in (left, complained, bounced):
        assert all(row["NoContact"] for row in contacts(stage, address)), address
    assert not any(row["NoContact"] for row in contacts(stage, returned))
    assert {row["FirstName"] for row in contacts(stage, edited)} == {"Robin"}
    assert {row["SysRowID"] for row in contacts(stage, MOVED)} == held
    assert not contacts(stage, moved)

    stage.forward("forward-again")
    stage.epicor_control("DELETE", "/requests")
    stage.reverse("reverse-again")
    assert written(stage) == []
    assert stage.mailchimp_control("GET", "/raises") == []
