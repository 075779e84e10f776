from __future__ import annotations

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.mailchimp import MailchimpSettings, subscriber_hash
from kinetic_mailchimp.mailchimp.api import check_endpoint


def test_the_data_centre_is_the_end_of_the_key() -> None:
    settings = MailchimpSettings.from_config({"api_key": "0000-made-up-us6"})
    assert settings.base_url == "https://us6.api.mailchimp.com/3.0"
    assert settings.url_from == "api_key"  # which is what a message about the host must name


def test_a_base_url_overrides_the_data_centre() -> None:
    settings = MailchimpSettings.from_config({"api_key": "made-up", "base_url": "http://127.0.0.1:9/3.0/"})
    assert settings.base_url == "http://127.0.0.1:9/3.0"


def test_the_address_of_a_token_is_asked_for_later() -> None:
    assert MailchimpSettings.from_config({"access_token": "made-up"}).base_url == ""


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "api_key"),
        ({"api_key": "  "}, "api_key"),
        ({"api_key": "made-up-us6", "access_token": "made-up"}, "exactly one"),
        ({"api_key": "0000"}, "data centre"),
        ({"api_key": "0000-us6", "base_url": "us6.api.mailchimp.com/3.0"}, "base_url"),
        ({"api_key": "0000-us6", "base_url": "https://us6.api.mailchimp.com"}, "base_url"),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        MailchimpSettings.from_config(config)


@pytest.mark.parametrize("connections", [0, 11])
def test_mailchimp_grants_ten_connections(connections: int) -> None:
    with pytest.raises(ConfigurationError, match="concurrency"):
        MailchimpSettings.from_config({"api_key": "0000-us6"}, max_connections=connections)


def test_spelling_does_not_change_the_hash() -> None:
    assert subscriber_hash(" Ümläut@Example.COM ") == subscriber_hash("ümläut@example.com")


ASKED = "https://login.mailchimp.com/oauth2/metadata"


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://us6.api.mailchimp.com.evil.example",
        "https://evil.example",
        "http://us6.api.mailchimp.com",
        "https://a@us6.api.mailchimp.com",
        "https://mailchimp.com.",
        "http://[",
        "{'a': 1}",
    ],
)
def test_the_token_goes_to_no_other_host_that_the_metadata_names(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="`metadata_url`"):
        check_endpoint(endpoint, ASKED)


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [("https://us6.api.mailchimp.com", ASKED), ("http://127.0.0.1:8", "http://127.0.0.1:9/oauth2/metadata")],
)
def test_the_token_goes_to_mailchimp_and_to_the_host_that_the_setting_names(
    endpoint: str, asked: str
) -> None:
    check_endpoint(endpoint, asked)
