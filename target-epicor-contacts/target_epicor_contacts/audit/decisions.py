"""Says in the audit trail what became of each event: one decision per record, one part per row written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kinetic_mailchimp.audit import Action, Decision
from kinetic_mailchimp.kit.http_call import HttpCall

from target_epicor_contacts.audit.batch_result import Written
from target_epicor_contacts.contract.contact_update import ContactUpdate, InvalidUpdateError, parse_update
from target_epicor_contacts.epicor.entities import EMAIL
from target_epicor_contacts.rules.event_plan import Change, Outcome
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import OnInvalid, Unmatched

RUN_ABORTED = "run_aborted"
FOUND_WRITTEN = "No usable answer came; a look found it written."


def decide(outcome: Outcome, written: Written, rules: Rules, unmatched: Unmatched) -> Decision:
    """The decision about one event."""
    found = _Verdict(outcome, written, rules)
    action, reason, detail, call, payload = found.verdict(unmatched)
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
        dead_letter=update.record if keep else None,
        payload=payload,
        parts=found.parts(),
        **(call.facts() if call else {}),
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


class _Told(NamedTuple):
    action: Action
    reason: str
    detail: str
    call: HttpCall | None = None
    payload: Mapping[str, Any] | None = None


class _Verdict:
    """The facts about one event, and what follows from them: the first that fits."""

    def __init__(self, outcome: Outcome, written: Written, rules: Rules) -> None:
        self._outcome = outcome
        self._written = written
        self._rules = rules
        self._creation = written.creation_for(outcome)
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
        written = (
            self._part(row_id, changes, refused)
            for row_id, changes in of_row.items()
            for refused in (False, True)
            if any((change in self._refusals) is refused for change in changes)
        )
        return (*self._made(), *written)

    def _made(self) -> Iterator[Decision]:
        """The part about the row that was made for this event."""
        made = self._creation
        if made is None or made.row is None or made.carried is None:
            return
        call, sent = made.carried.call, made.carried.sent
        yield Decision(
            stream=self._outcome.update.stream,
            action=Action.CREATED,
            reason="no_row",
            detail=FOUND_WRITTEN if call.failed else "",
            changes={column: (None, value) for column, value in sent.items()},
            targets=_target(made.row.id),
            payload=sent,
            **call.facts(),
        )

    def _failure(self) -> _Told | None:
        outcome, written = self._outcome, self._written
        if outcome.error:
            return _Told(Action.FAILED, "invalid_value", str(outcome.error))
        if written.is_open(outcome):
            return _Told(Action.FAILED, RUN_ABORTED, str(written.fatal or ""), self._fatal_call())
        creation = written.creations.get(outcome.update.key)
        if not outcome.matched and creation and creation.refused:
            detail, sent = f"No contact could be made: {creation.refused}", creation.carried
            payload = sent.sent if sent else None
            return _Told(Action.FAILED, "refused_by_epicor", detail, creation.call, payload)
        if self._refusals:
            change, refusal = next(iter(self._refusals.items()))
            detail = f"{change.row_id}: {refusal.error}"
            return _Told(Action.FAILED, refusal.reason, detail, written.call(change))
        event_id = outcome.update.moment.event_id
        for row_id in outcome.matched:
            if error := written.evidence.get((row_id, event_id)):
                return _Told(
                    Action.FAILED, "evidence_failed", f"{row_id}: {error}", HttpCall.of_failure(error)
                )
        return None

    def _fatal_call(self) -> HttpCall | None:
        """The call of its own that failed, or the error that ended the run for all."""
        calls = (self._written.call(change) for change in self._outcome.changes)
        if own := next((call for call in calls if call and call.failed), None):
            return own
        return HttpCall.of_failure(self._written.fatal) if self._written.fatal else None

    def _success(self) -> _Told | None:
        status = self._outcome.update.status
        if self._written.created.intersection(self._outcome.matched):
            detail = "A contact was made for a person who had none."
            call = self._creation.call if self._creation else self._only_call()
            return _Told(Action.CREATED, "no_row", detail, call)
        if not self._stored:
            return None
        call = self._only_call()
        rows = len({change.row_id for change in self._stored})
        written = f"{rows} row{'s' if rows > 1 else ''} written."
        detail = self._notes(written)
        columns = {change.column: change.after for change in self._stored}
        if EMAIL in columns:
            return _Told(Action.MOVED, "address_changed", detail, call)
        if columns.get(self._rules.flag_column) is self._rules.flag_value:
            detail = self._notes(f"{written} {_cause(self._outcome.update)}".rstrip())
            return _Told(Action.FLAGGED, status.value if status else "pending_status", detail, call)
        if self._rules.flag_column in columns:
            return _Told(Action.CLEARED, "subscribed_again", detail, call)
        return _Told(Action.UPDATED, "fields_differ", detail, call)

    def _only_call(self) -> HttpCall | None:
        """The call that wrote the event, where it wrote one row; of several, each part has its own."""
        rows = {change.row_id for change in self._outcome.changes}
        return self._written.call(self._stored[0]) if len(rows) == 1 and self._stored else None

    def _nothing_written(self, unmatched: Unmatched) -> _Told:
        outcome = self._outcome
        rows = [row_id for row_id in outcome.matched if not self._written.is_gone(row_id)]
        if not rows and not outcome.superseded:
            reason = "row_gone" if outcome.matched else "no_row"
            action = {"ignore": Action.IGNORED, "create": Action.CREATED}.get(unmatched, Action.UNMATCHED)
            return _Told(action, reason, "No row in Epicor has this address.")
        table = (
            (outcome.overtaken, Action.SUPERSEDED, "newer_event_in_batch"),
            (outcome.superseded, Action.SUPERSEDED, next(iter(outcome.superseded.values()), "")),
            (outcome.flag_kept, Action.REFUSED, "flag_set_by_others"),
            (outcome.refused, Action.REFUSED, "would_clear"),
            (outcome.kept, Action.SKIPPED, "epicor_value_kept"),
            (True, Action.UNCHANGED, "already_so"),
        )
        action, reason = next((action, reason) for fits, action, reason in table if fits)
        return _Told(action, reason, self._notes(""))

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
        carried = [carried for change in mine if (carried := self._written.carried(change))]
        if refused and refusal:
            action, reason, detail = Action.FAILED, refusal.reason, str(refusal.error)
        elif result and result.fatal:
            action, reason, detail = Action.FAILED, RUN_ABORTED, str(result.fatal)
        elif result and result.gone:
            action, reason, detail = Action.UNMATCHED, "row_gone", ""
        else:
            detail = FOUND_WRITTEN if carried and carried[0].call.failed else ""
            action, reason = Action.UPDATED, "written"
        return Decision(
            stream=self._outcome.update.stream,
            action=action,
            reason=reason,
            detail=detail,
            changes={change.column: (change.before, change.after) for change in mine},
            targets=_target(row_id),
            payload={name: value for each in carried for name, value in each.sent.items()} or None,
            **(carried[0].call.facts() if carried else {}),
        )


def _target(row_id: str) -> str:
    company, entity, key = row_id.split("/", 2)
    return f"{entity} {company}/{key}"


def _cause(update: ContactUpdate) -> str:
    """How somebody opted out and by which campaign, where the event says so."""
    how = f"Mailchimp's reason: {update.reason}" if update.reason else ""
    by = f"campaign {update.campaign_id}" if update.campaign_id else ""
    told = "; ".join(text for text in (how, by) if text)
    return f"{told[0].upper()}{told[1:]}." if told else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
