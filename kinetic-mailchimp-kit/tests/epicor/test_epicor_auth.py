"""Identity: every way to log in, and tokens that end at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kinetic_mailchimp.epicor import EpicorSettings
from kinetic_mailchimp.epicor.auth import (
    Token,
    TokenAuthorization,
    authorization,
    classify_token,
    read_token,
    token_request,
)
from kinetic_mailchimp.kit.errors import ConfigurationError, CredentialsError, DataError, TransientError
from kinetic_mailchimp.kit.redaction.masker import MASKER

CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
TOKEN_FORMS = [
    {"auth_method": "token_resource", "token_request": form} for form in ("headers", "basic", "form")
]
ALL = [{"auth_method": "basic"}, *TOKEN_FORMS, {"auth_method": "oauth2"}]


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def with_token_url(epicor: Any, changes: dict[str, Any]) -> dict[str, Any]:
    return {
        **changes,
        **({"token_url": epicor.hello["token_url"]} if changes["auth_method"] == "oauth2" else {}),
    }


@pytest.mark.parametrize("changes", ALL)
def test_every_way_to_log_in(start_epicor: Any, connect: Any, changes: dict[str, Any]) -> None:
    epicor = start_epicor(customers=3)
    assert connect(epicor, **with_token_url(epicor, changes)).read("EPIC06", CUSTOMERS, top=1)


@pytest.mark.parametrize("changes", ALL)
def test_a_wrong_password_is_reported_with_its_setting(
    start_epicor: Any, connect: Any, changes: dict[str, Any]
) -> None:
    epicor = start_epicor(customers=3)
    wrong = {"password": "wrong-on-purpose", "client_secret": "wrong-on-purpose"}
    named = "client_secret" if changes["auth_method"] == "oauth2" else "password"
    with pytest.raises(CredentialsError, match=f"`{named}`"):
        connect(epicor, **wrong, **with_token_url(epicor, changes)).read("EPIC06", CUSTOMERS, top=1)


@pytest.mark.parametrize("changes", [*TOKEN_FORMS, {"auth_method": "oauth2"}])
def test_a_token_that_ends_between_two_calls_is_renewed_once(
    start_epicor: Any, connect: Any, changes: dict[str, Any]
) -> None:
    epicor = start_epicor(customers=3)
    client = connect(epicor, **with_token_url(epicor, changes))
    client.read("EPIC06", CUSTOMERS, top=1)
    epicor.control.expire_tokens()
    epicor.control.clear_requests()
    assert client.read("EPIC06", CUSTOMERS, top=1)
    statuses = [request["status"] for request in epicor.control.requests()]
    assert statuses == [401, 200, 200]


def test_a_login_that_stays_refused_ends_after_one_renewal(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=3, api_key_valid=False)
    with pytest.raises(CredentialsError, match="`api_key`"):
        connect(epicor, auth_method="token_resource").read("EPIC06", CUSTOMERS, top=1)
    statuses = [request["status"] for request in epicor.control.requests()]
    assert statuses == [200, 401, 200, 401]


def test_a_business_error_that_comes_as_401_renews_nothing(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(
        customers=3, business_errors={"Customer": "Credit hold."}, business_error_status=401
    )
    client = connect(epicor, auth_method="token_resource")
    with pytest.raises(DataError, match="Credit hold"):
        client.patch("EPIC06", CUSTOMERS, {"Company": "EPIC06", "CustNum": 1}, {"Name": "x"})
    assert sum("TokenResource" in request["path"] for request in epicor.control.requests()) == 1


def test_the_api_key_alone_where_a_gateway_allows_it() -> None:
    settings = EpicorSettings.from_config(
        {"base_url": "https://h.example.com/i", "companies": ["A"], "api_key": "k", "auth_method": "api_key"}
    )
    assert settings.username == ""


def test_licence_plant_and_key_go_along(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=1)
    client = connect(epicor, plant="MfgSys")
    headers = authorization(client.settings).headers()
    assert headers["x-api-key"] == epicor.api_key
    assert headers["License"] == '{"ClaimedLicense": "00000003-9439-4B30-A6F4-6D2FD4B9FD0F"}'
    assert headers["CallSettings"] == '{"Plant": "MfgSys"}'
    assert "License" not in authorization(connect(epicor, license_type="none").settings).headers()


def test_the_key_does_not_go_to_an_identity_provider(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=1), auth_method="oauth2")
    request = token_request(client.settings)
    assert client.settings.api_key not in str([request.headers, request.form])


class Source:
    """Gives tokens one after the other."""

    def __init__(self, lifetime: float = 100.0) -> None:
        self.lifetime, self.given = lifetime, 0

    def __call__(self) -> Token:
        self.given += 1
        return Token(f"made-up-token-{self.given}", self.lifetime)


@pytest.mark.parametrize(("lifetime", "margin"), [(100.0, 10.0), (3600.0, 60.0), (1.0, 0.1), (0.0, 0.0)])
def test_a_token_is_renewed_before_its_end(lifetime: float, margin: float) -> None:
    clock, source = Clock(), Source(lifetime)
    shared = TokenAuthorization({}, source, clock)
    first = shared.headers()
    clock.now = lifetime - margin - 0.01
    if lifetime:
        assert shared.headers() == first
    clock.now = lifetime - margin
    assert shared.headers() != first
    assert source.given == 2


def test_threads_share_a_token_and_one_of_them_renews_it() -> None:
    source = Source()
    shared = TokenAuthorization({"x-api-key": "k"}, source, Clock())
    refused = shared.headers()
    barrier = threading.Barrier(8)

    def renew() -> None:
        barrier.wait()
        shared.renew(refused)

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.given == 2
    assert shared.headers()["Authorization"] == "Bearer made-up-token-2"


@pytest.mark.rule("R9")
def test_a_token_is_masked_in_logs_from_then_on() -> None:
    TokenAuthorization({}, lambda: Token("made-up-token-to-hide", 10), Clock()).headers()
    assert "made-up-token-to-hide" not in MASKER.mask("Bearer made-up-token-to-hide")


@pytest.mark.parametrize(
    ("body", "lifetime"),
    [
        ({"AccessToken": "abc", "ExpiresIn": 60, "TokenType": "Bearer"}, 60),
        ({"access_token": "abc", "expires_in": "90"}, 90),
        ({"AccessToken": "abc"}, 1200),
        *[
            ({"AccessToken": "abc", "ExpiresIn": odd}, 1200)
            for odd in ("soon", None, 0, "0", -1, "NaN", [60])
        ],
        ("<Token><AccessToken>abc</AccessToken><ExpiresIn>30</ExpiresIn></Token>", 30),
    ],
)
def test_a_token_comes_in_json_or_xml(make_answer: Callable[..., Any], body: Any, lifetime: float) -> None:
    assert read_token(make_answer(200, body)) == Token("abc", lifetime)


@pytest.mark.parametrize("body", [{}, {"AccessToken": ""}, "nothing", "<Token/>", ["x"], "[7]"])
def test_an_answer_without_a_token(make_answer: Callable[..., Any], body: Any) -> None:
    with pytest.raises(ConfigurationError, match="`token_url`"):
        read_token(make_answer(200, body))


@pytest.mark.parametrize(
    ("status", "body", "error", "named"),
    [
        (400, {"error": "invalid_client"}, CredentialsError, "`client_secret`"),
        (400, {"error": "invalid_scope"}, ConfigurationError, "`oauth_scope`"),
        (401, "", CredentialsError, "`token_request`"),
        (404, "", CredentialsError, "`token_url`"),
        (503, "", TransientError, "busy"),
        (500, "", TransientError, "failed"),
    ],
)
def test_what_a_token_service_says(
    make_answer: Callable[..., Any], status: int, body: Any, error: type[Exception], named: str
) -> None:
    settings = EpicorSettings.from_config(
        {
            "base_url": "https://h.example.com/i",
            "companies": ["A"],
            "api_key": "k",
            "auth_method": "oauth2",
            "client_id": "i",
            "client_secret": "s",
        }
    )
    found = classify_token(token_request(settings), make_answer(status, body))
    assert type(found) is error
    assert named in str(found)
