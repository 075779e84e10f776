"""Which settings and variables are taken for secrets, and which of them stand in clear."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kinetic_mailchimp.kit.redaction.secret_names import (
    SECRET_NAME,
    TELLS_ABOUT_A_SECRET,
    is_in_clear,
    named_as_secret,
)
from kinetic_mailchimp.kit.secrets.check import (
    CLEAR,
    ELSEWHERE,
    ENCRYPTED,
    UNSET,
    FoundSecret,
    count_states,
    find_secrets,
)
from kinetic_mailchimp.kit.secrets.files import SettingsFile, find_files

MELTANO = """\
database_uri: postgresql://meltano:in-clear-1@db.example.com/meltano
env: {SMTP_PASSWORD: in-clear-2}
plugins:
  extractors:
  - name: tap-one
    settings:
    - {name: pin, kind: password}
    - {name: inbox, sensitive: true, env: THE_INBOX}
    - {name: login.pass, sensitive: true}
    - {name: headers, kind: object, sensitive: true}
    - {name: page_token, sensitive: false}
    - {name: fallback, sensitive: true, value: in-clear-3, description: no secret}
    - name: password
    config:
      pin: $THE_PIN
      inbox: sqlite:///data/inbox.sqlite3
      login: {pass: in-clear-4, user: someone}
      headers: {X-Key: in-clear-5}
      page_token: no-secret
      password: enc:gAAA
      api_key: ${ONE_KEY}
      client_secret: ''
      token_url: https://login.example.com/token
      stream_maps: {customers: {PASSWORD: no_secret}}
    select: [customers.password]
  - name: tap-two
    inherit_from: tap-one
    config: {pin: 1234}
  loaders:
  - name: target-one
    config:
      audit_database_url: postgresql://user:$DB_PASSWORD@db.example.com/audit
environments:
- name: prod
  config:
    plugins:
      extractors:
      - name: tap-one
        config: {pin: in-clear-6}
