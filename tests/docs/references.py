"""Checks that what the documentation refers to exists: links, anchors, commands and variables."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import instructions
import yaml
from plugin_definitions import OTHERS, ROOT

PROGRAMS = Path(sys.executable).parent
SKIPPED = frozenset({".venv", ".meltano", "data", "dist", "build", "output"})
SINGLE = ("connector-setup", "connector-doctor")
"""Commands without commands of their own."""
OWN = (*SINGLE, "sync-audit", "mailchimp-webhooks", "mailchimp-auth", "connector-secrets")
"""The commands beside those of the plugins."""
SYSTEM = frozenset(
    {
        "az",
        "buildah",
        "cd",
        "celery",
        "chmod",
        "cp",
        "crontab",
        "curl",
        "dagster",
        "docker",
        "echo",
        "export",
        "gcloud",
        "git",
        "head",
        "install",
        "journalctl",
        "kubectl",
        "mkdir",
        "mv",
        "pass",
        "pip",
        "source",
        "ssh",
        "sudo",
        "systemctl",
        "target-jsonl",
    }
)


def documents() -> list[Path]:
    """Every Markdown file of the repository."""
    return [file for file in sorted(ROOT.rglob("*.md")) if not SKIPPED & set(file.relative_to(ROOT).parts)]


def name_of(file: Path) -> str:
    """A file as a message names it."""
    return os.path.relpath(file, ROOT)


def without_code(text: str) -> str:
    """The text without blocks and spans of code, its lines kept."""
    blocks = re.sub(
        r"^( *)```.*?^ *```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(r"`[^`\n]+`", "`code`", blocks)


@cache
def anchors(file: Path) -> frozenset[str]:
    """The anchors of a file's headings, as the usual hosts make them."""
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: list[str] = re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text)
    for heading in re.findall(r"^#+ +(.+?)\s*#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = sum(1 for name in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", name))
        found.append(f"{anchor}-{count}" if count else anchor)
    return frozenset(found)


def broken_links(file: Path) -> Iterator[str]:
    """Each relative link of a file that leads nowhere."""
    text = without_code(file.read_text(encoding="utf-8"))
    for match in re.finditer(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = match[1].partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (file.parent / path).resolve() if path else file
        place = f"{name_of(file)}:{text.count(chr(10), 0, match.start()) + 1}"
        if not target.exists():
            yield f"{place}: there is no {match[1]}."
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{place}: {target.name} has no heading for #{anchor}."


@cache
def command_of(program: str) -> click.Command:
    """What click has behind a command, found in the module of its entry point."""
    (entry,) = metadata.entry_points(group="console_scripts", name=program)
    module = importlib.import_module(entry.module)
    kind = click.Command if program in SINGLE else click.Group
    return next(value for value in vars(module).values() if isinstance(value, kind))


def subcommands(program: str) -> Mapping[str, click.Command]:
    """The commands of a command, by name."""
    whole = command_of(program)
    if not isinstance(whole, click.Group):
        return {}
    context = click.Context(whole)
    found = {name: whole.get_command(context, name) for name in whole.list_commands(context)}
    return {name: command for name, command in found.items() if command}


@cache
def project() -> Any:
    """The text of meltano.yml as data."""
    return yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))


