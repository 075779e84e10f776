"""Applies an event to the column of its audience: the newest status in it, on every row of the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from target_epicor_contacts.contract.contact_update import ContactUpdate, Status
from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.rules.consent import ADDRESS_CORRECTED, WEAKER_THAN_COMPLAINT, may_clear_flag
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.policy import OPT_OUTS
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import AudienceSeen

_GROUP = "audience_status"


def apply_audience_status(working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind]) -> None:
    """Bring the column of the event's audience to the newest status there; any event of it heals new rows."""
    list_id = event.update.list_id or ""
    column = working.rules.audience_columns.get(list_id)
    if column is None:
        return
    state = working.state(event.person)
    seen = state.audiences.get(list_id)
    if event.update.status and event.ignored != ADDRESS_CORRECTED:
        newest = _newest(event.update, event.update.status, seen)
        if newest is None:
            event.superseded.setdefault(_GROUP, "newer_event")
        seen = newest or seen
    if seen is None:
        return
    for row_id, kind in matches.items():
        seen = _write(working, event, row_id, kind, column, seen)
    working.states[event.person] = replace(state, audiences={**state.audiences, list_id: seen})


def _newest(update: ContactUpdate, status: Status, known: AudienceSeen | None) -> AudienceSeen | None:
    """The status after an event; None for an event that something newer or stronger is known after."""
    if known is None:
        return AudienceSeen(update.event_time, status)
    age = update.event_time.age(known.event_time)
    if age is Age.OLDER or (age is Age.SAME and status.weight < known.value.weight):
        return None
    is_weaker = known.value is Status.COMPLAINT and status in WEAKER_THAN_COMPLAINT
    return replace(known, event_time=update.event_time, value=known.value if is_weaker else status)


def _write(
    working: WorkingCopy,
    event: EventPlan,
    row_id: str,
    kind: MatchKind,
    column: str,
    seen: AudienceSeen,
) -> AudienceSeen:
    """Write a status to a row, and note whether an opt-out there is ours."""
    rules, row = working.rules, working.rows[row_id]
    edm_type = working.edm_type(row_id, column)
    if edm_type is None:
        return seen
    is_yes_or_no, is_out = edm_type == "Edm.Boolean", rules.opts_out(seen.value)
    shown = working.values(row_id).get(column)
    shows_out = bool(shown) if is_yes_or_no else shown in {rules.status_text(status) for status in OPT_OUTS}
    is_ours = row.name in seen.rows
    if not is_out and not may_clear_flag(working, event, row_id, kind):
        return seen
    if shows_out and not is_ours:
        if not is_out:
            event.flag_kept.add(row_id)
        return seen
    wanted = is_out if is_yes_or_no else rules.status_text(seen.value)
    if not working.coerce_and_write(event, row_id, column, wanted):
        return seen
    rows = seen.rows | {row.name} if is_out else seen.rows - {row.name}
    return replace(seen, rows=rows)
