"""Recognises what Mailchimp refused before: it waits until the row, or what it asks for, changes."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.audit.trail.decision import Action

from target_mailchimp.rules.plan import NoWrite, Write

REFUSED_BEFORE = "refused_before"


class RefusedWrite(LedgerValue, frozen=True):
    """A write that Mailchimp refused.

    Attributes:
        reason: Mailchimp's, as the decision about it has it.
        updated_on: When the row changed that asked for it, as the source writes it.
        digest: Of all that was sent, and of the fields of the audience at that time.
    """

    reason: str
    updated_on: str
    digest: str


read_refused_write: Final = msgspec.json.Decoder(RefusedWrite).decode


def refused_write(write: Write, reason: str) -> RefusedWrite | None:
    """The entry to remember; None for what each run tries again: opt-outs, and rows of unknown age.

    Args:
        write: The write.
        reason: Why it was refused.
    """
    row = write.record
    if write.lower or not (row.source_key and row.source_updated_on):
        return None
    return RefusedWrite(reason, row.source_updated_on, _digest(write))


def unless_refused(planned: NoWrite | Write, before: RefusedWrite | None) -> NoWrite | Write:
    """The plan of a row, or the decision not to send again what was refused and has not changed since.

    Args:
        planned: For a row.
        before: The last refusal of the same row.
    """
    is_known = isinstance(planned, Write) and before and refused_write(planned, before.reason) == before
    if not (before and is_known):
        return planned
    return NoWrite(
        planned.record,
        Action.REFUSED,
        REFUSED_BEFORE,
        f"Mailchimp refused it before ({before.reason}), and nothing of it has changed since. It goes again "
        "with a change of the row or of the audience's fields, or when its dead letter is replayed.",
        handovers=planned.handovers,
    )


def _digest(write: Write) -> str:
    sent = (
        write.record.address,
        write.state and write.state.status,
        write.former and write.former.path,
        write.new_status,
        write.archive,
        sorted(write.values.items()),
        sorted(write.tag_changes.items()),
        sorted((tag, field.signature) for tag, field in write.audience.fields.items()),
    )
    return hashlib.sha256(repr(sent).encode()).hexdigest()[:16]
