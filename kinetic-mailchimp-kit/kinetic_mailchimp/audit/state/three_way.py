"""Merges a field that both sides may change: one pure function for both directions (R8)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final


class ConflictPolicy(StrEnum):
    """Side whose value stays when both changed a field since they last agreed."""

    MAILCHIMP_WINS = "mailchimp_wins"
    EPICOR_WINS = "epicor_wins"
    NEWEST_WINS = "newest_wins"


class Side(Enum):
    """The value that holds."""

    AGREE = "agree"
    EPICOR = "take_epicor"
    MAILCHIMP = "take_mailchimp"


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The value that holds.

    Attributes:
        conflict: Whether both sides had changed the field, and the policy decided.
    """

    side: Side
    conflict: bool = False


class _Unknown(Enum):
    """The type of `NO_BASELINE`."""

    UNKNOWN = "unknown"


NO_BASELINE: Final = _Unknown.UNKNOWN
"""In place of a baseline, where both sides were never seen to agree."""


def three_way(
    epicor: Any,  # noqa: ANN401 (values of fields)
    mailchimp: Any,  # noqa: ANN401 (values of fields)
    baseline: Any,  # noqa: ANN401 (values of fields)
    policy: ConflictPolicy,
    *,
    epicor_is_newer: bool = False,
    same: Callable[[Any, Any], bool] = operator.eq,
) -> MergeResult:
    """Find the side whose value holds.

    Args:
        epicor: Epicor's value.
        mailchimp: Mailchimp's, in a form that `same` can compare with Epicor's.
        baseline: The value on which both agreed last, or `NO_BASELINE`. Without one an empty value yields.
        policy: Decides a conflict, in which an empty value of Mailchimp yields.
        epicor_is_newer: Whether Epicor's value is known to have changed later: for `newest_wins`.
        same: Compares two values.
    """
    if same(epicor, mailchimp):
        return MergeResult(Side.AGREE)
    if baseline is NO_BASELINE:
        if _is_empty(epicor) or _is_empty(mailchimp):
            return MergeResult(Side.MAILCHIMP if _is_empty(epicor) else Side.EPICOR)
    elif same(epicor, baseline):
        return MergeResult(Side.MAILCHIMP)
    elif same(mailchimp, baseline):
        return MergeResult(Side.EPICOR)
    epicor_wins = (
        policy is ConflictPolicy.EPICOR_WINS
        or (policy is ConflictPolicy.NEWEST_WINS and epicor_is_newer)
        or _is_empty(mailchimp)
    )
    return MergeResult(Side.EPICOR if epicor_wins else Side.MAILCHIMP, conflict=True)


def _is_empty(value: Any) -> bool:  # noqa: ANN401 (values of fields)
    if isinstance(value, dict):
        return not any(value.values())
    return value is None or value == ""
