"""Makes the table of fields in docs/mappings.md: probe values go through the mappings of meltano.yml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from kinetic_mailchimp.doctor.mapping import apply_mapping, columns_of_fields, mapped_fields
from kinetic_mailchimp.kit.errors import ConfigurationError
from plugin_definitions import ROOT
from target_epicor_contacts.contract.contact_update import parse_update

FLAGS = {"NoContact", "Inactive", "Active", "CreditHold"}
"""Columns with yes or no."""
KEYS = {"Company": "Edm.String", "CustNum": "Edm.Int32", "ShipToNum": "Edm.String", "ConNum": "Edm.Int32"}
EVENT = {
    "event_id": "e1",
    "sequence": 1,
    "type": "profile",
    "email": "a@example.com",
    "occurred_at": "2026-01-01T00:00:00Z",
    "list_id": "a1b2c3",
}


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
    select = plugins["tap-epicor-kinetic"]["select"]
    columns = {name: "Edm.Boolean" if name.partition(".")[2] in FLAGS else "Edm.String" for name in select}
    columns |= {f"{name.partition('.')[0]}.{key}": kind for name in select for key, kind in KEYS.items()}
    _check_back(project, merge_fields)
    try:
        forward = columns_of_fields(mapping_of(project, "epicor-to-mailchimp"), columns, select)
        fields = mapped_fields(forward, merge_fields, plugins["target-mailchimp"]["config"]["two_way_fields"])
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error
    rows = ["| Merge field | Forward, from | Back, to | Owner |", "|:--|:--|:--|:--|"]
    rows += [
        f"| `{field.field}` | {_listed(field.sources)} | {_listed(field.targets)} | {field.owner} |"
        for field in fields
    ]
    return "\n".join(rows)


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _check_back(project: Mapping[str, Any], merge_fields: Mapping[str, str]) -> None:
    """Make sure that a probe in each merge field comes out in the column that is declared for it."""
    merges: dict[str, Any] = {}
    for field in merge_fields.values():
        tag, _, part = field.partition(".")
        if part:
            merges.setdefault(tag, {})[part] = f"probe of {field}"
        else:
            merges[tag] = f"probe of {field}"
    mapping = mapping_of(project, "mailchimp-to-epicor")
    mapped = apply_mapping(mapping, "contact_events", {**EVENT, "merges": merges})
    columns = parse_update("contact_updates", mapped.record or {}, merge_fields).columns
    expected = {column: f"probe of {field}" for column, field in merge_fields.items()}
    if columns != expected:
        raise SystemExit(f"The mapping mailchimp-to-epicor brings back {columns} instead of {expected}.")


def mapping_of(project: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The configuration of a mapping of meltano.yml."""
    mappings = (entry for mapper in project["plugins"]["mappers"] for entry in mapper["mappings"])
    found: Mapping[str, Any] = next(entry["config"] for entry in mappings if entry["name"] == name)
    return found
