"""The command `connector-setup`: asks for what a project needs, tries each answer, and writes `.env`."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import click
from cryptography.fernet import Fernet
from dotenv import set_key

from kinetic_mailchimp.doctor.command import run_command
from kinetic_mailchimp.doctor.examination import GROUP, examine_plugins
from kinetic_mailchimp.doctor.project_checks import variables_in
from kinetic_mailchimp.doctor.questions import GROUPS, QUESTIONS, SECRETS, Question, generated
from kinetic_mailchimp.kit.checks import Finding, Verdict
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.nearest import did_you_mean
from kinetic_mailchimp.kit.project import Project, env_file, own_variable, read_env_file
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.secrets.encryption import SecretBox, is_encrypted, reveal
from kinetic_mailchimp.kit.secrets.keys import KEY_FILE_VARIABLE
from kinetic_mailchimp.kit.secrets.private_files import MODE, open_private

_REQUEST: Final = re.compile(r", request [^()\s]+(?=\))")
DEFAULT_KEY_FILE: Final = "~/.config/kinetic-mailchimp/secret.key"


@click.command("connector-setup", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="SETUP_ANSWERS",
    show_envvar=True,
    help="A file with NAME=value lines, in place of questions.",
)
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_KEY_FILE,
    show_default=True,
    help="The file in which the key of encrypted settings is made, unless there is one.",
)
@click.option(
    "--seconds", type=click.FloatRange(1), default=30, show_default=True, help="Time to try answers in."
)
def setup(answers: Path | None, key_file: Path, *, seconds: float) -> None:
    """Ask for what is needed, try each answer at the real system, and write .env with its secrets encrypted.

    What .env has already is kept, and offered as the answer. Nothing is written to Epicor or Mailchimp.

    Exit status: 0 done; 1 an answer of --answers does not work; 2 wrong usage; 3 it could not be done.
    """
    project = Project.find()
    file = env_file(project.environ)
    box = SecretBox.find(project.variables) or _make_box(key_file.expanduser())
    known = {name: str(value) for name, value in reveal(project.written, project.variables).items()}
    names = [question.variable for question in QUESTIONS]
    if answers:
        read = read_env_file(answers)
        _check_names(answers, read, project, file.with_name(".env.example"))
        known |= read
        missing = [name for name in names if not known.get(name)]
        tried = replace(project, answers=dict.fromkeys([*read, *missing], str(answers)))
        given = _take_from_file(tried, known, seconds)
    else:
        tried = replace(project, answers=dict.fromkeys(names, "your answers"))
        given = _ask_all(tried, known, seconds)
    given |= generated(given)
    if KEY_FILE_VARIABLE not in project.variables and box.source == KEY_FILE_VARIABLE:
        given[KEY_FILE_VARIABLE] = str(key_file.expanduser().resolve())
    _write(file, {name: value for name, value in given.items() if value}, box)
    click.echo(f"{file} is written. `connector-doctor` looks at everything again; then `meltano install`.")


def _check_names(answers: Path, read: Mapping[str, str], project: Project, example: Path) -> None:
    """Refuse a variable that nothing reads: a secret under a wrong name would be written in clear.

    Those that the example names count, set or in a comment, and those of meltano.yml.
    """
    text = example.read_text(encoding="utf-8") if example.is_file() else ""
    listed = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)
    asked = (question.variable for question in QUESTIONS)
    known = {*listed, *asked, *SECRETS, *variables_in(project.document)}
    of_plugins = tuple(own_variable(name, "") for name in (*project.plugins, "meltano"))
    for name in read:
        if name not in known and not name.startswith(of_plugins):
            raise ConfigurationError(
                f"{answers} has {name}, which nothing reads. {did_you_mean(name, known)}".strip(),
                advice="Correct its name or take it out; `.env.example` names every variable.",
            )


def _take_from_file(project: Project, known: dict[str, str], seconds: float) -> dict[str, str]:
    """Try the answers of a file; what does not work ends the command."""
    missing = [
        question.variable
        for question in QUESTIONS
        if not question.may_be_empty and question.is_asked(known) and not question.default_of(known)
    ]
    if missing:
        raise ConfigurationError(
            f"The file of --answers lacks {', '.join(missing)}.", advice="Add a line NAME=value for each."
        )
    known |= {
        question.variable: question.default_of(known) for question in QUESTIONS if question.is_asked(known)
    }
    wrong = [found for questions in GROUPS.values() for found in _try_out(project, questions, known, seconds)]
    if wrong:
        sys.exit(1)
    return known


def _ask_all(project: Project, known: dict[str, str], seconds: float) -> dict[str, str]:
    """Ask a person; a group is asked again until it works."""
    for title, questions in GROUPS.items():
        wrong: Sequence[Finding] = [Finding(Verdict.WRONG, "")]
        while wrong:
            click.echo(click.style(f"\n{title}", bold=True))
            for question in questions:
                if question.is_asked(known):
                    known[question.variable] = _ask(question, known)
            wrong = _try_out(project, questions, known, seconds)
    return known


def _ask(question: Question, known: Mapping[str, str]) -> str:
    default = question.default_of(known)
    if question.secret:
        text = f"{question.text} (empty: as before)" if default else question.text
        answer = click.prompt(text, default=default, hide_input=True, show_default=False)
    else:
        empty = "" if question.may_be_empty else None
        text = question.text + (" (may be empty)" if question.may_be_empty and not default else "")
        answer = click.prompt(text, default=default or empty, show_default=bool(default))
    return str(answer).strip()


def _try_out(
    project: Project, questions: Sequence[Question], known: Mapping[str, str], seconds: float
) -> list[Finding]:
    """Print what the plugins that read the answers say of them; what is wrong is returned."""
    tried = replace(project, written={**project.written, **known})
    variables = {question.variable for question in questions}
    points = [point for point in entry_points(group=GROUP) if variables & tried.read_variables(point.name)]
    configs = {point: tried.config(point.name) for point in points}
    found = examine_plugins(tried, configs, seconds)
    wrong = [(name, one) for name, each in found.items() for one in each if one.verdict is Verdict.WRONG]
    told: dict[str, list[str]] = {}
    for name, one in wrong:  # two plugins find the same, each in a request of its own
        told.setdefault(_REQUEST.sub("", str(one)), []).append(name)
    for text, names in told.items():
        click.echo(click.style(MASKER.mask(f"  {' and '.join(names)}: {text}"), fg="red"), err=True)
    if not wrong:
        reached = [
            f"    {one.text}" for each in found.values() for one in each if one.verdict is Verdict.GOOD
        ]
        click.echo("\n".join(dict.fromkeys(["  These answers work.", *reached])))
    return [one for _, one in wrong]


def _make_box(key_file: Path) -> SecretBox:
    """A key in a file of its own, which is made where it is missing."""
    try:
        if not key_file.exists():
            key_file.parent.mkdir(parents=True, exist_ok=True)
            with open_private(key_file) as written:
                written.write(f"{Fernet.generate_key().decode()}\n")
            click.echo(f"The key of encrypted settings is {key_file}: keep a copy of it elsewhere.")
        return SecretBox.from_environment({KEY_FILE_VARIABLE: str(key_file)})
    except OSError as error:
        raise ConfigurationError(
            f"{key_file} cannot be written: {error.strerror}.", advice="Name another file in --key-file."
        ) from error


def _write(file: Path, answers: Mapping[str, str], box: SecretBox) -> None:
    """Write the answers into a file for its owner alone; everything else in it stays."""
    try:
        file = file.resolve()  # a link stays one
        example = file.with_name(".env.example")
        if not file.exists():
            file.touch(MODE)
            if example.is_file():
                shutil.copyfile(example, file)
        file.chmod(MODE)
        before = read_env_file(file)
        for name, value in answers.items():
            if is_encrypted(before.get(name)) and box.decrypt(before[name]) == value:
                continue
            if name in SECRETS and not is_encrypted(value):
                set_key(file, name, box.encrypt(value), quote_mode="never")
            elif before.get(name) != value:
                set_key(file, name, value, quote_mode="auto")
        file.chmod(MODE)
        now = read_env_file(file)
        changed = [
            name
            for name, value in answers.items()
            if now.get(name) != value and not is_encrypted(now.get(name))
        ]
        if changed:
            raise ConfigurationError(
                f"{file} does not keep {', '.join(changed)} as it was answered.",
                advice="Leave out `${…}` and control characters.",
            )
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written: {error.strerror}.", advice="Check its permissions and its folder."
        ) from error


def main() -> None:
    """Run the command line; what cannot be done is one line on stderr."""
    sys.exit(run_command(setup))
