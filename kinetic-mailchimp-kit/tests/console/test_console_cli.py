"""The command line of the audit trail: it starts at once, and names what is not installed."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from kinetic_mailchimp.console.cli import COMMANDS, main

HEAVY = {
    "alembic",
    "cryptography",
    "fastapi",
    "apprise",
    "jinja2",
    "pendulum",
    "rich",
    "sqlalchemy",
    "uvicorn",
}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_the_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from kinetic_mailchimp.console.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "finally:\n"
        f"    print({HEAVY!r} & {{*sys.modules}}, file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_shows_the_first_sentence_of_a_commands_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str(limit=1_000) == COMMANDS[name].summary
    assert COMMANDS[name].summary in " ".join(CliRunner().invoke(main, ["--help"]).output.split())


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("runs", "sqlalchemy", "audit"),
        ("verify", "rich", "audit"),
        ("serve", "uvicorn", "pages"),
        ("serve", "jinja2", "pages"),
    ],
)
def test_a_missing_extra_is_named_in_one_sentence(name: str, package: str, extra: str) -> None:
    program = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        "from kinetic_mailchimp.console.cli import main\n"
        f"main([{name!r}])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        f"sync-audit: `{name}` needs {package}, which is not installed."
        f" Install the extra: pip install 'kinetic-mailchimp-kit[{extra}]'.\n"
    )


def test_an_unknown_command_is_wrong_usage() -> None:
    outcome = CliRunner().invoke(main, ["nothing"])
    assert (outcome.exit_code, "No such command" in outcome.output) == (2, True)
