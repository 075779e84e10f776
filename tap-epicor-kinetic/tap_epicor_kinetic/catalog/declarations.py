"""Declares the streams: where their rows are, what identifies them, what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError

COMPANY = "Company"


@dataclass(frozen=True)
class StreamDeclaration:
    """The knowledge of a stream before the server is asked.

    Attributes:
        service: The business object: `Erp.BO.CustomerSvc`; `BaqSvc/<id>` for a BAQ.
        entity_set: The set in it; `Data` for a BAQ.
        key: The key columns where $metadata does not tell them.
        change_column: A column that the base product keeps up to date and `start_date` can be compared with
            where the cursor is not a timestamp.
        off_by_default: Columns that are read only when they are selected: computed one by one on the server,
            or sensitive.
        derives_active: Whether records carry `Active` (see `activity`).
        filter: An OData condition that always applies.
        schema: Column to JSON schema, from the configuration; without it and without $metadata, rows tell.
    """

    name: str
    service: str
    entity_set: str
    key: tuple[str, ...] = ()
    change_column: str = ""
    expand: tuple[str, ...] = ()
    off_by_default: frozenset[str] = frozenset()
    derives_active: bool = False
    cursor: str | None = None
    filter: str = ""
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Service and set, as in a URL."""
        return f"{self.service}/{self.entity_set}"

    @property
    def nested_names(self) -> tuple[str, ...]:
        """The navigation properties of `expand`, without their options."""
        return tuple(item.partition("(")[0] for item in self.expand)

    @property
    def is_baq(self) -> bool:
        """True if the rows come from a BAQ, which declares neither a key nor its company."""
        return self.service.startswith("BaqSvc/")


STREAMS: tuple[StreamDeclaration, ...] = (
    StreamDeclaration(
        "customers",
        "Erp.BO.CustomerSvc",
        "Customers",
        (COMPANY, "CustNum"),
        change_column="ChangeDate",
        off_by_default=frozenset({"TotOpenOrders", "TotOpenInvoices", "TotOpenCredit"}),
        derives_active=True,
    ),
    StreamDeclaration(
        # Its ChangeDate exists and is maintained by no code: it must not be used.
        "customer_contacts",
        "Erp.BO.CustCntSvc",
        "CustCnts",
        (COMPANY, "CustNum", "ShipToNum", "ConNum"),
    ),
    StreamDeclaration(
        "ship_tos",
        "Erp.BO.ShipToSvc",
        "ShipToes",
        (COMPANY, "CustNum", "ShipToNum"),
        change_column="ChangeDate",
    ),
    StreamDeclaration("people", "Erp.BO.PerConSvc", "PerCons", (COMPANY, "PerConID")),
    StreamDeclaration("vendors", "Erp.BO.VendorSvc", "Vendors", (COMPANY, "VendorNum")),
    StreamDeclaration("parts", "Erp.BO.PartSvc", "Parts", (COMPANY, "PartNum"), change_column="ChangedOn"),
    StreamDeclaration(
        "purchase_orders",
        "Erp.BO.POSvc",
        "POes",
        (COMPANY, "PONum"),
        change_column="ChangeDate",
        expand=("PODetails",),
    ),
    StreamDeclaration(
        "orders",
        "Erp.BO.SalesOrderSvc",
        "SalesOrders",
        (COMPANY, "OrderNum"),
        change_column="ChangeDate",
        expand=("OrderDtls",),
    ),
    StreamDeclaration(
        "invoices",
        "Erp.BO.ARInvoiceSvc",
        "ARInvoices",
        (COMPANY, "InvoiceNum"),
        change_column="ChangeDate",
        expand=("InvcDtls",),
    ),
    StreamDeclaration("gl_accounts", "Erp.BO.GLAccountSvc", "GLAccounts", (COMPANY, "COACode", "GLAccount1")),
)


def custom_streams(given: Sequence[Mapping[str, Any]], taken: Sequence[str]) -> list[StreamDeclaration]:
    """The streams of the setting `custom_streams`.

    Args:
        given: The setting.
        taken: Names that are in use.

    Raises:
        ConfigurationError: The message names the stream and what is wrong with it.
    """
    names = set(taken)
    declared = []
    for entry in given:
        declaration = _custom_stream(entry)
        if declaration.name in names:
            raise ConfigurationError(
                f"There are two streams named {declaration.name}.", advice="Rename one in `custom_streams`."
            )
        names.add(declaration.name)
        declared.append(declaration)
    return declared


def _custom_stream(entry: Mapping[str, Any]) -> StreamDeclaration:
    name = entry.get("name")
    if not name:
        raise ConfigurationError("A stream has no name.", advice="Give each of `custom_streams` a `name`.")
    baq, path = entry.get("baq"), entry.get("path")
    if bool(baq) == bool(path):
        raise ConfigurationError(
            f"Stream {name} needs either `path` or `baq`.",
            advice="Set `path` to service and set (`Erp.BO.SalesTerSvc/SalesTers`), or `baq` to its ID.",
        )
    service, _, entity_set = (f"BaqSvc/{baq}/Data" if baq else str(path).strip("/")).rpartition("/")
    if not service:
        raise ConfigurationError(
            f"Stream {name}: `path` is {path!r}.", advice="Use a service and a set: `Erp.BO.PartSvc/Parts`."
        )
    return StreamDeclaration(
        name=name,
        service=service,
        entity_set=entity_set,
        key=tuple(entry.get("keys") or ()),
        expand=tuple(entry.get("expand") or ()),
        cursor=entry.get("cursor"),
        filter=entry.get("filter") or "",
        parameters=entry.get("parameters") or {},
        schema=entry.get("schema") or {},
    )
