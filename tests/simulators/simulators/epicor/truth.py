"""Tells the truth about customers: who is active, who can be written to, and why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


@dataclass(frozen=True)
class EmailVerdict:
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


def judge_email(text: str | None) -> EmailVerdict:
    """Say what an e-mail column holds."""
    given = text or ""
    stripped = given.strip()
    found = _ADDRESS.findall(stripped)
    if not stripped:
        return EmailVerdict("empty", None)
    if len(found) != 1:
        return EmailVerdict("several" if found else "word", None)
    address = found[0].lower()
    if stripped == found[0]:
        if given != stripped:
            return EmailVerdict("padded", address)
        return EmailVerdict("clean" if stripped == address else "upper_case", address)
    return EmailVerdict("mailto" if stripped.lower().startswith("mailto:") else "display_name", address)


@dataclass(frozen=True)
class CustomerTruth:
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


def customer_truth(customers: Iterable[Mapping[str, Any]]) -> list[CustomerTruth]:
    """Judge rows of the Customer table; a pure function of them, so it holds after edits too."""
    rows = list(customers)
    verdicts = [judge_email(row["EMailAddress"]) for row in rows]
    reasons = [_reason(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
    listed = Counter(
        verdict.address for verdict, reason in zip(verdicts, reasons, strict=True) if reason is None
    )
    return [
        CustomerTruth(
            company=row["Company"],
            cust_num=row["CustNum"],
            cust_id=row["CustID"],
            customer_type=row["CustomerType"],
            active=not row["Inactive"],
            no_contact=row["NoContact"],
            email=row["EMailAddress"],
            email_kind=verdict.kind,
            address=verdict.address,
            valid=verdict.valid,
            reason=reason,
            shares_address_with=listed[verdict.address] - 1 if reason is None else 0,
        )
        for row, verdict, reason in zip(rows, verdicts, reasons, strict=True)
    ]


def _reason(row: Mapping[str, Any], verdict: EmailVerdict) -> str | None:
    if row["Inactive"]:
        return "inactive"
    return None if verdict.valid else verdict.kind


def truth_document(customers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the control API answers: `customers`, the `addresses` a list must have, `counts` per reason."""
    judged = customer_truth(customers)
    return {
        "customers": [asdict(truth) for truth in judged],
        "addresses": sorted({truth.address for truth in judged if truth.reason is None and truth.address}),
        "counts": dict(Counter(truth.reason or "listed" for truth in judged)),
    }
