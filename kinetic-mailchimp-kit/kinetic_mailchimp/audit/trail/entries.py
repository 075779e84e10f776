"""Turns decisions into rows of the chain: pure, apart from the salts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.json_text import storable, to_json
from kinetic_mailchimp.audit.storage.schema import PRIVATE_COLUMNS, PUBLIC_COLUMNS
from kinetic_mailchimp.audit.storage.schema import decisions as decisions_table
from kinetic_mailchimp.audit.trail.chain import SALT_SIZE, link, person_digest, private_digest
from kinetic_mailchimp.audit.trail.decision import Decision
from kinetic_mailchimp.kit.database.bulk_insert import Scalar
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption

COLUMNS: Final = (*PUBLIC_COLUMNS, "digest", "salt", *PRIVATE_COLUMNS)
Row = tuple[Scalar, ...]
"""A row of the table `decisions`, its values in the order of `COLUMNS`."""

_SALTS_AT_ONCE: Final = 100
_LENGTHS: Final = {
    column.name: column.type.length for column in decisions_table.c if isinstance(column.type, sa.String)
}


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """Makes rows of the table `decisions`, each linked to the one before.

    Args:
        person_key: The key of the trail's person digests.
        keep_statements: False in a dry run, which proves nothing.
    """

    run_id: int
    person_key: bytes
    encryption: FieldEncryption
    keep_payloads: bool
    keep_statements: bool = True

    def rows(
        self, decisions: Iterable[Decision], *, after: int, head: bytes, now: str
    ) -> tuple[list[Row], bytes]:
        """The rows of decisions and of their parts, in order, and the digest of the newest one.

        Args:
            decisions: What was decided.
            after: The number of the run's newest row.
            head: The digest of the run's newest row.
            now: The time at which they are recorded.
        """
        salts = self._salts()
        rows: list[Row] = []
        seq = after
        for whole in decisions:
            part_of = None
            for decision in (whole, *whole.parts):
                seq += 1
                head, row = self._linked(decision, whole, next(salts), (self.run_id, seq, part_of, now), head)
                rows.append(row)
                part_of = part_of or seq
        return rows, head

    def _salts(self) -> Iterator[bytes]:
        """Salts, drawn by the hundred: asking the system for each of them takes as long as a digest."""
        while True:
            drawn = os.urandom(_SALTS_AT_ONCE * SALT_SIZE)
            yield from (drawn[start : start + SALT_SIZE] for start in range(0, len(drawn), SALT_SIZE))

    def _payload(self, request: Mapping[str, Any] | None, statement: Mapping[str, Any] | None) -> str | None:
        """The column `payload`: a request as it is, or `statement` with the `request` beside it."""
        kept = request if self.keep_payloads else None
        if statement is not None and self.keep_statements:
            kept = {"statement": statement, **({} if kept is None else {"request": kept})}
        return None if kept is None else self.encryption.encrypt(to_json(kept))

    def _linked(
        self, decision: Decision, whole: Decision, salt: bytes, place: Row, head: bytes
    ) -> tuple[bytes, Row]:
        """A row and its digest, which links it to the row with the digest `head`."""
        subject = storable(decision.subject or whole.subject)
        former = storable(decision.former_subject or whole.former_subject)
        private: Row = (
            subject,
            former,
            storable(decision.source_key or whole.source_key),
            storable(decision.event_id or whole.event_id),
            storable(decision.targets),
            storable(decision.detail),
            None if decision.changes is None else to_json(decision.changes),
            None if decision.dead_letter is None else self.encryption.encrypt(to_json(decision.dead_letter)),
            self._payload(decision.payload, decision.statement)
            if self.keep_payloads or decision.statement is not None
            else None,
        )
        public: Row = (
            *place,
            storable(decision.stream),
            decision.action.value,
            _fitting(decision.reason, "reason"),
            _fitting(decision.consent, "consent"),
            person_digest(self.person_key, subject) if subject else None,
            person_digest(self.person_key, former) if former else None,
            storable(decision.source_updated_on or whole.source_updated_on),
            decision.http_status,
            storable(decision.request_id),
            None if decision.duration_ms is None else float(decision.duration_ms),
            decision.refers_to,
            private_digest(salt, private),
        )
        digest = link(head, public)
        return digest, (*public, digest, salt, *private)


def _fitting(text: str | None, column: str) -> str | None:
    """As much of a text as its column takes: of more, PostgreSQL refuses the whole batch."""
    kept = storable(text)
    return kept and kept[: _LENGTHS[column]]
