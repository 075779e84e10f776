"""Effects of the settings: identity, profiles of the server, look-ups, people without a row, evidence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kinetic_mailchimp.audit.targets.settings import TooManyFailuresError
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.errors import ConfigurationError, DataError
from kinetic_mailchimp.kit.http.call import HttpCall, Reply
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, EMAIL, PERSON, EpicorRow
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_write import RowWrite
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.settings import WriteSettings

Update = Callable[..., dict[str, Any]]
StartBench = Callable[..., Any]

PAT = "pat@example.com"
ROW, OTHER_ROW = "EPIC06/CustCnt/1//1", "EPIC06/Customer/2"


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person with a contact and a customer."""
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.edit(OTHER_ROW, EMailAddress=PAT)
    return bench


# Identity and servers


@pytest.mark.parametrize(
    "identity",
    [
        {"auth_method": "basic"},
        {"auth_method": "token_resource"},
        {"auth_method": "token_resource", "token_request": "basic"},
        {"auth_method": "token_resource", "token_request": "form"},
        {"auth_method": "oauth2"},
    ],
)
def test_every_way_to_log_in_writes(pat: Any, update: Update, identity: dict[str, str]) -> None:
    hello = pat.epicor.hello
    application = {name: hello[name] for name in ("client_id", "client_secret", "token_url")}
    more = application if identity["auth_method"] == "oauth2" else {}
    pat.deliver(update(PAT, "unsubscribed"), **identity, **more)
    assert {ROW, OTHER_ROW} <= pat.flagged()


def test_a_token_that_expires_in_the_middle_is_renewed(pat: Any, update: Update) -> None:
    pat.deliver_between(
        [update(PAT, "unsubscribed")],
        pat.epicor.control.expire_tokens,
        [update(PAT, "subscribed", second=5)],
        auth_method="token_resource",
    )
    assert pat.actions() == [("flagged", "unsubscribed"), ("cleared", "subscribed_again")]


def test_a_stock_server_without_change_dates_works_the_same(start_bench: StartBench, update: Update) -> None:
    bench = start_bench(profile="stock")
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.deliver(update(PAT, "unsubscribed", LastName="New"), conflict_policy="newest_wins")
    assert ROW in bench.flagged()
    assert bench.all_rows()[ROW]["LastName"] == "New"


