"""URLs in settings: no login in them, and a warning where they are in clear."""

from __future__ import annotations

import pytest
from kinetic_mailchimp.console.alerts.settings import AlertSettings
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.epicor.settings import EpicorSettings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.call import Request
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.kit.http.web_url import web_url
from kinetic_mailchimp.kit.settings.declaration import read
from kinetic_mailchimp.mailchimp import MailchimpSettings

EPICOR = {
    "base_url": "https://erp.example.com/erp",
    "companies": ["EPIC06"],
    "api_key": "k",
    "auth_method": "api_key",
}
LOGINS = ["https://user:pass@host.example.com/3.0", "https://user@host.example.com/3.0", "https://:p@h/3.0"]


@pytest.mark.rule("R9")
@pytest.mark.parametrize("url", LOGINS)
@pytest.mark.parametrize(
    ("setting", "build"),
    [
        (
            "base_url",
            lambda url: EpicorSettings.from_config({**EPICOR, "base_url": url}),
        ),
        ("token_url", lambda url: read(EpicorSettings, {**EPICOR, "token_url": url})),
        ("base_url", lambda url: read(MailchimpSettings, {"base_url": url})),
        ("metadata_url", lambda url: read(MailchimpSettings, {"metadata_url": url})),
        ("receiver-url", lambda url: read(AlertSettings, {"receiver_url": url})),
        ("receiver-url", lambda url: read(PagesSettings, {"token": "x" * 32, "receiver_url": url})),
    ],
    ids=["epicor-base", "epicor-token", "mailchimp-base", "mailchimp-metadata", "alerts", "pages"],
)
def test_a_login_in_the_url_of_a_setting_is_refused_and_not_shown(setting, build, url):
    with pytest.raises(ConfigurationError, match=setting) as caught:
        build(url)
    assert "login" in str(caught.value)
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "text", ["", "host", "ftp://host", "https://", "http://[", "http://h:port", "http://h:99999"]
)
def test_what_is_not_the_url_of_a_server_is_refused(text):
    with pytest.raises(ConfigurationError, match="not a valid web address"):
        web_url(text, "token_url")


@pytest.mark.rule("R9")
def test_no_call_goes_to_a_url_with_a_login():
    with pytest.raises(ConfigurationError, match="holds a login") as caught:
        Transport(lambda *_: None).send(Request("GET", "http://user:p4ss@127.0.0.1:9/a"))
    assert "p4ss" not in str(caught.value)


def test_a_server_in_clear_is_warned_about_once(caplog):
    transport = Transport(lambda *_: None)
    for path in ("token", "token", "metadata"):
        transport._check_origin(Request("GET", f"http://sso.example.com/{path}"))
    assert caplog.text.count("travel in clear") == 1
