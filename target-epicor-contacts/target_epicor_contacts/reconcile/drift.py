"""Turns the decision of a run about a record into that of a comparison: where both sides differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinetic_mailchimp.audit import Action, Decision, Drift
from msgspec.structs import replace

from target_epicor_contacts.epicor.entities import EMAIL, SYNC_EMAIL
from target_epicor_contacts.rules.policy import Rules

_ADVICE: Mapping[Drift, str] = {
    Drift.OPT_OUT_UNKNOWN_TO_EPICOR: (
        "If a dead letter waits, `sync-audit replay` writes it; if no run has read the opt-out yet, the next "
        "one does. Otherwise set `{flag}` there: no event comes again."
    ),
    Drift.OPT_OUT_UNKNOWN_TO_MAILCHIMP: (
        "If it holds, unsubscribe the person in Mailchimp; if not, take `{flag}` away in Epicor."
    ),
    Drift.ADDRESS_DIFFERS: "Correct the address on the side that is wrong.",
    Drift.FIELDS_DIFFER: "Correct the value on the side that is wrong.",
    Drift.ROW_MISSING: "The person's next event makes a contact; until then, make one in Epicor.",
}
"""The way out of a difference, for a person."""


def as_comparison(decision: Decision, rules: Rules) -> Decision:
    """The decision of a comparison, which does not prove consent and leaves nothing to be replayed."""
    compared = replace(decision, consent=None, dead_letter=None)
    parts = [_part(part, rules) for part in decision.parts]
    kind = _first_of({Drift(part.reason) for part in parts})
    if kind is None and decision.action is Action.CREATED:
        kind = Drift.ROW_MISSING
    if kind is None:
        # A value that its column cannot take cannot be compared.
        if decision.reason == "invalid_value":
            return replace(compared, action=Action.SKIPPED)
        return compared
    rows = ", ".join(part.targets for part in parts if part.targets)
    sentences = [kind.sentence, f"{rows}." if rows else "", _ADVICE[kind].format(flag=rules.flag_column)]
    if decision.action is Action.FAILED:
        sentences.append(decision.detail)
    return replace(
        compared,
        action=Action.DRIFTED,
        reason=kind.value,
        detail=" ".join(sentence for sentence in sentences if sentence),
        parts=parts,
    )


def _part(part: Decision, rules: Rules) -> Decision:
    # The flag that keeps the address from being carried on is part of a move, and not of Mailchimp's record.
    changes = {name: change for name, change in (part.changes or {}).items() if name != SYNC_EMAIL}
    kind = _kind({name: after for name, (_, after) in changes.items()}, rules)
    return replace(part, action=Action.DRIFTED, reason=kind.value, detail=kind.sentence, changes=changes)


def _kind(wanted: Mapping[str, Any], rules: Rules) -> Drift:
    """The kind of difference between a row and Mailchimp."""
    if rules.flag_column in wanted:
        is_out = wanted[rules.flag_column] == rules.flag_value
        return Drift.OPT_OUT_UNKNOWN_TO_EPICOR if is_out else Drift.OPT_OUT_UNKNOWN_TO_MAILCHIMP
    return Drift.ADDRESS_DIFFERS if EMAIL in wanted else Drift.FIELDS_DIFFER


def _first_of(kinds: set[Drift]) -> Drift | None:
    """The most important one, in the order of the table."""
    return next((kind for kind in _ADVICE if kind in kinds), None)
