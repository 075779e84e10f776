"""Failures: no opt-out is lost, and no decision claims a write that was not stored."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.targets.settings import TooManyFailuresError
from kinetic_mailchimp.audit.trail.environment import record_encryption
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    CredentialsError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from target_epicor_contacts.epicor.row_sender import ATTEMPTS

Update = Callable[..., dict[str, Any]]

PAT = "pat@example.com"
ROW, OTHER_ROW = "EPIC06/CustCnt/1//1", "EPIC06/Customer/2"
SETTINGS_KEY, AUDIT_KEY = (base64.urlsafe_b64encode(byte * 32).decode() for byte in (b"s", b"a"))
MODES = pytest.mark.parametrize("mode", ["patch", "rpc", "update_ext"])


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person with a contact and a customer."""
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.edit(OTHER_ROW, EMailAddress=PAT)
    return bench


def failure(method: str, path: str = "", **effect: Any) -> dict[str, Any]:
    count = effect.pop("count", 1)
    return {
        "match": {"method": method, "path": path, "count": count},
        "effect": {"kind": "status", "status": 503, **effect},
    }


@MODES
def test_every_way_to_write_ends_with_the_same_rows(pat: Any, update: Update, mode: str) -> None:
    pat.deliver(update(PAT, "unsubscribed", LastName="New"), write_mode=mode, status_column="MC_Status_c")
    rows = pat.all_rows()
    assert {ROW, OTHER_ROW} <= pat.flagged()
    assert (rows[ROW]["LastName"], rows[ROW]["MC_Status_c"]) == ("New", "unsubscribed")
    assert pat.actions() == [("flagged", "unsubscribed")]


def test_update_ext_writes_many_rows_with_one_call(pat: Any, update: Update) -> None:
    for number in range(3, 9):
        pat.edit(f"EPIC06/Customer/{number}", EMailAddress=f"p{number}@example.com")
    pat.epicor.control.clear_requests()
    pat.deliver(
        *(update(f"p{number}@example.com", "unsubscribed") for number in range(3, 9)), write_mode="update_ext"
    )
    assert (pat.calls("POST"), pat.calls("PATCH")) == (1, 0)


@pytest.mark.rule("R2")
@MODES
def test_what_epicor_accepts_and_does_not_store_is_a_failure(pat: Any, update: Update, mode: str) -> None:
    pat.epicor.control.switches(silent_discard=["CustCnt.NoContact"])
    pat.deliver(update(PAT, "unsubscribed"), write_mode=mode)
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "not_stored")
    assert json.loads(decision["dead_letter"])["email"] == PAT
    assert OTHER_ROW in pat.flagged()


@pytest.mark.rule("R2")
@pytest.mark.parametrize("verify", [True, False])
def test_a_refusal_under_a_success_keeps_its_words(pat: Any, update: Update, *, verify: bool) -> None:
    text = json.dumps({"HttpStatus": 400, "ErrorMessage": "Not without a rep.", "ErrorType": "BLException"})
    pat.epicor.control.faults(
        {
            "match": {"method": "PATCH", "path": "CustCnts"},
            "effect": {"kind": "answer", "status": 200, "text": text},
        }
    )
    pat.deliver(update(PAT, "unsubscribed"), verify_writes=verify)
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "refused_by_epicor")
    assert "Not without a rep." in decision["detail"]
    assert json.loads(decision["dead_letter"])["email"] == PAT


def test_without_reading_back_an_accepted_write_counts_as_stored(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(silent_discard=["CustCnt.NoContact"])
    pat.deliver(update(PAT, "unsubscribed"), verify_writes=False)
    assert pat.actions() == [("flagged", "unsubscribed")]


@MODES
@pytest.mark.parametrize("status", [400, 401])
def test_a_business_error_ends_in_a_dead_letter_and_not_in_a_login_loop(
    pat: Any, update: Update, mode: str, status: int
) -> None:
    pat.epicor.control.switches(
        business_errors={"CustCnt": "Contact is locked by sales."}, business_error_status=status
    )
    pat.deliver(update(PAT, "unsubscribed"), write_mode=mode, auth_method="token_resource")
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "refused_by_epicor")
    assert "locked by sales" in decision["detail"]
    assert json.loads(decision["dead_letter"])["contact_status"] == "unsubscribed"
    assert OTHER_ROW in pat.flagged()
    logins = [request for request in pat.epicor.control.requests() if "TokenResource" in request["path"]]
    assert len(logins) == 1


