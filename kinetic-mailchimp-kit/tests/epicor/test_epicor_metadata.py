"""$metadata, in JSON and in XML, with what Kinetic leaves out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kinetic_mailchimp.epicor.metadata import parse_metadata
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError

NESTED = {
    "$Version": "4.0",
    "$EntityContainer": "Default.Container",
    "Erp": {
        "Row": {"$Kind": "EntityType", "Company": {}, "SysRevID": {"$Type": "Edm.Int64"}},
        "Part": {
            "$Kind": "EntityType",
            "$BaseType": "Erp.Row",
            "$Key": ["Company", "PartNum"],
            "PartNum": {},
            "Tags": {"$Collection": True},
            "UnitPrice": {"$Type": "Edm.Decimal", "$Nullable": True},
            "PartWhses": {"$Kind": "NavigationProperty", "$Collection": True, "$Type": "Erp.PartWhse"},
        },
        "PartWhse": {"$Key": ["Company"], "Company": {}},
    },
    "Default": {
        "Container": {"$Kind": "EntityContainer", "Parts": {"$Collection": True, "$Type": "Erp.Part"}}
    },
}
DOTTED = {
    "$EntityContainer": "Erp.BO.Container",
    "Erp.BO": {
        "Part": {"$Kind": "EntityType", "$Key": ["PartNum"], "PartNum": {}},
        "Container": {"$Kind": "EntityContainer", "Parts": {"$Collection": True, "$Type": "Erp.BO.Part"}},
    },
}


def test_types_keys_bases_and_navigation() -> None:
    service = parse_metadata("Erp.BO.PartSvc", json.dumps(NESTED))
    part = service.entity("Parts")
    assert part.key == ("Company", "PartNum")
    assert {name: column.edm_type for name, column in part.properties.items()} == {
        "Company": "Edm.String",
        "SysRevID": "Edm.Int64",
        "PartNum": "Edm.String",
        "Tags": "Edm.String",
        "UnitPrice": "Edm.Decimal",
    }
    assert part.properties["Tags"].is_collection
    related = service.related(part, "PartWhses")
    assert related is not None
    assert related.key == ("Company",)


def test_a_namespace_may_have_dots() -> None:
    assert parse_metadata("x", json.dumps(DOTTED)).entity("Parts").key == ("PartNum",)


def test_an_unknown_set_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no entity set Partz.*Parts"):
        parse_metadata("Erp.BO.PartSvc", json.dumps(NESTED)).entity("Partz")


@pytest.mark.parametrize("text", ["", "not here", '{"Erp": ', "<html><body/></html>", "<a><b></a>", "[]"])
def test_what_is_no_metadata_is_said_to_be_none(text: str) -> None:
    with pytest.raises(TransientError, match=r"\$metadata of x"):
        parse_metadata("x", text)


@pytest.mark.parametrize("service", ["Erp.BO.CustomerSvc", "Erp.BO.POSvc", "Erp.BO.PerConSvc"])
def test_json_and_xml_give_the_same_schema(start_epicor: Any, service: str) -> None:
    epicor = start_epicor(customers=1)
    forms = [
        epicor.request("GET", f"{service}/$metadata", headers={"Accept": f"application/{kind}"}).text
        for kind in ("json", "xml")
    ]
    assert forms[0].startswith("{")
    assert forms[1].startswith("<")
    from_json, from_xml = (parse_metadata(service, text) for text in forms)
    assert from_json == from_xml
    assert from_json.sets


def test_a_byte_order_mark_before_json_is_no_part_of_it() -> None:
    service = parse_metadata("Erp.BO.PartSvc", "\ufeff" + json.dumps(NESTED))
    assert service.entity("Parts").key == ("Company", "PartNum")


@pytest.mark.parametrize(
    "text",
    [
        '{"$EntityContainer": "D", "D": {"$Kind": "EntityContainer", "Rows": {"$Type": {"a": 1}}}}',
        '{"T": {"$Kind": "EntityType", "A": {"$Type": ["Edm.String"]}}}',
        '{"T": {"$Kind": "EntityType", "$Key": 7}}',
        '["x"]',
        "[" * 200_000,
        '{"a":' * 200_000,
    ],
)
def test_a_document_of_another_shape_is_an_error_in_words(text):
    with pytest.raises(TransientError, match="cannot be read"):
        parse_metadata("Svc", text)


@pytest.mark.parametrize("named", ["Erp.Model", "self"])
def test_a_type_in_xml_has_the_columns_and_the_key_of_the_one_it_is_derived_from(named: str) -> None:
    text = f"""<edmx:Edmx xmlns:edmx="e"><Schema Namespace="Erp.Model" Alias="self">
        <EntityType Name="Row"><Key><PropertyRef Name="Company"/></Key>
        <Property Name="Company"/><Property Name="SysRevID" Type="Edm.Int64"/></EntityType>
        <EntityType Name="Part" BaseType="{named}.Row"><Property Name="PartNum"/>
        <NavigationProperty Name="Rows" Type="Collection({named}.Row)"/></EntityType>
        <EntityType Name="Ring" BaseType="{named}.Ring"/>
        <EntityContainer Name="C"><EntitySet Name="Parts" EntityType="{named}.Part"/></EntityContainer>
        </Schema></edmx:Edmx>"""
    service = parse_metadata("Svc", text)
    part = service.entity("Parts")
    assert (part.key, [*part.properties]) == (("Company",), ["Company", "SysRevID", "PartNum"])
    related = service.related(part, "Rows")
    assert related is not None
    assert related.name == "Erp.Model.Row"


def test_types_derived_in_a_circle_end():
    circle = (
        '{"A": {"$Kind": "EntityType", "$BaseType": "B"}, "B": {"$Kind": "EntityType", "$BaseType": "A"}}'
    )
    assert set(parse_metadata("Svc", circle).types) == {"A", "B"}


@pytest.mark.parametrize("as_json", [True, False])
def test_the_length_of_a_column_is_known_where_it_is_told(as_json: bool) -> None:
    document = (
        '{"$EntityContainer": "D.C", "Erp": {"CustCnt": {"$Kind": "EntityType", "$Key": ["ConNum"],'
        ' "FirstName": {"$MaxLength": 50}, "Comment": {}}}, "D": {"C": {"$Kind": "EntityContainer",'
        ' "CustCnts": {"$Collection": true, "$Type": "Erp.CustCnt"}}}}'
        if as_json
        else '<edmx:Edmx xmlns:edmx="e"><Schema Namespace="Erp"><EntityType Name="CustCnt">'
        '<Property Name="FirstName" Type="Edm.String" MaxLength="50"/>'
        '<Property Name="Comment" Type="Edm.String" MaxLength="max"/></EntityType>'
        '<EntityContainer><EntitySet Name="CustCnts" EntityType="Erp.CustCnt"/></EntityContainer>'
        "</Schema></edmx:Edmx>"
    )
    columns = parse_metadata("Erp.BO.CustCntSvc", document).entity("CustCnts").properties
    assert (columns["FirstName"].max_length, columns["Comment"].max_length) == (50, None)
