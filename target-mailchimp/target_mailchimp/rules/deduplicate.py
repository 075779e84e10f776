"""Finds the records of a batch about one person or one source row (R7): the newest stands for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kinetic_mailchimp.audit.state.member_state import age
from msgspec.structs import replace

from target_mailchimp.contract.member_record import MemberRecord


def without_duplicates(records: Sequence[MemberRecord]) -> tuple[list[MemberRecord], list[MemberRecord]]:
    """The records to write, and those that the newer ones stand for.

    Of one source row, the newest record counts. Of several rows with one address, the newest carries the
    others.
    """
    newest, older = _newest(records, lambda record: record.source)
    winners, losers = _newest(newest, lambda record: record.member)
    by_member: dict[str, list[MemberRecord]] = {}
    for loser in losers:
        by_member.setdefault(loser.member, []).append(loser)
    return [_standing_for(winner, by_member.get(winner.member, ())) for winner in winners], older + losers


def with_waiting(record: MemberRecord, waiting: Iterable[MemberRecord]) -> MemberRecord:
    """The record, standing also for earlier records of other rows about the same person."""
    news = {row.source or row.stream for row in record.rows}
    older = [row for row in waiting if (row.source or row.stream) not in news]
    return _standing_for(record, [*record.others, *older])


def _standing_for(winner: MemberRecord, losers: Iterable[MemberRecord]) -> MemberRecord:
    losers = list(losers)
    if not losers:
        return winner
    return replace(winner, others=tuple(sorted(losers, key=_age)))


def _newest(
    records: Sequence[MemberRecord], key_of: Callable[[MemberRecord], str]
) -> tuple[list[MemberRecord], list[MemberRecord]]:
    winners: dict[str, MemberRecord] = {}
    without_key: list[MemberRecord] = []
    losers: list[MemberRecord] = []
    for record in records:
        key = key_of(record)
        if not key:
            without_key.append(record)
            continue
        other = winners.get(key)
        if other is None:
            winners[key] = record
        elif _age(record) >= _age(other):
            losers.append(other)
            winners[key] = record
        else:
            losers.append(record)
    return [*winners.values(), *without_key], losers


def _age(record: MemberRecord) -> tuple[int, str, str]:
    return age(record.source, record.source_updated_on or "")
