"""Reads the values of .env and YAML files with their places, and replaces some of them and nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from dotenv.parser import Binding, parse_stream

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.encryption import PREFIX
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared

DEFINITION_SUFFIX = ".lock"
YAML_SUFFIXES = frozenset({".yml", ".yaml", ".json", DEFINITION_SUFFIX})
PROJECT_FILES = (".env", "meltano.yml")

_NULL_TAG = "tag:yaml.org,2002:null"
_ASSIGNMENT = re.compile(r"\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*=[^\S\r\n]*")
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_UNQUOTED = re.compile(r"[^\r\n]*")
_COMMENT = re.compile(r"\s+#.*")


@dataclass(frozen=True)
class Value:
    """One value and where it stands.

    Attributes:
        path: The name of the variable, or the keys that lead to it; an item of a list by its `name`, else by
            its position.
        text: What a reader of the file gets; empty where nothing is set.
        line: Its line, from 1.
        start: Where its spelling begins in the text of the file, quotes included.
    """

    path: tuple[str, ...]
    text: str = field(repr=False)
    line: int
    start: int
    end: int

    @property
    def name(self) -> str:
        """The path as a person writes it."""
        return ".".join(self.path)


@dataclass(frozen=True)
class SettingsFile:
    """The text of a file of settings and the values in it."""

    path: Path
    text: str = field(repr=False)
    values: tuple[Value, ...] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> SettingsFile:
        """Read a file: YAML or JSON by its suffix, else as .env.

        Raises:
            ConfigurationError: It cannot be read, or a line of it cannot be understood.
        """
        text = read_text(path)
        return cls(path, text, _values(path, text))

    @property
    def is_yaml(self) -> bool:
        """True for YAML and JSON, not for .env."""
        return _is_yaml(self.path)

    def place(self, value: Value) -> str:
        """Place of a value, for a message."""
        return f"{self.path}:{value.line}: `{value.name}`"

    def with_encrypted(self, new_texts: Mapping[Value, str]) -> str:
        """The text of the file with some values replaced by encrypted ones.

        Quotes, comments, order and line ends stay. The result is read again before it is given: it must
        have the same values, but for the new ones.

        Raises:
            ConfigurationError: A value is spelled in a way that cannot be replaced.
        """
        text = self.text
        for value, new in sorted(new_texts.items(), key=lambda item: item[0].start, reverse=True):
            text = (
                text[: value.start]
                + _respelled(text[value.start : value.end], value, new)
                + text[value.end :]
            )
        expected = [(value.path, new_texts.get(value, value.text)) for value in self.values]
        if self._reread(text) != expected:
            places = ", ".join(self.place(value) for value in new_texts)
            raise ConfigurationError(
                f"{places}: the spelling of the value is unusual, so that it is not replaced.",
                advice="Write it on one line, in plain quotes or none.",
            )
        return text

    def _reread(self, text: str) -> list[tuple[tuple[str, ...], str]] | None:
        try:
            return [(value.path, value.text) for value in _values(self.path, text)]
        except ConfigurationError:
            return None


def read_text(path: Path) -> str:
    """The text of a file, its line ends as they are.

    Raises:
        ConfigurationError: It cannot be read.
    """
    if not _is_yaml(path):
        warn_if_shared(path)
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(
            f"{path} cannot be read: {reason}.", advice="Name another file, or correct this one."
        ) from error


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in YAML_SUFFIXES


def _values(path: Path, text: str) -> tuple[Value, ...]:
    return tuple(_yaml_values(path, text) if _is_yaml(path) else _env_values(path, text))


def _respelled(spelled: str, value: Value, new: str) -> str:
    if value.text.startswith(PREFIX) and value.text in spelled:
        return spelled.replace(value.text, new, 1)
    quote = spelled[:1] if spelled[:1] in ("'", '"') else ""
    return quote + new + quote


def _env_values(path: Path, text: str) -> Iterator[Value]:
    start = 0
    for binding in parse_stream(io.StringIO(text, newline="")):
        original = binding.original
        # A byte order mark is read over and not reported.
        start = text.index(original.string, start)
        if binding.error:
            raise ConfigurationError(
                f"{path}:{_first_line(binding)}: the line cannot be read.",
                advice="Close its quotes, or write NAME=value.",
            )
        if binding.key is not None and binding.value is not None:
            begin, end = _env_span(original.string)
            yield Value((binding.key,), binding.value, _first_line(binding), start + begin, start + end)
        start += len(original.string)


def _first_line(binding: Binding) -> int:
    """The line of a binding, whose text begins with the empty lines before it."""
    text = binding.original.string
    before = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", before))


def _env_span(assignment: str) -> tuple[int, int]:
    head = _ASSIGNMENT.match(assignment)
    begin = head.end() if head else 0
    if quoted := _QUOTED.match(assignment, begin):
        return quoted.span()
    unquoted = _UNQUOTED.match(assignment, begin)
    spelled = _COMMENT.sub("", unquoted[0] if unquoted else "").rstrip()
    return begin, begin + len(spelled)


def _yaml_values(path: Path, text: str) -> Iterator[Value]:
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        # The message of the parser quotes the line, which may hold a secret.
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError(
            f"{place}: this is not valid YAML.", advice="Correct the line, or the one before it."
        ) from None
    seen: set[int] = set()
    for document in documents:
        if document is not None:
            yield from _node_values(document, _definition_path(path), seen)


def _definition_path(path: Path) -> tuple[str, ...]:
    """The path of the plugin in meltano.yml, for its definition plugins/KIND/NAME--VARIANT.lock."""
    if path.suffix != DEFINITION_SUFFIX:
        return ()
    return ("plugins", path.parent.name, path.stem.partition("--")[0])


def _node_values(node: yaml.Node, path: tuple[str, ...], seen: set[int]) -> Iterator[Value]:
    if id(node) in seen:  # an alias: the value stands where its anchor is
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            yield from _node_values(inner, (*path, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for position, inner in enumerate(node.value):
            yield from _node_values(inner, (*path, _item_name(inner) or str(position)), seen)
    else:
        text = "" if node.tag == _NULL_TAG else str(node.value)
        line = node.start_mark.line + 1
        yield Value(path, text, line, node.start_mark.index, node.end_mark.index)


def _item_name(node: yaml.Node) -> str | None:
    if isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            if key.value == "name" and isinstance(inner, yaml.ScalarNode):
                return str(inner.value)
    return None


def find_files(named: Iterable[Path]) -> list[Path]:
    """The files that are meant: each named one, in a folder its .env and meltano.yml with what goes with it.

    Raises:
        ConfigurationError: A folder has neither, or a named file is not there.
    """
    found: dict[Path, None] = {}
    for path in named:
        files = (
            [path / name for name in PROJECT_FILES if (path / name).is_file()] if path.is_dir() else [path]
        )
        if not files:
            raise ConfigurationError(
                f"There is neither {' nor '.join(PROJECT_FILES)} in {path.resolve()}.",
                advice="Go to the folder of the project, or name the files.",
            )
        for file in files:
            found |= dict.fromkeys([file, *_included(file)])
    return list(found)


def _included(file: Path) -> Iterator[Path]:
    """The files that the `include_paths` of a meltano.yml mean, and Meltano's definitions beside it."""
    if not _is_yaml(file):
        return
    if file.name == "meltano.yml":
        yield from sorted(file.parent.glob(f"plugins/*/*{DEFINITION_SUFFIX}"))
    for value in SettingsFile.read(file).values:
        if value.path[:1] == ("include_paths",):
            yield from sorted(found for found in file.parent.glob(value.text) if found != file)
