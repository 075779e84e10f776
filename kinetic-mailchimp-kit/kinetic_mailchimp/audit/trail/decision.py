"""The decision of a target about one record: the unit of the audit trail."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

Change = tuple[object, object]
"""A field's value before and after."""

OPT_OUTS: Final = ("unsubscribed", "complaint", "cleaned")
"""Values of `Decision.consent` of people who must not be written to."""


class Action(enum.StrEnum):
    """Outcome of a record.

    Only `FAILED` and `QUARANTINED` are failures: they count against a run's limits. Everything else is an
    outcome that was asked for, by the data, by a setting or by a rule.
    """

    CREATED = "created"
    """A row was made at the destination."""
    UPDATED = "updated"
    """Fields of an existing row were changed."""
    UNCHANGED = "unchanged"
    """The destination has these values already; nothing was written."""
    FLAGGED = "flagged"
    """An opt-out was written: the person's consent was lowered at the destination."""
    CLEARED = "cleared"
    """An opt-out flag that this software had set was taken back, because the person came back."""
    MOVED = "moved"
    """The row's e-mail address was changed and its identity kept."""
    ARCHIVED = "archived"
    """The row was taken out of use at the destination and can be brought back."""
    MERGED = "merged"
    """Another record about the same person, in the same batch, carried this one's values along."""
    SUPERSEDED = "superseded"
    """Something newer about the same person is already applied; this one came too late."""
    UNMATCHED = "unmatched"
    """The destination has no row for this person."""
    SKIPPED = "skipped"
    """A setting says that records like this one are not written."""
    IGNORED = "ignored"
    """The record means nothing to this target."""
    REFUSED = "refused"
    """A rule forbids the write, such as making a person who opted out a subscriber again."""
    FAILED = "failed"
    """The write did not succeed, or was accepted and not stored. A failure."""
    QUARANTINED = "quarantined"
    """The record is invalid and was set aside without trying. A failure."""
    DRIFTED = "drifted"
    """A comparison of both sides found a difference; nothing was written."""
    REPLAYED = "replayed"
    """A dead letter was dispatched again. Written by this package."""
    CORRECTED = "corrected"
    """A dead letter was corrected by hand, and waits. Written by this package."""
    CLOSED = "closed"
    """A dead letter that can never be written was closed by hand. Written by this package."""
    APPROVED = "approved"
    """A person allowed a plan to be written. Written by this package."""
    REJECTED = "rejected"
    """A person refused a plan, or took back what allowed it. Written by this package."""
    ERASED = "erased"
    """A record's personal data was removed on request. Written by this package."""
    PRUNED = "pruned"
    """Records past their retention were removed. Written by this package."""
    KEPT = "kept"
    """A record past its retention was kept as a proof or for replay. Written by this package."""

    __hash__ = str.__hash__  # equal to its word, so found by it, too

    @property
    def is_failure(self) -> bool:
        """True for an action that counts against `max_failed` and `max_failed_ratio`."""
        return self in _FAILURES


LEFT: Final = frozenset(
    {
        Action.SKIPPED,
        Action.REFUSED,
        Action.UNMATCHED,
        Action.IGNORED,
        Action.SUPERSEDED,
        Action.FAILED,
        Action.QUARANTINED,
    }
)
"""Actions after which the values of a record are not at the destination."""
_FAILURES: Final = frozenset({Action.FAILED, Action.QUARANTINED})


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One outcome for one record that a target read.

    A record that leads to several writes, such as an opt-out that reaches three rows, is still one decision:
    each write is one of its `parts`, a decision too. Parts are stored and shown, and enter no sum.

    Args:
        reason: Why, as a stable snake_case code such as `no_field_differs`.
        detail: Why, as a sentence for a person. Personal data is allowed: it is erased with the person.
        subject: The e-mail address of the person it is about, as the record has it.
        former_subject: The address the person had before, where the record changes it.
        source_key: The record's key at its source, such as `EPIC06/12//3`.
        source_updated_on: When the source changed it, or its revision, as the source says it.
        consent: What the record says about the person's consent (`subscribed`, `unsubscribed`, `complaint`,
            `cleaned`). A decision with one is kept by retention as a proof.
        changes: What was written: field → (before, after).
        targets: Which row was written, such as `CustCnt EPIC06/12//3` or `list 1a2b3c`.
        request_id: The vendor's own id of the call.
        duration_ms: How long the call took.
        dead_letter: The complete record, to be replayed once its cause is fixed.
        payload: The complete request; stored only where the trail is opened with `keep_payloads`.
        statement: The vendor's own words about the person's consent, and how they came: `told_by`,
            `received_at`, and what else there is, by name. Stored with `payload`, except in a dry run.
        refers_to: The entry that an administrative entry is about, by its digest. For this package's own use.
        parts: One decision for each row written on behalf of this record. Where a part has no `subject`,
            `former_subject`, `source_key`, `source_updated_on` or `event_id`, it has this one's.

    Raises:
        ValueError: If a part has parts or a dead letter of its own.
    """

    stream: str
    action: Action
    reason: str
    detail: str = ""
    subject: str | None = None
    former_subject: str | None = None
    source_key: str | None = None
    source_updated_on: str | None = None
    event_id: str | None = None
    consent: str | None = None
    changes: Mapping[str, Change] | None = None
    targets: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    duration_ms: float | None = None
    dead_letter: Mapping[str, Any] | None = None
    payload: Mapping[str, Any] | None = None
    statement: Mapping[str, Any] | None = None
    refers_to: str | None = None
    parts: Sequence[Decision] = ()

    def __post_init__(self) -> None:
        """Check that the parts are only parts."""
        if self.parts and any(part.parts or part.dead_letter is not None for part in self.parts):
            message = (
                "A part of a decision has no parts and no dead letter of its own: put them on the decision."
            )
            raise ValueError(message)
