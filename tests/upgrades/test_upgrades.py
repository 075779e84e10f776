"""What each earlier version left behind is read, and goes on, under this one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, borrow_plugins, set_stage
from upgrade_fixtures import DATABASES, SCENE, states

LEFT = sorted(Path(__file__).parent.glob("*/left.json"))


@pytest.fixture(params=LEFT, ids=lambda file: file.parent.name)
def left(request) -> dict[str, Any]:
    """What a version left, with the folder of its databases."""
    found: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return {**found, "folder": request.param.parent}


@pytest.fixture
def stage(left, tmp_path):
    """The databases and states of that version, with the same people in Epicor and nobody in Mailchimp."""
    folder = tmp_path / "stage"
    with set_stage(folder, plugins=folder / "plugins", receiver=False, **SCENE) as stage:
        borrow_plugins(folder / "plugins")
        for name in DATABASES:
            with contextlib.closing(sqlite3.connect(folder / f"{name}.sqlite3")) as connection:
                connection.executescript((left["folder"] / f"{name}.sql").read_text(encoding="utf-8"))
            (folder / f"{name}.sqlite3").chmod(0o600)
        for name, state in left["states"].items():
            stage.meltano("state", "set", "--force", name, json.dumps(state), log="state")
        yield stage


def decided(stage: Stage, run: int) -> dict[str, set[str]]:
    """The people of each decision of a run."""
    found: dict[str, set[str]] = {}
    for row in stage.decisions("--run", str(run)):
        if row["part_of"] is None:
            found.setdefault(row["action"], set()).add(row["subject"])
    return found


def test_both_pipelines_go_on_where_an_earlier_version_stopped(stage, left):
    people = left["people"]
    assert "0 problems" in stage.run("sync-audit", "verify", log="verify")
    assert "unsubscribed" in stage.run("sync-audit", "person", people["unsubscribe"], log="person")
    assert stage.mailchimp["list_id"] == left["list_id"]

    stage.forward("forward", "--no-install")
    stage.reverse("reverse", "--no-install")

    # The last values sent are known: nobody is created, although Mailchimp is empty now. The profile that was
    # edited in Mailchimp differs from that of Epicor, and its person is not brought back.
    forward = decided(stage, 3)
    assert forward.keys() == {"unchanged", "merged", "skipped", "refused"}
    assert forward["refused"] == {people["edit_profile"]}
    assert {member["status"] for member in stage.members().values()} <= {"archived"}
    # What was read stays read, and what was only received comes now.
    reverse = decided(stage, 4)
    assert reverse.pop("flagged") == {people["unread"]}
    assert reverse in ({}, {"ignored": {people["edit_profile"]}})
    assert states(stage).keys() == left["states"].keys()
    stage.run("sync-audit", "verify", log="verify")
