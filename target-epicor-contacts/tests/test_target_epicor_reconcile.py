"""With `reconcile`: differences are recorded, nothing is written, and no stored state hides one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.audit import AuditTrail, Drift
from kinetic_mailchimp.audit.state.people import PEOPLE_NAMESPACE
from kinetic_mailchimp.audit.state.three_way import ConflictPolicy
from kinetic_mailchimp.kit.errors import TransientError
from target_epicor_contacts.audit.decisions import decide
from target_epicor_contacts.audit.event_result import BatchResult
from target_epicor_contacts.contract.contact_update import parse_update
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, EMAIL, SYNC_EMAIL, Entity, EpicorRow
from target_epicor_contacts.reconcile.comparison import compare
from target_epicor_contacts.reconcile.drift import as_comparison
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings

Update = Callable[..., dict[str, Any]]

PAT, NEW, SAM = "pat@example.com", "pat@example.net", "sam@example.com"
ROW, OTHER_ROW, ELSEWHERE = "EPIC06/CustCnt/1//1", "EPIC06/Customer/2", "EPIC07/Customer/1"
UNKNOWN = ("drifted", "opt_out_unknown_to_epicor")


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person with a contact and a customer, and a customer in another company."""
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.edit(OTHER_ROW, EMailAddress=PAT)
    bench.edit(ELSEWHERE, EMailAddress=PAT)
    return bench


def compared(bench: Any, *records: dict[str, Any], **given_settings: Any) -> list[tuple[str, str]]:
    """Compare records; the actions and reasons of this run. Whatever it says, nothing may be written."""
    before, bench_rows = len(bench.decisions()), bench.all_rows()
    bench.epicor.control.clear_requests()
    states = bench.deliver(*records, reconcile=True, **given_settings)
    assert states == []
    assert {request["method"] for request in bench.epicor.control.requests()} <= {"GET"}
    assert bench.all_rows() == bench_rows
    made = bench.decisions()[before:]
    assert len(made) == len(records) == bench.runs()[-1]["records_read"]
    assert [decision for decision in made if decision["consent"] or decision["dead_letter"]] == []
    return [(decision["action"], decision["reason"]) for decision in made]


# Against a server


def test_an_opt_out_that_epicor_does_not_know_is_drift_and_names_every_row(pat: Any, update: Update) -> None:
    assert compared(pat, update(PAT, "unsubscribed")) == [UNKNOWN]
    [decision] = pat.decisions()
    assert "NoContact" in decision["detail"]
    assert "sync-audit replay" in decision["detail"]
    assert [(part["action"], part["reason"], part["targets"]) for part in pat.parts()] == [
        (*UNKNOWN, "CustCnt EPIC06/1//1"),
        (*UNKNOWN, "Customer EPIC06/2"),
        (*UNKNOWN, "Customer EPIC07/1"),
    ]
    assert all(part["changes"] == {"NoContact": [False, True]} for part in pat.parts())
    [run] = pat.runs()
    assert (run["pipeline"], bool(run["dry_run"]), run["status"]) == ("reconcile", True, "succeeded")


def test_of_several_rows_only_the_one_without_the_flag_is_named(pat: Any, update: Update) -> None:
    pat.edit(ROW, NoContact=True)
    pat.edit(ELSEWHERE, NoContact=True)
    assert compared(pat, update(PAT, "cleaned")) == [UNKNOWN]
    assert [part["targets"] for part in pat.parts()] == ["Customer EPIC06/2"]
    assert "Customer EPIC06/2" in pat.decisions()[0]["detail"]


def test_a_comparison_after_the_correction_finds_nothing(pat: Any, update: Update) -> None:
    record = update(PAT, "unsubscribed", reason="manual", list_id="l1")
    assert compared(pat, record) == [UNKNOWN]
    for row in (ROW, OTHER_ROW, ELSEWHERE):
        pat.edit(row, NoContact=True)
    assert compared(pat, record) == [("unchanged", "already_so")]


