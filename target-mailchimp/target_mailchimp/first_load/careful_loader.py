"""A loader that writes less than all: nothing, some people, or what a person has approved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from kinetic_mailchimp.audit import Decision, Run
from kinetic_mailchimp.audit.plans.approved import ApprovedPlan, BeyondPlanError
from typing_extensions import override

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.directory import AudienceDirectory
from target_mailchimp.audit import decisions as report
from target_mailchimp.audit.quality import Quality
from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord
from target_mailchimp.first_load.people import People
from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.planning.batch_planner import Planned
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.trial import Trial
from target_mailchimp.rules.plan import NoWrite, Write
from target_mailchimp.settings import LoadSettings
from target_mailchimp.writing.writer import DryRunWriter, Writer

logger = logging.getLogger(__name__)

_NOT_IN_PLAN = "not_in_plan"
_NAMED = 3


class CarefulLoader(Loader):
    """Loads records within limits.

    Args:
        plan: All that may be written; None for no limit.
    """

    def __init__(
        self,
        settings: LoadSettings,
        directory: AudienceDirectory,
        membership_of: Callable[[Audience], Membership],
        writer: Writer,
        run: Run,
        quality: Quality,
        *,
        trial: Trial | None,
        plan: ApprovedPlan | None,
    ) -> None:
        super().__init__(settings, directory, membership_of, writer, run, quality, trial=trial)
        self._people = People(settings.only, settings.first)
        self._plan_of_record = plan
        self._outside: list[MemberRecord] = []
        self._beyond: dict[str, str] = {}

    @override
    def close(self) -> None:
        super().close()
        if absent := self._people.absent:
            logger.warning("`only`: no record was about entry %s.", ", ".join(map(str, absent)))

    @override
    def _accept(self, entry: MemberRecord | InvalidRecord) -> None:
        if isinstance(entry, InvalidRecord) or self._people.names(entry):
            super()._accept(entry)
            return
        self._outside.append(entry)
        if len(self._outside) >= self._settings.batch_size:
            self._record_invalid()

    @override
    def _record_invalid(self) -> None:
        outside, self._outside = self._outside, []
        if outside:
            self.record([self._left_out(record) for record in outside])
        super()._record_invalid()

    def _left_out(self, record: MemberRecord) -> Decision:
        named = self._settings.audience_of(record.stream, record.audience)
        return report.of_no_write(report.left_out(record, "not_in_only"), named)

    @override
    def _decide(self, audience: Audience, membership: Membership, planned: Planned) -> list[Write]:
        entries = [
            entry if self._is_admitted(entry, planned) else report.left_out(entry.record, "after_the_first")
            for entry in planned.entries
        ]
        return super()._decide(audience, membership, replace(planned, entries=entries))

    def _is_admitted(self, entry: NoWrite | Write, planned: Planned) -> bool:
        member = entry.record.member
        is_member = isinstance(entry, Write) or planned.states.get(member) is not None
        return self._people.admits(member, counts=is_member)

    @override
    def _submit(self, group: str, size: int) -> None:
        if self._plan_of_record:
            self._require_planned(self._plan_of_record, self._pending[group][:size])
        super()._submit(group, size)

    def _require_planned(self, plan: ApprovedPlan, writes: Sequence[Write]) -> None:
        """Check that all of a batch is in the plan, before any of it is written.

        Raises:
            BeyondPlanError: Something is not.
        """
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
            advice=f"`sync-audit skipped {self._run.id}` shows each. Make a new plan with `dry_run`, have it "
            "approved, and name it in `approved_plan`.",
        )

    @override
    def _abandoned(self, record: MemberRecord, error: BaseException) -> Decision:
        if detail := self._beyond.get(record.member):
            return report.of_failure(record, _NOT_IN_PLAN, detail, keep=False)
        return super()._abandoned(record, error)
