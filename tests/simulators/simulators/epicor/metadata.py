"""Writes the service document and `$metadata`, as JSON CSDL or as XML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from simulators.epicor.schema import Service, Table


def service_document(service: Service, context: str) -> Mapping[str, Any]:
    """The sets of a service."""
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in service.sets]
    return {"@odata.context": f"{context}$metadata", "value": sets}


def json_csdl(service: Service, tables: Mapping[str, Table], lengths: Mapping[str, int]) -> Mapping[str, Any]:
    """JSON CSDL as Kinetic writes it: no `$Type` for strings, no `$Nullable: false`.

    Args:
        service: The business object.
        tables: By name.
        lengths: `CustCnt.FirstName` to its `$MaxLength`; the tenant that was looked at gave none.
    """
    document: dict[str, Any] = {"$Version": "4.0", "$EntityContainer": "Default.Container"}
    for table in _types(service, tables):
        document.setdefault(table.namespace, {})[table.name] = _json_type(table, service, lengths)
    container: dict[str, Any] = {"$Kind": "EntityContainer"}
    for name, table_name in service.sets.items():
        container[name] = {"$Collection": True, "$Type": tables[table_name].type_name}
    document["Default"] = {"Container": container}
    return document


def _types(service: Service, tables: Mapping[str, Table]) -> list[Table]:
    return [tables[name] for name in dict.fromkeys(service.sets.values())]


def _json_type(table: Table, service: Service, lengths: Mapping[str, int]) -> Mapping[str, Any]:
    written: dict[str, Any] = {"$Kind": "EntityType", "$Key": list(table.key)}
    for column in table.columns:
        written[column.name] = {} if column.edm_type == "Edm.String" else {"$Type": column.edm_type}
        if column.edm_type != "Edm.String":
            written[column.name]["$Nullable"] = True
        if length := lengths.get(f"{table.name}.{column.name}"):
            written[column.name]["$MaxLength"] = length
    for child in table.children:
        if child.table in service.sets.values():
            kind = {"$Kind": "NavigationProperty", "$Collection": True}
            written[child.name] = {**kind, "$Type": f"{table.namespace}.{child.table}"}
    return written


def xml_csdl(service: Service, tables: Mapping[str, Table], lengths: Mapping[str, int]) -> str:
    """The same as XML, for clients that do not ask for JSON."""
    by_namespace: dict[str, list[str]] = {}
    for table in _types(service, tables):
        by_namespace.setdefault(table.namespace, []).append(_xml_type(table, service, lengths))
    sets = "".join(
        f"<EntitySet Name={quoteattr(name)} EntityType={quoteattr(tables[table].type_name)}/>"
        for name, table in service.sets.items()
    )
    by_namespace["Default"] = [f'<EntityContainer Name="Container">{sets}</EntityContainer>']
    schemas = "".join(
        f'<Schema Namespace={quoteattr(name)} xmlns="http://docs.oasis-open.org/odata/ns/edm">{"".join(types)}</Schema>'
        for name, types in by_namespace.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
        f"<edmx:DataServices>{schemas}</edmx:DataServices></edmx:Edmx>"
    )


def _xml_type(table: Table, service: Service, lengths: Mapping[str, int]) -> str:
    key = "".join(f"<PropertyRef Name={quoteattr(name)}/>" for name in table.key)
    properties = "".join(
        f"<Property Name={quoteattr(column.name)} Type={quoteattr(column.edm_type)}"
        f"{_max_length(lengths.get(f'{table.name}.{column.name}'))}/>"
        for column in table.columns
    )
    navigations = "".join(
        f"<NavigationProperty Name={quoteattr(child.name)}"
        f" Type={quoteattr(f'Collection({table.namespace}.{child.table})')}/>"
        for child in table.children
        if child.table in service.sets.values()
    )
    return f"<EntityType Name={quoteattr(table.name)}><Key>{key}</Key>{properties}{navigations}</EntityType>"


def _max_length(length: int | None) -> str:
    return f' MaxLength="{length}"' if length else ""
