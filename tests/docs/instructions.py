"""Checks what the documentation tells people to type and to write: options, variables and settings exist."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import references
import yaml
from plugin_definitions import OTHERS, PLUGINS, ROOT

OURS = ("AUDIT_", "CONNECTOR_", "EPICOR_", "MAILCHIMP_", "TAP_", "TARGET_")
"""How the names of this project's variables begin."""
NOT_LISTED = frozenset(
    {
        "CONNECTOR_ENV_FILE",
        "CONNECTOR_SECRET_KEY",
        "CONNECTOR_SECRET_KEY_FILE",
        "CONNECTOR_TENANTS",
        "MAILCHIMP_WEBHOOKS",
    }
)
"""Variables that .env.example has no line for, and a prefix."""


@cache
def settings_of(plugin: str) -> frozenset[str]:
    """The settings of a plugin, as its definition has them."""
    (file,) = (one.file for one in (*PLUGINS, *OTHERS) if one.name == plugin)
    return frozenset(setting["name"] for setting in json.loads(file.read_text()).get("settings", ()))


@cache
def known_variables() -> frozenset[str]:
    """Every variable that sets something."""
    named = re.findall(r"^#? ?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    of_plugins = (
        f"{plugin.name}_{setting}".upper().replace("-", "_")
        for plugin in PLUGINS
        for setting in settings_of(plugin.name)
    )
    of_commands = (name for names in references.variables() for name in names)
    return NOT_LISTED | {*named, *of_plugins, *of_commands}


def blocks(text: str, language: str) -> Iterator[tuple[int, str]]:
    """The blocks of code in a language, each with the line that it begins in, without its indentation."""
    for match in re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE):
        indent = len(match[1])
        lines = [line[indent:] for line in match[2].splitlines()]
        yield text.count("\n", 0, match.start(2)) + 1, "\n".join(lines)


def spans(text: str) -> Iterator[tuple[int, str]]:
    """What stands between single backticks, each with its line; a span may go over a line's end."""
    plain = re.sub(
        r"^ *```.*?^ *```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    for match in re.finditer(r"`([^`]+)`", plain):
        yield plain.count("\n", 0, match.start()) + 1, " ".join(match[1].split())


def wrong_calls(file: Path) -> Iterator[str]:
    """Each call of a command of ours, in a block or within a sentence, that it would refuse."""
    typed = ((line, words, True) for line, words in references.console_commands(file))
    named = ((line, _split(span), False) for line, span in spans(file.read_text(encoding="utf-8")))
    for line, words, is_whole in (*typed, *named):
        call = list(itertools.dropwhile(re.compile(r"[A-Z_]+=").match, words))
        if call and Path(call[0]).name in references.OWN and (wrong := _refusal(call, is_whole=is_whole)):
            yield f"{references.name_of(file)}:{line}: `{shlex.join(call)}`: {wrong}"


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _refusal(call: list[str], *, is_whole: bool) -> str:
    """The reason for which a command refuses its arguments; one that is only named may lack some."""
    arguments = call[1 : call.index(">") if ">" in call else None]
    command: click.Command = references.command_of(Path(call[0]).name)
    while True:
        context = click.Context(command)
        try:
            given, rest, _ = command.make_parser(context).parse_args(list(arguments))
        except click.UsageError as error:
            return error.format_message()
        if not isinstance(command, click.Group):
            break
        if not rest or "help" in given:
            return ""
        found = command.get_command(context, rest[0])
        if found is None:
            return f"`{rest[0]}` is not a command."
        command, arguments = found, rest[1:]
    if rest:
        return f"`{rest[0]}` is one argument too many."
    missing = [
        one.human_readable_name
        for one in command.params
        if one.required
        and not (one.envvar or getattr(one, "prompt", ""))
        # An argument that is not there has a mark of click's own.
        and not (isinstance(given.get(str(one.name)), (str, tuple, list)) and given[str(one.name)])
    ]
    return f"{missing[0]} is missing." if missing and is_whole and "help" not in given else ""


def unknown_variables(file: Path) -> Iterator[str]:
    """Each variable of this project that a page names and that sets nothing."""
    text = file.read_text(encoding="utf-8")
    for match in re.finditer(rf"\b(?:{'|'.join(OURS)})[A-Z0-9_]*[A-Z0-9]\b(?!_|…)", text):
        if match[0] not in known_variables() | _made_up(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{references.name_of(file)}:{line}: `{match[0]}` sets nothing."


def _made_up(text: str) -> frozenset[str]:
    """Variables that a page itself brings into meltano.yml."""
    return frozenset(
        name for _, block in _project_blocks(text) for name in re.findall(r"\$([A-Z_0-9]+)", block)
    )


def _project_blocks(text: str) -> Iterator[tuple[int, str]]:
    return ((line, block) for line, block in blocks(text, "yaml") if block.startswith("# meltano.yml\n"))


def wrong_settings(file: Path) -> Iterator[str]:
    """Each plugin or setting in a block for meltano.yml that does not exist."""
    for line, block in _project_blocks(file.read_text(encoding="utf-8")):
        place = f"{references.name_of(file)}:{line}"
        kinds: dict[str, list[dict[str, Any]]] = yaml.safe_load(block).get("plugins", {})
        for plugin in (plugin for plugins in kinds.values() for plugin in plugins):
            original = _original(plugin.get("inherit_from", plugin["name"]))
            if not original:
                yield f"{place}: meltano.yml has no plugin `{plugin['name']}`."
                continue
            unknown: Iterable[str] = plugin.get("config", {}).keys() - settings_of(original)
            yield from (f"{place}: `{original}` has no setting `{name}`." for name in sorted(unknown))


def added_names(file: Path) -> frozenset[str]:
    """The plugins and jobs that a page itself brings into meltano.yml."""
    found: set[str] = set()
    for _, block in _project_blocks(file.read_text(encoding="utf-8")):
        project = yaml.safe_load(block)
        kinds = project.get("plugins", {}).values()
        found |= {one["name"] for some in (*kinds, project.get("jobs", [])) for one in some}
    return frozenset(found)


def _original(name: str) -> str:
    """The plugin that a plugin of meltano.yml is, or inherits from in the end; empty for none."""
    plugins = {one["name"]: one for kind in references.project()["plugins"].values() for one in kind}
    while name in plugins and "inherit_from" in plugins[name]:
        name = plugins[name]["inherit_from"]
    return name if name in plugins else ""


def problems(file: Path) -> Iterator[str]:
    """Everything that a page tells people to do, and that cannot be done."""
    yield from wrong_calls(file)
    yield from unknown_variables(file)
    yield from wrong_settings(file)
