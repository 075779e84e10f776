"""Sums up what a member bought, and decides which fields and tags tell of it: pure functions of a day."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from kinetic_mailchimp.audit.state.member_state import MemberState, RefusedValue
from msgspec.structs import replace

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.member_values import wanted_values
from target_mailchimp.audience.tags import INACTIVE, LONGEST_TAG, plan_tags
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.contract.purchase_record import Bought
from target_mailchimp.rules.plan import Write, with_tags
from target_mailchimp.rules.policy import Policy

WINDOW_MONTHS = 12
AHEAD = timedelta(days=1)
"""A purchase of tomorrow counts: somewhere it is that day already. One of a later day waits for it."""
PURCHASES = "purchases"
"""The reason of a write that tells what a member bought."""


class Summary(msgspec.Struct, frozen=True):
    """The purchases of a member in a few values, as of a day.

    Attributes:
        last_on: The day of the last purchase; None without any.
        orders: Purchases in twelve months.
        revenue: Their amounts and credits.
        months: Whole months since the last one; None without any.
        groups: Product groups of all purchases that are known.
        changes_on: The day on which this becomes another one without a purchase; None if none does.
    """

    last_on: date | None
    orders: int
    revenue: float
    months: int | None
    groups: tuple[str, ...]
    changes_on: date | None

    @property
    def values(self) -> dict[str, Any]:
        """The values that merge fields can show, by the names that `purchase_fields` has."""
        return {
            "last_on": self.last_on.isoformat() if self.last_on else "",
            "orders": self.orders,
            "revenue": self.revenue,
            "months": "" if self.months is None else self.months,
        }


class Sum:
    """Adds up the purchases of one member, one by one: a buyer of half a million is no more to remember.

    Args:
        today: The day as of which.
    """

    def __init__(self, today: date) -> None:
        self._today = today
        self._last_on: date | None = None
        self._orders = 0
        self._revenue = Decimal()
        self._groups: set[str] = set()
        self._changes_on: date | None = None

    def add(self, bought: Bought) -> None:
        """Add a purchase; a credit lowers the revenue and is none."""
        on = date.fromisoformat(bought.on)
        if on > self._today + AHEAD:
            self._change(on - AHEAD)
            return
        leaves_on = months_after(on, WINDOW_MONTHS)
        if leaves_on > self._today:
            self._orders += bought.amount >= 0
            self._revenue += Decimal(repr(bought.amount))
            self._change(leaves_on)
        if bought.amount >= 0:
            self._last_on = max(on, self._last_on or on)
            self._groups.update(bought.groups)

    def _change(self, day: date) -> None:
        self._changes_on = min(day, self._changes_on or day)

    def summary(self, thresholds: Iterable[int], *, monthly: bool) -> Summary:
        """The sums so far.

        Args:
            thresholds: Months without a purchase after which something else is said.
            monthly: Whether each month counts.
        """
        changes = [self._changes_on] if self._changes_on else []
        months = None
        if self._last_on is not None:
            months = months_between(self._last_on, self._today)
            later = [*thresholds, *([months + 1] if monthly else [])]
            days = (months_after(self._last_on, number) for number in later)
            changes += [day for day in days if day > self._today]
        return Summary(
            self._last_on,
            self._orders,
            float(round(self._revenue, 2)),
            months,
            tuple(sorted(self._groups)),
            min(changes, default=None),
        )


def months_after(day: date, months: int) -> date:
    """The day so many months later; the first of the next month where that month is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    length = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, 1) + timedelta(days=min(day.day - 1, length))


def months_between(day: date, today: date) -> int:
    """Whole months from a day until today; 0 where it is yet to come."""
    months = (today.year - day.year) * 12 + today.month - day.month - (today.day < day.day)
    return max(months, 0)


def purchase_write(
    source: str, member: str, state: MemberState, summary: Summary, audience: Audience, settings: Policy
) -> Write:
    """The write that tells what a member bought; its `is_empty` says that nothing is new.

    Args:
        source: A source row of the member.
        member: The subscriber hash.
        state: The member.
        summary: What was bought under all of its rows.
        audience: Where it is.
        settings: The user's choices.
    """
    stream, _, key = source.partition("/")
    by_tag = {tag: summary.values[name] for name, tag in settings.purchase_fields.items()}
    record = MemberRecord(
        stream=stream,
        raw={"email_address": state.address, "source_key": key, **by_tag},
        address=state.address,
        member=member,
        source_key=key,
        merge_values=by_tag,
    )
    wanted = wanted_values(record, audience)
    values = {
        name: value
        for name, value in wanted.values.items()
        if (name not in state.sent or state.sent[name] != value)
        # Nobody who never bought anything gets an empty field.
        and (name in state.sent or summary.last_on is not None)
        and state.refused.get(name) != RefusedValue(value, audience.signature_of(name))
    }
    named = _tags(summary, settings)
    owner = {name: row for name, row in state.field_owner.items() if name not in wanted.values}
    merged = replace(state, purchase_tags=named, field_owner=owner)
    tags = plan_tags(
        merged.tags if merged.tags is not None or not state.purchase_tags else (),
        state.sent,
        replaces=settings.tags == "replace",
        inactive_tag=state.sent.get(INACTIVE),
        owned={*settings.owned_tags, *state.purchase_tags},
    )
    return Write(
        record,
        audience,
        state,
        with_tags(merged, tags.sent) if tags.is_empty else merged,
        values | tags.values,
        new_status="unsubscribed",
        tags=None if tags.is_empty else tags.sent,
        replaces_tags=tags.replaces and tags.batch is not None,
        tag_changes=tags.single,
        left_out=wanted.left_out,
        reason=PURCHASES,
    )


def _tags(summary: Summary, settings: Policy) -> tuple[str, ...]:
    """The tags that tell of purchases."""
    of_group = settings.purchase_tag
    tags = [of_group.replace("*", group) for group in summary.groups] if of_group else []
    lapsed: Mapping[str, str] = settings.lapsed_tags
    reached = [
        int(months) for months in lapsed if summary.months is not None and int(months) <= summary.months
    ]
    if reached:
        tags.append(lapsed[str(max(reached))])
    return tuple(tag for tag in tags if len(tag) <= LONGEST_TAG)


def fields_schema(fields: Mapping[str, str]) -> dict[str, Any]:
    """The schema of the merge fields that `purchase_fields` names, for those that an audience lacks."""
    kinds: dict[str, dict[str, Any]] = {"last_on": {"type": ["string"], "format": "date"}}
    number = {"type": ["number"]}
    return {"properties": {tag: kinds.get(name, number) for name, tag in fields.items()}}
