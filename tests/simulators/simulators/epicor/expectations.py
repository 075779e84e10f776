"""Expectations about customers: which are active, which can be written to, and why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


@dataclass(frozen=True)
class EmailContent:
    """What an e-mail column holds.

    `kind` is `clean`, `upper_case`, `padded`, `empty`, `mailto`, `display_name`, `several` or `word`;
    `address` is the one address in it, in lower case, or None when there is none or more than one.
    """

    kind: str
    address: str | None

    @property
    def valid(self) -> bool:
        """Whether the column is an address as it stands, but for case and surrounding space."""
        return self.kind in ("clean", "upper_case", "padded")


def classify_email(text: str | None) -> EmailContent:
    """Say what an e-mail column holds."""
    given = text or ""
    stripped = given.strip()
    found = _ADDRESS.findall(stripped)
    if not stripped:
        return EmailContent("empty", None)
    if len(found) != 1:
        return EmailContent("several" if found else "word", None)
    address = found[0].lower()
    if stripped == found[0]:
        if given != stripped:
            return EmailContent("padded", address)
        return EmailContent("clean" if stripped == address else "upper_case", address)
    return EmailContent("mailto" if stripped.lower().startswith("mailto:") else "display_name", address)


@dataclass(frozen=True)
class ExpectedCustomer:
    """One customer as a careful reader sees it."""

    company: str
    cust_num: int
    cust_id: str
    customer_type: str
    active: bool
    no_contact: bool
    email: str
    """As stored."""
    email_kind: str
    address: str | None
    valid: bool
    reason: str | None
    """Why a list of active customers leaves this one out (`inactive` or the kind of the e-mail), or None."""
    shares_address_with: int
    """How many other listed customers, over all companies, have the same address."""


def expected_customers(customers: Iterable[Mapping[str, Any]]) -> list[ExpectedCustomer]:
    """Expectations about rows of the Customer table; a pure function of them, so it holds after edits too."""
    rows = list(customers)
    contents = [classify_email(row["EMailAddress"]) for row in rows]
    reasons = [_reason(row, content) for row, content in zip(rows, contents, strict=True)]
    listed = Counter(
        content.address for content, reason in zip(contents, reasons, strict=True) if reason is None
    )
    return [
        ExpectedCustomer(
            company=row["Company"],
            cust_num=row["CustNum"],
            cust_id=row["CustID"],
            customer_type=row["CustomerType"],
            active=not row["Inactive"],
            no_contact=row["NoContact"],
            email=row["EMailAddress"],
            email_kind=content.kind,
            address=content.address,
            valid=content.valid,
            reason=reason,
            shares_address_with=listed[content.address] - 1 if reason is None else 0,
        )
        for row, content, reason in zip(rows, contents, reasons, strict=True)
    ]


def _reason(row: Mapping[str, Any], content: EmailContent) -> str | None:
    if row["Inactive"]:
        return "inactive"
    return None if content.valid else content.kind


def expectations_document(customers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the control API answers: `customers`, the `addresses` a list must have, `counts` per reason."""
    expected = expected_customers(customers)
    return {
        "customers": [asdict(customer) for customer in expected],
        "addresses": sorted(
            {customer.address for customer in expected if customer.reason is None and customer.address}
        ),
        "counts": dict(Counter(customer.reason or "listed" for customer in expected)),
    }
