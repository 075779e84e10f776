"""Settings: what is asked for, what is understood, and errors that name the setting."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.epicor import EPICOR_SETTINGS, EpicorSettings, with_epicor_settings
from kinetic_mailchimp.kit.errors import ConfigurationError

BASIC: dict[str, Any] = {
    "base_url": "https://erp.example.com/erp",
    "companies": ["EPIC06"],
    "api_key": "made-up-key",
    "username": "integration",
    "password": "made-up-password",
}
OAUTH2 = {**BASIC, "auth_method": "oauth2", "client_id": "app", "client_secret": "made-up-secret"}


@pytest.mark.parametrize(
    "given",
    [
        "https://erp.example.com/erp",
        "https://erp.example.com/erp/",
        "https://erp.example.com/erp/api/v2",
        "https://erp.example.com/erp/api/v2/odata/EPIC06/Erp.BO.PartSvc/Parts",
        "  https://erp.example.com/erp/api/  ",
        "https://erp.example.com/erp/api/help/v2",
    ],
)
def test_an_address_may_be_copied_with_more_behind_it(given: str) -> None:
    assert EpicorSettings.from_config({**BASIC, "base_url": given}).base_url == "https://erp.example.com/erp"


@pytest.mark.parametrize("given", ["https://gw.example.com/api/erp", "https://gw.example.com/api/v2x/erp"])
def test_the_path_of_a_gateway_stays(given: str) -> None:
    for behind in ("", "/api/v2", "/api/v2/odata/EPIC06/Erp.BO.PartSvc/Parts"):
        assert EpicorSettings.from_config({**BASIC, "base_url": given + behind}).base_url == given


def test_the_end_of_a_line_is_no_part_of_a_credential() -> None:
    settings = EpicorSettings.from_config({**BASIC, "api_key": "made-up-key\r\n", "password": " made up \n"})
    assert (settings.api_key, settings.password) == ("made-up-key", " made up ")


def test_a_login_that_is_no_header_may_hold_any_character() -> None:
    assert EpicorSettings.from_config({**BASIC, "password": "žluť"}).password == "žluť"


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"base_url": "erp.example.com/erp"}, "base_url"),
        ({"base_url": "https://user:word@erp.example.com/erp"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"companies": []}, "companies"),
        ({"companies": "EPIC06"}, "companies"),
        ({"companies": [""]}, "companies"),
        ({"api_key": ""}, "api_key"),
        ({"username": None}, "username"),
        ({"password": ""}, "password"),
        ({"auth_method": "kerberos"}, "auth_method"),
        ({"auth_method": "oauth2"}, "client_id"),
        ({"auth_method": "oauth2", "client_id": "app"}, "client_secret"),
        ({"license_type": "gold"}, "license_type"),
        ({"token_request": "post"}, "token_request"),
        ({"api_key": "made\u2013up"}, "api_key"),
        ({"api_key": "made\nup"}, "api_key"),
        ({"api_key": "\n"}, "api_key"),
        ({"auth_method": "token_resource", "password": "žluť"}, "password"),
        ({"ca_bundle": "nowhere/ca.pem"}, "ca_bundle"),
    ],
)
def test_an_error_names_the_setting(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"`{named}`"):
        EpicorSettings.from_config({**BASIC, **change})


def test_the_defaults_are_those_of_the_schema() -> None:
    settings = EpicorSettings.from_config(BASIC)
    properties = EPICOR_SETTINGS["properties"]
    assert settings.auth_method == properties["auth_method"]["default"]
    assert settings.request_timeout == properties["request_timeout"]["default"]
    assert settings.concurrency == properties["concurrency"]["default"]
    assert settings.license_guid == "00000003-9439-4B30-A6F4-6D2FD4B9FD0F"


@pytest.mark.parametrize(
    ("given", "guid"),
    [
        ("none", None),
        ("crm", "00000003-15F2-4059-8C79-11849198F488"),
        ("00000003-0000-0000-0000-000000000001", "00000003-0000-0000-0000-000000000001"),
    ],
)
def test_a_licence_has_a_name_or_a_guid(given: str, guid: str | None) -> None:
    assert EpicorSettings.from_config({**BASIC, "license_type": given}).license_guid == guid


def test_the_token_url_has_a_default() -> None:
    def token_url(**change: Any) -> str:
        return EpicorSettings.from_config({**OAUTH2, **change}).token_url

    assert token_url() == "https://login.epicor.com/connect/token"
    assert token_url(auth_method="token_resource") == "https://erp.example.com/erp/TokenResource.svc/"
    assert token_url(token_url="https://id.example.com/t") == "https://id.example.com/t"


@pytest.mark.rule("R9")
def test_no_secret_is_shown() -> None:
    shown = repr(EpicorSettings.from_config(OAUTH2))
    for secret in ("made-up-key", "made-up-password", "made-up-secret"):
        assert secret not in shown


def test_a_plugin_adds_its_own_settings() -> None:
    merged = with_epicor_settings(
        {"properties": {"mine": {}, "plant": {"title": "Other"}}, "required": ["mine"]}
    )
    assert merged["properties"]["mine"] == {}
    assert merged["properties"]["plant"] == {"title": "Other"}
    assert merged["required"] == ["base_url", "companies", "api_key", "mine"]
