"""`connector-setup` tries each answer at the real system, and writes a .env with which everything runs."""

from __future__ import annotations

import shutil

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values
from kinetic_mailchimp.doctor.setup import _write
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from kinetic_mailchimp.kit.secrets.keys import KEY_FILE_VARIABLE
from stage import ROOT
from user_project import Project

SECRETS = ("EPICOR_API_KEY", "EPICOR_PASSWORD", "MAILCHIMP_API_KEY")
GIVEN = (
    "EPICOR_BASE_URL", "EPICOR_COMPANIES", "EPICOR_API_KEY", "EPICOR_USERNAME", "EPICOR_PASSWORD",
    "MAILCHIMP_API_KEY", "MAILCHIMP_BASE_URL", "MAILCHIMP_LIST_ID",
)  # fmt: skip


@pytest.fixture
def bare(project: Project) -> Project:
    """A project without a .env, as it is cloned."""
    answers = "".join(f"{name}={project.variables[name]}\n" for name in GIVEN)
    project.write()
    (project.folder / ".env").unlink()
    (project.folder / "answers").write_text(answers)
    shutil.copy(ROOT / ".env.example", project.folder)
    return project


def test_a_file_of_answers_makes_a_project_that_works(bare):
    done = bare.run("connector-setup", "--answers", "answers", "--key-file", "key", "--seconds", "300")

    assert done.returncode == 0, done.stderr
    file = bare.folder / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (bare.folder / "key").stat().st_mode & 0o777 == 0o600
    written = dotenv_values(file)
    for name in (*SECRETS, "MAILCHIMP_WEBHOOKS_SECRET", "AUDIT_ENCRYPTION_KEY"):
        assert str(written[name]).startswith("enc:")
    assert written["MAILCHIMP_LIST_IDS"] == bare.variables["MAILCHIMP_LIST_ID"]
    assert "# From API Key Maintenance; needed beside every login." in file.read_text()
    said = file.read_text() + done.stdout + done.stderr
    assert not any(bare.variables[name] in said for name in SECRETS)

    assert f"    Logged in at {bare.variables['EPICOR_BASE_URL']} with" in done.stdout
    assert f"    Audience Customers ({bare.variables['MAILCHIMP_LIST_ID']}):" in done.stdout

    looked_at = bare.run("connector-doctor", "--seconds", "300")
    assert looked_at.stdout.splitlines()[-1] == "All is well.", looked_at.stdout


def test_a_second_time_keeps_what_is_there(bare):
    bare.run("connector-setup", "--answers", "answers", "--key-file", "key", "--seconds", "300")
    box = SecretBox.from_environment({KEY_FILE_VARIABLE: str(bare.folder / "key")})
    with (bare.folder / ".env").open("a") as file:
        file.write(f"OF_SOMEBODY_ELSE=stays\nAUDIT_PAGES_TOKEN={box.encrypt('of-somebody-else')}\n")
    before = (bare.folder / ".env").read_text()
    (bare.folder / "answers").write_text("")

    done = bare.run("connector-setup", "--answers", "answers", "--key-file", "key", "--seconds", "300")

    assert done.returncode == 0, done.stderr
    assert (bare.folder / ".env").read_text() == before


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ("EPICOR_PASSWORD=not-the-password", 1, "EPICOR_PASSWORD"),
        (
            "EPICOR_PASSWORD=not-the-password",
            1,
            "come from EPICOR_AUTH_METHOD, EPICOR_USERNAME, EPICOR_PASSWORD and EPICOR_API_KEY in answers.",
        ),
        (
            "EPICOR_APIKEY=s3cret",
            3,
            "answers has EPICOR_APIKEY, which nothing reads. Is EPICOR_API_KEY meant?",
        ),
        ("OF_NOBODY=x", 3, "answers has OF_NOBODY, which nothing reads. Correct its name or take it out;"),
        ("MAILCHIMP_LIST_ID=ffffffffff", 1, "Use an id. The account has: Customers ("),
        ("EPICOR_API_KEY=", 3, "The file of --answers lacks EPICOR_API_KEY. Add a line NAME=value for each."),
    ],
)
def test_an_answer_that_does_not_work_is_told_and_nothing_is_written(bare, change, status, says):
    with (bare.folder / "answers").open("a") as file:
        file.write(f"{change}\n")

    done = bare.run("connector-setup", "--answers", "answers", "--key-file", "key", "--seconds", "300")

    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bare.folder / ".env").exists()
    assert str(bare.folder / ".env") not in done.stderr
    sentences = [line.partition(": ")[2] for line in done.stderr.splitlines()]
    assert len(sentences) == len(set(sentences))


def test_a_person_is_asked_until_the_answers_work(bare):
    given = bare.variables
    epicor = [given["EPICOR_BASE_URL"], "EPIC06", "", given["EPICOR_API_KEY"], "integration"]
    typed = [
        *(*epicor, "not-the-password", ""),
        *("", "", "", "", "", given["EPICOR_PASSWORD"], ""),  # all but the password as before
        *(given["MAILCHIMP_API_KEY"], "", ""),
        *("", given["MAILCHIMP_LIST_ID"], ""),
    ]
    bare.environ["MAILCHIMP_BASE_URL"] = given["MAILCHIMP_BASE_URL"]

    status, out = bare.ask("\n".join(typed) + "\n", "--key-file", "key", "--seconds", "300")

    assert status == 0, out
    assert "The login was refused." in out
    assert "The account has" in out or "an audience of this account: Customers (" in out
    assert out.count("These answers work.") == 2
    assert "EPICOR_PASSWORD and EPICOR_API_KEY in your answers." in out
    assert not any(given[name] in out for name in SECRETS)
    assert dotenv_values(bare.folder / ".env")["EPICOR_COMPANIES"] == "EPIC06"


def test_a_value_that_the_file_cannot_keep_is_told(tmp_path):
    box = SecretBox((Fernet.generate_key().decode(),))

    with pytest.raises(ConfigurationError, match="does not keep EPICOR_USERNAME"):
        _write(tmp_path / ".env", {"EPICOR_USERNAME": "${HOME}", "EPICOR_COMPANIES": "A"}, box)