@pytest.mark.rule("R2")
@MODES
@pytest.mark.parametrize("words", ["Territory not found.", "State ZZ does not exist.", "Rep not available."])
def test_a_refusal_that_sounds_like_a_missing_row_keeps_the_opt_out(
    pat: Any, update: Update, mode: str, words: str
) -> None:
    pat.epicor.control.switches(business_errors={"CustCnt": words})
    pat.deliver(update(PAT, "unsubscribed", LastName="New"), write_mode=mode)
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "refused_by_epicor")
    assert json.loads(decision["dead_letter"])["contact_status"] == "unsubscribed"
    assert OTHER_ROW in pat.flagged()


def test_a_dead_letter_can_be_sent_again_and_is_then_written(pat: Any, update: Update) -> None:
    event = update(PAT, "unsubscribed", LastName="New")
    pat.epicor.control.switches(business_errors={"CustCnt": "Not today."})
    pat.deliver(event)
    pat.epicor.control.switches(business_errors={})
    pat.deliver(event)
    assert ROW in pat.flagged()
    assert pat.all_rows()[ROW]["LastName"] == "New"
    assert pat.actions()[-1] == ("flagged", "unsubscribed")


def test_one_dead_letter_stands_for_an_event_until_it_is_written(pat: Any, update: Update) -> None:
    event = update(PAT, "unsubscribed", LastName="New")
    other = update(PAT, "unsubscribed", second=5, LastName="Newer")

    def waiting_events() -> list[str]:
        with AuditTrail.open(pat.audit_url) as trail:
            assert verify(trail).problems == ()
            events = {row["event_id"] for row in pat.decisions()}
            assert None not in events
            return [str(letter.note.run_id) for letter in waiting(trail)]

    pat.epicor.control.switches(business_errors={"CustCnt": "Not today."})
    for run in ("1", "2", "3"):
        pat.deliver(event)
        assert waiting_events() == [run]
    pat.deliver(other)
    assert waiting_events() == ["3", "4"]
    pat.epicor.control.switches(business_errors={})
    pat.deliver(other)
    assert waiting_events() == ["3"]
    assert ROW in pat.flagged()


