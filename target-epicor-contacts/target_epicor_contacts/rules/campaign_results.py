"""Decides which columns show what became of the campaigns of a person. Nothing here reads or writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from target_epicor_contacts.contract.campaign_result import CampaignResult
from target_epicor_contacts.rules.address_change import resolve
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.plan import BatchPlan, finish
from target_epicor_contacts.rules.row_owner import SHARED_ADDRESS
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.result_history import LAST_CAMPAIGN, ResultHistory

_OF_SEVERAL = frozenset({MatchKind.SHARED_FIELD, MatchKind.OTHER_SPELLING})


def plan_results(
    results: Sequence[CampaignResult],
    working: WorkingCopy,
    histories: dict[str, ResultHistory],
    columns: Mapping[str, str],
) -> BatchPlan:
    """Apply results to copies of rows.

    Args:
        results: In the order of arrival.
        working: The rows, and the states of their people.
        histories: By person; the results are added to them.
        columns: The setting `result_columns`.
    """
    events = []
    for number, result in enumerate(results):
        update = result.update
        event = EventPlan(update, resolve(update.key, update.event_time, working.states), number)
        matches = matches_of(event, working)
        event.matched = tuple(matches)
        history = histories.get(event.person, ResultHistory()).with_result(result)
        histories[event.person] = history
        # Where a row has several addresses or spellings, each would replace the other's numbers.
        own = [row_id for row_id, kind in matches.items() if kind not in _OF_SEVERAL]
        if columns and matches and not own:
            event.withheld = dict.fromkeys(columns.values(), SHARED_ADDRESS)
        for row_id in own:
            _show(working, event, row_id, history, columns)
        events.append(event)
    return finish(working, events)


def matches_of(event: EventPlan, working: WorkingCopy) -> dict[str, MatchKind]:
    """The rows of the person of a result, who may have left some behind under the old address.

    Args:
        event: The plan of the result.
        working: The rows.
    """
    return {**working.match(event.update.key), **working.match(event.person)}


def _show(
    working: WorkingCopy, event: EventPlan, row_id: str, history: ResultHistory, columns: Mapping[str, str]
) -> None:
    """Set the columns of a row to what a history comes to."""
    entity = working.rows[row_id].entity
    for name, value in history.values.items():
        column = columns.get(name, "")
        # A title is as long as its writer liked.
        shown = working.rules.columns.cut(entity, column, str(value)) if name == LAST_CAMPAIGN else value
        working.coerce_and_write(event, row_id, column, shown)
