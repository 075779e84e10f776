"""The table of states and requests: what each way to write does to each contact."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from simulators.mailchimp.consent import OPTED_OUT, Decision, Outcome, Standing, Way, decide
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.switches import Switches

EMAIL = "ada@example.com"

Write = Callable[[PlainClient], requests.Response]
WRITES: Mapping[str, Write] = {
    "PUT status_if_new": lambda api: api.put(
        member_path(EMAIL),
        {"email_address": EMAIL, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}},
    ),
    "PUT status": lambda api: api.put(
        member_path(EMAIL), {"email_address": EMAIL, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    ),
    "PATCH status": lambda api: api.patch(
        member_path(EMAIL), {"status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    ),
    "POST status": lambda api: api.post(
        "/lists/{list}/members",
        {"email_address": EMAIL, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}},
    ),
    "batch status_if_new": lambda api: api.batch(
        {"email_address": EMAIL, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    ),
    "batch status": lambda api: api.batch(
        {"email_address": EMAIL, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    ),
}

STAYS = "stays"
SUBSCRIBED = "subscribed"
COMPLIANCE = "Member In Compliance State"
EXISTS = "Member Exists"
FORGOTTEN = "Forgotten Email Not Subscribed"
NOT_FOUND = "Resource Not Found"
INVALID = "Invalid Resource"

COLUMNS = tuple(WRITES)
TABLE: Mapping[str, tuple[str, ...]] = {
    "absent": (SUBSCRIBED, INVALID, NOT_FOUND, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED),
    "subscribed": (STAYS, STAYS, STAYS, EXISTS, STAYS, STAYS),
    "unsubscribed_by_admin": (STAYS, SUBSCRIBED, SUBSCRIBED, EXISTS, STAYS, SUBSCRIBED),
    "unsubscribed_by_contact": (STAYS, COMPLIANCE, COMPLIANCE, EXISTS, STAYS, COMPLIANCE),
    "complained": (STAYS, COMPLIANCE, COMPLIANCE, EXISTS, STAYS, COMPLIANCE),
    "cleaned": (STAYS, COMPLIANCE, COMPLIANCE, EXISTS, STAYS, COMPLIANCE),
    "pending": (STAYS, SUBSCRIBED, SUBSCRIBED, EXISTS, STAYS, SUBSCRIBED),
    "transactional": (STAYS, SUBSCRIBED, SUBSCRIBED, EXISTS, STAYS, SUBSCRIBED),
    "archived": (SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED),
    "archived_locked": (SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED, SUBSCRIBED),
    "forgotten": (FORGOTTEN, FORGOTTEN, NOT_FOUND, FORGOTTEN, FORGOTTEN, FORGOTTEN),
}
CELLS = [
    pytest.param(state, column, expected, id=f"{state}: {column}")
    for state, row in TABLE.items()
    for column, expected in zip(COLUMNS, row, strict=True)
]

# What the other setting of a switch makes of a cell.
SWITCHED = [
    ("batch_status_on_admin_unsubscribed", "ignored", "unsubscribed_by_admin", "batch status", STAYS),
    ("batch_status_on_admin_unsubscribed", "error", "unsubscribed_by_admin", "batch status", COMPLIANCE),
    ("batch_status_on_locked", "ignored", "unsubscribed_by_contact", "batch status", STAYS),
    ("batch_status_on_pending", "ignored", "pending", "batch status", STAYS),
    ("put_status_if_new_on_archived", "kept", "archived", "PUT status_if_new", STAYS),
    ("batch_status_if_new_on_archived", "kept", "archived", "batch status_if_new", STAYS),
    ("archive_forgets_opt_out", False, "archived_locked", "PUT status", COMPLIANCE),
    ("archive_forgets_opt_out", False, "archived_locked", "PUT status_if_new", COMPLIANCE),
    ("archive_forgets_opt_out", False, "archived_locked", "batch status_if_new", COMPLIANCE),
    ("archive_forgets_opt_out", False, "archived", "PUT status", SUBSCRIBED),
    ("post_on_locked", "compliance", "unsubscribed_by_contact", "POST status", COMPLIANCE),
]

_BATCH_TEXTS = {COMPLIANCE: "in a compliance state", FORGOTTEN: "was permanently deleted"}


def state_of(api: PlainClient) -> str:
    return str(api.control.members().get(EMAIL, {"state": "absent"})["state"])


def check(api: PlainClient, state: str, column: str, expected: str) -> None:
    api.control.put_members([{"email": EMAIL, "state": state}])
    answer = WRITES[column](api)
    accepted = expected in (STAYS, SUBSCRIBED)
    assert state_of(api) == (SUBSCRIBED if expected == SUBSCRIBED else state)
    if column.startswith("batch"):
        body = answer.json()
        assert answer.status_code == 200
        assert body["error_count"] == (0 if accepted else 1)
        assert body["total_created"] + body["total_updated"] == (1 if accepted else 0)
        if not accepted:
            assert _BATCH_TEXTS[expected] in body["errors"][0]["error"]
            assert body["errors"][0]["error_code"] == "ERROR_GENERIC"
            return
    elif not accepted:
        assert answer.status_code == {NOT_FOUND: 404}.get(expected, 400)
        assert answer.json()["title"] == expected
        return
    assert answer.status_code == 200
    # Whatever becomes of the status, the other fields are written.
    assert api.member(EMAIL)["merge_fields"]["FNAME"] == "Ada"


@pytest.mark.parametrize(("state", "column", "expected"), CELLS)
def test_each_state_and_request(api: PlainClient, state: str, column: str, expected: str) -> None:
    check(api, state, column, expected)


@pytest.mark.parametrize(("switch", "setting", "state", "column", "expected"), SWITCHED)
def test_each_switch_has_its_other_behaviour(
    api: PlainClient, switch: str, setting: object, state: str, column: str, expected: str
) -> None:
    api.control.switch(**{switch: setting})
    check(api, state, column, expected)


@pytest.mark.parametrize("state", ["archived", "archived_locked"])
def test_a_batch_lists_who_comes_back_from_the_archive_as_new(api: PlainClient, state: str) -> None:
    api.control.put_members([{"email": EMAIL, "state": state, "tags": ["Kept"]}])
    answer = api.batch({"email_address": EMAIL, "status": "subscribed"}).json()
    assert [member["email_address"] for member in answer["new_members"]] == [EMAIL]
    assert [tag["name"] for tag in api.member(EMAIL)["tags"]] == ["Kept"]


@pytest.mark.parametrize("state", ["unsubscribed_by_contact", "complained", "unsubscribed_by_admin"])
def test_somebody_who_opted_out_may_be_asked_again(api: PlainClient, state: str) -> None:
    api.control.put_members([{"email": EMAIL, "state": state}])
    assert api.patch(member_path(EMAIL), {"status": "pending"}).json()["status"] == "pending"
    assert api.control.members()[EMAIL]["confirmation_mails"] == 1
    assert [entry["asked"] for entry in api.control.raises("raised")] == ["pending"]


def test_an_address_that_bounced_may_not_be_asked_again(api: PlainClient) -> None:
    api.control.put_members([{"email": EMAIL, "state": "cleaned"}])
    assert api.patch(member_path(EMAIL), {"status": "pending"}).json()["title"] == COMPLIANCE


@pytest.mark.parametrize("state", ["subscribed", "pending", "transactional"])
@pytest.mark.parametrize("column", ["PUT", "PATCH", "batch"])
def test_status_unsubscribed_lowers_consent(api: PlainClient, state: str, column: str) -> None:
    api.control.put_members([{"email": EMAIL, "state": state}])
    body = {"email_address": EMAIL, "status": "unsubscribed"}
    answer = api.batch(body) if column == "batch" else api.call(column, member_path(EMAIL), body)
    assert answer.status_code == 200
    assert state_of(api) == "unsubscribed_by_admin"
    assert api.member(EMAIL)["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    assert api.control.raises() == []


def test_an_opt_out_of_the_contact_is_not_weakened_by_one_of_the_api(api: PlainClient) -> None:
    api.control.put_members([{"email": EMAIL, "state": "unsubscribed_by_contact"}])
    api.patch(member_path(EMAIL), {"status": "unsubscribed"})
    assert state_of(api) == "unsubscribed_by_contact"


def test_a_put_with_status_alone_changes_an_existing_member_without_naming_the_address(
    api: PlainClient,
) -> None:
    api.upsert(EMAIL)
    assert api.put(member_path(EMAIL), {"status": "unsubscribed"}).json()["status"] == "unsubscribed"


def test_pending_is_not_mailed_again_by_a_repeated_request(api: PlainClient) -> None:
    for _ in range(3):
        api.put(member_path(EMAIL), {"email_address": EMAIL, "status_if_new": "pending", "status": "pending"})
    assert api.control.members()[EMAIL]["confirmation_mails"] == 1


def test_raises_name_the_request_and_what_came_of_it(api: PlainClient) -> None:
    api.control.put_members([{"email": EMAIL, "state": "unsubscribed_by_admin"}])
    api.patch(member_path(EMAIL), {"status": "subscribed"})
    api.control.put_members([{"email": EMAIL, "state": "unsubscribed_by_contact"}])
    api.batch({"email_address": EMAIL, "status": "subscribed"})
    api.control.switch(batch_status_on_locked="ignored")
    api.batch({"email_address": EMAIL, "status": "subscribed"})
    seen = [(entry["was"], entry["outcome"], entry["request"].split()[0]) for entry in api.control.raises()]
    assert seen == [
        ("unsubscribed_by_admin", "raised", "PATCH"),
        ("unsubscribed_by_contact", "refused", "POST"),
        ("unsubscribed_by_contact", "ignored", "POST"),
    ]


@pytest.mark.parametrize(
    "state", sorted(standing.name.lower() for standing in OPTED_OUT - {Standing.FORGOTTEN})
)
def test_status_if_new_alone_is_no_raise_unless_the_archive_is_reopened(api: PlainClient, state: str) -> None:
    api.control.put_members([{"email": EMAIL, "state": state}])
    api.upsert(EMAIL)
    raised = [entry["by"] for entry in api.control.raises("raised")]
    assert raised == (["status_if_new"] if state.startswith("archived") else [])


def test_a_raise_that_fails_for_another_reason_is_no_raise(api: PlainClient) -> None:
    api.control.put_members([{"email": EMAIL, "state": "unsubscribed_by_admin"}])
    body = {"status": "subscribed", "merge_fields": {"ADDRESS": {"addr1": "only a part"}}}
    assert api.patch(member_path(EMAIL), body).status_code == 400
    assert [entry["outcome"] for entry in api.control.raises()] == ["refused"]
    assert state_of(api) == "unsubscribed_by_admin"


STATUSES = st.sampled_from(["subscribed", "unsubscribed", "cleaned", "pending", "transactional"])
KEPT = Switches(put_status_if_new_on_archived="kept", batch_status_if_new_on_archived="kept")


@given(st.sampled_from(sorted(OPTED_OUT, key=str)), st.sampled_from(Way), STATUSES)
def test_without_status_nobody_who_opted_out_changes_state(standing: Standing, way: Way, if_new: str) -> None:
    assert decide(standing, way, None, if_new, KEPT).status is None


@given(st.sampled_from(Standing), st.sampled_from(Way), st.none() | STATUSES, st.none() | STATUSES)
def test_only_accepted_writes_set_a_status(
    standing: Standing, way: Way, status: str | None, if_new: str | None
) -> None:
    decision = decide(standing, way, status, if_new, Switches())
    assert (decision.status is not None) == (decision.outcome in (Outcome.CREATE, Outcome.SET))
    assert decision.status in (None, status, if_new)


def test_who_has_complained_is_never_subscribed_by_a_request() -> None:
    for way in Way:
        decision = decide(Standing.COMPLAINED, way, "subscribed", "subscribed", Switches())
        assert decision in (Decision(Outcome.COMPLIANCE), Decision(Outcome.EXISTS))
