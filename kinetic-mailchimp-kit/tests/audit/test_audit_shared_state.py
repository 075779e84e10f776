"""The state that both targets share: its stored form, and the merge of a field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.agreed import (
    AgreedValue,
    agreed_from_json,
    agreed_to_json,
    next_version,
    read_agreed,
    with_agreed,
)
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagCause, FlagState, read_flags
from kinetic_mailchimp.audit.state.handover import (
    HANDOVER_NAMESPACE,
    Handover,
    HandoverAction,
    read_handovers,
)
from kinetic_mailchimp.audit.state.member_state import CarriedOptOut, MemberState, SourceRow
from kinetic_mailchimp.audit.state.three_way import (
    NO_BASELINE,
    ConflictPolicy,
    MergeResult,
    Side,
    three_way,
)
from kinetic_mailchimp.epicor import row_name
from msgspec.structs import replace

TEXT = st.text(max_size=3)
VALUES = st.sampled_from(["", "a", "b", "c", None])
POLICIES = st.sampled_from(ConflictPolicy)


def stored(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(st.builds(FlagState, TEXT, st.sampled_from(FlagCause), TEXT, TEXT, TEXT))
def test_a_flag_is_read_as_it_was_stored(flag: FlagState) -> None:
    assert FlagState.from_json({"address": "", **stored(flag.to_json())}) == flag


@given(
    st.builds(
        Handover, TEXT, st.sampled_from(HandoverAction), TEXT, st.sampled_from(FlagCause), TEXT, TEXT, TEXT
    )
)
def test_a_handover_is_read_as_it_was_stored(handover: Handover) -> None:
    assert Handover.from_json({"address": "", **stored(handover.to_json())}) == handover


@given(
    st.builds(
        MemberState,
        TEXT,
        shown=st.dictionaries(TEXT, TEXT, max_size=2),
        changed_at=TEXT,
        returned_at=TEXT,
        complained=st.booleans(),
        sending=st.dictionaries(TEXT, TEXT, max_size=1),
        left_by=st.frozensets(TEXT, max_size=2),
        rows=st.dictionaries(TEXT, st.builds(SourceRow, digest=st.integers(0, 9)), max_size=2),
        carried_opt_out=st.none() | st.builds(CarriedOptOut, st.tuples(TEXT), TEXT, st.booleans()),
        merged_version=st.integers(0, 9),
    )
)
def test_a_member_is_read_as_it_was_stored(member: MemberState) -> None:
    assert MemberState.from_json({"address": "", **stored(member.to_json())}) == member


def test_a_member_that_an_older_version_stored_is_read() -> None:
    assert MemberState.from_json(
        {"address": "a@example.com", "sent": {"merge_fields.FNAME": "Ada"}}
    ) == MemberState("a@example.com", sent={"merge_fields.FNAME": "Ada"})


def test_flags_and_handovers_are_found_by_the_name_of_their_row(tmp_path: Any) -> None:
    row = row_name("CustCnt", "EPIC06", 12, "", 3)
    assert row == "CustCnt EPIC06/12//3"
    flag, handover = FlagState("a@example.com"), Handover("a@example.com", HandoverAction.CLEAR)
    with AuditTrail.open(f"sqlite:///{tmp_path / 'audit.sqlite3'}") as trail:
        run = trail.start_run(plugin="target-epicor-contacts", version="1")
        agreed = {"vip": AgreedValue(value=True, version=2)}
        run.record(
            [],
            ledger={
                FLAGS_NAMESPACE: {row: flag.to_json()},
                HANDOVER_NAMESPACE: {row: handover.to_json()},
                "baseline/l1": {"hash": agreed_to_json(agreed)},
            },
        )
        assert read_flags(trail.ledger(FLAGS_NAMESPACE), [row, "Customer EPIC06/12"]) == {row: flag}
        assert read_handovers(trail.ledger(HANDOVER_NAMESPACE)) == {row: handover}
        assert read_agreed(trail.ledger("baseline/l1"), ["hash", "other"]) == {"hash": agreed}
        run.finish("succeeded")


def test_members_are_found_by_their_contact(trail: AuditTrail) -> None:
    members = {name: MemberState(f"{name}@example.com", contact_id=name) for name in ("a", "b", "c")}
    run = trail.start_run(plugin="target-mailchimp", version="1")
    run.record([], ledger={"l1": members, "l2": {"a": {"address": "", "contact": "b"}}})
    found = trail.ledger("l1").find("contact", ["a", "c", "d"], msgspec.json.Decoder(MemberState).decode)
    assert found == {"a": members["a"], "c": members["c"]}
    assert trail.ledger("l1").find("contact", [], str) == {}
    run.finish("succeeded")


def test_an_agreed_value_takes_the_place_of_one_sent_before_and_of_no_later_one() -> None:
    member = MemberState("a@example.com", sent={"f": "sent"}, shown={"f": "agreed", "g": "edited"})
    agreed = {"f": AgreedValue("agreed", next_version({}, member))}
    merged = with_agreed(member, agreed)
    assert (merged.sent, merged.shown) == ({"f": "agreed"}, {"g": "edited"})
    later = replace(merged, sent={"f": "sent later"})
    assert with_agreed(later, agreed) == later
    assert with_agreed(later, {"f": AgreedValue("again", next_version({}, later))}).sent == {"f": "again"}
    assert agreed_from_json(stored(agreed_to_json(agreed))) == agreed


@pytest.mark.parametrize(
    ("epicor", "mailchimp", "baseline", "side"),
    [
        ("a", "a", "b", Side.AGREE),
        ("a", "b", "a", Side.MAILCHIMP),
        ("b", "a", "a", Side.EPICOR),
        ("", "a", "a", Side.EPICOR),
        ("a", "", "a", Side.MAILCHIMP),
        ("", "a", NO_BASELINE, Side.MAILCHIMP),
        ("a", None, NO_BASELINE, Side.EPICOR),
        ({"addr1": ""}, {"addr1": "1 Main St"}, NO_BASELINE, Side.MAILCHIMP),
    ],
)
def test_the_side_that_changed_holds_without_regard_to_the_policy(
    epicor: Any, mailchimp: Any, baseline: Any, side: Side
) -> None:
    for policy in ConflictPolicy:
        assert three_way(epicor, mailchimp, baseline, policy) == MergeResult(side)


@pytest.mark.parametrize(
    ("policy", "newer", "side"),
    [
        (ConflictPolicy.MAILCHIMP_WINS, True, Side.MAILCHIMP),
        (ConflictPolicy.EPICOR_WINS, False, Side.EPICOR),
        (ConflictPolicy.NEWEST_WINS, True, Side.EPICOR),
        (ConflictPolicy.NEWEST_WINS, False, Side.MAILCHIMP),
    ],
)
@pytest.mark.parametrize("baseline", ["a", NO_BASELINE])
def test_the_policy_decides_where_both_sides_changed(
    policy: ConflictPolicy, newer: bool, side: Side, baseline: Any
) -> None:
    assert three_way("b", "c", baseline, policy, epicor_is_newer=newer) == MergeResult(side, conflict=True)


@pytest.mark.rule("R8")
@pytest.mark.parametrize("policy", ConflictPolicy)
def test_an_empty_value_of_mailchimp_yields_in_a_conflict(policy: ConflictPolicy) -> None:
    assert three_way("b", "", "a", policy) == MergeResult(Side.EPICOR, conflict=True)


@pytest.mark.rule("R8")
@given(VALUES, VALUES, VALUES | st.just(NO_BASELINE), POLICIES, st.booleans())
def test_a_merge_repeated_with_its_result_agrees(
    epicor: Any, mailchimp: Any, baseline: Any, policy: ConflictPolicy, newer: bool
) -> None:
    merged = three_way(epicor, mailchimp, baseline, policy, epicor_is_newer=newer)
    value = mailchimp if merged.side is Side.MAILCHIMP else epicor
    assert three_way(value, value, baseline, policy).side is Side.AGREE
    if merged.side is not Side.AGREE and not merged.conflict and baseline is not NO_BASELINE:
        # What one side changed is never overwritten by the value that the other one merely kept.
        assert value != baseline


@pytest.mark.rule("R8")
@given(VALUES, VALUES, VALUES, POLICIES, st.booleans())
def test_both_directions_come_to_one_value(
    epicor: Any, mailchimp: Any, baseline: Any, policy: ConflictPolicy, newer: bool
) -> None:
    def fingerprint(value: Any) -> Any:
        return f"={value}" if value else value

    forward = three_way(epicor, mailchimp, baseline, policy, epicor_is_newer=newer)
    back = three_way(
        fingerprint(epicor), fingerprint(mailchimp), fingerprint(baseline), policy, epicor_is_newer=newer
    )
    assert forward == back