@pytest.mark.rule("R2")
def test_replay_writes_what_was_refused_and_keeps_what_still_cannot_be_written(
    pat: Any, update: Update
) -> None:
    pat.epicor.control.switches(business_errors={"CustCnt": "Not today."})
    pat.deliver(update(PAT, "unsubscribed"))
    program = [Path(sys.executable).parent / "sync-audit", "--database", pat.audit_url, "replay"]
    into = ["--into", shlex.join(pat.command())]
    pat.epicor.control.faults(failure("PATCH", count=10_000))
    failed = subprocess.run([*program, *into], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "1 failed again" in failed.stderr
    pat.epicor.control.faults()
    pat.epicor.control.switches(business_errors={})
    done = subprocess.run([*program, *into], capture_output=True, text=True, check=False)
    assert "1 resolved" in done.stderr
    assert {ROW, OTHER_ROW} <= pat.flagged()


@MODES
@pytest.mark.parametrize("told", [{}, {"error": {"code": "", "message": "Not Found"}}])
def test_a_row_that_disappears_before_the_write_is_unmatched(
    pat: Any, update: Update, mode: str, told: dict[str, Any]
) -> None:
    pat.edit(OTHER_ROW, EMailAddress="")
    if told:  # as OData has it, where Kinetic says 400
        answer = {"kind": "answer", "status": 404, "text": json.dumps(told)}
        pat.epicor.control.faults(
            {"match": {"method": "PATCH", "path": "CustCnts", "after": 1}, "effect": answer}
        )
    target_saw = update(PAT, FirstName="Pat", LastName="One")
    pat.deliver_between(
        [target_saw],
        lambda: pat.epicor.control.delete(
            "CustCnt", {"Company": "EPIC06", "CustNum": 1, "ShipToNum": "", "ConNum": 1}
        ),
        [update(PAT, LastName="Two", second=5)],
        write_mode=mode,
    )
    assert pat.actions()[-1] == ("unmatched", "row_gone")


@pytest.mark.rule("R4")
@MODES
@pytest.mark.parametrize("applied", [False, True])
def test_after_a_lost_answer_it_looks_before_it_writes_again(
    pat: Any, update: Update, *, mode: str, applied: bool
) -> None:
    method = "PATCH" if mode == "patch" else "POST"
    pat.epicor.control.faults(
        {"match": {"method": method, "count": 1}, "effect": {"kind": "reset", "applied": applied}}
    )
    pat.edit(OTHER_ROW, EMailAddress="")
    pat.epicor.control.clear_requests()
    pat.deliver(update(PAT, "unsubscribed"), write_mode=mode)
    assert ROW in pat.flagged()
    assert pat.calls(method) == (1 if applied else 2)
    calls = [request["method"] for request in pat.epicor.control.requests()]
    first = calls.index(method)
    assert calls[first + 1] == "GET"


def test_a_full_licence_pool_is_a_transient_error_that_names_the_setting(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(default_licenses=0)
    states, error = pat.attempt(update(PAT, "unsubscribed"), license_type="none")
    assert isinstance(error, TransientError)
    assert "`license_type`" in str(error)
    assert states == []
    pat.epicor.control.switches(default_licenses=None)
    pat.deliver(update(PAT, "unsubscribed"), license_type="none")
    assert pat.actions()[-1] == ("flagged", "unsubscribed")


@pytest.mark.rule("R2")
@pytest.mark.parametrize(("conflicts", "decision"), [(2, "flagged"), (10_000, "failed")])
def test_a_write_that_meets_another_user_s_is_sent_again(
    pat: Any, update: Update, conflicts: int, decision: str
) -> None:
    pat.edit(OTHER_ROW, EMailAddress="")
    conflict = {"kind": "answer", "status": 409, "text": '{"ErrorMessage": "Row has been modified."}'}
    pat.epicor.control.faults({"match": {"method": "PATCH", "count": conflicts}, "effect": conflict})
    pat.deliver(update(PAT, "unsubscribed"))
    assert [action for action, _ in pat.actions()] == [decision]
    assert (ROW in pat.flagged()) is (decision == "flagged")


@pytest.mark.rule("R2")
def test_a_row_whose_writes_break_the_connection_holds_up_no_other(pat: Any, update: Update) -> None:
    other = "other@example.com"
    pat.edit(OTHER_ROW, EMailAddress="")
    pat.edit("EPIC06/CustCnt/2//1", EMailAddress=other, PerConID=0)
    pat.epicor.control.faults(
        {"match": {"method": "PATCH", "path": "CustNum=1,"}, "effect": {"kind": "reset", "applied": False}}
    )
    pat.deliver(update(PAT, "unsubscribed"), update(other, "unsubscribed"))
    assert sorted(pat.actions()) == [("failed", "refused_by_epicor"), ("flagged", "unsubscribed")]


@pytest.mark.rule("R10")
def test_a_service_without_contains_is_told_with_the_way_around(pat: Any, update: Update) -> None:
    refusal = {"kind": "answer", "status": 400, "text": '{"ErrorMessage": "Unknown function contains."}'}
    pat.epicor.control.faults({"match": {"query": r"contains\("}, "effect": refusal})
    states, error = pat.attempt(update(PAT, "unsubscribed"))
    assert "`address_filter` to `equals`" in str(error)
    assert states == []


def test_a_busy_server_is_waited_for(pat: Any, update: Update) -> None:
    pat.epicor.control.faults(failure("PATCH", status=429, retry_after=1))
    pat.deliver(update(PAT, "unsubscribed"))
    assert pat.actions() == [("flagged", "unsubscribed")]


@pytest.mark.rule("R3")
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_when_epicor_is_down_the_run_ends_without_state_and_the_next_one_writes(
    pat: Any, update: Update, method: str
) -> None:
    event = update(PAT, "unsubscribed")
    pat.epicor.control.faults(failure(method, "CustCnts", count=10_000))
    states, error = pat.attempt(event)
    assert isinstance(error, TransientError)
    assert states == []
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "run_aborted")
    assert decision["dead_letter"] is None
    assert pat.runs()[0]["status"] == "failed"
    pat.epicor.control.faults()
    pat.deliver(event)
    assert {ROW, OTHER_ROW} <= pat.flagged()


@pytest.mark.rule("R2")
@MODES
def test_a_row_with_server_errors_for_good_does_not_stop_the_opt_outs_of_others(
    pat: Any, update: Update, mode: str
) -> None:
    path = {"patch": "CustCnts", "rpc": "CustCntSvc/Update", "update_ext": "CustCnt"}[mode]
    faults = [failure(method, path, status=500, count=10_000) for method in ("PATCH", "POST")]
    pat.epicor.control.faults(*faults)
    states = pat.deliver(update(PAT, "unsubscribed", LastName="New"), write_mode=mode)
    assert states[-1]["end"]
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "refused_by_epicor")
    assert (decision["http_status"], json.loads(decision["dead_letter"])["email"]) == (500, PAT)
    assert OTHER_ROW in pat.flagged()


