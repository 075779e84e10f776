"""Nobody who opted out is ever raised: every state a person can be in, by every path a record can take."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import members_namespace, read_members
from kinetic_mailchimp.mailchimp import subscriber_hash
from target_mailchimp.assembly import Assembly

PERSON = "person@example.com"

STATES = (
    "subscribed",
    "unsubscribed_by_admin",
    "unsubscribed_by_contact",
    "complained",
    "cleaned",
    "pending",
    "transactional",
    "archived",
    "archived_locked",
    "forgotten",
)
MAY_BE_MAILED = {"subscribed", "transactional"}

RECORDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "says subscribed": {"status": "subscribed"},
    "says subscribed if new": {"status_if_new": "subscribed"},
    "says pending": {"status": "pending"},
    "says unsubscribed": {"status": "unsubscribed"},
    "says cleaned": {"status": "cleaned"},
    "inactive": {"source_active": False},
}

PATHS: dict[str, dict[str, Any]] = {
    "batch": {},
    "batches of one": {"batch_size": 1},
    "double opt-in is asked for": {"status_if_new": "pending"},
    "inactive are unsubscribed": {"inactive_action": "unsubscribe"},
    "inactive are archived": {"inactive_action": "archive"},
    "inactive are tagged": {"inactive_action": "tag"},
    "only updates": {"update_only_streams": ["customers"]},
}

SWITCHES: dict[str, dict[str, Any]] = {
    "as harmful as may be": {},
    "kind": {
        "put_status_if_new_on_archived": "kept",
        "batch_status_if_new_on_archived": "kept",
        "batch_status_on_admin_unsubscribed": "error",
        "archive_forgets_opt_out": False,
    },
}


BEFORE = ("unknown", "known")
"""Whether the ledger knew the person as a subscriber before anything happened to them."""


def address(before: str, kind: str, state: str) -> str:
    return f"{before}.{kind.replace(' ', '-')}.{state}@example.com"


def everybody() -> Iterator[tuple[str, str, str]]:
    return itertools.product(BEFORE, RECORDS, STATES)


def assert_nobody_raised(bench: Any) -> None:
    assert bench.mailchimp.control.raises("raised") == []
    after = bench.states_of_people()
    for before, kind, state in everybody():
        now = after[address(before, kind, state)]
        assert now == state or now not in MAY_BE_MAILED, f"{before} {state}, {kind}: became {now}"


@pytest.mark.rule("R1")
@pytest.mark.parametrize("switches", SWITCHES)
@pytest.mark.parametrize("path", PATHS)
def test_no_record_raises_anybody_on_any_path(start_bench: Any, path: str, switches: str) -> None:
    bench = start_bench(**SWITCHES[switches])
    bench.run(
        [
            {"email_address": address(*who), "FNAME": "Old", "source_key": address(*who)}
            for who in everybody()
            if who[0] == "known"
        ]
    )
    bench.mailchimp.control.put_members({"email": address(*who), "state": who[2]} for who in everybody())
    news = [
        {
            "email_address": address(before, kind, state),
            "FNAME": "New",
            "source_key": address(before, kind, state),
            **RECORDS[kind],
        }
        for before, kind, state in everybody()
    ]
    for _ in range(2):
        bench.run(news, **PATHS[path])
        assert_nobody_raised(bench)


@pytest.mark.parametrize("state", ["subscribed", "pending", "transactional"])
def test_an_opt_out_at_the_source_lowers_consent(bench: Any, state: str) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": state}])
    [decided] = bench.run([{"email_address": PERSON, "status": "unsubscribed", "source_key": "1"}])
    assert (decided.action, decided.reason) == ("flagged", "opted_out_at_source")
    assert bench.members()[PERSON]["status"] == "unsubscribed"


@pytest.mark.rule("R1")
@pytest.mark.parametrize("state", ["cleaned", "complained", "unsubscribed_by_contact", "archived"])
def test_a_state_below_subscribed_is_kept_by_an_opt_out(bench: Any, state: str) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": state}])
    bench.run([{"email_address": PERSON, "status": "unsubscribed", "source_key": "1"}])
    assert bench.states_of_people()[PERSON] == state


@pytest.mark.rule("R1")
def test_an_opt_out_at_the_source_creates_nobody(bench: Any) -> None:
    [decided] = bench.run([{"email_address": PERSON, "status": "unsubscribed"}])
    assert (decided.action, decided.reason) == ("skipped", "opted_out_at_source")
    assert bench.members() == {}


@pytest.mark.rule("R6")
@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "something new"])
@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("nobody", "not_an_address"),
        ("a@example.com; b@example.com", "several_addresses"),
        (PERSON, "malformed_record"),
    ],
)
def test_an_opt_out_that_names_nobody_is_kept_for_somebody_to_look_at(
    bench: Any, field: str, reason: str, status: str
) -> None:
    record = {"email_address": field, "status": status, "source_key": "1", "tags": 7}
    [decided] = bench.run([record])
    assert (decided.action, decided.reason, decided.consent) == ("quarantined", reason, "unsubscribed")
    assert decided.dead_letter == record


@pytest.mark.parametrize(
    "record",
    [
        {"email_address": "nobody", "status": "subscribed"},
        {"email_address": "nobody"},
        {"email_address": " ", "status": "unsubscribed"},
    ],
)
def test_a_record_without_an_address_and_without_anybody_opting_out_is_skipped(
    bench: Any, record: dict[str, Any]
) -> None:
    [decided] = bench.run([record])
    assert (decided.action, decided.consent, decided.dead_letter) == ("skipped", "", None)


@pytest.mark.rule("R1")
def test_an_opt_out_that_the_person_took_back_is_not_repeated(bench: Any) -> None:
    out = {"email_address": PERSON, "status": "unsubscribed", "source_key": "1", "FNAME": "A"}
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    bench.run([out])
    bench.mailchimp.control.subscribe(PERSON)
    bench.run([{**out, "FNAME": "B"}])
    assert bench.members()[PERSON]["status"] == "subscribed"
    bench.run([{**out, "status": None}])
    bench.run([out])
    assert bench.members()[PERSON]["status"] == "unsubscribed"


def test_an_opt_out_counts_whichever_row_of_the_address_says_it(bench: Any) -> None:
    newer = {"email_address": PERSON, "source_key": "1", "source_updated_on": "2026-02-01", "FNAME": "Newer"}
    older = {
        "email_address": PERSON,
        "source_key": "2",
        "source_updated_on": "2026-01-01",
        "FNAME": "Older",
        "status": "unsubscribed",
    }
    bench.run([newer])
    [decided] = bench.run([older])
    assert decided.action == "flagged"
    member = bench.members()[PERSON]
    assert (member["status"], member["merge_fields"]["FNAME"]) == ("unsubscribed", "Newer")


@pytest.mark.rule("R1")
def test_a_double_opt_in_audience_gets_pending(bench: Any) -> None:
    list_id = bench.mailchimp.control.add_list("Asked twice", double_optin=True)
    [decided] = bench.run([{"email_address": PERSON}], list_id=list_id)
    assert decided.reason == "new_pending"
    assert bench.members(list_id)[PERSON]["status"] == "pending"


@pytest.mark.rule("R1")
def test_a_person_archived_since_the_last_run_stays_archived(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    bench.mailchimp.control.archive(PERSON)
    [decided] = bench.run([{"email_address": PERSON, "FNAME": "B"}])
    assert (decided.action, decided.reason) == ("refused", "archived")
    assert bench.members()[PERSON]["status"] == "archived"


@pytest.mark.rule("R1")
def test_a_forgotten_person_is_refused_and_the_run_goes_on(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "forgotten"}])
    decided = bench.run([{"email_address": PERSON}, {"email_address": "other@example.com"}])
    assert sorted((entry.action, entry.reason) for entry in decided) == [
        ("created", "new_subscribed"),
        ("refused", "permanently_deleted"),
    ]


def test_fields_of_people_who_opted_out_are_still_kept_in_step(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "unsubscribed_by_contact"}])
    [decided] = bench.run([{"email_address": PERSON, "FNAME": "New"}])
    assert decided.action == "updated"
    member = bench.members()[PERSON]
    assert (member["status"], member["merge_fields"]["FNAME"]) == ("unsubscribed", "New")


class Meanwhile:
    """Lets something happen between the moment that a write is planned and the moment that it is sent."""

    def __init__(self, writer: Any, happens: Callable[[], None]) -> None:
        self._writer = writer
        self._happens = happens

    def write_batch(self, writes: Any) -> Any:
        self._happens()
        return self._writer.write_batch(writes)

    def write_single(self, write: Any) -> Any:
        self._happens()
        return self._writer.write_single(write)


def overtaken_by(bench: Any, happens: Callable[[], None]) -> None:
    """Let something happen while the writes of the next runs are on their way."""

    class Overtaken(bench.target_class):  # type: ignore[misc]
        @cached_property
        def assembly(self) -> Assembly:
            assembly: Assembly = super().assembly
            assembly.writer = Meanwhile(assembly.writer, happens)
            return assembly

    bench.target_class = Overtaken


@pytest.mark.rule("R1")
@pytest.mark.parametrize("act", ["archive", "delete_permanently", "unsubscribe", "complain", "bounce"])
def test_somebody_who_leaves_while_a_write_is_on_its_way_is_not_brought_back(bench: Any, act: str) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    overtaken_by(bench, lambda: bench.mailchimp.control.act(act, PERSON))
    [decided] = bench.run([{"email_address": PERSON, "FNAME": "B"}])
    assert bench.mailchimp.control.raises("raised") == []
    assert bench.members()[PERSON]["state"] not in MAY_BE_MAILED
    if act == "archive":
        assert (decided.action, decided.reason) == ("refused", "no_longer_a_member")
        assert bench.members()[PERSON]["status"] == "archived"


@pytest.mark.rule("R1")
@pytest.mark.parametrize("is_single", [False, True])
def test_an_opt_out_follows_somebody_who_takes_another_address_while_it_is_on_its_way(
    bench: Any, single_call_target: Any, *, is_single: bool
) -> None:
    row = {"email_address": PERSON, "source_key": "CustCnt EPIC06/1//1"}
    new = "own-choice@example.com"
    bench.run([row])
    present = bench.target_class
    bench.target_class = single_call_target if is_single else present
    overtaken_by(bench, lambda: bench.mailchimp.control.change_address(PERSON, new))
    [decided] = bench.run([{**row, "status": "unsubscribed"}])
    assert (decided.action, decided.reason) == ("flagged", "no_longer_a_member")
    bench.target_class = present
    assert bench.members()[new]["status"] == "unsubscribed"
    assert bench.members().get(PERSON, {"status": "archived"})["status"] == "archived"
    with AuditTrail.open(bench.database_url) as trail:
        known = read_members(trail.ledger(members_namespace(bench.mailchimp.list_id)), [subscriber_hash(new)])
    carried = known[subscriber_hash(new)].carried_opt_out
    assert carried is not None
    assert carried.rows == ("CustCnt EPIC06/1//1",)


def test_somebody_who_took_another_address_leaves_no_second_member_behind(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    bench.mailchimp.control.change_address(PERSON, "own-choice@example.com")
    for name in ("B", "C"):
        [decided] = bench.run([{"email_address": PERSON, "FNAME": name}])
        assert (decided.action, decided.reason) == ("skipped", "moved_in_mailchimp")
    members = bench.members()
    assert members["own-choice@example.com"]["status"] == "subscribed"
    assert PERSON not in members


@pytest.mark.rule("R1")
def test_somebody_who_is_archived_by_a_run_is_not_brought_back_by_its_next_records(bench: Any) -> None:
    bench.run([{"email_address": "ann@example.com", "source_key": "1", "FNAME": "A"}])
    bench.mailchimp.control.act("unsubscribe", "ann@example.com")
    bench.run(
        [
            {"email_address": "ann@example.com", "source_key": "1", "source_active": False},
            {"email_address": "ann@example.com", "source_key": "1", "FNAME": "B", "source_active": True},
        ],
        inactive_action="archive",
        batch_size=1,
    )
    # Locked: Mailchimp still knows that it was the person who left.
    assert bench.states_of_people() == {"ann@example.com": "archived_locked"}


@pytest.mark.rule("R1")
def test_somebody_who_turned_out_to_have_left_is_not_made_anew_by_the_next_record(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run([{"email_address": "ann@example.com", "source_key": "1", "FNAME": "0"}])
    bench.mailchimp.control.act("archive", "ann@example.com")
    # The archived people were listed before.
    monkeypatch.setattr("target_mailchimp.planning.membership.Membership.prepare", lambda *_: None)
    monkeypatch.setattr("target_mailchimp.target.MailchimpClient.members", lambda *_, **filters: iter(()))
    decided = bench.run(
        [
            {"email_address": "ann@example.com", "source_key": "1", "FNAME": at, "source_updated_on": at}
            for at in ("1", "2", "3")
        ],
        batch_size=1,
    )
    assert {entry.action for entry in decided} == {"refused"}
    assert bench.states_of_people() == {"ann@example.com": "archived"}
    assert bench.mailchimp.control.raises("raised") == []
