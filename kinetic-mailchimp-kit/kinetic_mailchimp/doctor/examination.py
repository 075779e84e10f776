"""Looks at a project and its plugins, all at once, and then at the mappings between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Final

from kinetic_mailchimp.doctor.mapping import BothSides, MappedField
from kinetic_mailchimp.doctor.project_checks import project_checks, words_in
from kinetic_mailchimp.kit.checks import Check, FieldType, Finding, Verdict
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.project import Project, with_origins

if TYPE_CHECKING:
    from kinetic_mailchimp.kit.singer.plugin import ConnectorPlugin

PROJECT = "project"
MAPPING = "mapping"
GROUP: Final = "kinetic_mailchimp.doctor"
"""The entry points under which installed plugins can be checked, each by its name in meltano.yml."""
_IMPORTING: Final = threading.Lock()
"""Threads that import modules of a circle at once see each other's half made."""
_TAP_MAPPING_TARGET = 3


@dataclass
class Examination:
    """The findings of an examination.

    Attributes:
        findings: By what they are about: the project, a plugin, the mapping.
        fields: The mapped fields, where both sides could be asked.
        types: The types of all fields that were asked for, by name.
    """

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    fields: list[MappedField] = field(default_factory=list)
    types: dict[str, FieldType] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """True if nothing is wrong."""
        return all(found.verdict is not Verdict.WRONG for each in self.findings.values() for found in each)

    def tag_type(self, tag: str) -> str:
        """The type of a merge field."""
        return self.types[tag].type if tag in self.types else "new"

    def described(self, column: str) -> str:
        """A column with its type and length."""
        known = self.types[column]
        length = f" {known.length}" if known.length else ""
        return f"{column} ({known.type.removeprefix('Edm.')}{length})"


def examine(project: Project, configs: Mapping[EntryPoint, Mapping[str, Any]], seconds: float) -> Examination:
    """Look at everything.

    Args:
        project: As its files are written.
        configs: The configuration of each plugin.
        seconds: The time for all checks.
    """
    plugins = [_ExaminedPlugin(point, project, config) for point, config in configs.items()]
    names = [plugin.name for plugin in plugins]
    result = Examination(_examine(plugins, seconds, {PROJECT: project_checks(project, names)}))
    if project.document and result.is_good:
        looks = {
            PROJECT: [Check("audiences", lambda: _look_at_audiences(plugins))],
            MAPPING: [Check("mapping", lambda: _look_at_mapping(project, plugins, result))],
        }
        for name, each in run_checks(looks, seconds).items():
            if each:
                result.findings.setdefault(name, []).extend(each)
    return result


def examine_plugins(
    project: Project, configs: Mapping[EntryPoint, Mapping[str, Any]], seconds: float
) -> dict[str, list[Finding]]:
    """Look at plugins alone, and give the findings by the name of the plugin.

    Args:
        project: As its files are written.
        configs: The configuration of each plugin.
        seconds: The time for all checks.
    """
    return _examine(
        [_ExaminedPlugin(point, project, config) for point, config in configs.items()], seconds, {}
    )


def _examine(
    plugins: Sequence[_ExaminedPlugin], seconds: float, others: Mapping[str, Sequence[Check]]
) -> dict[str, list[Finding]]:
    made = run_checks({one.name: [Check("configuration", one.make)] for one in plugins}, seconds)
    checks = {one.name: one.plugin.checks() for one in plugins if one.plugin}
    found = run_checks({**others, **checks}, seconds)
    for one in plugins:
        found[one.name] = list(map(one.with_origins, [*made[one.name], *found.get(one.name, ())]))
    return found


class _ExaminedPlugin:
    """A plugin with its configuration."""

    def __init__(self, point: EntryPoint, project: Project, config: Mapping[str, Any]) -> None:
        self.name = point.name
        self._point = point
        self._project = project
        self._selected = project.selected(point.name)
        self._settings: Sequence[str] = ()
        self.config = config
        self.plugin: ConnectorPlugin | None = None

    def make(self) -> Iterator[Finding | str]:
        """Make the plugin, in a thread: its signal handlers stay away from this process."""
        with _IMPORTING:
            cls = self._point.load()
        self._settings = list(cls.config_jsonschema["properties"])
        self.plugin = plugin = cls.of_config(self.config)
        plugin.select_streams(self._selected)
        return iter(())

    def with_origins(self, found: Finding) -> Finding:
        """The finding, with where the settings that it names come from."""
        if found.verdict is Verdict.GOOD:
            return found
        told = with_origins(str(found), self.name, self._settings, self._project)
        return replace(found, fix=told.removeprefix(found.text).strip())


