"""OAuth2: consent, one exchange per code, tokens that last until they are revoked, metadata."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from simulators.mailchimp.testing import RunningMailchimp

REDIRECT = "http://127.0.0.1:8000/callback"


def authorize(mailchimp: RunningMailchimp, **changes: str) -> requests.Response:
    query = {
        "response_type": "code",
        "client_id": mailchimp.hello["client_id"],
        "redirect_uri": REDIRECT,
        "state": "s",
        **changes,
    }
    return requests.get(mailchimp.hello["authorize_url"], params=query, allow_redirects=False, timeout=120)


def exchange(mailchimp: RunningMailchimp, code: str, **changes: str) -> requests.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": mailchimp.hello["client_id"],
        "client_secret": mailchimp.hello["client_secret"],
        "redirect_uri": REDIRECT,
        "code": code,
        **changes,
    }
    return requests.post(mailchimp.hello["token_url"], data=form, timeout=120)


def fresh_code(mailchimp: RunningMailchimp) -> str:
    answer = authorize(mailchimp)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["state"] == ["s"]
    return query["code"][0]


def metadata(mailchimp: RunningMailchimp, token: str) -> requests.Response:
    headers = {"Authorization": f"OAuth {token}"}
    return requests.get(mailchimp.hello["metadata_url"], headers=headers, timeout=120)


def test_a_code_becomes_a_token_that_leads_to_the_api(mailchimp: RunningMailchimp) -> None:
    body = exchange(mailchimp, fresh_code(mailchimp)).json()
    assert body["expires_in"] == 0
    assert "refresh_token" not in body
    found = metadata(mailchimp, body["access_token"]).json()
    assert found["dc"] == "us1"
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert requests.get(f"{found['api_endpoint']}/3.0/ping", headers=headers, timeout=120).status_code == 200
    mailchimp.control.revoke_tokens()
    assert requests.get(f"{mailchimp.base_url}/ping", headers=headers, timeout=120).status_code == 401
    assert metadata(mailchimp, body["access_token"]).json()["error"] == "invalid_token"


def test_a_code_is_good_for_one_exchange(mailchimp: RunningMailchimp) -> None:
    code = fresh_code(mailchimp)
    assert exchange(mailchimp, code).status_code == 200
    assert exchange(mailchimp, code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client"),
        ({"code": "wrong"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:8000/other"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
    ],
)
def test_exchanges_that_are_refused(mailchimp: RunningMailchimp, changes: dict[str, Any], error: str) -> None:
    answer = exchange(mailchimp, changes.pop("code", None) or fresh_code(mailchimp), **changes)
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == error


def test_consent_can_be_refused(mailchimp: RunningMailchimp) -> None:
    location = authorize(mailchimp, deny="1").headers["Location"]
    assert parse_qs(urlsplit(location).query) == {"error": ["access_denied"], "state": ["s"]}


@pytest.mark.parametrize(
    "changes", [{"client_id": "wrong"}, {"response_type": "token"}, {"redirect_uri": ""}]
)
def test_requests_for_consent_that_are_refused(mailchimp: RunningMailchimp, changes: dict[str, str]) -> None:
    assert authorize(mailchimp, **changes).status_code == 400