def test_an_opt_out_without_an_event_is_written_by_a_run_over_the_same_records(
    pat: Any, update: Update
) -> None:
    record = update(PAT, "unsubscribed", reason="manual", list_id="l1")
    assert compared(pat, record) == [UNKNOWN]
    pat.deliver(record)
    assert {ROW, OTHER_ROW, ELSEWHERE} <= pat.flagged()
    assert compared(pat, record) == [("unchanged", "already_so")]


def test_a_flag_that_was_taken_away_after_the_opt_out_was_written_is_found(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed", second=60, sequence=7))
    pat.edit(ROW, NoContact=False)
    # Mailchimp may date the member's last change before the event about it.
    assert compared(pat, update(PAT, "unsubscribed", second=58)) == [UNKNOWN]
    assert pat.parts()[-1]["targets"] == "CustCnt EPIC06/1//1"


def test_a_comparison_changes_no_person_state(pat: Any, update: Update) -> None:
    def memory() -> Any:
        with AuditTrail.open(pat.audit_url) as trail:
            return trail.ledger(PEOPLE_NAMESPACE).get_many([PAT, SAM])

    pat.deliver(update(PAT, "unsubscribed"))
    before = memory()
    compared(pat, update(PAT, "cleaned", second=5), update(SAM, "unsubscribed"))
    assert memory() == before


def test_of_consent_only_the_flag_is_compared(pat: Any, update: Update) -> None:
    columns = {"status_column": "MC_Status_c", "reason_column": "MC_StatusReason_c"}
    pat.deliver(update(PAT, "complaint", reason="abuse", campaign_id="c1"), **columns)
    assert compared(pat, update(PAT, "unsubscribed", reason="manual"), **columns) == [
        ("unchanged", "already_so")
    ]


@pytest.mark.parametrize("policy", ["mailchimp_wins", "epicor_wins", "newest_wins"])
def test_columns_are_compared_whatever_was_sent_or_written_and_whoever_would_win(
    pat: Any, update: Update, policy: str
) -> None:
    for row_name in (OTHER_ROW, ELSEWHERE):
        pat.edit(row_name, EMailAddress="")
    pat.remember_sent("l1", PAT, {"merge_fields.LNAME": "Mailchimp"})
    pat.deliver(update(PAT, FirstName="Pat", LastName="Mailchimp"))
    pat.edit(ROW, LastName="Epicor")
    record = update(PAT, FirstName="Pat", LastName="Mailchimp", list_id="l1")
    assert compared(pat, record, conflict_policy=policy) == [("drifted", "fields_differ")]
    assert pat.parts()[-1]["changes"]["LastName"] == ["Epicor", "Mailchimp"]
    assert "FirstName" not in pat.parts()[-1]["changes"]


@pytest.mark.parametrize(
    ("unmatched", "expected"),
    [
        ("record", ("unmatched", "no_row")),
        ("dead_letter", ("unmatched", "no_row")),
        ("ignore", ("ignored", "no_row")),
        ("create", ("drifted", "row_missing")),
    ],
)
def test_people_without_a_row(bench: Any, update: Update, unmatched: str, expected: tuple[str, str]) -> None:
    customer = bench.all_rows()["EPIC06/Customer/1"]["CustID"]
    records = [update(SAM, "unsubscribed"), update(PAT, "cleaned")]
    found = compared(bench, *records, unmatched=unmatched, create_under_customer=customer, max_failed=0)
    assert found == [expected, expected]


def test_an_invalid_record_is_skipped_and_not_kept(pat: Any, update: Update) -> None:
    found = compared(
        pat, update("nobody", "unsubscribed"), update(PAT, "out"), update(PAT, None), max_failed=0
    )
    assert found == [
        ("skipped", "not_an_address"),
        ("skipped", "unknown_status"),
        ("ignored", "nothing_to_write"),
    ]


def test_a_value_that_cannot_be_compared_hides_no_opt_out(pat: Any, update: Update) -> None:
    wrong = {"Inactive": "perhaps"}
    assert compared(pat, update(PAT, None, **wrong), update(PAT, "unsubscribed", second=1, **wrong)) == [
        ("skipped", "invalid_value"),
        UNKNOWN,
    ]
    assert "Inactive" in pat.decisions()[-1]["detail"]


def test_a_comparison_logs_no_evidence(pat: Any, update: Update) -> None:
    for row in (ROW, OTHER_ROW, ELSEWHERE):
        pat.edit(row, NoContact=True)
    record = update(PAT, "unsubscribed")
    assert compared(pat, record, evidence=["memo"]) == [("unchanged", "already_so")]


def test_when_rows_cannot_be_read_the_run_fails_and_every_record_has_its_decision(
    pat: Any, update: Update
) -> None:
    pat.deliver(update(SAM, "unsubscribed"))
    pat.epicor.control.faults(
        {"match": {"path": "Customers", "count": 10_000}, "effect": {"kind": "status", "status": 503}}
    )
    _, error = pat.attempt(update(PAT, "unsubscribed"), update("nobody", "cleaned"), reconcile=True)
    assert isinstance(error, TransientError)
    assert pat.actions()[1:] == [("failed", "run_aborted"), ("skipped", "not_an_address")]
    assert all(decision["dead_letter"] is None for decision in pat.decisions())
    assert pat.runs()[-1]["status"] == "failed"


def test_a_comparison_of_an_incomplete_listing_is_recorded_as_stopped(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed"), reconcile=True, is_whole=False)
    [run] = pat.runs()
    assert run["status"] == "stopped"
    assert "ACTIVATE_VERSION" in run["error"]


def test_the_connection_check_works_with_it_too(pat: Any) -> None:
    program = [*pat.command(reconcile=True, status_column="MC_Status_c"), "--test"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "The audit database can be written." in done.stdout


# Pure

TEXTS = ("Name", "PhoneNum", EMAIL, "MC_Status_c")
COLUMNS = Columns(
    {
        "CustCnt": {
            **dict.fromkeys((*TEXTS, "FirstName"), "Edm.String"),
            **dict.fromkeys(("NoContact", SYNC_EMAIL), "Edm.Boolean"),
            "PerConID": "Edm.Int32",
        },
        "Customer": {**dict.fromkeys(TEXTS, "Edm.String"), "NoContact": "Edm.Boolean"},
    }
)
RULES = Rules(
    columns=COLUMNS,
    status_column="MC_Status_c",
    conflict_policy=ConflictPolicy.EPICOR_WINS,
    clear_on_subscribe=False,
).comparing()


def row(entity: Entity = CONTACT, number: int = 1, **values: Any) -> EpicorRow:
    key = {"Company": "A", "CustNum": number, "ShipToNum": "", "ConNum": 1}
    empty: dict[str, Any] = dict.fromkeys(COLUMNS.types[entity.name], "")
    own = {name: key[name] for name in entity.key}
    return EpicorRow(entity, {**empty, **own, "NoContact": False, "PerConID": 0, EMAIL: PAT, **values})


def verdicts(*records: dict[str, Any], rows: list[EpicorRow], rules: Rules = RULES) -> list[Any]:
    events = compare([parse_update("s", record) for record in records], rows, rules)
    return [as_comparison(decide(event, BatchResult(), rules, "record"), rules) for event in events]


def test_each_record_stands_for_itself(update: Update) -> None:
    rows = [row(EMailAddress=f"{PAT}; {SAM}")]
    twice = [update(PAT, "unsubscribed", list_id="l1"), update(PAT, "cleaned", list_id="l2", second=1)]
    made = verdicts(*twice, update(SAM, "unsubscribed", second=2), rows=rows)
    assert [decision.reason for decision in made] == [Drift.OPT_OUT_UNKNOWN_TO_EPICOR] * 3


def test_contacts_of_the_same_person_are_compared_too(update: Update) -> None:
    rows = [row(PerConID=5, NoContact=True), row(number=2, PerConID=5, EMailAddress=""), row(number=3)]
    [decision] = verdicts(update(PAT, "unsubscribed"), rows=rows)
    assert [part.targets for part in decision.parts] == ["CustCnt A/2//1", "CustCnt A/3//1"]


def test_a_flag_of_a_subscribed_person_is_drift_in_any_case(update: Update) -> None:
    [decision] = verdicts(update(PAT, "subscribed"), rows=[row(NoContact=True), row(CUSTOMER)])
    assert decision.reason == Drift.OPT_OUT_UNKNOWN_TO_MAILCHIMP
    assert [part.changes for part in decision.parts] == [{"NoContact": (True, False)}]


def test_a_column_of_consent_is_compared_by_its_value(update: Update) -> None:
    rules = Rules(columns=COLUMNS, flag_value=False).comparing()
    made = [
        verdicts(update(PAT, "unsubscribed"), rows=[row(NoContact=consents)], rules=rules)[0]
        for consents in (True, False)
    ]
    assert [decision.reason for decision in made] == [Drift.OPT_OUT_UNKNOWN_TO_EPICOR, "already_so"]


def test_a_changed_address_is_drift_of_the_address_alone(update: Update) -> None:
    rows = [row(PerConID=5, SyncEmailToPerCon=True), row(number=2, PerConID=5, EMailAddress=SAM)]
    [before] = verdicts(update(PAT, new_email=NEW), rows=rows)
    assert before.reason == Drift.ADDRESS_DIFFERS
    assert [part.changes for part in before.parts] == [{EMAIL: (PAT, NEW)}]
    [after] = verdicts(update(PAT, new_email=NEW), rows=[row(EMailAddress=NEW)])
    assert after.reason == "already_so"


def test_the_most_important_difference_is_the_reason(update: Update) -> None:
    record = update(PAT, "unsubscribed", new_email=NEW, PhoneNum="1")
    [decision] = verdicts(record, rows=[row(NoContact=True), row(CUSTOMER)])
    assert decision.reason == Drift.OPT_OUT_UNKNOWN_TO_EPICOR
    assert [part.reason for part in decision.parts] == [
        Drift.ADDRESS_DIFFERS,
        Drift.OPT_OUT_UNKNOWN_TO_EPICOR,
    ]


def test_an_empty_value_differs_from_a_value(update: Update) -> None:
    [decision] = verdicts(update(PAT, PhoneNum=""), rows=[row(PhoneNum="1")])
    assert decision.parts[0].changes == {"PhoneNum": ("1", "")}


def test_the_settings_of_a_comparison_keep_nothing_for_replay() -> None:
    chosen = WriteSettings.from_config({"reconcile": True, "unmatched": "dead_letter"})
    assert (chosen.dry_run, chosen.unmatched, chosen.on_invalid) == (True, "record", "skip")


_rows = st.lists(
    st.tuples(
        st.sampled_from([CONTACT, CUSTOMER]), st.booleans(), st.sampled_from([PAT, SAM, f"{PAT};{SAM}"])
    ),
    max_size=6,
)
_statuses = st.sampled_from(["unsubscribed", "complaint", "cleaned"])


@given(_rows, st.lists(st.tuples(st.sampled_from([PAT, SAM]), _statuses), max_size=6))
@settings(deadline=None)
def test_an_opt_out_is_drift_exactly_where_a_row_of_the_person_lacks_the_flag(
    drawn: list[tuple[Entity, bool, str]], statuses: list[tuple[str, str]]
) -> None:
    rows = [
        row(entity, number, NoContact=flagged, EMailAddress=address)
        for number, (entity, flagged, address) in enumerate(drawn)
    ]
    records = [
        {"email": email, "contact_status": status, "occurred_at": "2026-03-01T18:00:00Z", "event_id": str(n)}
        for n, (email, status) in enumerate(statuses)
    ]
    for record, decision in zip(records, verdicts(*records, rows=rows), strict=True):
        lacking = {
            f"{entity.name} A/{number}" + ("//1" if entity is CONTACT else "")
            for number, (entity, flagged, address) in enumerate(drawn)
            if record["email"] in address and not flagged
        }
        assert {part.targets for part in decision.parts} == lacking
        assert (decision.reason == Drift.OPT_OUT_UNKNOWN_TO_EPICOR) is bool(lacking)