def _look_at_audiences(plugins: Sequence[_ExaminedPlugin]) -> Iterator[Finding | str]:
    """Compare the audiences that are written with those whose events are read, by their ids."""

    def audiences_of(*settings: str) -> set[str]:
        asked = [one.plugin for one in plugins if not one.config.keys().isdisjoint(settings)]
        return {list_id for plugin in asked if plugin for list_id in plugin.audiences()}

    written, read = audiences_of("list_id", "audiences_by_company"), audiences_of("list_ids")
    if written and read:
        if missing := written - read:
            raise ConfigurationError(
                f"`list_ids` lacks {min(missing)}, an audience that is written to: its opt-outs would stay "
                "there.",
                advice="Add it to MAILCHIMP_LIST_IDS, or wherever `list_ids` comes from.",
            )
        yield "Events of each audience that is written to are read."


def _look_at_mapping(
    project: Project, plugins: Sequence[_ExaminedPlugin], result: Examination
) -> Iterator[Finding | str]:
    """Compare what the mapping to Mailchimp sends, and what comes back, with the fields of both sides."""
    fields = {one.name: one.plugin.fields() for one in plugins if one.plugin}
    mappings = mappings_of(project)
    for tap, mapping, target in tasks_of(project):
        if not (fields.get(tap) and fields.get(target) and mapping in mappings):
            continue
        # The way back counts, whether its plugin is looked at or not.
        configs: dict[str, Mapping[str, Any]] = {name: project.config(name) for name in project.plugins}
        configs |= {one.name: one.config for one in plugins}
        back = next((name for name, config in configs.items() if "merge_fields" in config), "")
        sides = BothSides(
            columns=fields[tap],
            selected=project.selected(tap),
            tags=fields[target],
            makes_tags=bool(configs[target].get("create_merge_fields")),
            two_way=words_in(configs[target].get("two_way_fields", "")),
            back=configs[back]["merge_fields"] if back else {},
            written=fields.get(back, {}),
        )
        result.types |= {**sides.columns, **sides.tags}
        unknown = list(sides.unknown_columns())
        yield from unknown
        if unknown:
            return  # what follows from it would only confuse
        result.fields = sides.mapped_fields(mappings[mapping])
        found = [one for field in result.fields for one in sides.findings(field)]
        yield from found
        if not any(one.verdict is Verdict.WRONG for one in found):
            yield "Every mapped field exists on both sides."
        return


def tasks_of(project: Project) -> Iterator[list[str]]:
    """Tap, mapping and target of each task of the jobs that has the three."""
    return (blocks for _, blocks in project.tasks() if len(blocks) == _TAP_MAPPING_TARGET)


def mappings_of(project: Project) -> dict[str, Mapping[str, Any]]:
    """The configuration of each mapping that has `stream_maps`, by its name."""
    mappers = (project.document.get("plugins") or {}).get("mappers") or []
    mappings = (mapping for mapper in mappers for mapping in mapper.get("mappings") or [])
    configs = {str(mapping["name"]): mapping.get("config") or {} for mapping in mappings}
    return {name: config for name, config in configs.items() if config.get("stream_maps")}


def run_checks(sections: Mapping[str, Sequence[Check]], seconds: float) -> dict[str, list[Finding]]:
    """The findings of all checks; one that has not ended in time is a finding itself.

    Args:
        sections: The checks, by the name of their section.
        seconds: The time for all of them.
    """
    running = []
    for name, check in ((name, check) for name, checks in sections.items() for check in checks):
        seen: list[Finding] = []
        # No thread keeps the process from ending.
        thread = threading.Thread(target=_look, args=(check, seen), daemon=True)
        thread.start()
        running.append((name, check, seen, thread))
    until = time.monotonic() + seconds
    found: dict[str, list[Finding]] = {name: [] for name in sections}
    for name, check, seen, thread in running:
        thread.join(max(0.0, until - time.monotonic()))
        found[name] += list(seen)
        if thread.is_alive():
            text = f"The check `{check.name}` was not done within {seconds:g} s."
            fix = "Something on the way does not answer: the name server, a firewall, the server."
            found[name].append(Finding(Verdict.WRONG, text, fix))
    return found


def _look(check: Check, seen: list[Finding]) -> None:
    for found in check.findings():
        seen.append(found)  # noqa: PERF402 (one by one: it may not come to its end)
