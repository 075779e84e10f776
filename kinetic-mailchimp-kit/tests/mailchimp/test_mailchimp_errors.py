"""What each answer of Mailchimp means, by the bodies that were recorded or documented."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.mailchimp import PERSON_LEFT, Refusal, RefusedError
from kinetic_mailchimp.mailchimp.errors import DocumentRequest, classify
from kinetic_mailchimp.mailchimp.refusals import item_error
from requests.structures import CaseInsensitiveDict

HOST = "https://us6.api.mailchimp.com/3.0"
MEMBER = f"{HOST}/lists/abc/members/0123456789abcdef0123456789abcdef"
SOMEBODY = "somebody@example.com"


def answer(status: int, title: str = "", detail: str = "", **more: Any) -> Answer:
    body = {"title": title, "status": status, "detail": detail, "instance": "f00", **more}
    headers = {"Content-Type": "application/problem+json; charset=utf-8", "X-Request-Id": "req-1"}
    return Answer(status, CaseInsensitiveDict(headers), json.dumps(body).encode())


def raw(status: int, text: str = "", content_type: str = "text/html") -> Answer:
    return Answer(status, CaseInsensitiveDict({"Content-Type": content_type}), text.encode())


def meaning(given: Answer, url: str = MEMBER, method: str = "PUT") -> ConnectorError:
    error = classify(Request(method, url), given)
    assert error is not None
    return error


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    ("title", "detail", "reason"),
    [
        (
            "Member In Compliance State",
            f"{SOMEBODY} is in a compliance state due to unsubscribe, bounce, or compliance review",
            Refusal.COMPLIANCE_STATE,
        ),
        (
            "Forgotten Email Not Subscribed",
            f"{SOMEBODY} was permanently deleted and cannot be re-imported.",
            Refusal.FORGOTTEN,
        ),
        (
            "Member Exists",
            f"{SOMEBODY} is already a list member. Use PUT to insert or update list members.",
            Refusal.MEMBER_EXISTS,
        ),
        ("Invalid Resource", "Please provide a valid email address.", Refusal.INVALID_ADDRESS),
        (
            "Invalid Resource",
            f"{SOMEBODY} looks fake or invalid, please enter a real email address.",
            Refusal.FAKE_ADDRESS,
        ),
        (
            "Invalid Resource",
            "The domain portion of the email address is invalid (the portion after the @)",
            Refusal.INVALID_ADDRESS,
        ),
        (
            "Invalid Resource",
            f"{SOMEBODY} has signed up to a lot of lists very recently; we're not allowing more",
            Refusal.SIGNUP_THROTTLED,
        ),
        (
            "Invalid Resource",
            f"Recipient {SOMEBODY} has too many recent signup requests",
            Refusal.SIGNUP_THROTTLED,
        ),
        ("Bad Request", "Something new", Refusal.OTHER),
    ],
)
def test_a_refused_member_has_its_reason_and_no_address_in_the_text(
    title: str, detail: str, reason: Refusal
) -> None:
    error = meaning(answer(400, title, detail))
    assert isinstance(error, RefusedError)
    assert error.reason is reason
    assert SOMEBODY not in str(error)
    assert error.request_id == "req-1"
    in_batch = item_error({"email_address": SOMEBODY, "error": detail, "error_code": "ERROR_GENERIC"})
    assert in_batch.reason is reason
    assert SOMEBODY not in str(in_batch)


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{} was previously removed from this audience", Refusal.REMOVED),
        ("{} has left the list", Refusal.REMOVED),
        ("The subscriber has asked to be removed", Refusal.REMOVED),
        ("The member is archived and cannot be updated", Refusal.REMOVED),
        ("{} can't be re-added", Refusal.MUST_RESUBSCRIBE),
        ("The contact must opt in", Refusal.MUST_RESUBSCRIBE),
        ("{} requested not to be contacted", Refusal.UNSUBSCRIBED),
        ("{} does not want to receive email", Refusal.UNSUBSCRIBED),
        ("{} cancelled their subscription", Refusal.UNSUBSCRIBED),
        ("{} withdrew consent", Refusal.UNSUBSCRIBED),
        ("{} is non-subscribed", Refusal.UNSUBSCRIBED),
        ("{} is inactive in this audience", Refusal.UNSUBSCRIBED),
        ("{} has been deactivated due to bounces", Refusal.BOUNCED),
        ("waiting for {} to confirm", Refusal.PENDING),
        ("The double opt-in has not been completed", Refusal.PENDING),
        ("{} is blocked", Refusal.COMPLIANCE_STATE),
        ("{} is on the blacklist", Refusal.COMPLIANCE_STATE),
        ("{} marked your mail as junk", Refusal.COMPLIANCE_STATE),
        ("{} is no longer on the list", Refusal.REMOVED),
        ("Consent withdrawn by {}", Refusal.UNSUBSCRIBED),
        ("{} asked never to be emailed again", Refusal.UNSUBSCRIBED),
        ("{} is on the do-not-mail list", Refusal.UNSUBSCRIBED),
        ("{} must re-confirm", Refusal.PENDING),
        ("Awaiting the double opt-in of {}", Refusal.PENDING),
        ("{} was forgotten", Refusal.FORGOTTEN),
        ("{} was deleted and can't be imported", Refusal.REMOVED),
    ],
)
def test_people_who_left_are_known_in_any_wording(text: str, reason: Refusal) -> None:
    assert item_error({"email_address": SOMEBODY, "error": text.format(SOMEBODY)}).reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "The merge field FNAME was removed",
        "This interest group was deleted",
        "The tag is archived",
        "Please enter a value",
        "This audience has reached its limit",
        "Language xx is unsupported",
        "The contact is not a valid record",
        "The tag 'Unsubscribed customers' cannot be set",
        'The choice "Archived" is not in the dropdown',
        "Interest Inactive Customers is not valid in this list",
        "Please enter a value for OPTEDOUT",
        "ACCTSTATUS does not take 'inactive'",
    ],
)
def test_what_is_wrong_with_a_value_is_not_taken_for_a_person_who_left(text: str) -> None:
    assert item_error({"email_address": SOMEBODY, "error": text}).reason not in PERSON_LEFT


@pytest.mark.parametrize("text", ["inactive is not one of active, blocked", "Pending Ltd is too long"])
def test_the_words_about_a_field_are_not_about_the_person(text: str) -> None:
    shown = item_error({"email_address": SOMEBODY, "error": text, "field": "ACCTSTATUS"})
    assert (shown.reason, shown.field) == (Refusal.INVALID_FIELDS, "ACCTSTATUS")


@pytest.mark.parametrize("unit", ["a", "a@", '"', "“", "consent "])
def test_a_long_text_takes_no_longer_than_its_length(unit: str) -> None:
    begun = time.thread_time()
    item_error({"error": unit * (1_000_000 // len(unit)), "field": "X", "field_message": unit * 500_000})
    assert time.thread_time() - begun < 2


@pytest.mark.rule("R2")
@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    "text",
    [
        "You have reached your contact limit.",
        "Your account has exceeded its limit; unsubscribed or archived contacts can be deleted.",
        "This audience has reached its limit of contacts",
        "This would exceed the maximum of 500 contacts. Contacts must be archived or removed first.",
        "Too many subscribers for your plan",
    ],
)
def test_an_account_that_is_full_is_no_fault_of_a_person_nor_of_the_key(status: int, text: str) -> None:
    for error in (meaning(answer(status, "Forbidden", text)), item_error({"error": text})):
        assert isinstance(error, RefusedError)
        assert error.reason is Refusal.CONTACT_LIMIT
        assert "sync-audit replay" in error.advice


def test_the_signup_throttle_is_for_another_day() -> None:
    refused = item_error({"error": "x has signed up to a lot of lists very recently; we're not allowing"})
    assert (refused.reason, refused.advice) == (Refusal.SIGNUP_THROTTLED, "Replay the record in some days.")


def test_invalid_fields_are_named() -> None:
    error = meaning(
        answer(
            400,
            "Invalid Resource",
            "Your merge fields were invalid.",
            errors=[{"field": "LTV", "message": "Please enter a number"}],
        )
    )
    assert isinstance(error, RefusedError)
    assert (error.reason, error.field) == (Refusal.INVALID_FIELDS, "LTV")
    assert "LTV: Please enter a number" in str(error)


def test_an_item_whose_text_is_new_is_still_known_by_its_field() -> None:
    error = item_error({"error": "No good.", "field": "PHONE", "field_message": "Please enter a phone"})
    assert (error.reason, error.field) == (Refusal.INVALID_FIELDS, "PHONE")


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        (answer(401, "API Key Invalid", "Your API key may be invalid"), CredentialsError, "`api_key`"),
        (raw(401), CredentialsError, "`access_token`"),
        (answer(403, "Forbidden", "You don't have permission"), PermissionDeniedError, "role"),
        (answer(403, "User action not permitted", ""), PermissionDeniedError, "role"),
        (raw(403), TransientError, "throttling"),
        (raw(429), TransientError, "concurrency"),
        (answer(429, "Too Many Requests", "You have exceeded the limit"), TransientError, "concurrency"),
        (raw(403, "<html>Rejected</html>"), TransientError, "in front"),
        (raw(403, "<TITLE>Access Denied</TITLE> Reference #18"), TransientError, "IP address"),
        (raw(503, "<html>Access Denied</html>"), TransientError, "not the cause"),
        (raw(400, "<html>Bad Request</html>"), TransientError, "`base_url`"),
        (raw(404, "<html>Not Found</html>"), TransientError, "`base_url`"),
        (raw(404, '{"message": "no route"}', "application/json"), TransientError, "`base_url`"),
        (raw(409), TransientError, "`base_url`"),
        (raw(407, "<html>Who are you?</html>"), ConfigurationError, "`HTTPS_PROXY`"),
        (raw(413, "<html>Too large</html>"), RefusedError, "refused the call"),
        (raw(502, "<html>Bad gateway</html>"), TransientError, "cannot answer now"),
        (answer(500, "InternalServerError", "oops"), TransientError, "cannot answer now"),
        (
            answer(503, "ComplianceRelated", "This method has been disabled."),
            PermissionDeniedError,
            "compliance",
        ),
        (raw(426), ConfigurationError, "`base_url`"),
        (raw(302), ConfigurationError, "`base_url`"),
        (raw(200, "<html>Log in to the network</html>"), TransientError, "proxy"),
        (answer(404, "Resource Not Found", "x"), NotFoundError, "The member"),
        (
            answer(
                405,
                "Method Not Allowed",
                "This list member cannot be removed. Can not archive a contact that is",
            ),
            RefusedError,
            "cannot be archived",
        ),
    ],
)
def test_each_answer_says_how_one_recovers(given: Answer, kind: type[ConnectorError], says: str) -> None:
    error = meaning(given)
    assert type(error) is kind
    assert says in str(error)


@pytest.mark.parametrize("path", ["", "/members", "/merge-fields", "/webhooks"])
def test_a_missing_audience_is_a_wrong_setting(path: str) -> None:
    error = meaning(answer(404, "Resource Not Found", "x"), f"{HOST}/lists/abc{path}")
    assert type(error) is ConfigurationError
    assert "abc" in error.message
    assert "`list_id`" in error.advice
    assert "`list_ids`" in error.advice


@pytest.mark.parametrize("path", ["/webhooks/1", "/members/x/tags", "/merge-fields/7"])
def test_a_missing_part_of_an_audience_is_not(path: str) -> None:
    assert type(meaning(answer(404, "Resource Not Found", "x"), f"{HOST}/lists/abc{path}")) is NotFoundError


@pytest.mark.parametrize("given", [raw(204), raw(200, "{}", "application/json")])
def test_success_means_nothing_wrong(given: Answer) -> None:
    assert classify(Request("GET", MEMBER), given) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{SOMEBODY} has previously unsubscribed from this list.", Refusal.UNSUBSCRIBED),
        (f"{SOMEBODY} is already unsubscribed.", Refusal.UNSUBSCRIBED),
        (f"{SOMEBODY} opted out of this audience.", Refusal.UNSUBSCRIBED),
        (f"{SOMEBODY} cannot be added; they need to resubscribe with your form.", Refusal.MUST_RESUBSCRIBE),
        (f"The contact {SOMEBODY} must re-subscribe to get back.", Refusal.MUST_RESUBSCRIBE),
        (f"{SOMEBODY} was removed from this audience.", Refusal.REMOVED),
        (f"{SOMEBODY} has been deleted and cannot be imported.", Refusal.REMOVED),
        (f"{SOMEBODY} cannot be re-imported.", Refusal.FORGOTTEN),
        (f"{SOMEBODY} is under compliance review.", Refusal.COMPLIANCE_STATE),
        (f"{SOMEBODY} complained about a campaign.", Refusal.COMPLIANCE_STATE),
        (f"{SOMEBODY} was reported as abuse.", Refusal.COMPLIANCE_STATE),
        (f"{SOMEBODY} has bounced, and cannot be added.", Refusal.BOUNCED),
        (f"{SOMEBODY} was cleaned from the list.", Refusal.BOUNCED),
        (f"{SOMEBODY} is pending confirmation.", Refusal.PENDING),
        (f"{SOMEBODY} has not yet confirmed the subscription.", Refusal.PENDING),
        (f"{SOMEBODY} is on this list already, as unsubscribed.", Refusal.MEMBER_EXISTS),
        ("unsubscribe@example.com looks fake or invalid", Refusal.FAKE_ADDRESS),
        ("Something new about bounce@example.com", Refusal.OTHER),
    ],
)
def test_refusals_of_people_who_left_are_known_by_kind(text: str, reason: Refusal) -> None:
    in_batch = item_error({"email_address": SOMEBODY, "error": text, "error_code": "ERROR_GENERIC"})
    alone = meaning(answer(400, "Invalid Resource", text))
    about_address = meaning(
        answer(
            400,
            "Invalid Resource",
            "The resource submitted could not be validated.",
            errors=[{"field": "email address", "message": text}],
        )
    )
    assert isinstance(alone, RefusedError)
    assert isinstance(about_address, RefusedError)
    expected = [reason, reason, Refusal.INVALID_FIELDS if reason is Refusal.OTHER else reason]
    assert [in_batch.reason, alone.reason, about_address.reason] == expected
    assert SOMEBODY not in str(in_batch)


def test_a_key_of_another_data_centre_is_told_as_such() -> None:
    error = meaning(answer(403, "Wrong Datacenter", "This API key belongs to another datacenter."))
    assert isinstance(error, CredentialsError)
    assert "another data centre" in str(error)
    assert "Manager" not in str(error)


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '"a text"', '{"members": [', '{"a": 1'], ids=lambda text: text or "none"
)
def test_an_answer_that_is_no_object_is_asked_for_again(body: str) -> None:
    given = raw(200, body, "application/json")
    assert isinstance(classify(DocumentRequest("GET", HOST), given), TransientError)


def test_json_under_another_content_type_is_read() -> None:
    assert classify(DocumentRequest("GET", HOST), raw(200, '{"a": 1}', "text/plain")) is None


@pytest.mark.parametrize("errors", [None, "text", {"FNAME": "bad"}, [None, "text", 1], 7])
def test_errors_of_another_type_end_nothing(errors: Any) -> None:
    error = meaning(answer(400, "Invalid Resource", "Your merge fields were invalid.", errors=errors))
    assert isinstance(error, RefusedError)
    assert error.reason is Refusal.INVALID_FIELDS
