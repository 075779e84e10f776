"""Turns decisions into rows of the chain: pure, apart from the salts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, overload

from sync_audit.chain import SALT_SIZE, Scalar, link, person_digest, private_digest
from sync_audit.decision import Decision
from sync_audit.schema import PRIVATE_COLUMNS, PUBLIC_COLUMNS
from sync_audit.vault import Vault

COLUMNS: Final = (*PUBLIC_COLUMNS, "digest", "salt", *PRIVATE_COLUMNS)
_encode_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def to_json(value: object) -> str:
    """A value as compact JSON; what JSON does not know is written as text."""
    return storable(_encode_json(value))


@overload
def storable(text: str) -> str: ...
@overload
def storable(text: None) -> None: ...
def storable(text: str | None) -> str | None:
    """A text that every database takes: what is not Unicode, and NUL, become the replacement character."""
    if text is None:
        return None
    if type(text) is not str:
        text = str.__str__(text)  # a driver may write the name of an enum's member instead of its value
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to store.

    Args:
        decision: The decision, or the part of one, that the row tells.
        seq: Its number in the run.
        is_part: Whether it is a part, which no sum counts.
        row: The row of the table `decisions`, its values in the order of `COLUMNS`.
        digest: The row's digest, to which the next one is linked.
    """

    decision: Decision
    seq: int
    is_part: bool
    row: tuple[Scalar, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """Makes rows of the table `decisions`, each linked to the one before.

    Args:
        run_id: The run that they belong to.
        person_key: The key of the trail's person digests.
        vault: Encrypts complete records.
        keep_payloads: Whether complete requests are stored.
        random_bytes: Where salts come from.
    """

    run_id: int
    person_key: bytes
    vault: Vault
    keep_payloads: bool
    random_bytes: Callable[[int], bytes] = os.urandom

    def entries(self, decisions: Iterable[Decision], *, after: int, head: bytes, now: str) -> list[Entry]:
        """The rows of decisions and of their parts, in order.

        Args:
            decisions: What was decided.
            after: The number of the run's newest row.
            head: The digest of the run's newest row.
            now: The time at which they are recorded.
        """
        entries: list[Entry] = []
        seq = after
        for whole in decisions:
            whole_seq = seq + 1
            for decision in (whole, *whole.parts):
                seq += 1
                part_of = None if seq == whole_seq else whole_seq
                entry = self._entry(decision, whole, seq=seq, part_of=part_of, head=head, now=now)
                entries.append(entry)
                head = entry.digest
        return entries

    def _entry(
        self, decision: Decision, whole: Decision, *, seq: int, part_of: int | None, head: bytes, now: str
    ) -> Entry:
        subject = decision.subject or whole.subject
        former = decision.former_subject or whole.former_subject
        private: tuple[Scalar, ...] = (
            storable(subject),
            storable(former),
            storable(decision.source_key or whole.source_key),
            storable(decision.event_id or whole.event_id),
            storable(decision.targets),
            storable(decision.detail),
            None if decision.changes is None else to_json(decision.changes),
            None if decision.dead_letter is None else self.vault.seal(to_json(decision.dead_letter)),
            self.vault.seal(to_json(decision.payload))
            if self.keep_payloads and decision.payload is not None
            else None,
        )
        salt = self.random_bytes(SALT_SIZE)
        public: tuple[Scalar, ...] = (
            self.run_id,
            seq,
            part_of,
            now,
            storable(decision.stream),
            decision.action.value,
            storable(decision.reason),
            storable(decision.consent),
            None if not subject else person_digest(self.person_key, subject),
            None if not former else person_digest(self.person_key, former),
            storable(decision.source_updated_on or whole.source_updated_on),
            decision.http_status,
            storable(decision.request_id),
            None if decision.duration_ms is None else float(decision.duration_ms),
            decision.refers_to,
            private_digest(salt, private),
        )
        digest = link(head, public)
        return Entry(decision, seq, part_of is not None, (*public, digest, salt, *private), digest)
