"""Takes purchases, and lets members know what they bought once all records of a run are written."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Run
from kinetic_mailchimp.audit.state.ledger import LedgerDraft
from kinetic_mailchimp.audit.state.member_state import GONE, MemberState
from kinetic_mailchimp.kit.errors import ConnectorError

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.directory import AudienceDirectory
from target_mailchimp.audit import decisions as report
from target_mailchimp.contract.member_record import InvalidRecord
from target_mailchimp.contract.purchase_record import Purchase, read_purchase
from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.planning.purchases import PurchaseLedger
from target_mailchimp.rules.plan import Write
from target_mailchimp.rules.purchases import Sum, purchase_write
from target_mailchimp.settings import LoadSettings

_MOST_AT_ONCE: Final = 2_000
"""Members whose sums are in memory, each with its state before and after: 10 KiB."""


class PurchaseBook:
    """Stores purchases in the ledger, and writes their sums with a loader.

    Args:
        today: Returns the present day, in UTC.
    """

    def __init__(
        self,
        settings: LoadSettings,
        directory: AudienceDirectory,
        loader: Loader,
        trail: AuditTrail,
        run: Run,
        today: Callable[[], date],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._loader = loader
        self._trail = trail
        self._run = run
        self._today = today
        self._taken: list[Purchase | InvalidRecord] = []

    def take(self, stream: str, record: Mapping[str, Any]) -> None:
        """Take a record of a purchase.

        Args:
            stream: The stream of the record.
            record: As the tap or mapper wrote it.

        Raises:
            ConnectorError: The run cannot go on.
        """
        self._run.read()
        self._taken.append(read_purchase(stream, record))
        if len(self._taken) >= self._settings.batch_size:
            self.flush()

    def flush(self) -> None:
        """Store everything that was taken; it is durable when this returns.

        Raises:
            ConnectorError: The database did not take it.
        """
        by_audience: dict[str, list[Purchase]] = defaultdict(list)
        keep = self._settings.on_invalid == "dead_letter"
        invalid = [entry for entry in self._taken if isinstance(entry, InvalidRecord)]
        if invalid:
            self._run.record([report.of_invalid(entry, keep=keep) for entry in invalid])
        unfed: list[Decision] = []
        if self._settings.sums_purchases:
            for entry in self._taken:
                if isinstance(entry, Purchase):
                    fed = self._settings.audiences_fed(entry.stream, entry.key)
                    self._run.read(max(len(fed) - 1, 0))
                    unfed += () if fed else (report.of_unfed(entry.stream, entry.key),)
                    for named in fed:
                        by_audience[named].append(entry)
        else:
            self._run.record(_ignored(entry) for entry in self._taken if isinstance(entry, Purchase))
        if unfed:
            self._run.record(unfed)
        for named, purchases in by_audience.items():
            ledger = PurchaseLedger(self._trail, self._directory.get(named).id)
            changes, is_new = ledger.changes(purchases)
            self._loader.record(map(_stored, purchases, is_new), changes)
        self._taken = []

    def abandon(self, error: BaseException) -> None:
        """Record what was taken and not stored as failed; the state does not pass it: it comes again."""
        with contextlib.suppress(ConnectorError):
            self._run.record(
                Decision(
                    stream=entry.stream,
                    action=Action.FAILED,
                    reason="run_ended",
                    detail=f"The run ended before: {type(error).__name__}.",
                    source_key=entry.key if isinstance(entry, Purchase) else entry.source_key,
                )
                for entry in self._taken
            )
        self._taken = []

    def tell_members(self) -> None:
        """Write the sums that changed, by a purchase or by time; each is a decision of its own.

        A run that is limited leaves them to the next one that is not: no plan has them.

        Raises:
            ConnectorError: The run cannot go on.
        """
        if not self._settings.sums_purchases or self._settings.reconcile or self._settings.is_limited:
            return
        self.flush()
        self._loader.flush()
        today = self._today()
        size = min(self._settings.batch_size * self._settings.concurrency, _MOST_AT_ONCE)
        for audience in self._loader.own_audiences():
            ledger = PurchaseLedger(self._trail, audience.id)
            self._begin_again(audience, ledger)
            due = ledger.due(today)
            while page := dict(itertools.islice(due, size)):
                self._tell(audience, ledger, page, today)

    def _begin_again(self, audience: Audience, ledger: PurchaseLedger) -> None:
        """Have every sum made again where it is told in another way than before, or in other merge fields."""
        settings = self._settings
        told_in = {
            "fields": {
                name: [tag, field.merge_id if (field := audience.fields.get(tag)) else None]
                for name, tag in settings.purchase_fields.items()
            },
            "tag": settings.purchase_tag,
            "lapsed": dict(settings.lapsed_tags),
        }
        before = ledger.told_in
        if settings.dry_run or told_in == before:
            return
        for changes in ledger.all_due() if before else ():  # else none was told yet, and all are due anyhow
            self._run.record([], ledger=changes)
        self._run.record([], ledger=ledger.with_told_in(told_in))

    def _tell(self, audience: Audience, ledger: PurchaseLedger, page: Mapping[str, str], today: date) -> None:
        """Write what is new of the members behind rows."""
        membership = self._loader.open(audience)
        member_of = membership.member_of(page.values())
        states = membership.states(member_of.values())
        source_of = {member: row for row, member in member_of.items()}
        settings = self._settings
        months = [int(number) for number in settings.lapsed_tags]
        row_of = {row: member for member, state in states.items() for row in state.rows}
        sums = {member: Sum(today) for member in states}
        for row, purchases in ledger.bought(row_of):
            for bought in purchases:
                sums[row_of[row]].add(bought)
        monthly = "months" in settings.purchase_fields
        summaries = {member: total.summary(months, monthly=monthly) for member, total in sums.items()}
        writes: list[Write] = []
        seen: dict[str, MemberState] = {}
        later: dict[str, date] = {}

        def write_of(member: str, state: MemberState) -> Write:
            return purchase_write(source_of[member], member, state, summaries[member], audience, settings)

        for member, state in states.items():
            summary, source, write = summaries[member], source_of[member], write_of(member, state)
            if summary.changes_on:
                later[source] = summary.changes_on
            if state.status == GONE or (not write.is_empty and membership.is_archived(member)):
                # They may come back, and no record tells of it.
                later[source] = today + timedelta(days=1)
                continue
            if not write.is_empty:
                writes.append(write)
            elif write.merged != state:
                seen[member] = write.merged
        self._loader.write_now(audience, writes)
        written = membership.states(write.record.member for write in writes)
        failed = [source_of[one] for one, state in written.items() if not write_of(one, state).is_empty]
        changes: LedgerDraft = {
            membership.members_namespace: {**seen},
            **ledger.next_due(page, later, again=() if settings.dry_run else failed),
        }
        self._loader.record([], changes)


def _stored(purchase: Purchase, is_new: bool) -> Decision:  # noqa: FBT001 (zipped with its purchase)
    return Decision(
        stream=purchase.stream,
        action=Action.MERGED if is_new else Action.UNCHANGED,
        reason="counted_in_purchases" if is_new else "no_field_differs",
        detail="It counts in what its customer bought." if is_new else "",
        source_key=purchase.key,
    )


def _ignored(purchase: Purchase) -> Decision:
    return Decision(
        stream=purchase.stream,
        action=Action.IGNORED,
        reason="purchases_not_summed",
        detail="None of `purchase_fields`, `purchase_tag` and `lapsed_tags` is set.",
        source_key=purchase.key,
    )
