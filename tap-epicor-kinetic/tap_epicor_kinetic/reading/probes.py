"""Asks the server for the ends of a column, and so whether it can order and filter by it at all."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from kinetic_mailchimp.epicor.errors import ProbeRequest, QueryRefusedError
from kinetic_mailchimp.epicor.odata import and_
from kinetic_mailchimp.kit.http.call import Request

from tap_epicor_kinetic.reading.cursor import Cursor, Scalar, ascends
from tap_epicor_kinetic.reading.set_reader import SetReader

logger = logging.getLogger(__name__)

SAMPLE = 5
"""Rows to look at: the first alone would not show that a service ignores `$orderby`."""


def newest(reader: SetReader, cursor: Cursor, among: str = "") -> Scalar | None:
    """The highest cursor value on the server, among the rows of a condition; None without rows.

    Raises:
        QueryRefusedError: The service cannot order or filter by the column.
    """
    condition = f"{cursor.column} ne null" if cursor.is_timestamp else f"{cursor.column} gt 0"
    return _end(reader, cursor.column, and_(condition, among), descending=True)


def has_unstamped(reader: SetReader, cursor: Cursor) -> bool | None:
    """Tell whether rows have no cursor value; None where the service cannot tell."""
    try:
        return bool(reader.sample(cursor.column, f"{cursor.column} eq null", (), ProbeRequest))
    except QueryRefusedError:
        return None


def ends(reader: SetReader, column: str) -> tuple[int, int] | None:
    """The lowest and the highest value of a key column; None without rows, or if the service cannot tell."""
    try:
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="epicor-end") as pool:
            low, high = pool.map(
                lambda descending: _end(reader, column, "", descending=descending), (False, True)
            )
    except QueryRefusedError:
        return None
    return None if low is None or high is None else (int(low), int(high))


def _end(reader: SetReader, column: str, condition: str, *, descending: bool) -> Scalar | None:
    order = (f"{column} desc" if descending else column,)
    try:
        values = reader.sample(column, condition, order, ProbeRequest, SAMPLE)
    except QueryRefusedError:
        # Did the query fail, or the server? A plain read tells, and waits until the server is well again.
        reader.sample(column, "", (), Request)
        values = reader.sample(column, condition, order, ProbeRequest, SAMPLE)
    if not ascends(reversed(values) if descending else values, reader.types.get(column, "")):
        raise QueryRefusedError(
            "Its rows do not come in the order that was asked for.",
            advice="Choose another column in `cursors`.",
        )
    return values[0] if values else None