"""
ENV = """\
THE_PIN=in-clear-a
TAP_TWO_PIN='in-clear-b'
TAP_ONE_LOGIN_PASS="in-clear-c"
THE_INBOX=postgresql://user:in-clear-d@db.example.com/inbox
ONE_KEY=enc:gAAA
DB_PASSWORD=
AUDIT_DATABASE_URL=postgresql+psycopg://user:in-clear-e@db.example.com/audit
OTHER_URL=https://example.com/
PGPASSWORD=in-clear-f
SLACK_TOKEN=${OTHER_VARIABLE}
MAIL_TOKEN=${OTHER_VARIABLE:-in-clear-g}
TOKEN_URL=https://login.example.com/token
CONNECTOR_SECRET_KEY=in-clear-h
CONNECTOR_SECRET_KEY_FILE=/run/secrets/key
NOTHING
AUDIT_ALERT_URLS="enc:gAAA slack://in-clear-i"
"""


@pytest.fixture
def findings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(ENV)
    Path("meltano.yml").write_text(MELTANO)
    return list(find_secrets([SettingsFile.read(Path(".env")), SettingsFile.read(Path("meltano.yml"))]))


def of_state(findings: list[FoundSecret], state: str) -> list[str]:
    return [finding.place for finding in findings if finding.state == state]


def test_names_every_secret_in_clear_with_file_and_line(findings):
    assert of_state(findings, CLEAR) == [
        ".env:1: `THE_PIN`",
        ".env:2: `TAP_TWO_PIN`",
        ".env:3: `TAP_ONE_LOGIN_PASS`",
        ".env:4: `THE_INBOX`",
        ".env:7: `AUDIT_DATABASE_URL`",
        ".env:9: `PGPASSWORD`",
        ".env:11: `MAIL_TOKEN`",
        ".env:13: `CONNECTOR_SECRET_KEY`",
        ".env:16: `AUDIT_ALERT_URLS`",
        "meltano.yml:1: `database_uri`",
        "meltano.yml:2: `env.SMTP_PASSWORD`",
        "meltano.yml:12: `plugins.extractors.tap-one.settings.fallback.value`",
        "meltano.yml:17: `plugins.extractors.tap-one.config.login.pass`",
        "meltano.yml:18: `plugins.extractors.tap-one.config.headers.X-Key`",
        "meltano.yml:28: `plugins.extractors.tap-two.config.pin`",
        "meltano.yml:39: `environments.prod.config.plugins.extractors.tap-one.config.pin`",
    ]


def test_knows_what_is_encrypted_unset_or_elsewhere(findings):
    assert of_state(findings, ENCRYPTED) == [
        ".env:5: `ONE_KEY`",
        "meltano.yml:20: `plugins.extractors.tap-one.config.password`",
    ]
    assert of_state(findings, UNSET) == [
        ".env:6: `DB_PASSWORD`",
        "meltano.yml:22: `plugins.extractors.tap-one.config.client_secret`",
    ]
    assert of_state(findings, ELSEWHERE) == [
        ".env:10: `SLACK_TOKEN`",
        "meltano.yml:15: `plugins.extractors.tap-one.config.pin`",
        "meltano.yml:16: `plugins.extractors.tap-one.config.inbox`",
        "meltano.yml:21: `plugins.extractors.tap-one.config.api_key`",
    ]
    assert count_states(findings) == "16 in clear, 2 encrypted, 4 without a secret in them, 2 not set"


def test_shows_no_value(findings):
    assert "in-clear" not in repr(findings)


def test_says_why_something_is_a_secret(findings):
    reasons = {finding.place.split("`")[1]: finding.reason for finding in findings}

    assert reasons["THE_PIN"] == "setting `pin` of tap-one"
    assert reasons["TAP_TWO_PIN"] == "setting `pin` of tap-two"
    assert reasons["PGPASSWORD"] == "by its name"
    assert reasons["AUDIT_DATABASE_URL"] == "a login in a URL"
    assert reasons["CONNECTOR_SECRET_KEY"] == "the key itself, beside what it locks"


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "EPICOR_PASSWORD",
        "DBPASSWORD",
        "client-secret",
        "MAILCHIMP_API_KEY",
        "apikey",
        "ACCESS_TOKENS",
        "MAILCHIMP_WEBHOOKS_SECRET",
        "smtp.passwd",
        "private_key",
        "GOOGLE_CREDENTIALS",
        "AWS_SECRET_ACCESS_KEY",
        "AUDIT_ALERT_URLS",
    ],
)
def test_a_name_marks_a_secret(name):
    assert named_as_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "TOKENIZER",
        "TOKEN_URL",
        "CLIENT_SECRET_FILE",
        "CLIENT_ID",
        "KEY",
        "key_properties",
        "AWS_ACCESS_KEY_ID",
    ],
)
def test_a_name_marks_no_secret(name):
    assert not named_as_secret(name)


@pytest.mark.parametrize(
    "text",
    [
        "hunter",
        "$lower",
        "pa$WORD",
        "prefix-${REST}",
        "postgresql://u:p@h/d",
        "mysql://h/d?user=u&password=p",
        "https://hooks.example.com/a-secret-path",
        "${NAME:-default}",
        "postgresql://u:${P:-p}@h/d",
    ],
)
def test_a_text_is_in_clear(text):
    assert is_in_clear(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "$NAME",
        "${NAME}",
        "${name}",
        "$USER_NAME$REST",
        "sqlite:///data/a.sqlite3",
        "postgresql://u@h/d",
        "postgresql+psycopg://u:$P@h/d",
        "${NAME:-}",
    ],
)
def test_a_text_is_not_in_clear(text):
    assert not is_in_clear(text)


def test_the_documentation_lists_the_same_names():
    documentation = (Path(__file__).parents[4] / "docs" / "secrets.md").read_text()
    paragraph = documentation.partition("- in both: names with")[2].partition("- everywhere")[0]
    told, _, exempt = paragraph.partition("not if they end in")
    words = re.findall(r"`([A-Z_]+)`", told)

    assert set(words) == set(re.findall(r"[A-Z]{3,}[A-Z_]*", SECRET_NAME.pattern.replace("_?", "_")))
    assert all(named_as_secret(word) for word in words)
    assert re.findall(r"`_([A-Z]+)`", exempt) == re.findall(r"[A-Z]+", TELLS_ABOUT_A_SECRET.pattern)


def test_a_definition_beside_meltano_yml_says_which_settings_are_secret(tmp_path):
    (tmp_path / "plugins" / "loaders").mkdir(parents=True)
    (tmp_path / "plugins" / "loaders" / "target-one--variant.lock").write_text(
        '{"name": "target-one", "settings": [{"name": "pin", "kind": "string", "sensitive": true}]}'
    )
    (tmp_path / "meltano.yml").write_text(
        "plugins: {loaders: [{name: target-one, config: {pin: in-clear}}]}\n"
    )
    (tmp_path / ".env").write_text("TARGET_ONE_PIN=in-clear\n")

    found = list(find_secrets([SettingsFile.read(file) for file in find_files([tmp_path])]))

    assert [(finding.place.rpartition(": ")[2], finding.state) for finding in found] == [
        ("`TARGET_ONE_PIN`", CLEAR),
        ("`plugins.loaders.target-one.config.pin`", CLEAR),
    ]
