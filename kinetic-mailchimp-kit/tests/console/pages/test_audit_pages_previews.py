"""The pages of previews: records beside what each side would get, and a form that makes one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.plans.previews import Outcome, PreviewedRecord, keep_preview, read_previews
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.settings.declaration import read

Open = Callable[..., Any]
OLD = Outcome(
    "meltano.yml",
    "target-mailchimp",
    "members",
    {"email_address": "ada@example.com", "COMPANY": "Example <b>Ltd</b>", "PHONE": None},
    ["updated: fields differ. Left out: PHONE."],
    [("list 1a2b3c", {"merge_fields.COMPANY": ("Old", "Example <b>Ltd</b>")})],
)
NEW = Outcome("changed.yml", "target-mailchimp", "members")
SOURCE = {"Name": "Example <b>Ltd</b>", "EMailAddress": "ada@example.com"}


def test_a_preview_is_shown_and_only_the_newest_are_kept(sqlite_trail: AuditTrail, logged_in: Open) -> None:
    pages = logged_in(sqlite_trail)
    assert "There is none yet." in pages.get("/previews").text
    for _ in range(12):
        number = keep_preview(sqlite_trail, [PreviewedRecord("customers", SOURCE, [OLD])])
    assert len(read_previews(sqlite_trail)) == 10
    page = pages.get("/previews").text
    for told in (
        "mapped to members",
        "Old → Example &lt;b&gt;Ltd&lt;/b&gt;",
        "updated: fields differ. Left out: PHONE.",
    ):
        assert told in page
    assert "<dt>PHONE" not in page  # null leaves the field as it is
    assert "<textarea" not in page
    compared = keep_preview(sqlite_trail, [PreviewedRecord("customers", SOURCE, [OLD, NEW])])
    page = pages.get(f"/previews/{compared}").text
    assert "changed.yml: mapped to members" in page
    assert "Left out by the mapping." in page
    assert "1 record, " in page
    assert pages.get(f"/previews/{number}").status_code == 200
    assert pages.get("/previews/1").status_code == 404
    assert pages.post("/previews", {"form_token": pages.form_token, "stream": "customers"}).status_code == 404


def test_a_preview_and_a_correction_are_not_the_last_run_of_a_pipeline(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Callable[..., int]
) -> None:
    real = record_run(sqlite_trail, "target-mailchimp", [])
    by_hand = [
        record_run(sqlite_trail, "target-mailchimp", [], pipeline=pipeline)
        for pipeline in ("preview", "correct")
    ]
    pages = logged_in(sqlite_trail)
    overview, runs = pages.get("/").text, pages.get("/runs").text
    assert [f'/runs/{number}"' in overview for number in (real, *by_hand)] == [True, False, False]
    assert all(f'/runs/{number}"' in runs for number in (real, *by_hand))


def test_a_pasted_record_goes_to_the_command_and_nothing_else(
    sqlite_trail: AuditTrail, logged_in: Open, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    script = tmp_path / "preview.py"
    script.write_text(
        "import pathlib, sys\n"
        f"pathlib.Path({str(taken)!r}).write_text(repr(sys.argv[1:]) + sys.stdin.read())\n"
        "sys.stderr.write('sync-audit: The records are not JSON.') if 'bad' in sys.argv else None\n"
        "sys.exit('bad' in sys.argv)\n"
    )
    pages = logged_in(sqlite_trail, preview=f"{sys.executable} {script}")
    assert "<textarea" in pages.get("/previews").text

    def post(stream: str, record: str = "") -> Any:
        form = {"form_token": pages.form_token, "stream": stream, "record": record}
        return pages.post("/previews", form)

    assert post("customers", '{"Name": "A"}').status_code == 303
    assert taken.read_text() == """['--stream', 'customers', '--record', '-']{"Name": "A"}"""
    assert post("customers").status_code == 303
    assert taken.read_text() == "['--stream', 'customers']"
    taken.unlink()
    refused = post("--database=x")
    assert (refused.status_code, "Name the stream" in refused.text, taken.exists()) == (409, True, False)
    failed = post("bad", "x")
    assert (failed.status_code, "The records are not JSON." in failed.text) == (409, True)


def test_a_command_that_is_not_there_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="preview"):
        read(PagesSettings, {"token": token, "preview": "/nowhere/sync-audit preview"})
