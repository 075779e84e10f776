"""Encrypted settings: what is revealed, and what a person is told when it cannot be."""

from __future__ import annotations

import logging
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.masker import MASK, MASKER, MaskedStream, SecretMasker, mask_logs
from kinetic_mailchimp.kit.secrets.encryption import SecretBox, reveal, secret_values
from kinetic_mailchimp.kit.settings.options import SecretText

CLEAR = "not-a-real-password"


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch):
    """Whatever the keyring of this machine holds is none of these tests' business."""
    monkeypatch.setitem(sys.modules, "keyring", None)


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


class CountedEnvironment(dict[str, str]):
    looked_up = 0

    def get(self, name, default=None):
        self.looked_up += 1
        return super().get(name, default)


def test_looks_for_the_key_once_and_only_if_it_is_needed(environment, encrypted):
    counted = CountedEnvironment(environment)

    reveal({"password": "plain"}, counted)
    assert counted.looked_up == 0
    reveal({"password": encrypted, "nested": {"list": [encrypted, encrypted]}}, counted)
    assert counted.looked_up == 1


OTHER_KEY = Fernet.generate_key().decode()


@pytest.mark.parametrize(
    ("changed_environment", "kept", "told"),
    [
        pytest.param({}, None, "There is no key", id="no key"),
        pytest.param({"CONNECTOR_SECRET_KEY": " , "}, None, "There is no key", id="empty key"),
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


def test_secrets_are_found_at_any_depth_of_a_schema():
    secret = {"type": "string", "secret": True}
    schema = {
        "properties": {
            "login": {"properties": {"token": secret, "user": {"type": "string"}}},
            "keys": {"type": "array", "items": secret},
            "others": {"additionalProperties": secret},
            "either": {"oneOf": [{"type": "null"}, {"properties": {"token": secret}}]},
            "headers": {"type": "object", "secret": True},
            "database_url": {"type": "string"},
        }
    }
    settings = {
        "login": {"token": "in an object", "user": "not this"},
        "keys": ["in a list"],
        "others": {"any": "of any name"},
        "either": {"token": "of one form"},
        "headers": {"X-Key": ["in a secret object", 123456, True, None]},
        "database_url": "postgresql://user:in%20a%20URL@host/db",
        "unknown": {"more": "not this either"},
    }

    assert list(secret_values(settings, schema)) == [
        "in an object",
        "in a list",
        "of any name",
        "of one form",
        "in a secret object",
        "123456",
        "in%20a%20URL",
        "in a URL",
    ]


def test_the_address_of_a_database_without_a_password_is_no_secret():
    schema = {"properties": {"database_url": {"secret": True}}}

    assert list(secret_values({"database_url": "sqlite:///data/audit.sqlite3"}, schema)) == []
    assert list(secret_values({"database_url": f"mysql://u:{CLEAR}@h/d"}, schema)) == [
        f"mysql://u:{CLEAR}@h/d"
    ]


def test_what_was_encrypted_is_masked_whatever_its_setting_is_declared_as(environment):
    clear = "an-undeclared-secret"
    reveal({"plain": SecretBox.from_environment(environment).encrypt(clear)}, environment)

    assert MASKER.mask(f"{clear} {environment['CONNECTOR_SECRET_KEY']}") == f"{MASK} {MASK}"


@click.command()
@click.option("--secret", type=SecretText(), envvar="THE_SECRET")
def show(secret):
    click.echo(secret)


@pytest.mark.parametrize("by", ["option", "variable", "in clear"])
def test_an_option_of_a_command_may_be_encrypted(monkeypatch, environment, encrypted, by):
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", environment["CONNECTOR_SECRET_KEY"])
    given = CLEAR if by == "in clear" else encrypted
    variables = {"THE_SECRET": given} if by == "variable" else {}
    run = CliRunner().invoke(show, [] if variables else ["--secret", given], env=variables)

    assert run.output == CLEAR + "\n"
    assert MASKER.mask(CLEAR) == MASK


def test_an_option_that_cannot_be_decrypted_is_named(monkeypatch, encrypted):
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", OTHER_KEY)
    run = CliRunner().invoke(show, ["--secret", encrypted])

    assert run.exit_code == 2
    assert "--secret" in run.output
    assert "another key" in run.output


def test_no_key_shows_where_a_box_is_shown(environment):
    assert environment["CONNECTOR_SECRET_KEY"] not in repr(SecretBox.from_environment(environment))


def test_the_box_is_optional_where_a_key_is(environment):
    assert SecretBox.find({}) is None
    assert SecretBox.find(environment) is not None


def test_a_rotated_value_is_read_with_the_new_key_alone_and_rotated_once(environment, encrypted):
    new = Fernet.generate_key().decode()
    both = SecretBox((new, environment["CONNECTOR_SECRET_KEY"]))
    rotated = both.rotate(encrypted)

    assert rotated != encrypted
    assert both.rotate(rotated) == rotated
    assert SecretBox((new,)).decrypt(rotated) == CLEAR


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
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs
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


def test_masking_is_installed_once(monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    plain = logging.getLogRecordFactory()
    try:
        mask_logs()
        installed = logging.getLogRecordFactory()
        mask_logs()
        assert logging.getLogRecordFactory() is installed
        assert isinstance(sys.stderr, MaskedStream)
        assert not isinstance(sys.stderr._stream, MaskedStream)
    finally:
        logging.setLogRecordFactory(plain)
