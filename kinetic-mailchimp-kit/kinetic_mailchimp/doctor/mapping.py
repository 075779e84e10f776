"""The mappings against the fields of both sides: probe values show which field comes from which column."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from kinetic_mailchimp.kit.checks import FieldType, Finding, Verdict, note
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.nearest import did_you_mean

_ANY: Final = {"type": ["string", "number", "integer", "boolean", "object", "null"]}
_PROBES: Final[Mapping[str, tuple[Any, Any]]] = {
    "Edm.Boolean": (False, True),
    "Edm.Int16": (1, 2),
    "Edm.Int32": (1, 2),
    "Edm.Int64": (1, 2),
    "Edm.Decimal": (1, 2),
    "Edm.Double": (1, 2),
    "Edm.DateTimeOffset": ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    "Edm.Date": ("2026-01-01", "2026-01-02"),
}
"""Two values of a type; of any other one, two texts."""
_NUMBERS: Final = frozenset({"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double"})

_TAKEN: Final = {
    **dict.fromkeys(_NUMBERS, "number"),
    **dict.fromkeys(("Edm.DateTimeOffset", "Edm.Date"), "date"),
}
"""The type of merge field whose values a type of column takes; any other takes those of all."""

Columns = Mapping[str, FieldType]


@dataclass(frozen=True)
class MappedField:
    """A merge field and where its value comes from and goes.

    Attributes:
        field: The tag, with a dot before the part of an address.
        sources: The columns that it comes from, as `stream.Column`.
        targets: The columns that it goes back to.
        owner: `both`, `Epicor` or `Mailchimp`.
    """

    field: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    owner: str

    @property
    def tag(self) -> str:
        """The tag of the merge field."""
        return self.field.partition(".")[0]


def mapped_fields(
    forward: Mapping[str, Sequence[str]], back: Mapping[str, str], two_way: Iterable[str]
) -> list[MappedField]:
    """The fields of both directions, in the order of their names.

    Args:
        forward: The columns that each merge field comes from.
        back: The merge field that each column takes.
        two_way: The tags that both sides own.

    Raises:
        ConfigurationError: The tags that both sides own are not those that go both ways.
    """
    targets: dict[str, list[str]] = defaultdict(list)
    for column, name in back.items():
        targets[name].append(column)
    both = {name.partition(".")[0] for name in forward} & {name.partition(".")[0] for name in targets}
    if both != set(two_way):
        raise ConfigurationError(
            f"`two_way_fields` is {sorted(two_way)}, and the tags that the mapping sends and `merge_fields` "
            f"takes back are {sorted(both)}.",
            advice=f"Set `two_way_fields` to {sorted(both)} in meltano.yml.",
        )
    return [
        MappedField(
            name,
            tuple(forward.get(name, ())),
            tuple(targets.get(name, ())),
            "both" if name.partition(".")[0] in both else "Epicor" if name in forward else "Mailchimp",
        )
        for name in sorted({*forward, *targets})
    ]


def columns_of_fields(
    mapping: Mapping[str, Any], columns: Mapping[str, str], selected: Sequence[str]
) -> dict[str, list[str]]:
    """The columns that change each merge field, found by changing one after the other.

    Args:
        mapping: The configuration of the mapping.
        columns: The columns that a record has, as `stream.Column`, with their types.
        selected: The rules of `select`: only columns that they name are changed.

    Raises:
        ConfigurationError: The mapping cannot read such a record.
    """
    found: dict[str, list[str]] = defaultdict(list)
    streams: dict[str, dict[str, str]] = defaultdict(dict)
    for name, kind in columns.items():
        stream, _, column = name.partition(".")
        streams[stream][column] = kind
    for stream, kinds in streams.items():
        if stream not in mapping["stream_maps"]:
            continue
        record = {column: _probe(column, kind, 0) for column, kind in kinds.items()}
        # A flag that keeps a row out would hide every field.
        record |= {column: True for column in kinds if column == "Active"}
        before = flat_fields(apply_mapping(mapping, stream, record).record or {})
        for column, kind in kinds.items():
            if not is_selected(f"{stream}.{column}", selected):
                continue
            changed = not record[column] if kind == "Edm.Boolean" else _probe(column, kind, 1)
            mapped = apply_mapping(mapping, stream, {**record, column: changed})
            after = flat_fields(mapped.record or {})
            for name in before.keys() & after.keys():
                if before[name] != after[name]:
                    found[name].append(f"{stream}.{column}")
    return found


def _probe(column: str, kind: str, number: int) -> Any:  # noqa: ANN401 (JSON)
    return _PROBES.get(kind, (f"{column} 1", f"{column} 2"))[number]


def is_selected(name: str, rules: Sequence[str]) -> bool:
    """Tell whether the rules of `select` name a column; the last one that fits counts."""
    fits = [rule for rule in rules if fnmatchcase(name, rule.removeprefix("!"))]
    return bool(fits) and not fits[-1].startswith("!")


def flat_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The merge fields of a member record, with the parts of an address apart."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name.isupper() and isinstance(value, Mapping):
            flat |= {f"{name}.{part}": text for part, text in value.items()}
        elif name.isupper():
            flat[name] = value
    return flat


@dataclass(frozen=True)
class MappedRecord:
    """A record as a mapping makes it.

    Attributes:
        stream: The stream that it goes on.
        record: None where the mapping leaves it out, or cannot read it.
        problem: The reason why it cannot be read; empty otherwise.
    """

    stream: str
    schema: Mapping[str, Any]
    key_properties: Sequence[str]
    record: Mapping[str, Any] | None
    problem: str = ""


def apply_mapping(mapping: Mapping[str, Any], stream: str, record: Mapping[str, Any]) -> MappedRecord:
    """A record as a mapping makes it, with its stream.

    Args:
        mapping: The configuration of the mapping, with its `stream_maps`.
        stream: The stream of the record.
        record: As the tap emits it.

    Raises:
        ConfigurationError: The mapping cannot read it.
    """
    from singer_sdk.mapper import PluginMapper  # noqa: PLC0415 (needs the extra `singer`)

    logger = logging.getLogger("mapping.probe")
    logger.setLevel(logging.ERROR)
    schema = {"type": "object", "properties": dict.fromkeys(record, _ANY)}
    try:
        mapper = PluginMapper({**mapping, "stream_maps": dict(mapping["stream_maps"])}, logger=logger)
        mapper.register_raw_stream_schema(stream, schema, [])
        first, *_ = mapper.stream_maps[stream]
        mapped = first.transform(dict(record))
    except Exception as error:
        raise ConfigurationError(
            f"The mapping of stream {stream} cannot read a record: {str(error).rstrip('.')}.",
            advice="Select the column under `select` of the tap, or write `_.get('Column')` in the mapping.",
        ) from error
    return MappedRecord(
        first.stream_alias, first.transformed_schema, first.transformed_key_properties or (), mapped
    )


@dataclass(frozen=True, kw_only=True)
class BothSides:
    """The fields that a mapping connects, as both systems describe them.

    Attributes:
        columns: The columns that are read, as `stream.Column`.
        selected: The rules of `select`.
        tags: The merge fields of the audience.
        makes_tags: Whether merge fields that are missing are made.
        two_way: The tags that both sides own.
        back: The merge field that each column takes.
        written: The columns that can be written.
    """

    columns: Columns
    selected: Sequence[str]
    tags: Columns
    makes_tags: bool
    two_way: Iterable[str]
    back: Mapping[str, str]
    written: Columns

    def mapped_fields(self, mapping: Mapping[str, Any]) -> list[MappedField]:
        """The fields that a mapping connects.

        Raises:
            ConfigurationError: The mapping cannot be read, or contradicts the settings.
        """
        read = {
            name: column.type
            for name, column in self.columns.items()
            if column.is_key or is_selected(name, self.selected)
        }
        return mapped_fields(columns_of_fields(mapping, read, self.selected), self.back, self.two_way)

    def unknown_columns(self) -> Iterator[Finding]:
        """The columns of `select` that Epicor does not have."""
        streams = {name.partition(".")[0] for name in self.columns}
        for rule in self.selected:
            if "*" in rule or rule in self.columns or rule.partition(".")[0] not in streams:
                continue
            text = f"`select` names {rule}, and Epicor has no such column."
            yield Finding(Verdict.WRONG, text, _similar(rule, self.columns))

    def findings(self, field: MappedField) -> Iterator[Finding]:
        """Compare a field in names, types and lengths."""
        tag = self.tags.get(field.tag)
        if tag is not None:
            yield from self._look_at_values(field, tag)
        elif self.makes_tags:
            yield note(f"Merge field {field.tag} is made by the first run.")
        else:
            text = f"The mapping names {field.tag}, and the audience has no such merge field."
            fix = f"{_similar(field.tag, self.tags)} Or set `create_merge_fields`."
            yield Finding(Verdict.WRONG, text, fix)
        for name in field.targets:
            if self.written and name not in self.written:
                text = f"`merge_fields` sets {name}, and Epicor has no such column."
                yield Finding(Verdict.WRONG, text, _similar(name, self.written))

    def _look_at_values(self, field: MappedField, tag: FieldType) -> Iterator[Finding]:
        if "." in field.field and tag.type != "address":
            text = f"The mapping names {field.field}, and merge field {field.tag} is of type {tag.type}."
            yield Finding(Verdict.WRONG, text, "Make a merge field of type address of it.")
        for column, known in ((name, self.columns[name]) for name in field.sources):
            if tag.type == "number" and known.type not in _NUMBERS:
                kind = known.type.removeprefix("Edm.")
                yield note(f"{field.tag} takes numbers, and {column} is {kind}: other values are left out.")
            if tag.length and (known.length or 0) > tag.length:
                yield note(
                    f"{field.tag} takes {tag.length} bytes, {column} has up to {known.length}: it is cut."
                )
        for column in field.targets:
            wanted = _TAKEN.get(self.written[column].type) if column in self.written else None
            if wanted and tag.type != wanted:
                yield note(
                    f"{column} takes {wanted}s, and {field.tag} is {tag.type}: other values are refused."
                )


def _similar(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known).rstrip() or "Correct its name, or leave it out."