@cache
def make_targets() -> frozenset[str]:
    """The targets of the Makefile that `make` lists."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):.*## ", text, re.MULTILINE))


def console_commands(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Each command that a person is shown to type, with its line; a pipe has several."""
    text = file.read_text(encoding="utf-8")
    for block in re.finditer(r"^( *)```console\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE):
        first = text.count("\n", 0, block.start(2)) + 1
        # A line that goes on is joined with the next one; the number of the first one is good enough.
        for number, line in enumerate(re.sub(r"\\\n\s*", " ", block[2]).splitlines(), first):
            if line.lstrip().startswith("$ "):
                lexer = shlex.shlex(line.lstrip()[2:], posix=True, punctuation_chars="|;&")
                lexer.whitespace_split = True
                words: list[str] = []
                for word in [*lexer, ";"]:
                    if set(word) <= set("|;&"):
                        yield number, words
                        words = []
                    else:
                        words.append(word)


def unknown_commands(file: Path) -> Iterator[str]:
    """Each console line of a file that names a command which does not exist."""
    for line, words in console_commands(file):
        command = [word for word in words if not re.match(r"[A-Z_]+=", word)]
        if command and (wrong := _wrong(command, instructions.added_names(file))):
            yield f"{name_of(file)}:{line}: {wrong}"


def _wrong(command: list[str], added: AbstractSet[str]) -> str:
    program = Path(command[0]).name
    arguments = [word for word in command[1:] if not word.startswith("-")]
    first = arguments[0] if arguments else ""
    if program == "make":
        return "" if not arguments or first in make_targets() else f"`make {first}` does not exist."
    if program == "meltano":
        return _wrong_for_meltano(first, arguments[1:], added)
    if program in OWN:
        named = [word for word in arguments if word in subcommands(program)]
        return (
            ""
            if named or not arguments or program in SINGLE
            else f"`{program}` has no command among `{' '.join(arguments)}`."
        )
    known = program in SYSTEM or (PROGRAMS / program).exists() or "…" in program
    return "" if known else f"`{program}` does not exist."


def _wrong_for_meltano(command: str, arguments: list[str], added: AbstractSet[str]) -> str:
    plugins = project()["plugins"]
    names = added | {plugin["name"] for kind in plugins.values() for plugin in kind}
    names |= {job["name"] for job in project()["jobs"]}
    names |= {mapping["name"] for mapper in plugins["mappers"] for mapping in mapper["mappings"]}
    commands = {f"{plugin.name}:{name}" for plugin in OTHERS for name in plugin.commands}
    if command == "run" and (unknown := set(arguments) - names - commands):
        return f"`meltano run` has no job or plugin {', '.join(sorted(unknown))}."
    if command == "invoke" and arguments and arguments[0] not in names | commands:
        return f"`meltano invoke` has no plugin {arguments[0]}."
    return ""


def variables() -> Iterator[Sequence[str]]:
    """The variables of each setting: any one of several sets it, the last is the one that is shared."""
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    yield from ([name] for name in re.findall(r"\$\{?([A-Z][A-Z_]+)", text))
    for program in (program for program in OWN if program not in SINGLE):
        for command in (command_of(program), *subcommands(program).values()):
            for option in command.params:
                if option.envvar:
                    yield [option.envvar] if isinstance(option.envvar, str) else option.envvar


def wrong_variables(example: str) -> Iterator[str]:
    """Each variable that .env.example lacks, has beyond the settings, or does not explain.

    Args:
        example: The text of .env.example.
    """
    wanted = [list(names) for names in variables()]
    lines = example.splitlines()
    listed: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not (found := re.match(r"#?([A-Z][A-Z_]+)=", line)):
            continue
        listed.add(found[1])
        if not re.match(r"# \w.*\.$", lines[number - 2]):
            yield f".env.example:{number}: `{found[1]}` needs a sentence in a comment above it."
    known = {name for names in wanted for name in names}
    yield from (f".env.example: `{name}` sets nothing." for name in sorted(listed - known))
    missing = {names[-1] for names in wanted if not set(names) & listed}
    yield from (f".env.example does not name `{name}`." for name in sorted(missing))


def unproved_rows(file: Path) -> Iterator[str]:
    """Each row of a table with a column `Test` that names no test as `path::name`, or one that is lost."""
    with_tests: bool | None = None
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|"):
            with_tests = None
            continue
        last = line.rstrip(" |").rpartition("| ")[2]
        if with_tests is None:
            with_tests = last == "Test"
        elif with_tests and set(line) - set("|:- "):
            named = re.findall(r"`([^`\s]+\.py)::(\w+)`", last)
            if not named:
                yield f"{name_of(file)}:{number}: the row names no test as `path::test`."
            for path, name in named:
                if name not in tests_of(ROOT / path):
                    yield f"{name_of(file)}:{number}: there is no {path}::{name}."


@cache
def tests_of(file: Path) -> frozenset[str]:
    """The names of the tests in a file; none where it is missing."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return frozenset(re.findall(r"^\s*(?:async )?def (test_\w+)", text, re.MULTILINE))


def main() -> None:
    """Name everything that does not exist."""
    wrong = [
        *(text for file in documents() for text in broken_links(file)),
        *(text for file in documents() for text in unknown_commands(file)),
        *(text for file in documents() for text in instructions.problems(file)),
        *(text for file in documents() for text in unproved_rows(file)),
        *wrong_variables((ROOT / ".env.example").read_text(encoding="utf-8")),
    ]
    for text in wrong:
        sys.stdout.write(f"{text}\n")
    if wrong:
        raise SystemExit(f"{len(wrong)} references of the documentation lead nowhere.")


if __name__ == "__main__":
    main()
