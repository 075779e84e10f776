"""What the pages show, over real HTTP, on both databases where the questions differ."""

from __future__ import annotations

import csv
import io
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.console import pages
from kinetic_mailchimp.mailchimp import subscriber_hash

Open = Callable[..., Any]
Record = Callable[..., int]
ADA = "ada.lovelace@example.com"
ATTACK = "<script>alert(1)</script>\"'><b onclick=alert(1)>{{ 7 * 7 }}"
FORWARD, REVERSE = "target-mailchimp", "target-epicor-contacts"


class _Foreign(HTMLParser):
    """Collects what these templates never write."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = tag not in ("script", "style", "b", "iframe", "object")
        if not allowed or any(name.startswith("on") or name == "style" for name, _ in attrs):
            self.found.append(tag)


def foreign(html: str) -> list[str]:
    parser = _Foreign()
    parser.feed(html)
    return parser.found


def text_of(html: str) -> str:
    """What one reads, in one line."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)))


def keys_of(html: str) -> list[str]:
    return re.findall(r'<li class="decision" id="e([\d-]+)"', html)


def next_of(html: str) -> str | None:
    found = re.search(r'rel="next" href="([^"]+)"', html)
    return unescape(found[1]) if found else None


def all_pages(reader: Any, path: str) -> list[list[str]]:
    """The decisions on each page of a list."""
    found, here = [], path
    while here:
        html = reader.get(here).text
        found.append(keys_of(html))
        here = next_of(html) or ""
        assert len(found) < 50
    return found


def told(subject: str, action: Action = Action.UPDATED, **more: Any) -> Decision:
    return Decision(**{"stream": "s", "reason": "because", "subject": subject, "action": action, **more})


def opt_out(
    subject: str, action: Action = Action.FLAGGED, consent: str = "unsubscribed", **more: Any
) -> Decision:
    return told(subject, action, consent=consent, **more)


EMPTY = ["/", "/?span=90d", "/?span=none", "/runs", "/runs?plugin=x", "/people", "/failures", "/consent"]


@pytest.mark.parametrize("path", EMPTY)
def test_an_empty_trail_has_every_page(sqlite_trail: AuditTrail, logged_in: Open, path: str) -> None:
    answer = logged_in(sqlite_trail).get(path)
    assert answer.status_code == 200
    assert "<h1>" in answer.text


def test_every_field_of_a_form_has_the_type_by_which_it_gets_its_look() -> None:
    for template in (resources.files(pages) / "templates").iterdir():
        for field in re.findall(r"<input\b[^>]*", template.read_text(encoding="utf-8")):
            assert " type=" in field, template.name


def test_an_empty_trail_is_explained(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Record, clock: Any
) -> None:
    reader = logged_in(sqlite_trail)
    assert "No run is in this trail yet." in reader.get("/").text
    record_run(sqlite_trail, REVERSE, [])
    clock.advance(days=100)
    assert "No run is in this trail yet." not in reader.get("/").text


