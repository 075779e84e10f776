"""What became of the rows of a batch, and what that means for each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from kinetic_mailchimp.kit.http_call import HttpCall

from target_epicor_contacts.epicor.calls import Carried
from target_epicor_contacts.epicor.contact_creator import Creation
from target_epicor_contacts.epicor.write_results import Refusal, RowResult
from target_epicor_contacts.rules.event_plan import Change, Outcome


@dataclass(frozen=True)
class Written:
    """What became of the rows of a batch.

    Attributes:
        results: By row id; a row that needed nothing is missing.
        evidence: What failed, by row id and event id.
        created: Ids of rows that were made for people who had none.
        creations: How they were made, or why Epicor refused, by the person's address.
        fatal: Why the run cannot go on.
        untried: Whether it ended before anything was written.
        comes_again: Whether records without a decision are read again, because the state has not moved. Not
            so in a replay: there each stays a dead letter.
    """

    results: Mapping[str, RowResult] = field(default_factory=dict)
    evidence: Mapping[tuple[str, str], ConnectorError] = field(default_factory=dict)
    created: frozenset[str] = frozenset()
    creations: Mapping[str, Creation] = field(default_factory=dict)
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

    def creation_for(self, outcome: Outcome) -> Creation | None:
        """The making of a contact on behalf of an event; None for others of the same person."""
        creation = self.creations.get(outcome.update.key)
        return creation if creation and creation.update is outcome.update else None

    def carried(self, change: Change) -> Carried | None:
        """The call that carried a change; None where it was not tried."""
        result = self.results.get(change.row_id)
        return result.carried.get(change.column) if result else None

    def call(self, change: Change) -> HttpCall | None:
        """How the call ended that carried a change; None where it was not tried."""
        carried = self.carried(change)
        return carried.call if carried else None
