"""Makes the table of fields in docs/mappings.md: probe values go through the mappings of meltano.yml."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import yaml
from meltano_map_transform.mapper import StreamTransform
from plugin_definitions import ROOT
from target_epicor_contacts.contract.contact_update import parse_update

FLAGS = {"NoContact": False, "Inactive": False, "Active": True, "CreditHold": False}
"""Columns with yes or no, as a record has them that is to be sent."""
KEYS = {"Company": "A", "CustNum": 1, "ShipToNum": "", "ConNum": 1}
EVENT = {
    "event_id": "e1",
    "sequence": 1,
    "type": "profile",
    "email": "a@example.com",
    "occurred_at": "2026-01-01T00:00:00Z",
    "list_id": "a1b2c3",
}
ANY = {"type": ["string", "number", "integer", "boolean", "object", "null"]}


def table(project: Mapping[str, Any] | None = None) -> str:
    """The fields as a Markdown table.

    Args:
        project: The content of meltano.yml; read without one.

    Raises:
        SystemExit: The settings of the two targets contradict each other, or a column does not come back.
    """
    project = project or yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    plugins = {plugin["name"]: plugin for kind in project["plugins"].values() for plugin in kind}
    merge_fields = plugins["target-epicor-contacts"]["config"]["merge_fields"]
    two_way = set(plugins["target-mailchimp"]["config"]["two_way_fields"])
    forward = _forward(project, plugins["tap-epicor-kinetic"]["select"])
    _check_back(project, merge_fields)
    sent = {field.partition(".")[0] for field in forward}
    back = {field.partition(".")[0] for field in merge_fields.values()}
    if two_way != sent & back:
        raise SystemExit(
            f"`two_way_fields` of target-mailchimp in meltano.yml must be {sorted(sent & back)}: the tags "
            "that epicor-to-mailchimp sends and `merge_fields` of target-epicor-contacts takes back."
        )
    columns: dict[str, list[str]] = defaultdict(list)
    for column, field in merge_fields.items():
        columns[field].append(column)
    rows = ["| Merge field | Forward, from | Back, to | Owner |", "|:--|:--|:--|:--|"]
    for field in sorted({*forward, *columns}):
        owner = (
            "both" if field.partition(".")[0] in two_way else "Epicor" if field in forward else "Mailchimp"
        )
        rows.append(
            f"| `{field}` | {_listed(forward.get(field, ()))} | {_listed(columns.get(field, ()))} | {owner} |"
        )
    return "\n".join(rows)


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _forward(project: Mapping[str, Any], select: list[str]) -> dict[str, list[str]]:
    """The columns that change each merge field, found by changing one after the other."""
    found: dict[str, list[str]] = defaultdict(list)
    streams: dict[str, list[str]] = defaultdict(list)
    for name in select:
        stream, column = name.split(".")
        streams[stream].append(column)
    for stream, columns in streams.items():
        record = {**KEYS, **{column: FLAGS.get(column, f"{column} 1") for column in columns}}
        before = _fields(_mapped(project, "epicor-to-mailchimp", stream, record))
        for column in columns:
            changed = not FLAGS[column] if column in FLAGS else f"{column} 2"
            after = _fields(_mapped(project, "epicor-to-mailchimp", stream, {**record, column: changed}))
            for field in before.keys() & after.keys():
                if before[field] != after[field]:
                    found[field].append(f"{stream}.{column}")
    return found


def _check_back(project: Mapping[str, Any], merge_fields: Mapping[str, str]) -> None:
    """Make sure that a probe in each merge field comes out in the column that is declared for it."""
    merges: dict[str, Any] = {}
    for field in merge_fields.values():
        tag, _, part = field.partition(".")
        if part:
            merges.setdefault(tag, {})[part] = f"probe of {field}"
        else:
            merges[tag] = f"probe of {field}"
    record = _mapped(project, "mailchimp-to-epicor", "contact_events", {**EVENT, "merges": merges})
    columns = parse_update("contact_updates", record, merge_fields).columns
    expected = {column: f"probe of {field}" for column, field in merge_fields.items()}
    if columns != expected:
        raise SystemExit(f"The mapping mailchimp-to-epicor brings back {columns} instead of {expected}.")


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The merge fields of a member record, with the parts of an address apart."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name.isupper() and isinstance(value, Mapping):
            flat |= {f"{name}.{part}": text for part, text in value.items()}
        elif name.isupper():
            flat[name] = value
    return flat


def _mapped(
    project: Mapping[str, Any], mapping: str, stream: str, record: Mapping[str, Any]
) -> dict[str, Any]:
    configs = {
        entry["name"]: entry["config"]
        for mapper in project["plugins"]["mappers"]
        for entry in mapper["mappings"]
    }
    schema = {"type": "object", "properties": dict.fromkeys(record, ANY)}
    lines = [
        {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": stream, "record": record},
    ]
    written = io.StringIO()
    with redirect_stdout(written):
        StreamTransform(config=configs[mapping]).listen(io.StringIO("\n".join(map(json.dumps, lines))))
    messages = (json.loads(line) for line in written.getvalue().splitlines())
    return next((message["record"] for message in messages if message["type"] == "RECORD"), {})