UNKNOWN = [
    "/nothing",
    "/runs/999",
    "/runs/none",
    "/runs/-1",
    "/runs/1%00",
    f"/runs/{'9' * 40}",
    "/people/ada@example.com",
    f"/people/{'0' * 32}",
    f"/people/{'Z' * 32}",
    "/static/../app.py",
    "/docs",
    "/openapi.json",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_is_not_there_is_not_found(filled: AuditTrail, logged_in: Open, path: str) -> None:
    assert logged_in(filled).get(path).status_code == 404


@pytest.mark.parametrize("place", ["x", "a,b,c", "1,2", f"2026,1,{'9' * 30}", "²,²,²", "%00,1,1"])
@pytest.mark.parametrize("path", ["/failures?after=", "/consent?after=", "/runs?before=", "/runs/1?start="])
def test_a_place_that_is_none_does_no_harm(
    filled: AuditTrail, logged_in: Open, path: str, place: str
) -> None:
    assert logged_in(filled).get(path + place).status_code == 200


def test_the_overview_shows_the_present_state(filled: AuditTrail, logged_in: Open) -> None:
    html = logged_in(filled).get("/").text
    text = text_of(html)
    assert "Opt-outs waiting for Epicor 2 the oldest for 10 h 20 min" in text
    assert "Dead letters 5 the oldest for 1 d 3 h" in text
    assert "Epicor → Mailchimp succeeded run 25 , started 20 min ago" in text
    assert "426 updated in all; the most at once, 44, on 2026-03-01 15:00 UTC." in text
    assert "Receiver not watched" in text


@pytest.mark.parametrize("span", ["2d", "30d", "90d"])
def test_plots_count_what_runs_counted(filled: AuditTrail, logged_in: Open, span: str) -> None:
    html = logged_in(filled).get(f"/?span={span}").text
    bars = [int(number) for number in re.findall(r"<title>[^:<]+(?::\d\d)?: (\d+) updated</title>", html)]
    assert sum(bars) == 426


def test_dry_runs_count_for_nothing(sqlite_trail: AuditTrail, logged_in: Open, record_run: Record) -> None:
    record_run(sqlite_trail, REVERSE, [opt_out(ADA)], dry_run=True)
    reader = logged_in(sqlite_trail)
    assert "No decision in the last 48 hours" in reader.get("/").text
    assert "Nobody" in text_of(reader.get("/consent").text)
    assert "A dry run: nothing was written." in reader.get("/runs/1").text


def test_a_person_is_one_history_in_both_directions(filled: AuditTrail, logged_in: Open) -> None:
    answer = logged_in(filled).look_up(" Ada.Lovelace@EXAMPLE.com")
    assert answer.url.endswith(f"/people/{filled.person(ADA).hex()}")
    text = text_of(answer.text)
    order = [
        ADA,
        "Last known consent: unsubscribed",
        "Epicor → Mailchimp moved",
        "LNAME King → Lovelace",
        "HTTP 200 · id 5c1d9a20 · 184 ms",
        "Mailchimp → Epicor flagged",
        "updated CustCnt EPIC06/11/4",
        "NoContact false → true",
        "updated Customer EPIC06/11/4",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_a_former_address_leads_to_the_history(filled: AuditTrail, logged_in: Open) -> None:
    answer = logged_in(filled).look_up("ada@example.com")
    assert keys_of(answer.text) == ["25-1"]
    assert '<h1 class="address">ada@example.com</h1>' in answer.text


@pytest.mark.parametrize("email", ["nobody@example.org", "", "x" * 5000, ATTACK])
def test_a_person_who_is_not_in_the_trail(filled: AuditTrail, logged_in: Open, email: str) -> None:
    answer = logged_in(filled).look_up(email)
    assert answer.status_code == 404
    assert "The trail has no decision about this person." in answer.text
    assert "@" not in answer.url


def one_of_many(run: int, number: int) -> Decision:
    """About an event of its own. Every second one failed, and some have parts."""
    parts = [told(ADA, targets=f"row {number}")] * (number % 3)
    if number % 2:
        letter = {"n": number}
        return told(ADA, Action.FAILED, event_id=f"{run}/{number}", dead_letter=letter, parts=parts)
    return told(ADA, parts=parts)


def test_every_list_goes_on_and_shows_each_decision_once(
    trail: AuditTrail, logged_in: Open, record_run: Record, clock: Any
) -> None:
    for run in range(3):
        made = [one_of_many(run, number) for number in range(40)]
        record_run(trail, FORWARD if run else REVERSE, made)
        clock.advance(minutes=1)
    reader = logged_in(trail)
    person = all_pages(reader, f"/people/{trail.person(ADA).hex()}")
    assert [len(page) for page in person] == [50, 50, 20]
    assert len({key for page in person for key in page}) == 120
    assert person[0][0].startswith("3-")
    failures = all_pages(reader, "/failures")
    assert [len(page) for page in failures] == [50, 10]
    assert failures[0][0] == "1-2"
    assert [len(page) for page in all_pages(reader, "/runs/2?action=failed")] == [20]
    assert "row 38" in reader.get("/runs/2").text
    assert all_pages(reader, "/failures?plugin=target-epicor-contacts") == [failures[0][:20]]


def test_runs_go_on(sqlite_trail: AuditTrail, logged_in: Open, record_run: Record) -> None:
    for number in range(60):
        record_run(sqlite_trail, FORWARD if number % 10 else REVERSE, [])
    reader = logged_in(sqlite_trail)
    first = reader.get("/runs").text
    second = reader.get(next_of(first)).text
    numbers = [re.findall(r'<a href="/runs/(\d+)">', html) for html in (first, second)]
    assert [int(number) for page in numbers for number in page] == list(range(60, 0, -1))
    assert next_of(second) is None
    assert len(re.findall(r'<a href="/runs/(\d+)">', reader.get("/runs?plugin=" + REVERSE).text)) == 6


def test_a_long_run_is_read_page_by_page(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Record
) -> None:
    record_run(sqlite_trail, FORWARD, [told(f"p{number}@example.com") for number in range(120)])
    pages = all_pages(logged_in(sqlite_trail), "/runs/1")
    assert [key for page in pages for key in page] == [f"1-{seq}" for seq in range(1, 121)]


def test_nothing_that_a_record_holds_becomes_part_of_a_page(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Record
) -> None:
    texts = ("detail", "source_key", "source_updated_on", "event_id", "targets", "request_id")
    everywhere: dict[str, Any] = dict.fromkeys((*texts, "former_subject", "stream"), ATTACK)
    everywhere |= {"reason": ATTACK[:70], "changes": {ATTACK: (None, ATTACK)}}
    parts = [told(ATTACK, changes={ATTACK: (ATTACK, {ATTACK: [ATTACK]})}, targets=ATTACK, detail=ATTACK)]
    made = [
        told(ATTACK, Action.FAILED, dead_letter={ATTACK: ATTACK}, parts=parts, **everywhere),
        opt_out(ATTACK, Action.FAILED, dead_letter={ATTACK: ATTACK}, event_id=ATTACK),
        opt_out("b@example.com", consent=ATTACK[:20]),
    ]
    record_run(sqlite_trail, ATTACK, made, pipeline=ATTACK)
    started = sqlite_trail.start_run(plugin=FORWARD, version=ATTACK, pipeline=ATTACK)
    started.finish("failed", ATTACK)
    reader = logged_in(sqlite_trail, user_header="X-User")
    person = sqlite_trail.person(ATTACK).hex()
    paths = ["/", "/runs", "/runs/1", "/runs/2", f"/people/{person}", "/failures", "/consent"]
    query = "&".join(f"{name}={ATTACK}" for name in ("plugin", "action", "span", "next", "before", "after"))
    paths += [f"{path}?{query}" for path in (*paths, "/login")]
    for path in paths:
        html = reader.get(path, headers={"X-User": ATTACK.encode()}).text
        assert foreign(html) == [], path
        assert "49" not in re.sub(r"\d\d:\d\d:\d\d|[0-9a-f-]{12,}", "", html), path
    assert ATTACK in unescape(reader.get("/runs/1").text)


def test_a_huge_record_makes_no_huge_page(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Record
) -> None:
    huge = "x" * 3_000_000
    wide = told(ADA, detail=huge, changes={"A": (huge, huge)}, targets=huge, request_id=huge)
    long = told(ADA, changes={f"F{number}": ("a" * 400, "b" * 400) for number in range(20)})
    record_run(sqlite_trail, FORWARD, [wide, long])
    answer = logged_in(sqlite_trail).get("/runs/1")
    assert len(answer.content) < 60_000
    assert "The fields are not shown: 6" in answer.text
    assert "(400 characters)" in unescape(answer.text)


def test_who_was_erased_is_a_proof_without_a_name(filled: AuditTrail, logged_in: Open) -> None:
    erase(filled, ADA, vendor_hash=subscriber_hash)
    reader = logged_in(filled)
    answer = reader.look_up(ADA)
    assert answer.status_code == 200
    assert "A person whose data was erased" in answer.text
    assert text_of(answer.text).count("The personal data of this entry was erased.") >= 2
    report = reader.get("/consent").text
    assert f'<a href="/people/{filled.person(ADA).hex()}">(erased)</a>' in report
    for path in ("/", "/runs/24", "/runs/25", "/consent", "/consent.csv", "/failures"):
        assert ADA not in reader.get(path).text


def rows(reader: Any) -> dict[str, dict[str, str]]:
    """The report as CSV, by address."""
    found = list(csv.DictReader(io.StringIO(reader.get("/consent.csv").content.decode("utf-8-sig"))))
    assert len({row["person"] for row in found}) == len(found)
    return {row["address"]: row for row in found}


HISTORIES: list[tuple[list[tuple[str, Action, str | None]], str | None]] = [
    ([(REVERSE, Action.FLAGGED, "unsubscribed")], "yes"),
    ([(REVERSE, Action.UNCHANGED, "complaint")], "yes"),
    ([(REVERSE, Action.UNMATCHED, "cleaned")], "no row"),
    ([(REVERSE, Action.REFUSED, "unsubscribed")], "no"),
    ([(REVERSE, Action.FAILED, "unsubscribed")], "no"),
    ([(REVERSE, Action.FAILED, "unsubscribed"), (REVERSE, Action.FLAGGED, "unsubscribed")], "yes"),
    ([(REVERSE, Action.UNMATCHED, "unsubscribed"), (FORWARD, Action.SKIPPED, "unsubscribed")], "yes"),
    ([(FORWARD, Action.REFUSED, "unsubscribed")], "yes"),
    ([(FORWARD, Action.FAILED, "unsubscribed")], "yes"),
    ([(REVERSE, Action.FLAGGED, "unsubscribed"), (REVERSE, Action.CLEARED, "subscribed")], None),
    ([(REVERSE, Action.CLEARED, "subscribed"), (REVERSE, Action.FLAGGED, "unsubscribed")], "yes"),
    ([(REVERSE, Action.FLAGGED, "unsubscribed"), (REVERSE, Action.SUPERSEDED, "subscribed")], "yes"),
    ([(REVERSE, Action.FLAGGED, "unsubscribed"), (REVERSE, Action.FAILED, "subscribed")], "yes"),
    ([(REVERSE, Action.CLEARED, "subscribed"), (REVERSE, Action.SUPERSEDED, "unsubscribed")], None),
    ([(REVERSE, Action.FLAGGED, "unsubscribed"), (FORWARD, Action.UPDATED, None)], "yes"),
    ([(FORWARD, Action.UPDATED, None)], None),
]


def test_the_report_has_everyone_who_opted_out_and_whether_epicor_knows(
    trail: AuditTrail, logged_in: Open, record_run: Record, clock: Any
) -> None:
    for number, (history, _) in enumerate(HISTORIES):
        for plugin, action, consent in history:
            letter = {"n": 1} if action is Action.FAILED else None
            made = told(f"p{number}@example.com", action, consent=consent, dead_letter=letter)
            record_run(trail, plugin, [made])
            clock.advance(minutes=1)
    reader = logged_in(trail)
    found = rows(reader)
    said = {f"p{number}@example.com": answer for number, (_, answer) in enumerate(HISTORIES) if answer}
    assert {address: row["epicor"] for address, row in found.items()} == said
    shown = set(re.findall(r"p\d+@example.com", reader.get("/consent").text))
    assert shown == set(said)


def test_the_report_shows_when_how_and_where_the_proof_is(
    trail: AuditTrail, logged_in: Open, record_run: Record, clock: Any
) -> None:
    happened = "2026-03-01T08:00:00Z"
    record_run(
        trail, REVERSE, [opt_out(ADA, consent="complaint", event_id="wh-1", source_updated_on=happened)]
    )
    clock.advance(days=1)
    record_run(trail, REVERSE, [opt_out(ADA, Action.UNCHANGED)])
    row = rows(logged_in(trail))[ADA]
    assert row["happened"] == happened
    assert row["since"] == "2026-03-01T09:30:00.000000Z"
    assert row["confirmed"] == "2026-03-02T09:30:00.000000Z"
    assert (row["how"], row["event_id"]) == ("reported a mail as abuse", "wh-1")
    assert (row["proof"], row["latest"]) == ("run 1 entry 1", "run 2 entry 1")


def test_the_report_goes_on_past_what_is_old(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Record, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinetic_mailchimp.audit.reading.reports.opt_out_report._MOST_READ", 70)
    monkeypatch.setattr("kinetic_mailchimp.audit.reading.listings._CHUNK", 20)
    for _ in range(3):
        record_run(sqlite_trail, FORWARD, [opt_out(f"p{number}@example.com") for number in range(60)])
        clock.advance(minutes=1)
    record_run(sqlite_trail, REVERSE, [opt_out("last@example.com")])
    reader = logged_in(sqlite_trail)
    assert len(rows(reader)) == 61
    seen, here, pages = [], "/consent", 0
    while here:
        html = reader.get(here).text
        seen += re.findall(r">(\w+@example.com)</a>", html)
        here, pages = next_of(html) or "", pages + 1
    assert len(seen) == len(set(seen)) == 61
    assert pages >= 3


def test_no_character_of_others_turns_or_steers_a_page(
    sqlite_trail: AuditTrail, logged_in: Open, record_run: Record
) -> None:
    odd = "a\x1b[2J\u202emoc.elpmaxe@b"
    run = record_run(sqlite_trail, REVERSE, [told(odd, detail=odd, changes={odd: (odd, odd)})])
    html = logged_in(sqlite_trail).get(f"/runs/{run}").text
    assert "moc.elpmaxe" in html
    assert not {"\x1b", "\u202e"} & set(html)


def test_the_report_is_no_formula(sqlite_trail: AuditTrail, logged_in: Open, record_run: Record) -> None:
    record_run(sqlite_trail, REVERSE, [opt_out("=cmd()@example.com", event_id="+1")])
    row = rows(logged_in(sqlite_trail))["'=cmd()@example.com"]
    assert row["event_id"] == "'+1"


def test_a_broken_page_says_so_and_nothing_about_anybody(
    filled: AuditTrail, logged_in: Open, caplog: pytest.LogCaptureFixture
) -> None:
    with filled.database.writing() as connection:
        connection.execute(sa.update(decisions).where(decisions.c.run_id == 25).values(changes="no JSON"))
    with caplog.at_level(logging.INFO):
        answer = logged_in(filled).get("/runs/25")
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "That is our fault" in answer.text
    assert [
        record.getMessage() for record in caplog.records if record.name.startswith("kinetic_mailchimp")
    ] == ["A page broke off: JSONDecodeError"]


def test_a_database_that_does_not_answer_is_reported(filled: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(filled)
    with filled.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE run_counts RENAME TO gone")
    answer = reader.get("/")
    assert answer.status_code == 503
    assert "The database did not answer" in answer.text


def test_the_audit_trail_alone_needs_no_web_server() -> None:
    modules = "{'fastapi', 'starlette', 'jinja2', 'uvicorn'} & {*sys.modules}"
    look = f"import sys, kinetic_mailchimp.audit, kinetic_mailchimp.console.cli; print({modules})"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
