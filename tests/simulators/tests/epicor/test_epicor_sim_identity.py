from __future__ import annotations

import asyncio
import threading
from xml.etree import ElementTree as ET

import pytest
import requests
from simulators.epicor import timestamps
from simulators.epicor.app import system_clock
from simulators.epicor.auth import WEB_SERVICE_LICENSE, WEB_SERVICE_SHARED_LICENSE
from simulators.epicor.testing import RunningEpicor, StartEpicor

CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
ONE = {"$top": "1", "$select": "CustNum"}


def token_url(epicor: RunningEpicor) -> str:
    return f"{epicor.base_url}/TokenResource.svc/"


def with_token(epicor: RunningEpicor, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return epicor.request("GET", CUSTOMERS, ONE, headers=headers, auth=None).status_code


@pytest.mark.parametrize(
    ("headers", "login", "status", "text"),
    [
        ({}, True, 200, ""),
        ({"x-api-key": None}, True, 401, "API Key is required"),
        ({"x-api-key": "of-another-environment"}, True, 401, "Invalid API Key"),
        ({}, False, 401, "Invalid username or password"),
        ({"Authorization": "Bearer nonsense"}, False, 401, "token is invalid or has expired"),
        ({"Authorization": "Basic %%%"}, False, 401, "Invalid username or password"),
    ],
)
def test_key_and_identity_are_both_needed(
    epicor: RunningEpicor, *, headers: dict[str, str | None], login: bool, status: int, text: str
) -> None:
    auth = (epicor.username, epicor.password) if login else None
    response = epicor.request("GET", CUSTOMERS, ONE, headers=headers, auth=auth)
    assert response.status_code == status
    assert text in response.text


def test_the_key_may_stand_in_the_query(epicor: RunningEpicor) -> None:
    query = {**ONE, "api-key": epicor.api_key}
    assert epicor.request("GET", CUSTOMERS, query, headers={"x-api-key": None}).status_code == 200


def test_status_of_a_bad_key_is_switchable_and_keys_expire(epicor: RunningEpicor) -> None:
    epicor.control.switches(api_key_valid=False, api_key_error_status=403)
    assert epicor.request("GET", CUSTOMERS, ONE).status_code == 403
    epicor.control.switches(api_key_required=False)
    assert epicor.request("GET", CUSTOMERS, ONE, headers={"x-api-key": None}).status_code == 200
    epicor.control.switches(password_valid=False)
    assert epicor.request("GET", CUSTOMERS, ONE).status_code == 401


@pytest.mark.parametrize("status", [403, 401])
def test_access_scope_limits_services(start_epicor: StartEpicor, status: int) -> None:
    epicor = start_epicor(customers=10, access_scope=["Erp.BO.CustomerSvc"], access_scope_status=status)
    refused = epicor.request("GET", "Erp.BO.PartSvc/Parts", ONE)
    assert epicor.request("GET", CUSTOMERS, ONE).status_code == 200
    assert refused.status_code == status
    assert refused.json()["ErrorType"].endswith("UnauthorizedAccessException")


def test_companies_that_are_not_the_users(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, user_companies=["EPIC07"])
    for company in ("EPIC06", "NOWHERE"):
        response = epicor.request("GET", CUSTOMERS, ONE, company=company)
        assert (response.status_code, "Invalid URL" in response.text) == (400, True)
    assert epicor.request("GET", CUSTOMERS, ONE, company="EPIC07").status_code == 200


def token_requests(epicor: RunningEpicor, password: str) -> list[requests.Response]:
    """The three forms of a token request that are seen working."""
    url, as_json = token_url(epicor), {"Accept": "application/json"}
    form = {"grant_type": "password", "username": epicor.username, "password": password}
    return [
        requests.post(
            url, headers={**as_json, "username": epicor.username, "password": password}, timeout=60
        ),
        requests.post(url, headers=as_json, auth=(epicor.username, password), timeout=60),
        requests.post(url, headers=as_json, data=form, timeout=60),
    ]


def test_token_resource_in_its_three_forms(epicor: RunningEpicor) -> None:
    for response in token_requests(epicor, epicor.password):
        body = response.json()
        assert set(body) == {"AccessToken", "ExpiresIn", "RefreshToken", "TokenType"}
        assert (body["ExpiresIn"], body["TokenType"]) == (3600, "Bearer")
        assert with_token(epicor, body["AccessToken"]) == 200
    assert [response.status_code for response in token_requests(epicor, "wrong")] == [401, 401, 401]


def test_token_resource_is_xml_unless_json_is_asked_for(epicor: RunningEpicor) -> None:
    response = requests.post(token_url(epicor), auth=(epicor.username, epicor.password), timeout=60)
    root = ET.fromstring(response.text)  # noqa: S314 - of the simulator
    assert root.tag == "Token"
    assert with_token(epicor, root.findtext("AccessToken") or "") == 200


def test_token_resource_may_be_off(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, token_resource_enabled=False)
    assert token_requests(epicor, epicor.password)[0].status_code == 404


def test_tokens_expire_by_the_clock(start_epicor: StartEpicor) -> None:
    now = [system_clock()]
    epicor = start_epicor(customers=10, clock=lambda: now[0], token_seconds=60)
    token = token_requests(epicor, epicor.password)[0].json()["AccessToken"]
    now[0] += 59 * timestamps.TICKS_PER_SECOND
    assert with_token(epicor, token) == 200
    now[0] += 2 * timestamps.TICKS_PER_SECOND
    assert with_token(epicor, token) == 401


def test_the_control_api_expires_tokens(epicor: RunningEpicor) -> None:
    token = token_requests(epicor, epicor.password)[0].json()["AccessToken"]
    epicor.control.expire_tokens()
    assert with_token(epicor, token) == 401


def identity(epicor: RunningEpicor, **form: str) -> requests.Response:
    return requests.post(epicor.hello["token_url"], data=form, timeout=60)


def test_client_credentials_and_password_grants(epicor: RunningEpicor) -> None:
    client = {"client_id": epicor.hello["client_id"], "client_secret": epicor.hello["client_secret"]}
    by_client = identity(epicor, grant_type="client_credentials", scope="epicor_erp", **client)
    by_user = identity(
        epicor,
        grant_type="password",
        scope="openid email epicor_erp",
        username=epicor.username,
        password=epicor.password,
        client_id=client["client_id"],
    )
    for response in (by_client, by_user):
        body = response.json()
        assert (body["expires_in"], body["token_type"]) == (3600, "Bearer")
        assert with_token(epicor, body["access_token"]) == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "nobody"}, "invalid_grant"),
    ],
)
def test_refusals_of_the_identity_provider(
    epicor: RunningEpicor, changed: dict[str, str], error: str
) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": epicor.hello["client_id"],
        "client_secret": epicor.hello["client_secret"],
        "scope": "epicor_erp",
        **changed,
    }
    response = identity(epicor, **form)
    assert (response.status_code, response.json()["error"]) == (400, error)


