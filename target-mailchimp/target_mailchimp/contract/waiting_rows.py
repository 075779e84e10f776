"""Keeps the records of people who are not members yet in the ledger, as JSON, and reads them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from target_mailchimp.contract.member_record import MemberRecord, read_record


def rows_to_json(record: MemberRecord) -> dict[str, dict[str, Any]]:
    """The rows of a record, by source; of those that keep another member, the opt-outs alone wait here."""
    return {
        row.source or row.stream: {"stream": row.stream, "raw": row.raw}
        for row in record.rows
        if row.opted_out or not row.stays_with
    }


def still_waiting(
    rows: Iterable[MemberRecord], member: str, sources: Mapping[str, Mapping[str, Any]]
) -> list[MemberRecord]:
    """The rows that still have the address under which they wait, with the member that each one keeps.

    Args:
        rows: The records that wait.
        member: The subscriber hash of that address.
        sources: By source row, the `member` that it had last, and `at` for the address that it has without.
    """
    found = []
    for row in rows:
        entry = sources.get(row.source) or {"member": member}
        if entry.get("at", entry["member"]) == member:
            keeps = str(entry["member"])
            found.append(row if keeps == member else replace(row, stays_with=keeps))
    return found


def rows_from_json(rows: Mapping[str, Mapping[str, Any]]) -> list[MemberRecord]:
    """The records of rows; what an earlier version took and this one refuses is left out."""
    records = (read_record(row["stream"], row["raw"]) for row in rows.values())
    return [record for record in records if isinstance(record, MemberRecord)]
