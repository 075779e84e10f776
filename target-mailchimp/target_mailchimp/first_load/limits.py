"""The limits of a run that writes less than all: to some people, or to what a person has approved."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kinetic_mailchimp.audit.plans.approved import ApprovedPlan, BeyondPlanError
from typing_extensions import override

from target_mailchimp.audit import decisions as report
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.first_load.people import People
from target_mailchimp.loading.review import Review
from target_mailchimp.planning.batch_planner import Planned
from target_mailchimp.rules.plan import NoWrite, Write
from target_mailchimp.writing.writer import DryRunWriter

logger = logging.getLogger(__name__)

_NAMED = 3


class Limits(Review):
    """Keeps a load within limits.

    Args:
        people: Those who may be written.
        plan: All that may be written; None for no limit.
        run_id: The present run, for a message.
    """

    def __init__(self, people: People, plan: ApprovedPlan | None, run_id: int) -> None:
        self._people = people
        self._plan = plan
        self._run_id = run_id
        self._beyond: dict[str, str] = {}

    @override
    def takes(self, record: MemberRecord) -> bool:
        return self._people.names(record)

    @override
    def entries(self, planned: Planned) -> Sequence[NoWrite | Write]:
        return [
            entry if self._is_admitted(entry, planned) else report.left_out(entry.record, "after_the_first")
            for entry in planned.entries
        ]

    def _is_admitted(self, entry: NoWrite | Write, planned: Planned) -> bool:
        member = entry.record.member
        is_member = isinstance(entry, Write) or planned.states.get(member) is not None
        return self._people.admits(member, counts=is_member)

    @override
    def check(self, writes: Sequence[Write]) -> None:
        """Check that all of a batch is in the plan, before any of it is written."""
        plan = self._plan
        if plan is None:
            return
        expected = DryRunWriter().write_batch(writes)
        beyond = plan.beyond([report.of_write_result(result) for result in expected])
        if not beyond:
            return
        for place, names in beyond.items():
            named = ", ".join(names)
            self._beyond[writes[place].record.member] = f"Plan {plan.number} does not have this: {named}."
        shown = [
            f"{writes[place].record.source_key or writes[place].record.stream} ({', '.join(names)})"
            for place, names in list(beyond.items())[:_NAMED]
        ]
        more = f" and {len(beyond) - _NAMED} more" if len(beyond) > _NAMED else ""
        raise BeyondPlanError(
            f"{len(beyond)} of {len(writes)} records are not as in the approved plan {plan.number}: the "
            f"source or Mailchimp has changed since. {'; '.join(shown)}{more}. None of the {len(writes)} was "
            "written, and the bookmark stays before them.",
            advice=f"`sync-audit skipped {self._run_id}` shows each. Make a new plan with `dry_run`, have it "
            "approved, and name it in `approved_plan`.",
        )

    @override
    def unwritten(self, record: MemberRecord, error: BaseException) -> tuple[str, str]:
        if beyond := self._beyond.get(record.member):
            return "not_in_plan", beyond
        return super().unwritten(record, error)

    @override
    def close(self) -> None:
        if absent := self._people.absent:
            logger.warning("`only`: no record was about entry %s.", ", ".join(map(str, absent)))
