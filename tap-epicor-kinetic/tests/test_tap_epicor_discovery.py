"""What the rows look like, where $metadata tells, where it does not, and for BAQs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kinetic_mailchimp.epicor import EntityType, Property, ServiceMetadata
from kinetic_mailchimp.epicor.errors import CompanyAccessError
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    PermissionDeniedError,
    TransientError,
)
from tap_epicor_kinetic.catalog.columns import (
    entity_of_schema,
    inferred_entity,
    is_off_by_default,
    is_secret,
    row_schema,
)
from tap_epicor_kinetic.catalog.declarations import STREAMS, custom_streams
from tap_epicor_kinetic.catalog.discovery import Discovery

CUSTOMERS, ORDERS = STREAMS[0], STREAMS[6]
TERRITORIES = custom_streams([{"name": "territories", "path": "Erp.BO.SalesTerSvc/SalesTers"}], [])[0]


class Client:
    """Answers for $metadata with what it is given for a company, an error or a document."""

    def __init__(self, **answers: ConnectorError | ServiceMetadata) -> None:
        self.settings = SimpleNamespace(companies=tuple(answers), concurrency=2)
        self._answers = answers

    def metadata(self, company: str, service: str) -> ServiceMetadata:
        answer = self._answers[company]
        if isinstance(answer, ConnectorError):
            raise answer
        return answer


def discovery(**answers: ConnectorError | ServiceMetadata) -> Discovery:
    return Discovery(Client(**answers))  # type: ignore[arg-type]  # as much of a client as is asked for


@pytest.mark.parametrize("error", [PermissionDeniedError("no"), ConfigurationError("no such service")])
def test_without_metadata_the_columns_of_the_base_product_are_known(error: ConnectorError) -> None:
    entity = discovery(EPIC06=error).entity(CUSTOMERS)
    assert entity.key == ("Company", "CustNum")
    assert entity.properties["SysRevID"].edm_type == "Edm.Int64"
    assert discovery(EPIC06=error).nested(ORDERS) == {"PODetails": None}


def test_a_type_without_its_key_is_not_believed_and_keys_of_the_configuration_are_named() -> None:
    bare = EntityType("Erp.Row", (), {"Company": Property("Company"), "Name": Property("Name")})
    known = discovery(EPIC06=ServiceMetadata("s", {"Customers": bare, "SalesTers": bare}, {}))
    assert "CustNum" in known.entity(CUSTOMERS).properties
    entry = {"name": "territories", "path": "Erp.BO.SalesTerSvc/SalesTers", "keys": ["TerritoryID"]}
    with pytest.raises(ConfigurationError, match=r"territories: .*TerritoryID.*`keys`"):
        known.entity(custom_streams([entry], [])[0])


@pytest.mark.parametrize("error", [CredentialsError("wrong"), TransientError("down")])
def test_a_login_or_a_server_that_fails_is_not_papered_over(error: ConnectorError) -> None:
    with pytest.raises(type(error)):
        discovery(EPIC06=error).entity(CUSTOMERS)


def test_streams_are_asked_for_together_and_an_error_comes_through() -> None:
    known = discovery(EPIC06=PermissionDeniedError("no"))
    known.prepare(STREAMS)
    assert known.entity(CUSTOMERS) is known.entity(CUSTOMERS)
    with pytest.raises(CredentialsError):
        discovery(EPIC06=CredentialsError("wrong")).prepare(STREAMS)


def test_a_custom_stream_without_metadata_is_an_error_that_names_it() -> None:
    with pytest.raises(PermissionDeniedError, match="Stream territories: no"):
        discovery(EPIC06=PermissionDeniedError("no")).entity(TERRITORIES)


def test_the_first_company_with_access_answers_for_all() -> None:
    territory = EntityType("Erp.SalesTer", ("Company",), {"Company": Property("Company")})
    known = ServiceMetadata("s", {"SalesTers": territory}, {})
    assert discovery(A=CompanyAccessError("no"), B=known).entity(TERRITORIES) == territory
    with pytest.raises(CompanyAccessError, match="not A either"):
        discovery(A=CompanyAccessError("not A either"), B=CompanyAccessError("nor B")).entity(TERRITORIES)


@pytest.mark.parametrize("name", ["SFPortalPassword", "WebPassword", "UserPwd_c password", "ClientSecret_c"])
def test_secrets_are_never_read(name: str) -> None:
    assert is_secret(name)
    entity = EntityType("x", ("A",), {"A": Property("A"), name: Property(name)})
    assert set(row_schema(entity, ("A",), {"Lines": entity})["properties"]) == {"A", "Lines"}


@pytest.mark.parametrize("name", ["TaxPayerID", "BitFlag", "RowMod", "EmpSSN".removeprefix("Emp")])
def test_sensitive_and_system_columns_are_off_by_default(name: str) -> None:
    assert is_off_by_default(name, frozenset())
    assert not is_secret(name)


@pytest.mark.parametrize("name", ["Name", "EMailAddress", "PassingScore", "MC_Status_c", "Tinting_c"])
def test_other_columns_are_on(name: str) -> None:
    assert not is_secret(name)
    assert not is_off_by_default(name, frozenset())


def test_expensive_columns_are_declared_off() -> None:
    assert is_off_by_default("TotOpenOrders", CUSTOMERS.off_by_default)


def test_rows_give_the_types_of_a_baq() -> None:
    rows: list[dict[str, Any]] = [
        {"N": 1, "D": 1, "M": None, "S": "x", "B": True, "E": None, "@odata.etag": "1"},
        {"N": 2, "D": 1.5, "M": "2026-01-31T00:00:00Z", "S": "2026", "B": False, "E": None},
    ]
    types = {name: column.edm_type for name, column in inferred_entity("q", (), rows).properties.items()}
    assert types == {
        "N": "Edm.Int64",
        "D": "Edm.Decimal",
        "M": "Edm.DateTimeOffset",
        "S": "Edm.String",
        "B": "Edm.Boolean",
        "E": "Edm.String",
    }


def test_a_schema_gives_the_types_of_a_baq() -> None:
    schema: dict[str, Any] = {
        "N": {"type": ["integer", "null"]},
        "D": {"type": "number"},
        "M": {"type": "string", "format": "date-time"},
        "S": {},
    }
    types = {name: c.edm_type for name, c in entity_of_schema("q", (), schema).properties.items()}
    assert types == {"N": "Edm.Int64", "D": "Edm.Decimal", "M": "Edm.DateTimeOffset", "S": "Edm.String"}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "no name"),
        ({"name": "x"}, "either `path` or `baq`"),
        ({"name": "x", "path": "a/b", "baq": "c"}, "either `path` or `baq`"),
        ({"name": "x", "path": "Parts"}, "service and a set"),
        ({"name": "customers", "path": "a/b"}, "two streams named customers"),
    ],
)
def test_a_custom_stream_that_is_declared_wrongly(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        custom_streams([entry], ["customers"])


@pytest.mark.rule("R10")
def test_a_bookmark_is_not_blamed_where_the_metadata_is_forbidden(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=5)
    tap = runner(epicor)
    first = tap.run("customers")
    catalog = tap.selected("customers")
    epicor.control.switches(metadata_forbidden=True)
    # A bookmark without a company, as another tap writes it, follows a column that is not known either.
    foreign = {"replication_key": "UpdatedOn", "replication_key_value": "2026-01-01T00:00:00Z"}
    of_another_tap = {"bookmarks": {"customers": foreign}}
    columns: tuple[dict[str, Any], ...] = ({}, {"cursors": {"customers": "UpdatedOn"}})
    for state, given in [(first.state, columns[0]), (first.state, columns[1]), (of_another_tap, columns[0])]:
        with pytest.raises(ConfigurationError) as caught:
            tap.run(catalog=catalog, state=state, **given)
        assert "`$metadata` of Erp.BO.CustomerSvc cannot be read" in str(caught.value)
        assert "`api_key`" in str(caught.value)


def test_a_bookmark_without_a_company_is_not_gone_by_and_told(
    start_epicor: Any, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tap = runner(start_epicor(customers=5))
    foreign = {"replication_key": "UpdatedOn", "replication_key_value": "2999-01-01T00:00:00Z"}
    found = tap.run("customers", state={"bookmarks": {"customers": foreign}})
    assert len(found.records()) == len(tap.run("customers").records())
    assert "its bookmark names no company" in caplog.text
