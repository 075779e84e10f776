"""Result of the writes of a batch, and of one event among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from kinetic_mailchimp.kit.http.call import HttpCall

from target_epicor_contacts.epicor.contact_creator import NewContact
from target_epicor_contacts.epicor.row_write import RowWrite
from target_epicor_contacts.rules.event_plan import EventPlan, PlannedChange


@dataclass(frozen=True)
class BatchResult:
    """Result of the writes of a batch.

    Attributes:
        writes: By row id; a row that needed nothing is missing.
        new_contacts: By address of a person without a row.
        evidence: The evidence that failed, by row id and event id.
        fatal: The error that ends the run.
        untried: Whether the run ended before anything was written.
        comes_again: Whether records without a decision are read again, because the state has not moved. Not
            so in a replay: there each stays a dead letter.
    """

    writes: Mapping[str, RowWrite] = field(default_factory=dict)
    new_contacts: Mapping[str, NewContact] = field(default_factory=dict)
    evidence: Mapping[tuple[str, str], ConnectorError] = field(default_factory=dict)
    fatal: ConnectorError | None = None
    untried: bool = False
    comes_again: bool = True


class EventResult:
    """Result of one event.

    Attributes:
        refused: The changes that were not stored, and why.
        stored: The changes that were.
        rows: Ids of the rows of the person that still exist.
        new_contact: The contact that was created for this event.
    """

    def __init__(self, event: EventPlan, batch: BatchResult) -> None:
        self.event = event
        self.update = event.update
        self.batch = batch
        self.refused: dict[PlannedChange, DataError] = {}
        self.stored: list[PlannedChange] = []
        for change in event.changes:
            write = batch.writes.get(change.row_id)
            if write and (error := write.refused.get(change.column)):
                self.refused[change] = error
            elif not (write and write.gone):
                self.stored.append(change)
        self.rows = [
            row_id for row_id in event.matched if not ((write := batch.writes.get(row_id)) and write.gone)
        ]
        created = batch.new_contacts.get(self.update.key)
        self.new_contact = created if created and created.update is self.update else None

    @property
    def is_open(self) -> bool:
        """True if it is not known, or not decided, that all of the event was written."""
        return (
            self.batch.untried
            or any(
                (write := self.batch.writes.get(change.row_id)) and write.fatal
                for change in self.event.changes
            )
            or any(not isinstance(error, DataError) for _, error in self.failed_evidence)
        )

    @property
    def failed_evidence(self) -> list[tuple[str, ConnectorError]]:
        """Row id and error of the evidence that failed."""
        event_id = self.update.event_time.event_id
        return [
            (row_id, error)
            for row_id in self.event.matched
            if (error := self.batch.evidence.get((row_id, event_id)))
        ]

    @property
    def has_new_row(self) -> bool:
        """True if a contact that was created is among the person's rows."""
        created = (contact.row.id for contact in self.batch.new_contacts.values() if contact.row)
        return not set(self.event.matched).isdisjoint(created)

    @property
    def only_call(self) -> HttpCall | None:
        """The call that wrote the event, where it wrote one row; of several, each part has its own."""
        rows = {change.row_id for change in self.event.changes}
        return self.call_of(self.stored[0]) if len(rows) == 1 and self.stored else None

    @property
    def fatal_call(self) -> HttpCall | None:
        """The call of its own that failed, or the error that ended the run for all."""
        calls = (self.call_of(change) for change in self.event.changes)
        if own := next((call for call in calls if call and call.failed), None):
            return own
        return HttpCall.of_failure(self.batch.fatal) if self.batch.fatal else None

    def call_of(self, change: PlannedChange) -> HttpCall | None:
        """The end of the call that carried a change; None where it was not tried."""
        write = self.batch.writes.get(change.row_id)
        return write.calls.get(change.column) if write else None
