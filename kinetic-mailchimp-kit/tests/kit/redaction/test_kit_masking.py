"""Secrets in what a plugin prints: none, in whatever way they get there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.redaction.masker import MASK, SecretMasker
from kinetic_mailchimp.kit.secrets.encryption import SecretBox

PROGRAM = Path(__file__).with_name("kit_leaky_target.py")
LEAKS = ["log", "extra", "exception", "warning", "stderr", "wrong arguments", "thread", "uncaught"]
KEY = Fernet.generate_key().decode()
INPUT = "".join(
    json.dumps(line) + "\n"
    for line in (
        {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"id": {}}}, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "s", "record": {"id": 1}},
    )
)
PASSWORD, TOKEN, HEADER, IN_URL = 'pass\'word "of" 14', "a-made-up-token", "a-made-up-header", "s3cr3t/%4f"
SETTINGS = {
    "password": PASSWORD,
    "login": {"token": TOKEN},
    "headers": {"X-Key": HEADER},
    "database_url": f"postgresql://user:{IN_URL}@db.example.com/audit",
}
IN_ANY_FORM = [
    "pass'word",
    "pass\\'word",
    "pass%27word",
    TOKEN,
    HEADER,
    IN_URL,
    "s3cr3t%2F",
    KEY,
    b64encode(f"user:{TOKEN}".encode()).decode()[8:-4],
]


def encrypted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: encrypted(inner) for name, inner in value.items()}
    return SecretBox((KEY,)).encrypt(value)


def run(
    folder: Path, settings: dict[str, Any], *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    config = folder / "config.json"
    config.write_text(json.dumps(settings))
    return subprocess.run(
        [sys.executable, str(PROGRAM), "--config", str(config), *options],
        input=INPUT,
        env={"CONNECTOR_SECRET_KEY": KEY, "LOGLEVEL": "DEBUG", "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert [secret for secret in IN_ANY_FORM if secret in text] == []


@pytest.mark.parametrize(
    ("leak", "settings"),
    [*((leak, encrypted(SETTINGS)) for leak in LEAKS), pytest.param("exception", SETTINGS, id="in clear")],
)
def test_a_run_at_debug_level_shows_no_secret(tmp_path, leak, settings):
    done = run(tmp_path, {**settings, "leak": leak})

    assert done.returncode == (1 if leak == "uncaught" else 0)
    # The extra fields of a record are not in the line that the SDK prints.
    assert (MASK in done.stderr) == (leak != "extra")
    assert_no_secret(done.stderr, done.stdout)


STRUCTURED = """
version: 1
disable_existing_loggers: false
formatters: {json: {"()": singer_sdk.logging.StructuredFormatter}}
handlers:
  console: {class: logging.StreamHandler, stream: ext://sys.stderr, formatter: json}
  file: {class: logging.FileHandler, filename: FILE, formatter: json}
root: {level: DEBUG, handlers: [console, file]}
"""


@pytest.mark.parametrize("leak", ["log", "exception"])
def test_structured_logs_show_no_secret_in_any_handler(tmp_path, leak):
    file = tmp_path / "log.jsonl"
    logging_config = tmp_path / "logging.yml"
    logging_config.write_text(STRUCTURED.replace("FILE", str(file)))

    done = run(tmp_path, {**SETTINGS, "leak": leak}, SINGER_SDK_LOG_CONFIG=str(logging_config))

    assert done.returncode == 0
    assert MASK in file.read_text()
    assert ("ValueError: refused" in file.read_text()) == (leak == "exception")
    assert_no_secret(done.stderr, file.read_text())


def test_the_extra_fields_of_structured_logs_are_masked_on_stderr(tmp_path):
    logging_config = tmp_path / "logging.yml"
    logging_config.write_text(STRUCTURED.replace("FILE", str(tmp_path / "log.jsonl")))

    done = run(tmp_path, {**SETTINGS, "leak": "extra"}, SINGER_SDK_LOG_CONFIG=str(logging_config))

    assert f'"sent":{{"key":"{MASK}"}}' in done.stderr
    assert_no_secret(done.stderr)


@pytest.mark.parametrize(
    ("wrong", "secret"),
    [
        pytest.param({"password": "little'1"}, "little", id="too short"),
        pytest.param({"password": 987654321}, "987654321", id="a number"),
        pytest.param({"password": ["in a list"]}, "in a list", id="a list"),
        pytest.param({"login": {"token": "too-short"}}, "too-short", id="nested"),
        pytest.param({"login": encrypted({"token": "too-short"})}, "too-short", id="encrypted"),
        pytest.param({"login": f"not an object: {SETTINGS['database_url']}"}, IN_URL, id="a URL elsewhere"),
    ],
)
def test_a_message_about_a_wrong_setting_names_it_without_its_value(tmp_path, wrong, secret):
    ((name, value),) = wrong.items()

    done = run(tmp_path, {**SETTINGS, name: value})

    assert done.returncode == 1
    assert f"config['{name}']" in done.stderr or f"Setting `{name}`" in done.stderr
    assert secret not in done.stderr


def test_about_shows_no_secret(tmp_path):
    variables = {f"TARGET_LEAKY_{name.upper()}": str(value) for name, value in SETTINGS.items()}

    for form in ("json", "markdown"):
        done = run(tmp_path, SETTINGS, "--about", f"--format={form}", **variables)

        assert done.returncode == 0
        assert "database_url" in done.stdout
        assert_no_secret(done.stdout, done.stderr)


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", "!", "!!"])
def test_a_secret_is_masked_in_base64_whatever_surrounds_it(before, after):
    masker = SecretMasker()
    masker.add(["a secret"])

    masked = masker.mask(b64encode(f"{before}a secret{after}".encode()).decode())

    assert MASK in masked
    assert len(masked.replace(MASK, "")) <= len(b64encode(f"{before}{after}".encode())) + 4


@pytest.mark.parametrize(
    ("url", "passwords"),
    [
        ("postgresql://user:w%40rd@host/db", ["w%40rd", "w@rd"]),
        ("postgresql+psycopg://user:wo/rd@host/db", ["wo/rd"]),
        ("postgresql://host/db?user=u&password=w%26rds", ["w&rds"]),
        ("https://:wo-rd@host", ["wo-rd"]),
    ],
)
def test_the_password_in_a_url_is_a_secret_by_itself(url, passwords):
    masker = SecretMasker()
    masker.add([url])

    for password in passwords:
        assert masker.mask(f"refused: {password}.") == f"refused: {MASK}."
    assert masker.mask("the user of the host") == "the user of the host"


def test_a_secret_that_is_an_ordinary_word_leaves_other_words_alone():
    masker = SecretMasker()
    masker.add(["secret", "Winter", "winter2024"])
    masker.add(["demo"])

    told = "connector-secrets: wintertime, demonstration; secret, password=Winter&demo, winter2024"

    assert masker.mask(told) == (
        f"connector-secrets: wintertime, demonstration; {MASK}, password={MASK}&{MASK}, {MASK}"
    )
    assert b64encode(b"user:secret").decode()[8:-4] not in masker.mask(b64encode(b"user:secret").decode())
