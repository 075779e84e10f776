from __future__ import annotations

import requests
from odata import ODataService
from simulators.epicor.testing import RunningEpicor


def service(epicor: RunningEpicor, name: str) -> ODataService:
    """An independent OData client (python-odata) that learns the service from its $metadata."""
    session = requests.Session()
    session.headers["x-api-key"] = epicor.api_key
    session.auth = (epicor.username, epicor.password)
    url = f"{epicor.base_url}/api/v2/odata/{epicor.companies[0]}/{name}/"
    return ODataService(url, session=session, reflect_entities=True, quiet_progress=True)


def test_it_learns_the_sets_from_metadata(epicor: RunningEpicor) -> None:
    learned = service(epicor, "Erp.BO.POSvc")
    assert set(learned.entities) == {"POes", "PODetails", "PORels"}


def test_it_reads_filters_orders_and_counts(epicor: RunningEpicor) -> None:
    learned = service(epicor, "Erp.BO.CustomerSvc")
    customer = learned.entities["Customers"]
    query = learned.query(customer).filter((customer.Inactive == False) & (customer.CustNum > 10))  # noqa: E712 - the client's own language
    rows = query.order_by(customer.CustNum.desc()).limit(5).all()
    expected = epicor.rows(
        "Erp.BO.CustomerSvc/Customers",
        filter="Inactive eq false and CustNum gt 10",
        orderby="CustNum desc",
        top=5,
    )
    assert [row.Name for row in rows] == [row["Name"] for row in expected]
    assert query.count() == len(
        epicor.rows("Erp.BO.CustomerSvc/Customers", filter="Inactive eq false and CustNum gt 10", top=1000)
    )


def test_it_expands_children(epicor: RunningEpicor) -> None:
    learned = service(epicor, "Erp.BO.POSvc")
    order = learned.entities["POes"]
    first = learned.query(order).expand(order.PODetails).limit(1).all()[0]
    assert [line.PONUM for line in first.PODetails] == [first.PONum] * len(first.PODetails)


def test_it_reads_text_outside_ascii_and_moments(epicor: RunningEpicor) -> None:
    learned = service(epicor, "Erp.BO.CustomerSvc")
    customer = learned.entities["Customers"]
    rows = learned.query(customer).limit(100).all()
    assert any(not row.Name.isascii() for row in rows)
    assert all(row.UpdatedOn.year in (2025, 2026) for row in rows)