def test_the_connection_check_lists_what_works(pat: Any) -> None:
    program = [*pat.command(status_column="MC_Status_c"), "--test"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "The columns for status exist: MC_Status_c, NoContact." in done.stdout
    assert "Company EPIC07: customers can be read (writing is not tried)." in done.stdout


def test_the_connection_check_names_what_does_not_work(pat: Any) -> None:
    program = [*pat.command(status_column="MC_Bounced_c"), "--test"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "`status_column` sets `MC_Bounced_c`" in done.stderr


def test_an_environment_for_simulators_writes_to_no_real_system(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed"), local_servers_only=True)  # the simulator is on this machine
    flagged = pat.flagged()
    with pytest.raises(ConfigurationError, match=r"erp\.example\.com is a real system"):
        pat.deliver(
            update(PAT, "subscribed"), local_servers_only=True, base_url="https://erp.example.com/kinetic"
        )
    assert pat.flagged() == flagged != []
    assert pat.runs()[-1]["status"] == "failed"


def test_about_lists_no_setting_that_has_no_effect() -> None:
    program = [sys.executable, "-m", "target_epicor_contacts", "--about"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "flag_column" in done.stdout
    assert not [name for name in ("load_method", "add_record_metadata") if name in done.stdout]


# Looking up


def test_a_case_sensitive_server_is_asked_in_lower_case(start_bench: StartBench, update: Update) -> None:
    bench = start_bench(case_sensitive=True)
    bench.edit(ROW, EMailAddress="PAT@Example.com", PerConID=0)
    bench.deliver(update(PAT, "unsubscribed"), address_filter="tolower")
    assert ROW in bench.flagged()


@pytest.mark.rule("R5")
def test_a_page_that_the_server_cuts_off_is_read_on(start_bench: StartBench, update: Update) -> None:
    bench = start_bench(customers=40, max_top=10)
    names = [name for name in bench.all_rows() if name.startswith("EPIC06/Customer/")]
    for name in names:
        bench.edit(name, EMailAddress=PAT)
    bench.deliver(update(PAT, "unsubscribed"))
    assert len(names) > 10
    assert set(names) <= bench.flagged()


def test_long_lists_of_addresses_are_split_to_fit_into_a_url(bench: Any, update: Update) -> None:
    people = [f"{number:03}{'x' * 50}'{number}@example.com" for number in range(150)]
    bench.edit(ROW, EMailAddress=people[-1], PerConID=0)
    bench.deliver(*(update(person, "unsubscribed") for person in people), match=["contacts"])
    assert ROW in bench.flagged()
    assert max(len(request["query"]) for request in bench.epicor.control.requests()) < 8_192


def test_opt_outs_do_not_rest_on_what_a_row_held_a_minute_ago(pat: Any, update: Update) -> None:
    pat.deliver_between(
        [update(PAT, "unsubscribed")],
        lambda: pat.edit(ROW, NoContact=False),
        [update(PAT, "unsubscribed", second=5)],
    )
    assert ROW in pat.flagged()


def test_rows_are_remembered_for_events_that_are_not_opt_outs(pat: Any, update: Update) -> None:
    reads: list[int] = []
    pat.deliver_between(
        [update(PAT, PhoneNum="1")],
        lambda: reads.append(pat.calls("GET")),
        [update(PAT, PhoneNum="2", second=5)],
        verify_writes=False,
    )
    assert pat.calls("GET") == reads[0]


def test_an_answer_that_is_kept_is_not_lost_while_others_are_asked_for(pat: Any) -> None:
    pat.edit(OTHER_ROW, EMailAddress="sam@example.com")
    client = EpicorClient(EpicorSettings.from_config(pat.config()))
    selected = {CONTACT: (*CONTACT.key, EMAIL, PERSON), CUSTOMER: (*CUSTOMER.key, EMAIL)}
    with ThreadPoolExecutor(1) as executor:
        finder = RowFinder(client, selected, executor, cached_addresses=2)
        finder.find([PAT, "nobody@example.com"])
        found = finder.find([PAT, "sam@example.com"])
    client.close()
    assert {row.id for row in found} == {ROW, OTHER_ROW}


@pytest.mark.parametrize(("match", "flagged"), [(["contacts"], {ROW}), (["customers"], {OTHER_ROW})])
def test_what_is_matched_is_a_setting(pat: Any, update: Update, match: list[str], flagged: set[str]) -> None:
    before = pat.flagged()
    pat.deliver(update(PAT, "unsubscribed"), match=match)
    assert pat.flagged() - before == flagged


# People linked by PerConID


@pytest.mark.parametrize(
    ("linked", "reached"),
    [("same_address", set()), ("no_other_address", {"none"}), ("all", {"none", "other"})],
)
def test_the_status_of_a_person_reaches_their_other_contacts(
    bench: Any, update: Update, linked: str, reached: set[str]
) -> None:
    names = {"none": "EPIC06/CustCnt/2//1", "other": "EPIC06/CustCnt/3//1"}
    alone = {"SyncEmailToPerCon": False, "PerConID": 4711, "NoContact": False}
    bench.edit(ROW, EMailAddress=PAT, **alone)
    bench.edit(names["none"], EMailAddress="", **alone)
    bench.edit(names["other"], EMailAddress="pat@example.net", **alone)
    bench.deliver(update(PAT, "unsubscribed"), linked_people=linked)
    flagged = bench.flagged()
    assert ROW in flagged
    assert {short for short, name in names.items() if name in flagged} == reached


def test_an_address_moves_on_exactly_the_rows_that_had_it_although_kinetic_links_others(
    bench: Any, update: Update
) -> None:
    names = {"old": ROW, "old too": "EPIC06/CustCnt/2//1", "other": "EPIC06/CustCnt/3//1"}
    texts = {"old": PAT, "old too": f"mailto:{PAT}", "other": "pat@example.net"}
    for short, name in names.items():
        bench.edit(name, PerConID=1, SyncEmailToPerCon=False)
        bench.edit(name, EMailAddress=texts[short])
    for name in names.values():
        bench.edit(name, SyncEmailToPerCon=True)
    bench.deliver(update(PAT, new_email="new@example.com", type="upemail"))
    rows = bench.all_rows()
    assert {short: rows[name]["EMailAddress"] for short, name in names.items()} == {
        "old": "new@example.com",
        "old too": "new@example.com",
        "other": "pat@example.net",
    }
    assert bench.actions() == [("moved", "address_changed")]


# People without a row


@pytest.mark.parametrize(
    ("unmatched", "action", "kept"),
    [("record", "unmatched", False), ("dead_letter", "unmatched", True), ("ignore", "ignored", False)],
)
def test_what_happens_to_people_without_a_row_is_a_setting(
    bench: Any, update: Update, *, unmatched: str, action: str, kept: bool
) -> None:
    bench.deliver(update("new@example.com", "unsubscribed"), unmatched=unmatched)
    [decision] = bench.decisions()
    assert (decision["action"], decision["dead_letter"] is not None) == (action, kept)


def customer_id(bench: Any) -> str:
    return str(bench.all_rows()[OTHER_ROW]["CustID"])


@pytest.mark.rule("R4")
@pytest.mark.parametrize("fault", [None, {"kind": "reset", "applied": True}, {"kind": "reset"}])
def test_a_contact_is_made_once_and_gets_the_status_and_the_fields(
    bench: Any, update: Update, fault: dict[str, Any] | None
) -> None:
    if fault:
        bench.epicor.control.faults(
            {"match": {"method": "POST", "path": "CustCnts", "count": 1}, "effect": fault}
        )
    bench.deliver(
        update("new@example.com", "subscribed", FirstName="Nina", LastName="New"),
        update("new@example.com", "unsubscribed", second=5, PhoneNum="1"),
        unmatched="create",
        create_under_customer=customer_id(bench),
    )
    [row] = [row for row in bench.all_rows().values() if row["EMailAddress"] == "new@example.com"]
    found = tuple(row[name] for name in ("CustNum", "ShipToNum", "Name", "PhoneNum", "NoContact"))
    assert found == (2, "", "Nina New", "1", True)
    assert {action for action, _ in bench.actions()} == {"created"}


@pytest.mark.parametrize("numbers", ["quoted", "fractions"])
def test_a_contact_that_comes_back_with_numbers_in_another_form_is_written_to(
    bench: Any, update: Update, numbers: str
) -> None:
    customer = customer_id(bench)
    bench.epicor.control.switches(numbers=numbers)
    opt_out = update("new@example.com", "unsubscribed", PhoneNum="1")
    bench.deliver(opt_out, unmatched="create", create_under_customer=customer)
    [row] = [row for row in bench.all_rows().values() if row["EMailAddress"] == "new@example.com"]
    assert (row["NoContact"], row["PhoneNum"]) == (True, "1")


def test_a_contact_that_epicor_refuses_to_make_is_a_dead_letter_and_the_others_go_on(
    bench: Any, update: Update
) -> None:
    bench.edit(OTHER_ROW, EMailAddress="pat@example.com")
    refused = [update("new@example.com", "unsubscribed"), update("new@example.com", second=5, PhoneNum="1")]
    creating = {"unmatched": "create", "create_under_customer": customer_id(bench)}
    bench.epicor.control.switches(business_errors={"CustCnt": "Contacts need a role."})
    states = bench.deliver(*refused, update("pat@example.com", "unsubscribed"), **creating)
    assert states[-1]["end"]
    assert bench.actions() == [("failed", "refused_by_epicor")] * 2 + [("flagged", "unsubscribed")]
    assert "Contacts need a role." in bench.decisions()[0]["detail"]
    assert [json.loads(row["dead_letter"]) for row in bench.decisions()[:2]] == refused
    bench.epicor.control.switches(business_errors={})
    bench.deliver(*refused, **creating)
    [row] = [row for row in bench.all_rows().values() if row["EMailAddress"] == "new@example.com"]
    assert (row["NoContact"], row["PhoneNum"]) == (True, "1")


@pytest.mark.rule("R2")
def test_a_contact_with_server_errors_for_good_does_not_stop_the_opt_outs_of_others(
    bench: Any, update: Update
) -> None:
    bench.edit(OTHER_ROW, EMailAddress="pat@example.com")
    stumble = {
        "match": {"method": "POST", "path": "CustCnts", "count": 10_000},
        "effect": {"kind": "status", "status": 500},
    }
    bench.epicor.control.faults(stumble)
    creating = {"unmatched": "create", "create_under_customer": customer_id(bench)}
    new = update("new@example.com", "unsubscribed")
    states = bench.deliver(new, update("pat@example.com", "unsubscribed"), **creating)
    assert states[-1]["end"]
    assert bench.actions() == [("failed", "refused_by_epicor"), ("flagged", "unsubscribed")]
    [lost, _] = bench.decisions()
    assert (lost["http_status"], json.loads(lost["dead_letter"])) == (500, new)
    bench.epicor.control.faults()
    bench.deliver(new, **creating)
    assert [row["NoContact"] for row in bench.all_rows().values() if row["EMailAddress"] == new["email"]] == [
        True
    ]


def test_a_dry_run_creates_no_contact(bench: Any, update: Update) -> None:
    before = bench.all_rows()
    bench.deliver(
        update("new@example.com"),
        update("new@example.com", "unsubscribed"),
        unmatched="create",
        create_under_customer=customer_id(bench),
        dry_run=True,
    )
    assert bench.all_rows() == before
    assert bench.actions() == [("ignored", "nothing_to_write"), ("created", "no_row")]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"unmatched": "create"}, "create_under_customer"),
        ({"unmatched": "create", "create_under_customer": "X", "match": ["customers"]}, "match"),
        ({"match": []}, "match"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        WriteSettings.from_config(settings)


def test_a_customer_for_new_contacts_that_does_not_exist_is_named(bench: Any, update: Update) -> None:
    _, error = bench.attempt(
        update("new@example.com", "subscribed"), unmatched="create", create_under_customer="NOBODY"
    )
    assert isinstance(error, ConfigurationError)
    assert "`create_under_customer`" in str(error)


def test_people_without_a_row_count_as_failed_where_they_leave_a_dead_letter(
    bench: Any, update: Update
) -> None:
    event = update("new@example.com", "unsubscribed")
    _, error = bench.attempt(event, unmatched="dead_letter", max_failed=0)
    assert isinstance(error, TooManyFailuresError)
    _, error = bench.attempt(event, unmatched="record", max_failed=0)
    assert error is None


# Values that Mailchimp accepted


@pytest.mark.rule("R8")
def test_the_last_value_that_mailchimp_accepted_is_read_from_the_state_of_the_member(
    pat: Any, update: Update
) -> None:
    pat.edit(ROW, PhoneNum="edited in Epicor", City="Bern")
    pat.remember_sent("a1b2c3", PAT, {"merge_fields.PHONE": "1", "merge_fields.ADDRESS": {"city": "Bern"}})
    event = update(PAT, list_id="a1b2c3", merges={"PHONE": "1", "ADDRESS": {"city": "Basel"}})
    fields = {"PhoneNum": "PHONE", "City": "ADDRESS.city"}
    pat.deliver(event, match=["contacts"], conflict_policy="epicor_wins", merge_fields=fields)
    row = pat.all_rows()[ROW]
    assert (row["PhoneNum"], row["City"]) == ("edited in Epicor", "Basel")


# Evidence


@pytest.mark.rule("R4")
@pytest.mark.parametrize("fault", [None, {"kind": "reset", "applied": True}, {"kind": "reset"}])
def test_an_opt_out_is_logged_once_in_a_memo_on_each_row(
    pat: Any, update: Update, fault: dict[str, Any] | None
) -> None:
    if fault:
        pat.epicor.control.faults(
            {"match": {"method": "POST", "path": "MemoSvc/Update", "count": 1}, "effect": fault}
        )
    event = update(PAT, "complaint", reason="abuse", campaign_id="c0ffee")
    pat.deliver(event, evidence=["memo"])
    pat.deliver(event, evidence=["memo"])
    memos = pat.epicor.control.rows("Memo")
    rows = pat.all_rows()
    assert sorted(memo["RelatedToSysRowID"] for memo in memos) == sorted(
        rows[name]["SysRowID"] for name in (ROW, OTHER_ROW)
    )
    assert {memo["RelatedToFile"] for memo in memos} == {"CustCnt", "Customer"}
    for words in (PAT, "2026-03-01T18:00:00", "abuse", "c0ffee"):
        assert words in memos[0]["MemoText"]


def test_an_opt_out_is_logged_as_a_call_of_the_customer(pat: Any, update: Update) -> None:
    event = update(PAT, "unsubscribed")
    for _ in range(2):
        pat.deliver(event, evidence=["crm_call"])
    calls = pat.epicor.control.rows("CRMCall")
    assert sorted((call["Key1"], call["CallConNum"]) for call in calls) == [("1", 1), ("2", 0)]


def test_evidence_that_epicor_refuses_is_a_failure_although_the_flag_is_written(
    pat: Any, update: Update
) -> None:
    pat.deliver(update(PAT, "unsubscribed"), evidence=["crm_call"], crm_call_type="NOSUCH")
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "evidence_failed")
    assert decision["dead_letter"] is not None
    assert {ROW, OTHER_ROW} <= pat.flagged()


@pytest.mark.rule("R2")
@pytest.mark.parametrize("status", [403, 500])
def test_evidence_that_cannot_be_written_keeps_no_opt_out_waiting(
    pat: Any, update: Update, status: int
) -> None:
    refusal = {"kind": "answer", "status": status, "text": '{"ErrorMessage": "Access denied."}'}
    pat.epicor.control.faults({"match": {"path": "MemoSvc"}, "effect": refusal})
    pat.edit("EPIC06/CustCnt/3//1", EMailAddress="bob@example.com", PerConID=0)
    opt_outs = [update(PAT, "unsubscribed"), update("bob@example.com", "unsubscribed", second=1)]
    pat.deliver(*opt_outs, evidence=["memo"], batch_size=1, max_failed_ratio=1)
    assert pat.actions() == [("failed", "evidence_failed")] * 2
    assert {ROW, OTHER_ROW, "EPIC06/CustCnt/3//1"} <= pat.flagged()


def test_without_an_opt_out_there_is_nothing_to_log(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "subscribed", PhoneNum="1"), evidence=["memo", "crm_call"])
    assert pat.epicor.control.rows("Memo") == []


# A write that is refused for one of its columns


class PickyEpicor:
    """Refuses every write that holds a street."""

    def __init__(self) -> None:
        self.settings = EpicorSettings("http://127.0.0.1", ("A",), "key")
        self.stored: dict[str, Any] = {}

    def patch(self, *row: Any, repeatable: bool) -> Reply:
        changes = row[-1]
        if "Address1" in changes:
            raise DataError("No such street.", status=400)
        self.stored.update(changes)
        return Reply(HttpCall(204, seconds=0.25))


class NoFinder:
    def remember(self, before: EpicorRow, now: EpicorRow | None) -> None:
        """Forget."""


@pytest.mark.rule("R2")
def test_a_street_that_epicor_refuses_does_not_stop_the_opt_out_of_the_same_row() -> None:
    epicor: Any = PickyEpicor()
    finder: Any = NoFinder()
    columns: Any = None
    row = EpicorRow(CUSTOMER, {"Company": "A", "CustNum": 1})
    with ThreadPoolExecutor(1) as executor:
        writer = RowWriter(epicor, finder, columns, executor, verify=False, first=frozenset({"NoContact"}))
        write = RowWrite(row, {"Address1": "x", "NoContact": True})
        writer.write([write])
    assert epicor.stored == {"NoContact": True}
    assert set(write.refused) == {"Address1"}
    assert (write.calls["NoContact"].status, write.calls["NoContact"].seconds) == (204, 0.25)
    assert (write.calls["Address1"].status, write.calls["Address1"].failed) == (400, True)
    assert write.payload(["NoContact"]) == {"Company": "A", "CustNum": 1, "NoContact": True}
