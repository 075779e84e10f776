"""A whole run with every secret of the software in use: none of them is printed or written in clear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from secret_hunt import hunt
from secret_runs import SETTINGS_FILE
from secret_scenes import KEY_FILE, play
from stage import Stage, borrow_plugins, set_stage

CUSTOMERS = 50
SEED = 0x5EC2E7

HELD_BY_DESIGN = {
    (SETTINGS_FILE, "EPICOR_API_KEY"): "the operator left it in clear, as `connector-secrets check` says",
    (SETTINGS_FILE, "MAILCHIMP_WEBHOOKS_SECRET"): "the same",
    (SETTINGS_FILE, "AUDIT_PAGES_TOKEN"): "the same",
    (KEY_FILE, "CONNECTOR_SECRET_KEY"): "it is the file of the key",
    (KEY_FILE, "older CONNECTOR_SECRET_KEY"): "the same: it stays there until it is taken out",
}
"""File and secret → why it is there."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    folder = tmp_path / "stage"
    plugins = folder / "plugins"
    with set_stage(folder, customers=CUSTOMERS, seed=SEED, receiver=False, plugins=plugins) as running:
        borrow_plugins(plugins)
        # Programs keep logs and caches there.
        for name in ("HOME", "TMPDIR"):
            (folder / name).mkdir()
            running.environment[name] = str(folder / name)
        yield running


@pytest.mark.rule("R9")
def test_no_secret_of_a_whole_run_is_printed_or_written(stage):
    secrets = play(stage)

    found = hunt(stage.folder, secrets)

    assert {(trace.file, trace.secret) for trace in found} == HELD_BY_DESIGN.keys()
    # Secrets were about to be told: the server quoted a password and a key, and webhooks have a secret.
    assert {"audit.sqlite3", "export.json", "pages.html", "status.log"} <= files_with(stage, "********")
    # The hunt looks into whatever a run leaves.
    left = files_with(stage, str(stage.mailchimp["list_id"]))
    assert {"forward.log", "reverse.log", "audit.sqlite3", "inbox.sqlite3"} <= left
    assert [file for file in left if file.startswith("HOME") and file.endswith("elt.log")]


def files_with(stage: Stage, text: str) -> set[str]:
    return {trace.file for trace in hunt(stage.folder, {"text": text})}
