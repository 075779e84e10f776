"""Encrypted settings: what is revealed, and what a person is told when it cannot be."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from connector_kit.errors import ConfigurationError
from connector_kit.redaction import MASK, SecretMasker, mask_logs
from connector_kit.secrets import SecretBox, is_encrypted, reveal, secret_values
from cryptography.fernet import Fernet

CLEAR = "not-a-real-password"


@pytest.fixture
def environment():
    return {"CONNECTOR_SECRET_KEY": Fernet.generate_key().decode()}


@pytest.fixture
def encrypted(environment):
    return SecretBox.from_environment(environment).encrypt(CLEAR)


def test_reveals_encrypted_settings_at_any_depth(environment, encrypted):
    settings = {"password": encrypted, "nested": {"list": [encrypted, 1]}, "plain": "text", "none": None}

    assert reveal(settings, environment) == {
        "password": CLEAR,
        "nested": {"list": [CLEAR, 1]},
        "plain": "text",
        "none": None,
    }


def test_needs_no_key_when_nothing_is_encrypted():
    assert reveal({"password": "plain"}, {}) == {"password": "plain"}


def test_an_old_key_still_decrypts_and_the_first_one_encrypts(environment, encrypted):
    new, old = Fernet.generate_key().decode(), environment["CONNECTOR_SECRET_KEY"]
    both = SecretBox.from_environment({"CONNECTOR_SECRET_KEY": f"{new},{old}"})

    assert both.decrypt(encrypted) == CLEAR
    assert SecretBox((new,)).decrypt(both.encrypt(CLEAR)) == CLEAR


def test_a_key_may_come_from_a_file(tmp_path, environment, encrypted):
    file = tmp_path / "key"
    file.write_text(environment["CONNECTOR_SECRET_KEY"] + "\n")

    assert reveal({"password": encrypted}, {"CONNECTOR_SECRET_KEY_FILE": str(file)}) == {"password": CLEAR}


OTHER_KEY = Fernet.generate_key().decode()


@pytest.mark.parametrize(
    ("changed_environment", "kept", "told"),
    [
        pytest.param({}, None, "There is no key", id="no key"),
        pytest.param(
            {"CONNECTOR_SECRET_KEY_FILE": "/no/such/file"}, None, "cannot be read", id="no key file"
        ),
        pytest.param({"CONNECTOR_SECRET_KEY": "short"}, None, "malformed", id="malformed key"),
        pytest.param({"CONNECTOR_SECRET_KEY": OTHER_KEY}, None, "another key", id="another key"),
        pytest.param(None, -9, "cut off", id="cut value"),
        pytest.param(None, 4, "cut off", id="no value"),
    ],
)
def test_an_error_names_the_setting_and_what_to_do(environment, encrypted, changed_environment, kept, told):
    broken_environment = environment if changed_environment is None else changed_environment
    broken_value = encrypted[:kept]

    with pytest.raises(ConfigurationError) as failure:
        reveal({"outer": {"password": broken_value}}, broken_environment)

    assert "`outer.password`" in str(failure.value)
    assert told in str(failure.value)
    assert failure.value.advice
    assert CLEAR not in str(failure.value)


def test_a_schema_says_which_settings_are_secret():
    schema = {"properties": {"key": {"secret": True}, "url": {}, "unset": {"secret": True}}}

    assert list(secret_values({"key": CLEAR, "url": "x"}, schema)) == [CLEAR]


@pytest.mark.parametrize("form", ["a secret/value", "a%20secret%2Fvalue", "YSBzZWNyZXQvdmFsdWU="])
def test_masks_a_secret_in_each_form_in_which_it_travels(form):
    masker = SecretMasker()
    masker.add(["a secret/value", "secret"])

    assert masker.mask(f"before {form} after").startswith(f"before {MASK}")
    assert "secret" not in masker.mask(form)


def test_a_very_short_secret_does_not_garble_every_text():
    masker = SecretMasker()
    masker.add(["a", ""])

    assert masker.mask("a banana") == "a banana"


LOGS = """
import logging, sys
from connector_kit.redaction import MASKER, mask_logs
MASKER.add(["not-a-real-password"])
mask_logs()
mask_logs()
logging.basicConfig(level="INFO", format="%(message)s")
log = logging.getLogger("plugin")
log.info("the password is %s", "not-a-real-password")
log.info({"password": "not-a-real-password"})
log.info("%d %% sure", 100)
try:
    raise ValueError("not-a-real-password")
except ValueError:
    log.exception("failed with %s", "not-a-real-password")
"""


def test_masks_messages_arguments_and_tracebacks():
    run = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, text=True, check=True)

    assert CLEAR not in run.stderr
    assert run.stderr.count(MASK) >= 4
    assert "100 % sure" in run.stderr
    assert "Traceback" in run.stderr


def test_masking_is_installed_once():
    plain = logging.getLogRecordFactory()
    try:
        mask_logs()
        installed = logging.getLogRecordFactory()
        mask_logs()
        assert logging.getLogRecordFactory() is installed
    finally:
        logging.setLogRecordFactory(plain)


def command(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from connector_kit.secrets_cli import main; main()", *arguments],
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_makes_a_key_encrypts_and_decrypts():
    key = command("keygen").stdout.strip()
    encrypted = command("encrypt", stdin=CLEAR + "\n", CONNECTOR_SECRET_KEY=key).stdout.strip()

    assert is_encrypted(encrypted)
    assert command("decrypt", encrypted, CONNECTOR_SECRET_KEY=key).stdout.strip() == CLEAR


def test_the_command_line_says_what_is_wrong_in_one_line():
    run = command("decrypt", "enc:broken")

    assert run.returncode == 2
    assert run.stderr.startswith("There is no key")
    assert "Traceback" not in run.stderr
