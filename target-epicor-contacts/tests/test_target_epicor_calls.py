"""The audit trail about each write: the answer, Epicor's id of the call, and its duration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.trail.environment import record_encryption
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.mailchimp import subscriber_hash

Update = Callable[..., dict[str, Any]]

PAT = "pat@example.com"
ROW, OTHER_ROW = "EPIC06/CustCnt/1//1", "EPIC06/Customer/2"
SUCCESS = {"patch": 204, "rpc": 200, "update_ext": 200}
MODES = pytest.mark.parametrize("mode", SUCCESS)


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person with a contact and a customer."""
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.edit(OTHER_ROW, EMailAddress=PAT)
    return bench


def answer(entry: dict[str, Any]) -> tuple[int | None, bool, bool]:
    """The status, whether there is an id, and whether there is a duration."""
    duration = entry["duration_ms"]
    return entry["http_status"], bool(entry["request_id"]), duration is not None and duration > 0


@MODES
def test_each_row_has_the_answer_to_the_call_that_wrote_it(pat: Any, update: Update, mode: str) -> None:
    pat.deliver(update(PAT, "unsubscribed", LastName="New"), write_mode=mode)
    assert [answer(part) for part in pat.parts()] == [(SUCCESS[mode], False, True)] * 2
    [decision] = pat.decisions()
    assert answer(decision) == (None, False, False)


@MODES
def test_the_decision_about_a_single_row_has_the_answer_too(pat: Any, update: Update, mode: str) -> None:
    pat.deliver(update(PAT, "unsubscribed"), write_mode=mode, match=["customers"])
    [decision], [part] = pat.decisions(), pat.parts()
    assert answer(decision) == (SUCCESS[mode], False, True)
    assert decision["duration_ms"] == part["duration_ms"]


@MODES
def test_a_refusal_has_its_answer_and_the_row_beside_it_its_own(pat: Any, update: Update, mode: str) -> None:
    pat.epicor.control.switches(business_errors={"CustCnt": "Contact is locked by sales."})
    pat.deliver(update(PAT, "unsubscribed", LastName="New"), write_mode=mode)
    answers = {part["targets"].split()[0]: answer(part) for part in pat.parts()}
    assert answers == {"CustCnt": (400, True, True), "Customer": (SUCCESS[mode], False, True)}
    [decision] = pat.decisions()
    assert answer(decision) == (400, True, True)


@MODES
def test_what_was_accepted_and_not_stored_shows_that_it_was_accepted(
    pat: Any, update: Update, mode: str
) -> None:
    pat.epicor.control.switches(silent_discard=["Customer.NoContact"])
    pat.deliver(update(PAT, "unsubscribed"), write_mode=mode, match=["customers"])
    [decision] = pat.decisions()
    assert decision["reason"] == "not_stored"
    assert answer(decision) == (SUCCESS[mode], False, True)


@MODES
def test_a_write_whose_answer_was_lost_is_recorded_as_found_by_a_look(
    pat: Any, update: Update, mode: str
) -> None:
    method, path = ("PATCH", "Customers") if mode == "patch" else ("POST", "CustomerSvc/Update")
    reset = {"kind": "reset", "applied": True}
    pat.epicor.control.faults({"match": {"method": method, "path": path, "count": 1}, "effect": reset})
    pat.deliver(update(PAT, "unsubscribed"), write_mode=mode, match=["customers"])
    [part] = pat.parts()
    assert (part["action"], part["detail"]) == ("updated", "No usable answer came; a look found it written.")
    assert answer(part) == (None, False, True)


def test_a_call_that_ends_the_run_is_recorded_with_its_answer(pat: Any, update: Update) -> None:
    failing = {"kind": "status", "status": 503}
    pat.epicor.control.faults({"match": {"method": "PATCH", "count": 10_000}, "effect": failing})
    _, error = pat.attempt(update(PAT, "unsubscribed"), match=["customers"])
    assert isinstance(error, TransientError)
    for entry in (*pat.decisions(), *pat.parts()):
        assert (entry["action"], entry["reason"]) == ("failed", "run_aborted")
        assert (entry["http_status"], entry["duration_ms"] > 0) == (503, True)


def creating(bench: Any) -> dict[str, Any]:
    customers = (row for row in bench.all_rows().values() if "CustID" in row and row["Company"] == "EPIC06")
    return {"unmatched": "create", "create_under_customer": next(customers)["CustID"]}


def test_a_contact_that_was_made_is_a_row_that_was_written(bench: Any, update: Update) -> None:
    bench.deliver(
        update("new@example.com", FirstName="Nina"),
        update("new@example.com", "unsubscribed", second=5),
        **creating(bench),
    )
    made, flagged = bench.parts()
    assert (made["action"], answer(made)) == ("created", (201, False, True))
    assert made["targets"] == flagged["targets"]
    assert made["changes"]["FirstName"] == [None, "Nina"]
    assert (flagged["changes"], answer(flagged)) == ({"NoContact": [False, True]}, (204, False, True))
    assert [answer(decision) for decision in bench.decisions()] == [
        (201, False, True),
        (204, False, True),
    ]


