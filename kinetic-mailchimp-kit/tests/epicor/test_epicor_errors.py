"""Each row of the table of errors, and the forms in which a body comes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kinetic_mailchimp.epicor.classification import classify
from kinetic_mailchimp.epicor.error_rules import RULES
from kinetic_mailchimp.epicor.errors import (
    BodyTooLargeError,
    CompanyAccessError,
    FilterTooLargeError,
    PageRequest,
    PageTimeoutError,
    PageTooLargeError,
    PathRefusedError,
    ProbeRequest,
    QueryRefusedError,
    UrlTooLongError,
)
from kinetic_mailchimp.epicor.problem import LONGEST_MESSAGE, read_problem
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    DataError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import Request
from kinetic_mailchimp.kit.redaction.masker import MASKER

READ = Request("GET", "https://erp.example.com/erp/api/v2/odata/EPIC06/Erp.BO.PartSvc/Parts")
BUSINESS = "Ice.Common.BusinessObjectException"
ODATA = "Microsoft.OData.ODataException"
HTML = "<!DOCTYPE html><html><body>Down for maintenance</body></html>"


def kinetic(message: str, error_type: str = "", **more: Any) -> dict[str, Any]:
    return {"ErrorMessage": message, "ErrorType": error_type, "ReasonPhrase": "REST API Exception", **more}


CASES: list[tuple[int, Any, type[ConnectorError], str]] = [
    (400, kinetic("Maximum users exceeded on license type: DefaultUser"), TransientError, "`license_type`"),
    (400, kinetic("x", "Ice.Common.LicenseAccessException"), TransientError, "`concurrency`"),
    (
        400,
        kinetic("No license available", "Ice.Common.LicenseAccessException"),
        TransientError,
        "`concurrency`",
    ),
    (
        400,
        kinetic("Company EPIC07 is not licensed.", "Ice.Common.LicenseAccessException"),
        CompanyAccessError,
        "`companies`",
    ),
    (500, kinetic("No license found for company EPIC07"), CompanyAccessError, "`license_type`"),
    (401, kinetic("The license of company EPIC07 has expired."), CompanyAccessError, "renew"),
    (400, kinetic("Customer is not licensed to buy this part.", BUSINESS), DataError, "to buy"),
    (503, kinetic("x", "Ice.ConversionsPendingException"), TransientError, "upgraded"),
    (502, HTML, TransientError, "maintenance"),
    (200, HTML, TransientError, "`base_url`"),
    (500, HTML, TransientError, "web page"),
    (408, "", TransientError, "busy"),
    (429, kinetic("Too many"), TransientError, "busy"),
    (503, "", TransientError, "busy"),
    (504, "upstream timed out", TransientError, "busy"),
    (404, kinetic("Record not found.", "Ice.Common.RecordNotFoundException"), NotFoundError, "Record"),
    (404, kinetic("Record not found."), NotFoundError, "Record"),
    (401, kinetic("Credit limit exceeded.", BUSINESS), DataError, "Credit limit"),
    (
        400,
        kinetic("Could not find a property named 'ChangeDate' on type 'Erp.Part'.", ODATA),
        ConfigurationError,
        "no column ChangeDate",
    ),
    (400, kinetic("Invalid company expression.", ODATA), ConfigurationError, "query was refused"),
    (
        403,
        kinetic("Access denied: Erp.BO.PartSvc is not in the access scope"),
        PermissionDeniedError,
        "scope",
    ),
    (401, kinetic("Access denied: not in the access scope"), PermissionDeniedError, "`api_key`"),
    (401, kinetic("Invalid API Key"), CredentialsError, "`api_key`"),
    (403, kinetic("API Key is required"), CredentialsError, "`api_key`"),
    (400, kinetic("Invalid URL: company 'X' is not valid for the user."), CompanyAccessError, "`companies`"),
    (403, kinetic("User is not authorized for company X."), CompanyAccessError, "`companies`"),
    (401, kinetic("Invalid username or password."), CredentialsError, "`auth_method`"),
    (401, "", CredentialsError, "`password`"),
    (403, kinetic("No", "Ice.Common.UnauthorizedAccessException"), PermissionDeniedError, "menu and service"),
    (
        400,
        kinetic("Could not find a property named 'ChangeDate' on type 'Erp.Part'."),
        ConfigurationError,
        "no column ChangeDate",
    ),
    (404, kinetic("Resource not found for the segment 'Partz'."), ConfigurationError, "Partz"),
    (400, kinetic("No", "Ice.Common.UnauthorizedAccessException"), PermissionDeniedError, "menu and service"),
    (404, HTML, ConfigurationError, "`base_url`"),
    (404, "", ConfigurationError, "does not exist"),
    (400, kinetic("Customer not available", BUSINESS), NotFoundError, "Customer not available"),
    (400, kinetic("Customer not available"), NotFoundError, "Customer not available"),
    (400, kinetic("An identifier was expected at position 16."), ConfigurationError, "filter"),
    (414, HTML, UrlTooLongError, "fewer columns"),
    (404, f"{HTML} HTTP Error 404.15 - Not Found", UrlTooLongError, "`maxQueryString`"),
    (400, kinetic("The limit of '100' for Top query has been exceeded.", ODATA), PageTooLargeError, "100"),
    (400, kinetic("Page size may be at most 500.", ODATA), PageTooLargeError, "administrators"),
    (400, kinetic("$top must be between 1 and 100."), PageTooLargeError, "administrators"),
    (400, kinetic("The value of $top is too large."), PageTooLargeError, "administrators"),
    (422, kinetic("No more than 500 records may be asked for."), PageTooLargeError, "administrators"),
    (501, kinetic("Invalid $top: larger than the page size."), PageTooLargeError, "administrators"),
    (400, kinetic("MaxExpressionDepth was exceeded", ODATA), FilterTooLargeError, "Max"),
    (400, kinetic("The query has too many conditions.", ODATA), FilterTooLargeError, "Max"),
    (500, kinetic("x", "System.InsufficientExecutionStackException"), FilterTooLargeError, "Max"),
    (404, f"{HTML} HTTP Error 404.13 - Not Found", BodyTooLargeError, "too large"),
    (500, f"{HTML} Maximum request length exceeded.", BodyTooLargeError, "too large"),
    (404, f"{HTML} HTTP Error 404.20 - Not Found", PathRefusedError, "`write_mode`"),
    (400, f"{HTML} <h2>Bad Request - Invalid URL</h2>", PathRefusedError, "`write_mode`"),
    (400, kinetic("The node count limit of '100' has been exceeded.", ODATA), FilterTooLargeError, "Max"),
    (400, f"{HTML} The plain HTTP request was sent to HTTPS port", ConfigurationError, "`https://`"),
    (413, HTML, BodyTooLargeError, "too large"),
    (400, f"{HTML} potentially dangerous Request.Path value", PathRefusedError, "`write_mode`"),
    (410, kinetic("Expired", "Ice.Common.InvalidSessionException"), TransientError, "session"),
    (500, kinetic("Credit hold.", "Ice.BLException"), DataError, "Credit hold"),
    (500, kinetic("We apologize, but an unexpected internal problem occurred."), TransientError, "apologize"),
    (302, "", ConfigurationError, "`base_url`"),
    (400, kinetic("Name is required.", BUSINESS), DataError, "Name is required."),
    (409, kinetic("exists", "Ice.Common.DuplicateRecordException"), DataError, "exists"),
    (418, "", DataError, ""),
]


@pytest.mark.rule("R10")
@pytest.mark.parametrize(("status", "body", "error", "says"), CASES)
def test_an_answer_becomes_the_error_that_helps(
    make_answer: Any, status: int, body: Any, error: type[ConnectorError], says: str
) -> None:
    found = classify(READ, make_answer(status, body, "text/html" if HTML in body else ""))
    assert type(found) is error
    assert says in str(found)
    assert found.status == status


@pytest.mark.rule("R10")
@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("error_type", [BUSINESS, "Ice.BLException", "Ice.Bpm.BpmException"])
@pytest.mark.parametrize(
    "words",
    [
        "Contacts of a parent company can be changed only by users with access to credit data.",
        "Company EPIC06 is not valid for this territory.",
        "Maximum users exceeded on license type: DefaultUser.",
        "Syntax error in the phone number.",
        "The API key of the customer's portal is missing.",
    ],
)
def test_the_type_of_a_business_rule_decides_and_not_its_words(
    make_answer: Any, status: int, error_type: str, words: str
) -> None:
    error = classify(READ, make_answer(status, kinetic(words, error_type)))
    assert type(error) is DataError
    assert (error.message, error.advice, error.retry_after) == (words, "", None)


@pytest.mark.parametrize("status", [400, 409, 500])
@pytest.mark.parametrize(
    "body",
    [
        {"errorMessage": "Company not valid.", "errorType": BUSINESS},
        {
            "ErrorMessage": "Company not valid.",
            "ErrorDetails": [{"Type": "Error", "Method": "ThrowBLException"}],
        },
        {
            "ErrorMessage": "Company not valid.",
            "ErrorType": "System.Exception",
            "ErrorDetails": [{"Type": BUSINESS}],
        },
        {"error": {"code": BUSINESS, "message": "Company not valid."}},
        {
            "error": {
                "message": "Company not valid.",
                "innererror": {"type": "System.Exception", "internalexception": {"type": "Ice.BLException"}},
            }
        },
    ],
    ids=str,
)
def test_the_type_of_a_business_rule_is_found_in_every_shape(
    make_answer: Any, status: int, body: Any
) -> None:
    assert type(classify(READ, make_answer(status, body))) is DataError


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_page_without_a_reason_in_answer_to_a_long_query_may_be_about_its_length(
    make_answer: Any, status: int
) -> None:
    page = make_answer(status, HTML, "text/html")
    long = Request("GET", READ.url, params={"$filter": " or ".join(["CustNum eq 1"] * 100)})
    error = classify(long, page)
    assert type(error) is UrlTooLongError
    assert "`base_url`" in error.advice
    assert type(classify(READ, page)) is not UrlTooLongError


@pytest.mark.rule("R2")
@pytest.mark.parametrize("before", [{}, {"value": []}, {"value": [{"PartNum": "A"}]}])
def test_an_error_that_came_after_its_status_is_one(make_answer: Any, before: dict[str, Any]) -> None:
    late = {**before, "error": {"code": "", "message": "Execution Timeout Expired."}}
    error = classify(READ, make_answer(200, late))
    assert type(error) is TransientError
    assert "Execution Timeout Expired." in str(error)


@pytest.mark.rule("R2")
def test_kinetics_own_error_under_a_success_is_one(make_answer: Any) -> None:
    error = classify(READ, make_answer(200, {"HttpStatus": 400, **kinetic("Credit is on hold.", BUSINESS)}))
    assert type(error) is DataError
    assert "Credit is on hold." in str(error)
    assert classify(READ, make_answer(200, {"HttpStatus": 200, "ErrorMessage": ""})) is None


def test_every_row_of_the_table_is_reached(make_answer: Any) -> None:
    reached = set()
    for status, body, _, _ in CASES:
        problem = read_problem(make_answer(status, body, "text/html" if HTML in body else ""))
        reached.add(next(number for number, rule in enumerate(RULES) if rule.match(problem) is not None))
    assert reached == set(range(len(RULES)))


def test_success_is_no_error(make_answer: Any) -> None:
    assert classify(READ, make_answer(200, {"value": []})) is None
    assert classify(READ, make_answer(204)) is None


def test_a_full_licence_pool_waits_for_a_seat_or_for_what_the_server_says(make_answer: Any) -> None:
    body = kinetic("Maximum users exceeded on license type")
    first = classify(READ, make_answer(400, body))
    second = classify(READ, make_answer(400, body, **{"Retry-After": "90"}))
    assert first is not None
    assert second is not None
    assert (first.retry_after, second.retry_after) == (30, 90)


def test_the_column_the_type_and_the_correlation_id_travel_along(make_answer: Any) -> None:
    details = [{"Message": "Name is required.", "Table": "CustCnt", "Field": "Name"}]
    body = kinetic("Name is required.", BUSINESS, CorrelationId="6b0f", ErrorDetails=details)
    error = classify(READ, make_answer(400, body))
    assert error is not None
    assert (error.field, error.code, error.request_id) == ("Name", BUSINESS, "6b0f")
    assert "request 6b0f" in str(error)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"error": {"code": "", "message": "Customer not available", "innererror": {"type": BUSINESS}}}, ""),
        (
            "<RestException><ErrorMessage>Customer not available</ErrorMessage></RestException>",
            "application/xml",
        ),
        ({"ErrorMessage": "Customer not available", "ErrorType": BUSINESS, "ErrorDetails": None}, ""),
        ("Customer not available", "text/plain"),
        ('{"ErrorMessage": "Customer not available"}', "text/plain"),
    ],
)
def test_every_form_of_a_body_is_understood(make_answer: Any, body: Any, content_type: str) -> None:
    error = classify(READ, make_answer(400, body, content_type))
    assert type(error) is NotFoundError
    assert error.message == "Customer not available."


@pytest.mark.parametrize("body", ["[1, 2]", '{"ErrorMess', "{}", "<broken", ""])
def test_a_body_that_says_nothing_leaves_the_status(make_answer: Any, body: str) -> None:
    error = classify(READ, make_answer(503, body, "application/json"))
    assert type(error) is TransientError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Deadlock", "Deadlock."),
        ("No company 'X'", "No company 'X'."),
        ("Try later!", "Try later!"),
        ("x" * 400, f"{'x' * LONGEST_MESSAGE}…"),
    ],
)
def test_advice_does_not_run_into_the_words_of_the_server(make_answer: Any, text: str, told: str) -> None:
    error = classify(READ, make_answer(500, kinetic(text, CorrelationId="c-1")))
    assert error is not None
    assert str(error) == f"{told} (HTTP 500, request c-1) {error.advice}"


@pytest.mark.rule("R9")
@pytest.mark.parametrize("before", [0, LONGEST_MESSAGE - 7])
def test_a_secret_that_the_server_quotes_is_masked(make_answer: Any, before: int) -> None:
    MASKER.add(["made-up-key-that-is-quoted"])

    problem = read_problem(make_answer(400, kinetic(f"{'x' * before} made-up-key-that-is-quoted is refused")))

    assert "**" in problem.message
    assert "made" not in problem.message


def test_a_long_text_is_cut(make_answer: Any) -> None:
    error = classify(READ, make_answer(400, "x " * 1000))
    assert error is not None
    assert len(error.message) < 320


@pytest.mark.parametrize("status", [408, 504])
def test_a_page_that_timed_out_is_reported_at_once(make_answer: Any, status: int) -> None:
    page = PageRequest("GET", READ.url)
    assert type(classify(page, make_answer(status))) is PageTimeoutError
    assert type(classify(page, make_answer(503))) is TransientError


def test_a_probe_distinguishes_a_refused_query_from_a_refused_caller(make_answer: Any) -> None:
    probe = ProbeRequest("GET", READ.url)
    apology = kinetic("We apologize, but an unexpected internal problem occurred.")
    for status in (400, 500):
        assert type(classify(probe, make_answer(status, apology))) is QueryRefusedError
    assert type(classify(probe, make_answer(401, kinetic("Invalid API Key")))) is CredentialsError
    assert type(classify(probe, make_answer(400, kinetic("Maximum users exceeded")))) is TransientError
    assert type(classify(probe, make_answer(503))) is TransientError


@pytest.mark.parametrize(
    "body",
    [
        {"odata.error": {"code": "", "message": {"lang": "en-US", "value": "Not so."}}},
        {"error": {"code": "", "message": {"lang": "en-US", "value": "Not so."}}},
        {"error": {"code": None, "message": "Not so.", "details": None, "innererror": None}},
        {"error": "Not so."},
        {"error": "invalid", "error_description": "Not so."},
        {"Message": "Not so.", "MessageDetail": None},
        {"Message": "An error has occurred.", "ExceptionMessage": "Not so.", "ExceptionType": "X"},
        {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "Not so."},
        {"title": "Not so.", "errors": {"CustNum": ["wrong"]}},
        {"errors": [{"message": "Not so."}]},
        {"fault": {"faultstring": "Not so.", "detail": {"errorcode": "x"}}},
        {"ErrorMessage": None, "ErrorDetails": [{"Message": "Not so."}], "ErrorType": None},
        {"ErrorMessage": "Not so.", "ErrorDetails": [None], "CorrelationId": 7},
    ],
    ids=str,
)
def test_the_words_of_an_error_are_found_in_every_shape(make_answer: Any, body: dict[str, Any]) -> None:
    assert read_problem(make_answer(400, body)).message == "Not so."


@pytest.mark.parametrize(
    "body", [{}, [], None, 7, {"error": []}, {"error": {"message": 7}}, {"ErrorType": {}}], ids=str
)
def test_a_body_that_says_nothing_is_a_failure_all_the_same(make_answer: Any, body: Any) -> None:
    assert classify(READ, make_answer(400, body)) is not None


def test_a_long_type_takes_no_longer_than_its_length(make_answer: Any) -> None:
    begun = time.thread_time()
    classify(READ, make_answer(500, kinetic("x", "filter Exception " * 50_000)))
    assert time.thread_time() - begun < 2
