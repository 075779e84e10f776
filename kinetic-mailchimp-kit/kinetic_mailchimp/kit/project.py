"""The Meltano project around a process: its folder, its `.env`, and the origin of each setting."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.secret_names import REFERENCE, references

ROOT_VARIABLE: Final = "MELTANO_PROJECT_ROOT"
ENV_FILE_VARIABLE: Final = "CONNECTOR_ENV_FILE"
"""Names another file than the project's `.env`; one that does not exist for none."""
PROJECT_FILE: Final = "meltano.yml"
NAMED_SETTING: Final = re.compile(r"`([a-z][a-z0-9_]*)`")


def project_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that Meltano names, else the nearest one with a meltano.yml, else the current one."""
    if named := environ.get(ROOT_VARIABLE):
        return Path(named)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), here)


def env_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The file with the variables of every command of the project."""
    return Path(environ.get(ENV_FILE_VARIABLE) or project_root(environ) / ".env")


def load_env_file() -> None:
    """Add the variables of the project's `.env` to those of the process, as Meltano does; these come first.

    Raises:
        ConfigurationError: The file is there and cannot be read.
    """
    for name, value in read_env_file(env_file()).items():
        os.environ.setdefault(name, value)


def read_env_file(file: Path) -> dict[str, str]:
    """The variables of a file such as `.env`; none where it is missing.

    Raises:
        ConfigurationError: It is there and cannot be read.
    """
    if not file.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 (most processes get along without)

    try:
        return {name: value for name, value in dotenv_values(file).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(
            f"{file} cannot be read: {reason}.",
            advice=f"Correct its permissions or its text, or name another file in {ENV_FILE_VARIABLE}.",
        ) from error


@dataclass(frozen=True)
class Project:
    """A Meltano project as its files are written.

    Attributes:
        document: The content of meltano.yml; empty where there is none.
        environment: The name of the Meltano environment; empty for none.
        written: The variables of `.env`.
        environ: The variables of the process, which come before those.
        answers: The place of each variable that stands elsewhere than in `.env`, by its name.
    """

    root: Path
    document: Mapping[str, Any]
    environment: str
    written: Mapping[str, str]
    environ: Mapping[str, str]
    answers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, environment: str | None = None, environ: Mapping[str, str] = os.environ) -> Project:
        """Read the project around this process.

        Args:
            environment: The Meltano environment; by default the one of the process, else the project's.
            environ: The variables of the process.

        Raises:
            ConfigurationError: meltano.yml or `.env` cannot be read.
        """
        root = project_root(environ)
        document = _document(root / PROJECT_FILE)
        written = read_env_file(env_file(environ))
        chosen = (
            environment,
            environ.get("MELTANO_ENVIRONMENT"),
            {**written, **environ}.get("MELTANO_DEFAULT_ENVIRONMENT"),
            document.get("default_environment"),
        )
        return cls(root, document, str(next(filter(None, chosen), "")), written, environ)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The variables that Meltano hands to a plugin."""
        return {**self.written, **self.environ}

    @cached_property
    def plugins(self) -> Mapping[str, Mapping[str, Any]]:
        """The plugins by name, as they are written; those of the environment are left out."""
        return _plugins(self.document)

    def config(self, plugin: str) -> dict[str, Any]:
        """The configuration that Meltano hands to a plugin; what is empty is left out."""
        given = {name: self._expanded(value) for name, value in self._written_config(plugin).items()}
        prefix = own_variable(plugin, "")
        given |= {
            name[len(prefix) :].lower(): value
            for name, value in self.variables.items()
            if name.startswith(prefix)
        }
        return {name: value for name, value in given.items() if value not in (None, "")}

    def tasks(self) -> Iterator[tuple[str, list[str]]]:
        """The blocks of each task of the jobs, such as a tap, a mapping and a target, with the job's name."""
        for job in self.document.get("jobs") or []:
            for task in job.get("tasks") or []:
                # A set of blocks may stand as a list of its own.
                for blocks in task if isinstance(task, list) else [task]:
                    yield str(job.get("name", "")), str(blocks).split()

    def read_variables(self, plugin: str) -> set[str]:
        """The variables that the configuration of a plugin refers to."""
        texts = (value for value in self._written_config(plugin).values() if isinstance(value, str))
        return {name for text in texts for name in references(text)}

    def selected(self, plugin: str) -> list[str]:
        """The rules of `select`, those of the plugin itself or else of the one it inherits from."""
        for name in self._family(plugin):
            if rules := self.plugins.get(name, {}).get("select"):
                return [str(rule) for rule in rules]
        return []

    def origins(self, plugin: str, settings: Sequence[str]) -> list[str]:
        """The origins of settings of a plugin, as sentences for a message."""
        given: dict[str, list[str]] = {}
        others = []
        for setting in settings:
            own, written = own_variable(plugin, setting), self._written_config(plugin).get(setting)
            if names := [own] if self._is_given_by(own, written) else references(str(written or "")):
                given[setting] = names
            elif written is not None:
                others.append(f"`{setting}` stands under {plugin} in {self.root / PROJECT_FILE}.")
            elif plugin in self.plugins:
                place = f"under {plugin} in {PROJECT_FILE}, or as {own} in {self.env_name}"
                others.append(f"`{setting}` may stand {place}.")
            else:
                place = f"in the file of --config, or as {own} in the environment with --config=ENV"
                others.append(f"`{setting}` belongs {place}.")
        return [*self.origins_of_variables(given), *others]

    def origins_of_variables(self, given: Mapping[str, Sequence[str]]) -> list[str]:
        """The origins of settings that come from variables, as sentences for a message."""
        sentences: dict[tuple[str, bool], dict[str, Sequence[str]]] = {}
        for setting, names in given.items():
            is_set = any(self.variables.get(name) for name in names)
            sentences.setdefault((self._place_of(names[0]), is_set), {})[setting] = names
        return [_come_from(place, found, is_set=is_set) for (place, is_set), found in sentences.items()]

    def _is_given_by(self, own: str, written: Any) -> bool:  # noqa: ANN401 (JSON)
        """True if the plugin's own variable gives a setting, and is not what Meltano made of meltano.yml."""
        expanded = self._expanded(written)
        made = {str(expanded).lower(), json.dumps(expanded).lower()} if written is not None else set()
        return own in self.variables and self.variables[own].lower() not in made

    def _place_of(self, variable: str) -> str:
        is_given = variable in self.environ and self.environ[variable] != self.written.get(variable)
        return "the environment" if is_given else self.answers.get(variable, self.env_name)

    @property
    def env_name(self) -> str:
        """The path of the file with the variables."""
        return str(env_file(self.environ))

    def _family(self, plugin: str) -> list[str]:
        return family_of(plugin, lambda name: self.plugins.get(name, {}).get("inherit_from"))

    def _written_config(self, plugin: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for plugins in (self.plugins, self._of_environment):
            for name in reversed(self._family(plugin)):
                found |= plugins.get(name, {}).get("config") or {}
        return found

    @cached_property
    def _of_environment(self) -> Mapping[str, Mapping[str, Any]]:
        environments = {one["name"]: one.get("config") for one in self.document.get("environments") or []}
        return _plugins(environments.get(self.environment) or {})

    def _expanded(self, value: Any) -> Any:  # noqa: ANN401 (JSON)
        if isinstance(value, Mapping):
            return {name: self._expanded(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._expanded(inner) for inner in value]
        if not isinstance(value, str):
            return value
        return REFERENCE.sub(
            lambda found: self.variables.get(found["braced"] or found["bare"], found["default"] or ""), value
        )


_ALONE: Final = Project(Path(), {}, "", {}, os.environ)


def family_of(plugin: str, parent_of: Callable[[str], str | None]) -> list[str]:
    """A plugin and those that it inherits from, the nearest first."""
    family = [plugin]
    while (parent := parent_of(family[-1])) and parent not in family:
        family.append(parent)
    return family


def own_variable(plugin: str, setting: str) -> str:
    """The variable from which Meltano and the Singer SDK take a setting by themselves."""
    return re.sub(r"[^A-Za-z0-9]", "_", f"{plugin}_{setting}").upper()


def with_origins(text: str, plugin: str, settings: Iterable[str], project: Project | None = None) -> str:
    """A message with a sentence more for each setting that it names: where that comes from, or would.

    Args:
        text: The message, with settings in backquotes.
        plugin: Whose settings they are.
        settings: The settings that there are.
        project: As its files are written; by default the one that Meltano started this process for.
    """
    known = set(settings)
    named = [name for name in dict.fromkeys(NAMED_SETTING.findall(text)) if name in known]
    if not named:
        return text
    if project is None:
        try:
            project = Project.find() if ROOT_VARIABLE in os.environ else _ALONE
        except ConfigurationError:
            return text  # a file that cannot be read must not hide what is wrong
    return " ".join([text, *project.origins(plugin, named)])


def _come_from(place: str, found: Mapping[str, Sequence[str]], *, is_set: bool) -> str:
    variables = _listed(dict.fromkeys(name for names in found.values() for name in names))
    settings, ending = _listed(f"`{name}`" for name in found), "s" if len(found) == 1 else ""
    if is_set:
        return f"{settings} come{ending} from {variables} in {place}."
    return f"{settings} belong{ending} in {place} as {variables}."


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _plugins(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    kinds = (document.get("plugins") or {}).values()
    return {str(plugin["name"]): plugin for plugins in kinds for plugin in plugins}


def _document(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    import yaml  # noqa: PLC0415 (only an error and the doctor ask for it)

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else str(file)
        raise ConfigurationError(
            f"{place} cannot be read as YAML.", advice="Correct this line, or the one before it."
        ) from None
    return found if isinstance(found, Mapping) else {}
