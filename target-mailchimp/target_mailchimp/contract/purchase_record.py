"""Reads a Singer record into a purchase: an order or an invoice of a customer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import msgspec
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue

from target_mailchimp.contract.member_record import InvalidRecord

PURCHASE_KEY = "purchase_key"
"""The property that makes a record one of a purchase, and names it."""


_TOO_MUCH: Final = 1e15
"""A mistake, and more than a sum could add up to the cent."""


class Bought(LedgerValue, frozen=True):
    """A purchase, as the ledger keeps it.

    Attributes:
        of: The row of the customer, as `stream/source_key` of the records that make members.
        on: Its day, as ISO 8601 writes it.
        amount: In the currency of the company; a credit is less than nothing.
        groups: The product groups of its lines.
    """

    of: str
    on: str
    amount: float = 0.0
    groups: tuple[str, ...] = ()


class Purchase(msgspec.Struct, frozen=True):
    """A purchase, as a record has it.

    Attributes:
        bought: None for one that is void, or gone.
    """

    stream: str
    key: str
    raw: Mapping[str, Any]
    bought: Bought | None


def read_purchase(stream: str, record: Mapping[str, Any]) -> Purchase | InvalidRecord:
    """Read a record.

    Args:
        stream: The stream of the record.
        record: As the tap or mapper wrote it.
    """
    raw = {name: value for name, value in record.items() if not name.startswith("_sdc_")}
    key = str(raw.get(PURCHASE_KEY) or "").strip()
    try:
        return Purchase(stream, key, raw, _bought(raw, key))
    except ValueError as error:
        kept = {"source_key": key or None, **raw}
        return InvalidRecord(stream, kept, "malformed_record", str(error))


def _bought(raw: Mapping[str, Any], key: str) -> Bought | None:
    if not key:
        raise ValueError(f"`{PURCHASE_KEY}` is empty.")
    if raw.get("purchase_void"):
        return None
    of = str(raw.get("purchase_of") or "").strip()
    if "/" not in of:
        raise ValueError("`purchase_of` names no row, as `stream/source_key` would.")
    try:
        on = date.fromisoformat(str(raw.get("purchase_on") or "")[:10]).isoformat()
    except ValueError:
        raise ValueError("`purchase_on` is not a date.") from None
    try:
        amount = float(raw.get("purchase_amount") or 0)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("`purchase_amount` is not a number.") from None
    if not abs(amount) < _TOO_MUCH:
        raise ValueError("`purchase_amount` is too large, or not a number.")
    groups = raw.get("purchase_groups") or ()
    if not isinstance(groups, list | tuple):
        raise ValueError("`purchase_groups` is not a list of names.")  # noqa: TRY004 (one kind for all)
    names = {" ".join(str(name).split()) for name in groups if name is not None} - {""}
    return Bought(of, on, amount, tuple(sorted(names)))
