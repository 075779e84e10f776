"""`connector-secrets`: each command, each way in which it can go wrong, and its exit status."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.secrets.cli import main
from kinetic_mailchimp.kit.secrets.encryption import SecretBox, is_encrypted

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
CLEAR = "not-a-real-password"
VALUE = SecretBox((OLD,)).encrypt(CLEAR)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path) -> Run:
    """Runs a command in an empty folder: exit status, stdout, stderr. Keywords are variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.delenv("CONNECTOR_SECRET_KEY", raising=False)
    monkeypatch.delenv("CONNECTOR_SECRET_KEY_FILE", raising=False)
    monkeypatch.delenv("CONNECTOR_ENV_FILE")

    def run(*arguments: str, stdin: str = "", **environment: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["connector-secrets", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


class KeyringError(Exception):
    pass


class NoKeyringError(KeyringError):
    pass


@dataclass
class StoredKeyring:
    """Stands for the package `keyring`: remembers, or fails as the package does."""

    stored: dict[tuple[str, str], str] = field(default_factory=dict)
    failure: Exception | None = None

    def get_password(self, service: str, name: str) -> str | None:
        if self.failure:
            raise self.failure
        return self.stored.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        if self.failure:
            raise self.failure
        self.stored[service, name] = value


@pytest.fixture
def keyring(run, monkeypatch) -> StoredKeyring:
    stored = StoredKeyring()
    errors = ModuleType("keyring.errors")
    vars(errors).update(KeyringError=KeyringError, NoKeyringError=NoKeyringError)
    monkeypatch.setitem(sys.modules, "keyring", stored)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return stored


def test_makes_a_key_that_encrypts_and_decrypts(run):
    _, key, _ = run("keygen")
    status, encrypted, _ = run("encrypt", stdin=CLEAR + "\n", CONNECTOR_SECRET_KEY=key.strip())

    assert status == 0
    assert is_encrypted(encrypted.strip())
    for arguments, stdin in ((["decrypt", encrypted.strip()], ""), (["decrypt"], encrypted)):
        assert run(*arguments, stdin=stdin, CONNECTOR_SECRET_KEY=key.strip()) == (0, CLEAR + "\n", "")


def test_writes_a_key_into_a_new_file_that_only_its_owner_reads(run):
    status, out, _ = run("keygen", "--file", "key")

    assert status == 0
    assert Path("key").stat().st_mode & 0o777 == 0o600
    assert f"CONNECTOR_SECRET_KEY_FILE={Path('key').resolve()}" in out
    assert Path("key").read_text().strip() not in out
    assert run("encrypt", stdin=CLEAR, CONNECTOR_SECRET_KEY_FILE="key")[0] == 0


def test_never_overwrites_a_key_file(run):
    Path("key").write_text(OLD)

    status, _, err = run("keygen", "--file", "key")

    assert (status, Path("key").read_text()) == (2, OLD)
    assert "--add" in err


def test_puts_a_new_key_in_front_of_those_of_a_file(run):
    Path("key").write_text(f"{OLD}\n")
    Path("key").chmod(0o400)

    assert run("keygen", "--file", "key", "--add")[0] == 0

    first, second = Path("key").read_text().split()
    assert first != second == OLD
    assert Path("key").stat().st_mode & 0o777 == 0o400


def test_keeps_the_key_in_the_keyring(run, keyring):
    assert run("keygen", "--keyring")[:2] == (0, "The key is in the keyring of the system.\n")
    _, encrypted, _ = run("encrypt", stdin=CLEAR)
    assert run("decrypt", encrypted.strip())[:2] == (0, CLEAR + "\n")

    status, _, err = run("keygen", "--keyring")
    assert (status, "--add" in err) == (2, True)

    assert run("keygen", "--keyring", "--add")[0] == 0
    (keys,) = keyring.stored.values()
    assert len(keys.split(",")) == 2
    assert run("decrypt", encrypted.strip())[:2] == (0, CLEAR + "\n")


def test_a_key_is_looked_for_in_the_variable_then_the_file_then_the_keyring(run, keyring):
    keyring.stored["connector-secrets", "key"] = OLD
    Path("key").write_text(NEW)
    in_file = {"CONNECTOR_SECRET_KEY_FILE": "key"}
    value_of_new = SecretBox((NEW,)).encrypt(CLEAR)

    assert run("decrypt", VALUE)[0] == 0
    assert run("decrypt", value_of_new, **in_file)[0] == 0
    assert run("decrypt", VALUE, **in_file)[0] == 2
    assert run("decrypt", VALUE, **in_file, CONNECTOR_SECRET_KEY=OLD)[0] == 0


@pytest.mark.parametrize(
    "line", [f"CONNECTOR_SECRET_KEY={OLD}", "CONNECTOR_SECRET_KEY_FILE=key"], ids=["the key", "its file"]
)
def test_the_env_file_of_the_folder_may_say_where_the_key_is(run, line):
    Path("key").write_text(OLD)
    Path(".env").write_text(line)

    assert run("decrypt", VALUE)[0] == 0
    assert run("decrypt", VALUE, CONNECTOR_SECRET_KEY=NEW)[0] == 2


@pytest.mark.parametrize(
    ("failure", "told"),
    [(NoKeyringError(CLEAR), "has no keyring"), (KeyringError(CLEAR), "does not answer (KeyringError)")],
)
def test_a_keyring_that_is_asked_for_and_fails_is_an_error(run, keyring, failure, told):
    keyring.failure = failure

    status, out, err = run("keygen", "--keyring")

    assert (status, out) == (2, "")
    assert told in err
    assert "CONNECTOR_SECRET_KEY_FILE" in err
    assert CLEAR not in err


@pytest.mark.parametrize(
    ("failure", "told"),
    [(NoKeyringError(CLEAR), "There is no key"), (KeyringError(CLEAR), "does not answer (KeyringError)")],
)
def test_a_keyring_that_fails_while_a_key_is_looked_for(run, keyring, failure, told):
    keyring.failure = failure

    status, _, err = run("decrypt", VALUE)

    assert status == 2
    assert told in err


KEYRING_IN_A_FILE = """
import os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

class Keyring(KeyringBackend):
    priority = 1
    stored = pathlib.Path(__file__).with_name("stored")

    def get_password(self, service, username):
        if "IS_LOCKED" in os.environ:
            raise KeyringLocked("not-a-real-password")
        lines = self.stored.read_text().splitlines() if self.stored.exists() else []
        return next((line.split()[2] for line in lines if line.split()[:2] == [service, username]), None)

    def set_password(self, service, username, password):
        self.stored.write_text(f"{service} {username} {password}")
"""


def test_the_package_keyring_is_used_as_it_is(tmp_path):
    (tmp_path / "file_keyring.py").write_text(KEYRING_IN_A_FILE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_SECRET")}

    def run(*arguments: str, backend: str = "file_keyring.Keyring", **more: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "kinetic_mailchimp.kit.secrets.cli", *arguments],
            cwd=tmp_path,
            env={**clean, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": backend, **more},
            input=CLEAR,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert run("keygen", "--keyring") == (0, "The key is in the keyring of the system.\n")
    status, encrypted = run("encrypt")
    assert (status, is_encrypted(encrypted)) == (0, True)
    assert run("keygen", "--keyring", "--add")[0] == 0
    assert (tmp_path / "stored").read_text().startswith("connector-secrets key ")
    assert run("decrypt", encrypted.strip()) == (0, f"{CLEAR}\n")

    locked = run("decrypt", encrypted.strip(), IS_LOCKED="yes")
    assert locked[0] == 2
    assert "does not answer (KeyringLocked)" in locked[1]
    assert CLEAR not in locked[1]

    none = run("keygen", "--keyring", backend="keyring.backends.fail.Keyring")
    assert none[0] == 2
    assert "This system has no keyring." in none[1]


def test_names_the_extra_that_the_keyring_needs(run):
    status, _, err = run("keygen", "--keyring")

    assert status == 2
    assert "pip install 'kinetic-mailchimp-kit[keyring]'" in err


def test_asks_twice_for_a_secret_in_a_terminal(tmp_path):
    outer, inner = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kinetic_mailchimp.kit.secrets.cli", "encrypt"],
        stdin=inner,
        stdout=subprocess.PIPE,
        stderr=inner,
        env={"CONNECTOR_SECRET_KEY": OLD, "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        text=True,
        start_new_session=True,
    ) as process:
        os.close(inner)
        screen = b""
        for question in (b"Secret: ", b"confirmation: "):
            while not screen.endswith(question):
                screen += os.read(outer, 1024)
            os.write(outer, CLEAR.encode() + b"\n")
        out, _ = process.communicate(timeout=60)
    os.close(outer)

    assert SecretBox((OLD,)).decrypt(out.strip()) == CLEAR
    assert CLEAR.encode() not in screen


ENV = f"""\
# A comment
EPICOR_PASSWORD='{CLEAR}'   # another comment
export EPICOR_API_KEY={CLEAR}
EPICOR_BASE_URL=https://epicor.example.com/live
EPICOR_CLIENT_SECRET=
EPICOR_TOKEN=${{EPICOR_API_KEY}}
"""


def test_encrypts_variables_in_place_and_leaves_all_else(run):
    Path(".env").write_text(ENV)
    Path(".env").chmod(0o640)

    status, out, _ = run(
        *("encrypt", "--env-file", ".env", "--name", "EPICOR_PASSWORD", "--name", "EPICOR_API_KEY"),
        CONNECTOR_SECRET_KEY=OLD,
    )

    text = Path(".env").read_text()
    password, api_key = (line.split("=", 1)[1] for line in text.splitlines()[1:3])
    assert status == 0
    assert out.splitlines() == [
        ".env:2: `EPICOR_PASSWORD` is encrypted now.",
        ".env:3: `EPICOR_API_KEY` is encrypted now.",
    ]
    assert CLEAR not in text
    assert text.replace(password.split("'")[1], CLEAR).replace(api_key, CLEAR) == ENV
    assert Path(".env").stat().st_mode & 0o777 == 0o640
    assert run("decrypt", "--env-file", ".env", "--name", "EPICOR_PASSWORD", CONNECTOR_SECRET_KEY=OLD)[1] == (
        CLEAR + "\n"
    )


def test_a_variable_that_is_encrypted_stays_as_it_is(run):
    Path(".env").write_text(f"A={VALUE}\nA={CLEAR}\n")

    status, out, _ = run("encrypt", "--env-file", ".env", "--name", "A", CONNECTOR_SECRET_KEY=OLD)

    assert status == 0
    assert out.splitlines() == [".env:1: `A` was encrypted already.", ".env:2: `A` is encrypted now."]
    assert Path(".env").read_text().startswith(f"A={VALUE}\nA=enc:")


def test_makes_a_new_key_the_only_one_in_four_steps(run):
    Path("key").write_text(OLD)
    Path(".env").write_text(f"A={VALUE} # why\nB='{VALUE}'\nC={CLEAR}\nCONNECTOR_SECRET_KEY_FILE=key\n")
    Path("meltano.yml").write_text(f"env:\n  D: {VALUE}\n  E: [1, '{VALUE}']\n")
    before = Path(".env").read_text() + Path("meltano.yml").read_text()

    assert run("keygen", "--file", "key", "--add")[0] == 0
    assert run("rotate")[:2] == (0, "4 encrypted with the new key in .env, meltano.yml; 0 were already.\n")
    assert run("rotate")[:2] == (0, "0 encrypted with the new key; 4 were already.\n")
    Path("key").write_text(Path("key").read_text().split()[0])

    assert run("decrypt", "--env-file", ".env", "--name", "A")[1] == f"{CLEAR}\n"
    after = Path(".env").read_text() + Path("meltano.yml").read_text()
    assert VALUE not in after
    assert [len(line) for line in after.splitlines()] == [len(line) for line in before.splitlines()]


def test_rotates_the_files_that_are_named_and_no_others(run):
    Path("one.env").write_text(f"A={VALUE}\n")
    Path("two.env").write_text(f"A={VALUE}\n")

    assert run("rotate", "one.env", CONNECTOR_SECRET_KEY=f"{NEW},{OLD}")[0] == 0

    assert VALUE not in Path("one.env").read_text()
    assert Path("two.env").read_text() == f"A={VALUE}\n"


def test_rotates_all_values_or_none(run):
    broken = SecretBox((Fernet.generate_key().decode(),)).encrypt(CLEAR)
    Path(".env").write_text(f"A={VALUE}\n")
    Path("meltano.yml").write_text(f"env:\n  A: {VALUE}\n  B: {broken}\n")

    status, out, err = run("rotate", CONNECTOR_SECRET_KEY=f"{NEW},{OLD}")

    assert (status, out) == (2, "")
    assert err.startswith(
        "meltano.yml:3: `env.B`: An encrypted value cannot be read: it was made with another"
    )
    assert Path(".env").read_text() == f"A={VALUE}\n"


def test_names_what_is_in_clear_and_says_so_by_its_status(run):
    Path(".env").write_text(f"{ENV}OTHER_API_KEY={VALUE}\n")

    status, out, err = run("check")

    assert status == 1
    assert out.splitlines() == [
        ".env:2: `EPICOR_PASSWORD` is in clear (by its name).",
        ".env:3: `EPICOR_API_KEY` is in clear (by its name).",
        "Secrets: 2 in clear, 1 encrypted, 1 without a secret in them, 1 not set.",
    ]
    assert "connector-secrets encrypt --env-file" in err
    assert CLEAR not in out + err


def test_finds_nothing_in_clear_where_everything_is_encrypted(run):
    Path(".env").write_text(f"EPICOR_PASSWORD={VALUE}\n")
    Path("meltano.yml").write_text(
        "plugins: {extractors: [{name: tap, config: {password: $EPICOR_PASSWORD}}]}\n"
    )

    assert run("check", ".", ".env") == (0, "Secrets: 1 encrypted, 1 without a secret in them.\n", "")


def test_a_folder_without_secrets_is_fine(run):
    Path(".env").touch()

    assert run("check") == (0, "Secrets: none.\n", "")


IN_FILE = ("--env-file", ".env", "--name")
WITH_KEY = {"CONNECTOR_SECRET_KEY": OLD}


@pytest.mark.parametrize(
    ("arguments", "stdin", "environment", "told"),
    [
        pytest.param(["decrypt", VALUE], "", {}, "There is no key", id="no key"),
        pytest.param(["encrypt"], CLEAR, {}, "There is no key", id="no key to encrypt with"),
        pytest.param(["encrypt", *IN_FILE, "A"], "", {}, "There is no key", id="no key to encrypt in place"),
        pytest.param(["rotate"], "", {}, "There is no key", id="no key to rotate with"),
        pytest.param(["rotate"], "", WITH_KEY, "one key alone in CONNECTOR_SECRET_KEY", id="one key"),
        pytest.param(
            ["decrypt", VALUE],
            "",
            {"CONNECTOR_SECRET_KEY": NEW},
            "The given value: An encrypted value cannot be read: it was made with another key. "
            "Check CONNECTOR_SECRET_KEY",
            id="another key",
        ),
        pytest.param(
            ["decrypt", VALUE], "", {"CONNECTOR_SECRET_KEY": "short"}, "malformed", id="malformed key"
        ),
        pytest.param(
            ["decrypt", VALUE], "", {"CONNECTOR_SECRET_KEY_FILE": "none"}, "No such file", id="no key file"
        ),
        pytest.param(
            ["decrypt", VALUE], "", {"CONNECTOR_SECRET_KEY_FILE": "empty"}, "is empty", id="empty key file"
        ),
        pytest.param(
            ["decrypt", VALUE],
            "",
            {"CONNECTOR_SECRET_KEY_FILE": "binary"},
            "not UTF-8 text",
            id="binary key file",
        ),
        pytest.param(
            ["decrypt", *IN_FILE, "CUT"],
            "",
            WITH_KEY,
            ".env:2: `CUT`: An encrypted value is cut off",
            id="cut off",
        ),
        pytest.param(["decrypt", "enc:"], "", WITH_KEY, "cut off", id="nothing but the prefix"),
        pytest.param(["decrypt", CLEAR], "", WITH_KEY, "begins with enc:", id="not encrypted"),
        pytest.param(["decrypt", *IN_FILE, "A"], "", WITH_KEY, ".env:1: `A`: this is not", id="in clear"),
        pytest.param(
            ["decrypt", *IN_FILE, "B"], "", WITH_KEY, ".env does not set `B`", id="no such variable"
        ),
        pytest.param(
            ["encrypt", *IN_FILE, "B"], "", WITH_KEY, ".env does not set `B`", id="nothing of the name"
        ),
        pytest.param(["encrypt", *IN_FILE, "EMPTY"], "", WITH_KEY, ".env:3: `EMPTY` is empty", id="empty"),
        pytest.param(["encrypt", *IN_FILE, "SAME"], "", WITH_KEY, "refers to another", id="a reference"),
        pytest.param(["encrypt"], "\n", WITH_KEY, "nothing to encrypt", id="nothing on stdin"),
        pytest.param(["encrypt"], VALUE, WITH_KEY, "encrypted already", id="encrypted on stdin"),
        pytest.param(["encrypt", "--name", "A"], "", WITH_KEY, "go together", id="a name and no file"),
        pytest.param(["decrypt", "--env-file", ".env"], "", WITH_KEY, "together", id="a file and no name"),
        pytest.param(["keygen", "--file", "k", "--keyring"], "", {}, "not both", id="two places"),
        pytest.param(["keygen", "--add"], "", {}, "--add needs", id="add to nothing"),
        pytest.param(["keygen", "--file", "none/key"], "", {}, "cannot be written", id="no folder"),
        pytest.param(["keygen", "--file", "none", "--add"], "", {}, "cannot be read", id="no file to add to"),
        pytest.param(["check", "none.env"], "", {}, "none.env cannot be read", id="no file to check"),
        pytest.param(["check", "folder"], "", {}, "neither .env nor meltano.yml", id="nothing to check"),
    ],
)
def test_what_is_wrong_is_said_in_words_with_status_2(run, arguments, stdin, environment, told):
    before = f"A={CLEAR}\nCUT={VALUE[:-9]}\nEMPTY=\nSAME=${{A}}\n"
    Path(".env").write_text(before)
    Path("folder").mkdir()
    Path("empty").touch()
    Path("binary").write_bytes(b"\xff\xfe")

    status, out, err = run(*arguments, stdin=stdin, **environment)

    assert (status, out) == (2, "")
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert CLEAR not in err.replace("decrypt " + CLEAR, "")
    assert Path(".env").read_text() == before


@pytest.mark.parametrize("text", [f"{VALUE} json://example.com/hook", f"json://example.com/hook {VALUE}"])
@pytest.mark.parametrize(
    "arguments", [["rotate"], ["encrypt", *IN_FILE, "URLS"], ["decrypt", *IN_FILE, "URLS"]], ids=" ".join
)
def test_a_list_that_is_encrypted_in_part_is_named_and_left(run, arguments, text):
    Path(".env").write_text(f'URLS="{text}"\n')
    Path("meltano.yml").write_text(f"description: A list such as {VALUE} there\n")

    status, _, err = run(*arguments, CONNECTOR_SECRET_KEY=f"{NEW},{OLD}")

    assert (status, Path(".env").read_text()) == (2, f'URLS="{text}"\n')
    assert ".env:1: `URLS` is encrypted in part." in err


def test_a_mention_of_an_encrypted_value_is_not_one(run):
    Path("meltano.yml").write_text(f"description: A list such as {VALUE} there\n")

    assert run("rotate", CONNECTOR_SECRET_KEY=f"{NEW},{OLD}")[0] == 0


@pytest.mark.parametrize("command", ["", "keygen", "encrypt", "decrypt", "rotate", "check"])
def test_each_command_explains_itself(run, command):
    status, out, _ = run(*command.split(), "--help")

    assert status == 0
    assert "Usage: connector-secrets" in out