def test_where_epicor_fails_over_the_row_as_a_whole_the_flag_is_written_alone(
    pat: Any, update: Update
) -> None:
    pat.epicor.control.faults(failure("PATCH", "CustCnts", status=500, count=ATTEMPTS))
    pat.deliver(update(PAT, "unsubscribed", LastName="New"))
    assert {ROW, OTHER_ROW} <= pat.flagged()
    assert pat.all_rows()[ROW]["LastName"] == "New"


def test_update_ext_gives_up_a_batch_and_writes_its_rows_one_by_one(pat: Any, update: Update) -> None:
    pat.epicor.control.faults(failure("POST", "UpdateExt", status=500, count=10_000))
    pat.deliver(update(PAT, "unsubscribed"), write_mode="update_ext")
    assert {ROW, OTHER_ROW} <= pat.flagged()
    assert pat.actions() == [("flagged", "unsubscribed")]


def test_after_a_crash_between_write_and_record_the_flag_is_still_ours(pat: Any, update: Update) -> None:
    event = update(PAT, "unsubscribed")
    # The write goes through and everything after two probes and two look-ups, one of two pages, fails, as if
    # the process had ended there.
    pat.epicor.control.faults(
        {
            "match": {"path": "CustCnts", "method": "PATCH", "count": 10_000},
            "effect": {"kind": "status", "status": 503, "applied": True},
        },
        {
            "match": {"path": "CustCnts", "method": "GET", "after": 5, "count": 10_000},
            "effect": {"kind": "status", "status": 503},
        },
    )
    _, error = pat.attempt(event)
    assert error is not None
    pat.epicor.control.faults()
    assert ROW in pat.flagged()
    pat.deliver(event)
    pat.deliver(update(PAT, "subscribed", second=9))
    assert ROW not in pat.flagged()


def test_fractions_reach_epicor_and_dead_letters_as_plain_numbers(pat: Any, update: Update) -> None:
    event = update(PAT, CreditLimit=1500.5)
    pat.epicor.control.switches(business_errors={"Customer": "Not today."})
    pat.deliver(event, write_customer_columns=True)
    [decision] = pat.decisions()
    assert json.loads(decision["dead_letter"])["CreditLimit"] == 1500.5
    pat.epicor.control.switches(business_errors={})
    pat.deliver(event, write_customer_columns=True)
    assert pat.all_rows()[OTHER_ROW]["CreditLimit"] == 1500.5


@pytest.mark.rule("R2")
def test_an_invalid_record_is_quarantined_with_its_content_and_the_run_goes_on(
    pat: Any, update: Update
) -> None:
    pat.deliver(update("nobody at all", "unsubscribed"), update(PAT, "unsubscribed"))
    assert pat.actions() == [("quarantined", "not_an_address"), ("flagged", "unsubscribed")]
    assert json.loads(pat.decisions()[0]["dead_letter"])["email"] == "nobody at all"


@pytest.mark.parametrize("write", [str, SecretBox((SETTINGS_KEY,), "a test").encrypt])
def test_dead_letters_are_encrypted_where_a_key_is_set(
    pat: Any, update: Update, monkeypatch: pytest.MonkeyPatch, write: Callable[[str], str]
) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", SETTINGS_KEY)
    monkeypatch.setenv("AUDIT_ENCRYPTION_KEY", write(AUDIT_KEY))
    pat.epicor.control.switches(business_errors={"CustCnt": "Not today."})
    pat.deliver(update(PAT, "unsubscribed"))
    [decision] = pat.decisions()
    assert PAT not in decision["dead_letter"]
    assert json.loads(record_encryption(AUDIT_KEY).decrypt(decision["dead_letter"]))["email"] == PAT


