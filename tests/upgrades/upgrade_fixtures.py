"""Writes what this version leaves behind, for later ones to read: both databases and the states of the taps.

Started with `PYTHONPATH=tests/e2e`, it runs both pipelines against the simulators and fills the folder named
after the version. Such a folder stays: it stands for the users of that version.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from stage import ROOT, Stage, borrow_plugins, set_stage

DATABASES = ("audit", "inbox")
SCENE: dict[str, Any] = {"customers": 8, "seed": 1, "profile": "stock"}
"""Of both simulators: the same people each time."""


def dump(database: Path) -> str:
    """A SQLite database as SQL."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return "".join(f"{line}\n" for line in connection.iterdump())


def states(stage: Stage) -> dict[str, Any]:
    """The states that Meltano has, by their ids."""
    names = stage.meltano("state", "list", log="states").split()
    found = {}
    for name in names:
        if name.startswith("dev:"):
            text = stage.meltano("state", "get", name, log="state")
            found[name] = json.loads(text[text.index("{") :])
    return found


def act(stage: Stage) -> dict[str, str]:
    """Let people act, one of them after the last reverse run: their addresses, by what they did."""
    people = sorted(
        address for address, member in stage.members().items() if member["status"] == "subscribed"
    )
    told = dict(zip(("unsubscribe", "complain", "edit_profile", "unread"), people, strict=False))
    stage.person("unsubscribe", told["unsubscribe"])
    stage.person("complain", told["complain"])
    stage.person("edit_profile", told["edit_profile"], merge_fields={"FNAME": "Robin"})
    stage.mailchimp_control("POST", "/webhooks/flush")
    stage.reverse("reverse", "--no-install")
    stage.person("unsubscribe", told["unread"])
    stage.mailchimp_control("POST", "/webhooks/flush")
    return told


def main() -> None:
    """Run both pipelines and write what they left."""
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    fixtures = Path(__file__).with_name(version)
    if fixtures.exists():
        raise SystemExit(f"{fixtures.relative_to(ROOT)} is there already, and stays.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "stage"
        with set_stage(folder, plugins=folder / "plugins", **SCENE) as stage:
            borrow_plugins(folder / "plugins")
            stage.forward("forward", "--no-install")
            told = act(stage)
            left = {"people": told, "states": states(stage), "list_id": stage.mailchimp["list_id"]}
        fixtures.mkdir()
        for name in DATABASES:
            (fixtures / f"{name}.sql").write_text(dump(folder / f"{name}.sqlite3"), encoding="utf-8")
        text = json.dumps(left, indent=2, sort_keys=True, ensure_ascii=False)
        (fixtures / "left.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
