"""Keeps the records of people who are not members yet in the ledger, as JSON, and reads them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from target_mailchimp.contract.member_record import MemberRecord, read_record


def rows_to_json(record: MemberRecord) -> dict[str, dict[str, Any]]:
    """The rows of a record, by source."""
    return {row.source or row.stream: {"stream": row.stream, "raw": row.raw} for row in record.rows}


def rows_from_json(rows: Mapping[str, Mapping[str, Any]]) -> list[MemberRecord]:
    """The records of rows; what an earlier version took and this one refuses is left out."""
    records = (read_record(row["stream"], row["raw"]) for row in rows.values())
    return [record for record in records if isinstance(record, MemberRecord)]