def test_an_invalid_key_for_dead_letters_ends_the_run(
    pat: Any, update: Update, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_ENCRYPTION_KEY", "too short")
    states, error = pat.attempt(update(PAT, "unsubscribed"))
    assert isinstance(error, ConfigurationError)
    assert "AUDIT_ENCRYPTION_KEY" in str(error)
    assert (states, pat.calls("PATCH")) == ([], 0)


def test_invalid_records_can_be_skipped(pat: Any, update: Update) -> None:
    pat.deliver(update("nobody at all", "unsubscribed"), on_invalid="skip")
    assert pat.actions() == [("skipped", "not_an_address")]
    assert pat.decisions()[0]["dead_letter"] is None


@pytest.mark.rule("R1")
@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", None])
def test_nothing_of_a_refuted_event_is_applied(pat: Any, update: Update, status: str | None) -> None:
    changes = {"new_email": "new@example.com", "FirstName": "Mallory", "confirmation": "refuted"}
    pat.deliver({**update(PAT, status), **changes})
    assert pat.actions() == [("ignored", "refuted")]
    assert pat.calls("PATCH") == 0


def test_a_record_that_asks_for_nothing_is_ignored(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, type="profile"))
    assert pat.actions() == [("ignored", "nothing_to_write")]


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("settings", "failures", "ends"),
    [
        ({"max_failed": 2}, 2, False),
        ({"max_failed": 2}, 3, True),
        ({"max_failed_ratio": 0.5}, 3, False),
        ({"max_failed_ratio": 0.5}, 150, True),
        ({}, 150, False),
    ],
)
def test_too_many_failures_end_the_run_before_its_state(
    bench: Any, update: Update, *, settings: dict[str, Any], failures: int, ends: bool
) -> None:
    records = [update(f"wrong {number}", "unsubscribed") for number in range(failures)]
    states, error = bench.attempt(*records, **settings)
    assert isinstance(error, TooManyFailuresError) is ends
    assert bool(states) is not ends
    assert len(bench.decisions()) == failures


def test_a_dry_run_records_decisions_and_writes_nothing(pat: Any, update: Update) -> None:
    before = pat.all_rows()
    states = pat.deliver(update(PAT, "unsubscribed", LastName="New"), dry_run=True)
    assert states == []
    assert pat.all_rows() == before
    assert pat.actions() == [("flagged", "unsubscribed")]
    assert [run["dry_run"] for run in pat.runs()] == [1]
    pat.deliver(update(PAT, "unsubscribed", LastName="New"))
    assert pat.actions()[-1] == ("flagged", "unsubscribed")


def test_columns_that_do_not_exist_end_the_run_before_anything_is_read(bench: Any, update: Update) -> None:
    _, error = bench.attempt(update(PAT, "unsubscribed", MC_Bounced_c="x"))
    assert isinstance(error, ConfigurationError)
    assert "`MC_Bounced_c`" in str(error)
    assert "Extended UD Table Maintenance" in str(error)


@pytest.mark.parametrize(
    "settings", [{}, {"auth_method": "oauth2", "client_id": ""}], ids=["login refused", "settings incomplete"]
)
def test_a_run_that_ends_before_its_first_record_is_in_the_trail(
    bench: Any, update: Update, settings: dict[str, Any]
) -> None:
    bench.epicor.control.switches(password_valid=False)
    states, error = bench.attempt(update(PAT, "unsubscribed"), **settings)
    assert states == []
    assert isinstance(error, ConfigurationError)
    (run,) = bench.runs()
    assert (run["status"], run["records_read"]) == ("failed", 0)
    assert str(error)[:40] in run["error"]


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("switch", "kind", "names"),
    [
        ({"password_valid": False}, CredentialsError, "`password`"),
        ({"api_key_valid": False}, CredentialsError, "`api_key`"),
        ({"access_scope": ["Erp.BO.PartSvc"]}, PermissionDeniedError, "scope"),
        ({"user_companies": ["EPIC06"]}, None, ""),
    ],
)
def test_a_wrong_setup_is_an_error_of_its_class_that_names_the_cause(
    bench: Any, update: Update, *, switch: dict[str, Any], kind: type[Exception] | None, names: str
) -> None:
    bench.epicor.control.switches(**switch)
    states, error = bench.attempt(update(PAT, "unsubscribed"))
    assert error is not None
    assert states == []
    assert isinstance(error, kind or Exception)
    assert names in str(error)
