"""Reads a service's $metadata: which sets there are, what their rows look like, what their keys are."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

STRING = "Edm.String"
_LONGEST_CHAIN = 50
"""Types that one is derived from; a circle of them ends there."""


@dataclass(frozen=True)
class Property:
    """A column. `edm_type` is Edm.String where $metadata names none; so is `max_length` None."""

    name: str
    edm_type: str = STRING
    is_collection: bool = False
    max_length: int | None = None


@dataclass(frozen=True)
class EntityType:
    """The rows of a set.

    Attributes:
        name: With its namespace: `Erp.Customer`.
        key: Names of the key columns, in the service's order.
        properties: By name.
        navigation: Name of a navigation property to the name of the entity type it leads to.
    """

    name: str
    key: tuple[str, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    navigation: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceMetadata:
    """The sets and types of a service.

    Attributes:
        service: `Erp.BO.CustomerSvc`.
        sets: Name of a set to the type of its rows.
        types: Name of an entity type to the type.
    """

    service: str
    sets: Mapping[str, EntityType]
    types: Mapping[str, EntityType]

    def entity(self, set_name: str) -> EntityType:
        """The type of a set's rows.

        Raises:
            ConfigurationError: The service has no such set; the message lists some that it has.
        """
        try:
            return self.sets[set_name]
        except KeyError:
            some = ", ".join(sorted(self.sets)[:8])
            raise ConfigurationError(
                f"{self.service} has no entity set {set_name}.",
                advice=f"Names are case-sensitive; it has: {some}.",
            ) from None

    def related(self, entity: EntityType, navigation: str) -> EntityType | None:
        """The type that a navigation property leads to."""
        return self.types.get(entity.navigation.get(navigation, ""))


def parse_metadata(service: str, text: str) -> ServiceMetadata:
    """Read a $metadata document, in JSON or in XML.

    Args:
        service: `Erp.BO.CustomerSvc`, for messages.
        text: The document.

    Raises:
        TransientError: It is neither, as when a gateway answers for the server or the text is cut off.
    """
    try:
        text = text.lstrip("\ufeff \r\n\t")
        types, sets = _from_xml(text) if text.startswith("<") else _from_json(parse_json(text))
    except (ValueError, ET.ParseError, AttributeError, TypeError, RecursionError) as error:
        raise TransientError(
            f"The $metadata of {service} cannot be read.", advice="Is `base_url` a Kinetic server?"
        ) from error
    return ServiceMetadata(service, {name: types[of] for name, of in sets.items() if of in types}, types)


_Parsed = tuple[dict[str, EntityType], dict[str, str]]


def _from_json(document: Mapping[str, Any]) -> _Parsed:
    """OData JSON CSDL as Kinetic writes it: namespaces nested or dotted, `$Type` left out for strings."""
    raw = dict(_elements(document, ""))
    types = {
        name: _json_type(name, raw)
        for name, element in raw.items()
        if element.get("$Kind", "EntityType" if "$Key" in element else "") in {"EntityType", "ComplexType"}
    }
    container = raw.get(document.get("$EntityContainer", ""), {})
    sets = {
        name: _type_of(element)
        for name, element in container.items()
        if isinstance(element, Mapping) and element.get("$Type") and element.get("$Collection", True)
    }
    return types, sets


def _elements(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, inner in node.items():
        if name.startswith("$") or not isinstance(inner, Mapping):
            continue
        inner_path = f"{path}.{name}" if path else name
        if "$Kind" in inner or "$Key" in inner:
            yield inner_path, inner
        else:
            yield from _elements(inner, inner_path)


def _json_type(name: str, raw: Mapping[str, Mapping[str, Any]]) -> EntityType:
    key: tuple[str, ...] = ()
    properties: dict[str, Property] = {}
    navigation: dict[str, str] = {}
    for element in _with_bases(name, raw):
        key = tuple(part for part in element.get("$Key", key) if isinstance(part, str))
        for column, definition in element.items():
            if column.startswith(("$", "@")) or not isinstance(definition, Mapping):
                continue
            edm_type = _type_of(definition)
            if definition.get("$Kind") == "NavigationProperty":
                navigation[column] = edm_type
            else:
                length = _length(definition.get("$MaxLength"))
                properties[column] = Property(column, edm_type, bool(definition.get("$Collection")), length)
    return EntityType(name, key, properties, navigation)


def _type_of(element: Mapping[str, Any]) -> str:
    edm_type = element.get("$Type", STRING)
    if not isinstance(edm_type, str):
        raise TypeError("a $Type is the name of a type")
    return edm_type


def _with_bases(name: str, raw: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """An element after those it is derived from."""
    chain: list[Mapping[str, Any]] = []
    while name in raw and len(chain) < _LONGEST_CHAIN:
        chain.insert(0, raw[name])
        name = raw[name].get("$BaseType", "")
    return chain


def _from_xml(text: str) -> _Parsed:
    root = ET.fromstring(text)  # noqa: S314 (expat limits entity expansion itself)
    if _local(root) != "Edmx":
        raise ValueError("no $metadata document")
    schemas = [element for element in root.iter() if _local(element) == "Schema"]
    raw = {
        f"{schema.get('Namespace', '')}.{element.get('Name')}": element
        for schema in schemas
        for element in schema
        if _local(element) in {"EntityType", "ComplexType"}
    }
    aliases = {schema.get("Alias", ""): schema.get("Namespace", "") for schema in schemas}
    types = {name: _xml_type(name, raw, aliases) for name in raw}
    sets = {
        element.get("Name", ""): _whole_name(element.get("EntityType", ""), aliases)
        for element in root.iter()
        if _local(element) == "EntitySet"
    }
    return types, sets


def _xml_type(name: str, raw: Mapping[str, ET.Element], aliases: Mapping[str, str]) -> EntityType:
    key: tuple[str, ...] = ()
    properties: dict[str, Property] = {}
    navigation: dict[str, str] = {}
    chain: list[ET.Element] = []
    base = name
    while base in raw and len(chain) < _LONGEST_CHAIN:
        chain.insert(0, raw[base])
        base = _whole_name(raw[base].get("BaseType", ""), aliases)
    for inner in (inner for element in chain for inner in element):
        column, edm_type = inner.get("Name", ""), inner.get("Type", STRING)
        is_collection = edm_type.startswith("Collection(")
        edm_type = edm_type[len("Collection(") : -1] if is_collection else edm_type
        if _local(inner) == "Property":
            properties[column] = Property(column, edm_type, is_collection, _length(inner.get("MaxLength")))
        elif _local(inner) == "NavigationProperty":
            navigation[column] = _whole_name(edm_type, aliases)
        elif _local(inner) == "Key":
            key = tuple(part.get("Name", "") for part in inner if _local(part) == "PropertyRef")
    return EntityType(name, key, properties, navigation)


def _whole_name(name: str, aliases: Mapping[str, str]) -> str:
    """The name of a type with its namespace, for which a short one may stand."""
    namespace, _, own = name.rpartition(".")
    return f"{aliases.get(namespace, namespace)}.{own}"


def _length(text: Any) -> int | None:  # noqa: ANN401 (JSON)
    """A length; `max` is none."""
    return int(text) if str(text).isdecimal() and int(text) > 0 else None


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
