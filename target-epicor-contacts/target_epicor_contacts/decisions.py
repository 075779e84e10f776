"""Says in the audit trail what became of each event: one decision per record, one part per row written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector_kit.errors import ConnectorError, DataError
from sync_audit import Action, Decision

from target_epicor_contacts.outcomes import Change, Outcome
from target_epicor_contacts.rows import EMAIL
from target_epicor_contacts.rules import Rules
from target_epicor_contacts.settings import OnInvalid, Unmatched
from target_epicor_contacts.updates import ContactUpdate, InvalidUpdateError, parse_update
from target_epicor_contacts.writing import Refusal, RowResult

RUN_ABORTED = "run_aborted"


@dataclass(frozen=True)
class Written:
    """What became of the rows of a batch.

    Attributes:
        results: By row id; a row that needed nothing is missing.
        evidence: What failed, by row id and event id.
        created: Ids of rows that were made for people who had none.
        not_made: Why Epicor refused to make one, by the person's address.
        fatal: Why the run cannot go on.
        untried: Whether it ended before anything was written.
        comes_again: Whether records without a decision are read again, because the state has not moved. Not
            so in a replay: there each stays a dead letter.
    """

    results: Mapping[str, RowResult] = field(default_factory=dict)
    evidence: Mapping[tuple[str, str], ConnectorError] = field(default_factory=dict)
    created: frozenset[str] = frozenset()
    not_made: Mapping[str, DataError] = field(default_factory=dict)
    fatal: ConnectorError | None = None
    untried: bool = False
    comes_again: bool = True

    def is_open(self, outcome: Outcome) -> bool:
        """Whether it is not known, or not decided, that all of an event was written."""
        event_id = outcome.update.moment.event_id
        return (
            self.untried
            or any(
                (result := self.results.get(change.row_id)) is not None and result.fatal
                for change in outcome.changes
            )
            or any(
                error is not None and not isinstance(error, DataError)
                for row_id in outcome.matched
                if (error := self.evidence.get((row_id, event_id)))
            )
        )

    def refusals(self, outcome: Outcome) -> dict[Change, Refusal]:
        """The changes of an event that were not stored, and why."""
        found: dict[Change, Refusal] = {}
        for change in outcome.changes:
            result = self.results.get(change.row_id)
            if result and (refusal := result.refused.get(change.column)):
                found[change] = refusal
        return found

    def is_gone(self, row_id: str) -> bool:
        """Whether a row disappeared between the look and the write."""
        result = self.results.get(row_id)
        return result is not None and result.gone


def decide(outcome: Outcome, written: Written, rules: Rules, unmatched: Unmatched) -> Decision:
    """The decision about one event."""
    found = _Verdict(outcome, written, rules)
    action, reason, detail, error = found.verdict(unmatched)
    keep = action is Action.FAILED and not (reason == RUN_ABORTED and written.comes_again)
    keep = keep or (action is Action.UNMATCHED and unmatched == "dead_letter")
    update = outcome.update
    moved = update.new_email or None
    return Decision(
        stream=update.stream,
        action=action,
        reason=reason,
        detail=detail,
        subject=moved or update.email,
        former_subject=update.email if moved else None,
        source_key=update.source_key,
        source_updated_on=update.moment.at.isoformat(),
        event_id=update.moment.event_id,
        consent=update.status.value if update.status else None,
        http_status=error.status if error else None,
        request_id=error.request_id if error else None,
        dead_letter=update.record if keep else None,
        parts=found.parts(),
    )


def sort_out(
    stream: str, records: Sequence[Mapping[str, Any]], on_invalid: OnInvalid
) -> tuple[dict[int, ContactUpdate], dict[int, Decision]]:
    """The updates of a batch, and the decisions about records that are none or ask for nothing; by place."""
    updates: dict[int, ContactUpdate] = {}
    decisions: dict[int, Decision] = {}
    for index, record in enumerate(records):
        try:
            update = parse_update(stream, record)
        except InvalidUpdateError as error:
            decisions[index] = quarantined(stream, record, error, on_invalid)
            continue
        if says_nothing(update):
            decisions[index] = ignored(update)
        else:
            updates[index] = update
    return updates, decisions


def quarantined(
    stream: str, record: Mapping[str, Any], error: InvalidUpdateError, on_invalid: OnInvalid
) -> Decision:
    """The decision about a record that is no contact update."""
    keep = on_invalid == "dead_letter"
    email, event_id = record.get("email"), record.get("event_id")
    status = record.get("contact_status")
    return Decision(
        stream=stream,
        action=Action.QUARANTINED if keep else Action.SKIPPED,
        reason=error.reason,
        detail=str(error),
        subject=email if isinstance(email, str) and email else None,
        event_id=str(event_id) if event_id else None,
        consent=status if isinstance(status, str) and status else None,
        dead_letter=record if keep else None,
    )


def says_nothing(update: ContactUpdate) -> bool:
    """Whether an event asks for nothing at all."""
    return update.status is None and update.new_email is None and not update.columns


def ignored(update: ContactUpdate) -> Decision:
    """The decision about an event that asks for nothing."""
    return Decision(
        stream=update.stream,
        action=Action.IGNORED,
        reason="nothing_to_write",
        detail="The record has no status, no new address and no column to set.",
        subject=update.email,
        source_key=update.source_key,
        source_updated_on=update.moment.at.isoformat(),
        event_id=update.moment.event_id,
    )


_Told = tuple[Action, str, str, "ConnectorError | None"]


class _Verdict:
    """The facts about one event, and what follows from them: the first that fits."""

    def __init__(self, outcome: Outcome, written: Written, rules: Rules) -> None:
        self._outcome = outcome
        self._written = written
        self._rules = rules
        self._refusals = written.refusals(outcome)
        self._stored = [
            change
            for change in outcome.changes
            if change not in self._refusals and not written.is_gone(change.row_id)
        ]

    def verdict(self, unmatched: Unmatched) -> _Told:
        return self._failure() or self._success() or self._nothing_written(unmatched)

    def parts(self) -> tuple[Decision, ...]:
        """One for each row: what was stored, or why it was not."""
        of_row: dict[str, list[Change]] = defaultdict(list)
        for change in self._outcome.changes:
            of_row[change.row_id].append(change)
        return tuple(
            self._part(row_id, changes, refused)
            for row_id, changes in of_row.items()
            for refused in (False, True)
            if any((change in self._refusals) is refused for change in changes)
        )

    def _failure(self) -> _Told | None:
        outcome, written = self._outcome, self._written
        if outcome.error:
            return Action.FAILED, "invalid_value", str(outcome.error), outcome.error
        if written.is_open(outcome):
            return Action.FAILED, RUN_ABORTED, str(written.fatal or ""), written.fatal
        if not outcome.matched and (refused := written.not_made.get(outcome.update.key)):
            return Action.FAILED, "refused_by_epicor", f"No contact could be made: {refused}", refused
        if self._refusals:
            change, refusal = next(iter(self._refusals.items()))
            return Action.FAILED, refusal.reason, f"{change.row_id}: {refusal.error}", refusal.error
        event_id = outcome.update.moment.event_id
        for row_id in outcome.matched:
            if error := written.evidence.get((row_id, event_id)):
                return Action.FAILED, "evidence_failed", f"{row_id}: {error}", error
        return None

    def _success(self) -> _Told | None:
        status = self._outcome.update.status
        if self._written.created.intersection(self._outcome.matched):
            return Action.CREATED, "no_row", "A contact was made for a person who had none.", None
        if not self._stored:
            return None
        rows = len({change.row_id for change in self._stored})
        detail = self._notes(f"{rows} row{'s' if rows > 1 else ''} written.")
        columns = {change.column: change.after for change in self._stored}
        if EMAIL in columns:
            return Action.MOVED, "address_changed", detail, None
        if columns.get(self._rules.flag_column) is self._rules.flag_value:
            return Action.FLAGGED, status.value if status else "pending_status", detail, None
        if self._rules.flag_column in columns:
            return Action.CLEARED, "subscribed_again", detail, None
        return Action.UPDATED, "fields_differ", detail, None

    def _nothing_written(self, unmatched: Unmatched) -> _Told:
        outcome = self._outcome
        rows = [row_id for row_id in outcome.matched if not self._written.is_gone(row_id)]
        if not rows and not outcome.superseded:
            reason = "row_gone" if outcome.matched else "no_row"
            action = {"ignore": Action.IGNORED, "create": Action.CREATED}.get(unmatched, Action.UNMATCHED)
            return action, reason, "No row in Epicor has this address.", None
        table = (
            (outcome.overtaken, Action.SUPERSEDED, "newer_event_in_batch"),
            (outcome.superseded, Action.SUPERSEDED, next(iter(outcome.superseded.values()), "")),
            (outcome.flag_kept, Action.REFUSED, "flag_set_by_others"),
            (outcome.refused, Action.REFUSED, "would_clear"),
            (outcome.kept, Action.SKIPPED, "epicor_value_kept"),
            (True, Action.UNCHANGED, "already_so"),
        )
        action, reason = next((action, reason) for fits, action, reason in table if fits)
        return action, reason, self._notes(""), None

    def _notes(self, first: str) -> str:
        outcome = self._outcome
        notes = [first] if first else []
        if outcome.superseded:
            notes.append(f"Something else holds already: {_listed(outcome.superseded)}.")
        if outcome.refused:
            notes.append(f"Not cleared, because `allow_clear` is off: {_listed(outcome.refused)}.")
        if outcome.kept:
            notes.append(f"Changed on both sides, Epicor's value kept: {_listed(outcome.kept)}.")
        if outcome.flag_kept:
            notes.append(f"Flag kept, set by somebody else: {_listed(outcome.flag_kept)}.")
        return " ".join(notes)

    def _part(self, row_id: str, changes: Iterable[Change], refused: bool) -> Decision:  # noqa: FBT001 (private)
        mine = [change for change in changes if (change in self._refusals) is refused]
        result = self._written.results.get(row_id)
        refusal = self._refusals.get(mine[0])
        company, entity, key = row_id.split("/", 2)
        if refused and refusal:
            action, reason, detail = Action.FAILED, refusal.reason, str(refusal.error)
        elif result and result.fatal:
            action, reason, detail = Action.FAILED, RUN_ABORTED, str(result.fatal)
        elif result and result.gone:
            action, reason, detail = Action.UNMATCHED, "row_gone", ""
        else:
            action, reason, detail = Action.UPDATED, "written", ""
        return Decision(
            stream=self._outcome.update.stream,
            action=action,
            reason=reason,
            detail=detail,
            changes={change.column: (change.before, change.after) for change in mine},
            targets=f"{entity} {company}/{key}",
            http_status=refusal.error.status if refusal else None,
            request_id=refusal.error.request_id if refusal else None,
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