def test_a_contact_that_epicor_refuses_to_make_has_the_refusal(bench: Any, update: Update) -> None:
    bench.epicor.control.switches(business_errors={"CustCnt": "Contacts need a role."})
    bench.deliver(update("new@example.com", "unsubscribed"), **creating(bench))
    [decision] = bench.decisions()
    assert (decision["action"], answer(decision)) == ("failed", (400, True, True))


def test_a_decision_without_a_call_has_no_answer(pat: Any, update: Update) -> None:
    pat.deliver(update("nobody@example.net", "unsubscribed"), update(PAT, "subscribed"))
    pat.deliver(update(PAT, "unsubscribed", second=9), dry_run=True)
    assert {answer(entry) for entry in (*pat.decisions(), *pat.parts())} == {(None, False, False)}


def test_payloads_are_not_kept_by_default(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed"))
    assert {entry["payload"] for entry in (*pat.decisions(), *pat.parts())} == {None}


@MODES
def test_payloads_are_kept_with_the_key_of_the_row(pat: Any, update: Update, mode: str) -> None:
    pat.deliver(update(PAT, "unsubscribed", LastName="New"), write_mode=mode, keep_payloads=True)
    sent = {part["targets"].split()[0]: json.loads(part["payload"]) for part in pat.parts()}
    assert sent["Customer"] == {"Company": "EPIC06", "CustNum": 2, "NoContact": True}
    row = pat.all_rows()[ROW]
    assert {name: row[name] for name in sent["CustCnt"]} == sent["CustCnt"]
    assert set(sent["CustCnt"]) >= {"Company", "CustNum", "ShipToNum", "ConNum", "NoContact", "LastName"}


def test_the_payload_of_a_new_contact_is_kept_even_where_it_was_refused(bench: Any, update: Update) -> None:
    settings = {**creating(bench), "keep_payloads": True}
    bench.epicor.control.switches(business_errors={"CustCnt": "Contacts need a role."})
    bench.deliver(update("new@example.com", "unsubscribed"), **settings)
    bench.epicor.control.switches(business_errors={})
    bench.deliver(update("new@example.com", "unsubscribed"), **settings)
    [refused, _], [made, _] = bench.decisions(), bench.parts()
    assert json.loads(refused["payload"]) == json.loads(made["payload"])
    assert json.loads(made["payload"])["EMailAddress"] == "new@example.com"


def test_payloads_are_encrypted_and_erased_with_the_person(
    pat: Any, update: Update, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("AUDIT_ENCRYPTION_KEY", key)
    pat.deliver(update(PAT, "unsubscribed", LastName="Newname"), match=["contacts"], keep_payloads=True)
    [part] = pat.parts()
    assert "Newname" not in part["payload"]
    assert json.loads(record_encryption(key).decrypt(part["payload"]))["LastName"] == "Newname"
    with AuditTrail.open(pat.audit_url, encryption_key=key) as trail:
        erase(trail, PAT, vendor_hash=subscriber_hash)
        assert verify(trail).is_whole
    assert {entry["payload"] for entry in (*pat.decisions(), *pat.parts())} == {None}


@pytest.mark.parametrize(
    ("says", "detail"),
    [
        ({"reason": "manual", "campaign_id": "1a2b3c"}, "Mailchimp's reason: manual; campaign 1a2b3c."),
        ({"reason": "abuse"}, "Mailchimp's reason: abuse."),
        ({"campaign_id": "1a2b3c"}, "Campaign 1a2b3c."),
        ({}, ""),
    ],
)
def test_the_decision_about_an_opt_out_names_reason_and_campaign(
    pat: Any, update: Update, says: dict[str, str], detail: str
) -> None:
    pat.deliver(update(PAT, "unsubscribed", **says))
    [decision] = pat.decisions()
    assert decision["detail"] == f"2 rows written. {detail}".rstrip()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"result_columns": {"sent": "MC_Sent_c"}, "result_calls": {"clicked": "MKTG"}},
        {"audiences_by_company": {"EPIC06": ["audience"], "EPIC07": ["audience"]}},
        {"openlineage_url": "http://127.0.0.1:9"},
    ],
    ids=lambda settings: " ".join(settings) or "nothing",
)
def test_what_is_about_something_else_changes_no_byte_of_an_event(
    pat: Any, update: Update, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    written = []
    send = Transport.send

    def noting(self: Transport, request: Request) -> Answer:
        if request.method not in {"GET", "HEAD"} and "lineage" not in request.url:
            written.append((request.method, request.url.rpartition("/")[2], request.json))
        return send(self, request)

    monkeypatch.setattr(Transport, "send", noting)
    pat.deliver(
        update(PAT, "unsubscribed", list_id="audience", statement={"ip_opt": "192.0.2.1"}), **settings
    )
    rows = (
        "CustCnts(Company='EPIC06',CustNum=1,ShipToNum='',ConNum=1)",
        "Customers(Company='EPIC06',CustNum=2)",
    )
    assert sorted(written) == [("PATCH", row, {"NoContact": True}) for row in rows]
