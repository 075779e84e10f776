"""Takes records through a mapping and, in a dry run, through the target behind it."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from kinetic_mailchimp.audit.plans.previews import Outcome
from kinetic_mailchimp.audit.reading.formatting import format_word
from kinetic_mailchimp.audit.reading.queries import EntryFilter, EntryView, entries
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.doctor.examination import GROUP, mappings_of, tasks_of
from kinetic_mailchimp.doctor.mapping import MappedRecord, apply_mapping, is_selected
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.project import PROJECT_FILE, Project

_REHEARSAL_SETTINGS: Final[Mapping[str, Any]] = {
    "dry_run": True,
    **dict.fromkeys(("reconcile", "repair", "keep_payloads"), False),
    # Limits of real runs say nothing about some records.
    **dict.fromkeys(("approved_plan", "only", "first", "max_failed", "max_failed_ratio")),
}
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """The way of a stream through a project.

    Attributes:
        stream: Its name at the tap.
        mapping: The configuration of the mapping, with its `stream_maps`.
    """

    project: Project
    stream: str
    tap: str
    mapping: Mapping[str, Any]
    target: str

    @classmethod
    def find(cls, project: Project, stream: str) -> Route:
        """The way of a stream, by the first job that maps it.

        Raises:
            ConfigurationError: No job does.
        """
        mappings = mappings_of(project)
        known = []
        for tap, mapping, target in tasks_of(project):
            config = mappings.get(mapping, {"stream_maps": {}})
            if stream in config["stream_maps"]:
                return cls(project, stream, tap, config, target)
            known += config["stream_maps"]
        raise ConfigurationError(
            f"No job in {PROJECT_FILE} maps a stream {stream!r}.",
            advice=f"Use one of {', '.join(dict.fromkeys(known)) or 'those of a mapping'}.",
        )

    def sample(self, count: int) -> list[Record]:
        """The first records that the tap reads, as the mapper gets them.

        Raises:
            ConnectorError: They cannot be read.
        """
        rules = self.project.selected(self.tap)
        plugin = _load_plugin(self.tap)
        tap = plugin.of_config(_known_settings(plugin, {**self.project.config(self.tap), "page_size": count}))
        found = tap.sample(self.stream, count, lambda name: is_selected(name, rules))
        return [json.loads(to_json(record)) for record in found]

    def outcomes(self, records: Sequence[Record], trail: AuditTrail, version: str) -> list[Outcome]:
        """The outcome of each record; nothing is written.

        Args:
            records: As the tap emits them.
            trail: Has the state that the target decides with, and gets its dry run.
            version: The name of this version of the mapping.

        Raises:
            ConnectorError: The mapping can read no record, or the target cannot decide.
        """
        mapped = self._map(records)
        decided = self._decide(mapped, trail)
        times = Counter(map(_key_of, mapped))
        return [
            Outcome(
                version,
                self.target,
                one.stream,
                one.record,
                problem=one.problem,
                **_take_decisions(decided, one, is_alone=times[_key_of(one)] == 1),
            )
            for one in mapped
        ]

    def _map(self, records: Sequence[Record]) -> list[MappedRecord]:
        """The records as mapped; one that cannot be read costs no other."""
        mapped: list[MappedRecord] = []
        errors: list[ConfigurationError] = []
        for record in records:
            try:
                mapped.append(apply_mapping(self.mapping, self.stream, record))
            except ConfigurationError as error:
                errors.append(error)
                mapped.append(MappedRecord(self.stream, {}, (), None, f"A run ends here. {error}"))
        if errors and len(errors) == len(records):
            raise errors[0]
        return mapped

    def _decide(self, mapped: Sequence[MappedRecord], trail: AuditTrail) -> list[EntryView]:
        taken = [one for one in mapped if one.record is not None]
        if not taken:
            return []
        plugin = _load_plugin(self.target)
        place = {"audit_database_url": trail.database.url.render_as_string(hide_password=False)}
        settings = {**self.project.config(self.target), **_REHEARSAL_SETTINGS, **place}
        target = plugin.of_config(_known_settings(plugin, settings))
        first = taken[0]
        properties = {name: kind for one in taken for name, kind in one.schema["properties"].items()}
        schema = {**first.schema, "properties": properties}
        start = {"type": "SCHEMA", "stream": first.stream, "schema": schema}
        lines = [
            {**start, "key_properties": first.key_properties},
            *({"type": "RECORD", "stream": one.stream, "record": one.record} for one in taken),
            {"type": "STATE", "value": {}},  # or the input would seem to have broken off
        ]
        with redirect_stdout(io.StringIO()):
            run = target.preview(io.StringIO("".join(f"{to_json(line)}\n" for line in lines)))
        return list(entries(trail, EntryFilter(run_id=run)))


def _take_decisions(decided: list[EntryView], one: MappedRecord, *, is_alone: bool) -> dict[str, Any]:
    """The part of an outcome that its decisions tell, taken out of those that are left.

    A record alone with its key has a decision for each audience that it goes to; of several, each has one.
    """
    key = _key_of(one)
    about = [
        entry
        for entry in decided
        if entry.part_of is None
        and entry.stream == one.stream
        and key in (entry.source_key, entry.event_id, entry.subject)
    ][: None if is_alone else 1]
    rows = [row for entry in about for row in decided if row is entry or row.part_of == entry.seq]
    for entry in about:
        decided.remove(entry)
    return {
        "decided": [_to_sentence(entry, of=entry.targets if len(about) > 1 else None) for entry in about],
        "writes": [(row.targets or "", row.changes) for row in rows if row.changes],
    }


def _key_of(one: MappedRecord) -> object:
    found = one.record or {}
    return next(filter(None, map(found.get, ("source_key", "event_id", "email_address", "email"))), "")


def _to_sentence(entry: EntryView, *, of: str | None) -> str:
    why = f"{format_word(entry.action)}: {format_word(entry.reason)}. {entry.detail or ''}".rstrip()
    return f"{of}: {why}" if of else why


def _load_plugin(name: str) -> Any:  # noqa: ANN401 (a tap or a target)
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise ConfigurationError(
        f"{name} is not installed here.", advice="Install it beside this command, as `make install` does."
    )


def _known_settings(plugin: Any, settings: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 (as above)
    """Those of some settings that a plugin has."""
    known = plugin.config_jsonschema["properties"]
    return {name: value for name, value in settings.items() if name in known}
