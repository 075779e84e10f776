"""The error desk: a dead letter is corrected or closed on its page, and the trail keeps who did it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.dead_letters.correction import read_letter
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.console.pages.routes import letter as routes

Open = Callable[..., Any]
HEADER = "X-Forwarded-User"
LETTER = {"email_address": "ada@example,com", "FNAME": "<Ada>", "AGE": 36, "status_if_new": "subscribed"}


@pytest.fixture
def letters(sqlite_trail: AuditTrail, record_run: Callable[..., int]) -> AuditTrail:
    told: dict[str, Any] = {"stream": "customers", "reason": "not_an_address", "action": Action.QUARANTINED}
    out = {"email_address": "bob@example.com", "status": "unsubscribed"}
    record_run(
        sqlite_trail,
        "target-mailchimp",
        [
            Decision(subject="ada@example,com", source_key="EPIC06/1", dead_letter=LETTER, **told),
            Decision(subject="bob@example.com", consent="unsubscribed", dead_letter=out, **told),
            Decision(stream="customers", action=Action.UPDATED, reason="fields_differ"),
        ],
    )
    return sqlite_trail


def send(reader: Any, path: str, **form: str) -> Any:
    return reader.post(path, {"form_token": reader.form_token, **form})


def test_a_visitor_corrects_an_address(letters: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(letters, user_header=HEADER)
    reader.session.headers[HEADER] = "night-shift@corp.example"
    assert '<a href="/failures/1/1">correct or close</a>' in reader.get("/failures").text
    page = reader.get("/failures/1/1").text
    assert re.findall(r'name="set\.(\w+)"', page) == ["email_address", "FNAME", "AGE"]
    assert "&lt;Ada&gt;" in page
    assert "Your name" not in page
    done = send(reader, "/failures/1/1/correct", **{"set.email_address": "ada@example.com", "set.FNAME": ""})
    assert (done.status_code, done.headers["location"]) == (303, "/failures/2/1")
    corrected = reader.get("/failures/2/1").text
    assert "Corrected by night-shift@corp.example." in corrected
    assert '<td class="old">ada@example,com</td>' in corrected
    before = reader.get("/failures/1/1").text
    assert 'dead letter <span class="word warn">corrected</span>' in before
    assert "<button>Correct" not in before
    assert sorted(letter.note.run_id for letter in waiting(letters)) == [1, 2]
    assert verify(letters).problems == ()


def test_who_shares_a_token_writes_a_name(letters: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(letters)
    nameless = send(reader, "/failures/1/1/close", because="Not an address.")
    assert (nameless.status_code, "Write your name" in nameless.text) == (409, True)
    assert len(waiting(letters)) == 2
    assert send(reader, "/failures/1/1/close", because="Not an address.", name=" Eve ").status_code == 303
    (closing,) = entries(letters, EntryFilter(action="closed"))
    assert closing.detail == "Closed by Eve (logged in by token): Not an address."
    assert closing.detail in reader.get("/failures/1/1").text
    again = send(reader, "/failures/1/1/close", because="Not an address.", name="Eve")
    assert (again.status_code, "it is closed already" in again.text) == (409, True)


@pytest.mark.rule("R2")
def test_an_opt_out_needs_one_more_word(letters: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(letters)
    by = {"name": "Eve"}
    changed = {"set.email_address": "rob@example.com", **by}
    for path, form in (("correct", changed), ("close", {"because": "Gone.", **by})):
        refused = send(reader, f"/failures/1/2/{path}", **form)
        assert (refused.status_code, "It tells of an opt-out" in refused.text) == (409, True)
        assert len(waiting(letters)) == 2
    assert send(reader, "/failures/1/2/correct", sure="yes", **changed).status_code == 303
    assert send(reader, "/failures/2/1/close", sure="yes", because="Gone.", **by).status_code == 303
    assert len(waiting(letters)) == 1


@pytest.mark.parametrize(
    ("path", "form", "told"),
    [
        ("1/1/correct", {"set.email_address": "PURCHASING"}, "is not one e-mail address"),
        ("1/1/correct", {"set.status_if_new": "pending"}, "cannot be corrected"),
        ("1/1/correct", {"set.email_address": ""}, "Nothing is corrected"),
        ("1/1/close", {}, "Say why"),
        ("1/1/close", {"because": "ada@example.com left."}, "name nobody"),
    ],
)
def test_a_form_that_is_wrong_changes_nothing(
    letters: AuditTrail, logged_in: Open, path: str, form: dict[str, str], told: str
) -> None:
    answer = send(logged_in(letters), f"/failures/{path}", name="Eve", **form)
    assert (answer.status_code, told in answer.text) == (409, True)
    assert len(waiting(letters)) == 2


def test_forms_need_their_token_and_pages_a_login(
    letters: AuditTrail, logged_in: Open, open_pages: Open
) -> None:
    form = {"because": "Gone.", "name": "Eve"}
    assert logged_in(letters).post("/failures/1/1/close", form).status_code == 403
    stranger = open_pages(letters)
    assert stranger.post("/failures/1/1/close", form).status_code == 303
    assert "/login" in stranger.get("/failures/1/1").url
    assert len(waiting(letters)) == 2


@pytest.mark.parametrize("path", ["/failures/1/3", "/failures/1/9", "/failures/9/1", "/failures/x/1"])
def test_what_is_no_dead_letter_has_no_page(letters: AuditTrail, logged_in: Open, path: str) -> None:
    assert logged_in(letters).get(path).status_code == 404


def test_a_letter_whose_key_is_lost_can_be_closed_all_the_same(
    letters: AuditTrail, sqlite_url: str, record_run: Callable[..., int], logged_in: Open
) -> None:
    told: dict[str, Any] = {
        "stream": "customers",
        "reason": "x",
        "action": Action.FAILED,
        "dead_letter": LETTER,
    }
    with AuditTrail.open(sqlite_url, encryption_key=Fernet.generate_key().decode()) as sealed:
        number = record_run(sealed, "target-mailchimp", [Decision(subject="ada@example.com", **told)])
    reader = logged_in(letters)
    page = reader.get(f"/failures/{number}/1").text
    assert "AUDIT_ENCRYPTION_KEY" in page
    assert "<button>Correct" not in page
    assert "<button>Close for good" in page
    form = {"because": "The key is lost.", "name": "Eve"}
    assert send(reader, f"/failures/{number}/1/close", **form).status_code == 303
    assert len(waiting(letters)) == 2


def test_of_two_corrections_at_once_one_is_told_that_it_came_late(
    letters: AuditTrail, logged_in: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = logged_in(letters)
    form = {"set.email_address": "ada@example.com", "name": "Eve"}
    read = read_letter

    def read_before_the_other(trail: AuditTrail, place: Any) -> Any:
        found = read(trail, place)
        monkeypatch.setattr(routes, "read_letter", read)
        assert send(reader, "/failures/1/1/correct", **form).status_code == 303
        return found

    monkeypatch.setattr(routes, "read_letter", read_before_the_other)
    late = send(reader, "/failures/1/1/correct", **form)
    assert (late.status_code, "is not open any more" in late.text) == (409, True)
    assert len(waiting(letters)) == 2
    assert verify(letters).problems == ()