def test_a_business_error_in_a_401(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(
        customers=10, business_errors={"Customer": "Credit department only."}, business_error_status=401
    )
    response = epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',1)", json={"Name": "New"})
    assert response.status_code == 401
    assert response.json()["ErrorMessage"] == "Credit department only."
    assert response.json()["ErrorType"] == "Ice.Common.BusinessObjectException"


def test_an_empty_default_licence_pool_refuses(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, default_licenses=0)
    response = epicor.request("GET", CUSTOMERS, ONE)
    web_service = {"License": f'{{"ClaimedLicense":"{WEB_SERVICE_LICENSE}"}}'}
    assert response.status_code == 400
    assert response.json()["ErrorType"].endswith("LicenseAccessException")
    assert response.json()["ErrorMessage"] == (
        "Maximum users exceeded on license type: DefaultUser assigned to company: EPIC06"
    )
    assert epicor.request("GET", CUSTOMERS, ONE, headers=web_service).status_code == 200


@pytest.mark.parametrize("claimed", [WEB_SERVICE_LICENSE, WEB_SERVICE_SHARED_LICENSE])
def test_without_web_service_seats_calls_are_slow(start_epicor: StartEpicor, claimed: str) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    epicor = start_epicor(customers=10, wait=wait, web_service_licenses=0, shared_license_seconds=20.0)
    headers = {"License": f'{{"ClaimedLicense":"{claimed}"}}'}
    assert epicor.request("GET", CUSTOMERS, ONE, headers=headers).status_code == 200
    assert waited == [20.0]


def test_a_seat_is_taken_for_the_length_of_a_call(start_epicor: StartEpicor) -> None:
    inside, leave = threading.Event(), threading.Event()

    async def wait(seconds: float) -> None:
        del seconds
        inside.set()
        await asyncio.to_thread(leave.wait, 30)

    epicor = start_epicor(customers=10, wait=wait, default_licenses=1, skip_seconds_per_thousand=1.0)
    slow = threading.Thread(target=epicor.rows, args=(CUSTOMERS,), kwargs={"skip": 5})
    slow.start()
    assert inside.wait(30)
    refused = epicor.request("GET", CUSTOMERS, ONE)
    leave.set()
    slow.join(30)
    assert refused.status_code == 400
    assert epicor.request("GET", CUSTOMERS, ONE).status_code == 200


def test_sessions_end_with_410(epicor: RunningEpicor) -> None:
    session = epicor.request("POST", "Ice.Lib.SessionModSvc/Login", json={}).json()["returnObj"]
    headers = {"SessionInfo": session}
    assert epicor.request("GET", CUSTOMERS, ONE, headers=headers).status_code == 200
    epicor.request("POST", "Ice.Lib.SessionModSvc/Logout", json={}, headers=headers)
    assert epicor.request("GET", CUSTOMERS, ONE, headers=headers).status_code == 410
