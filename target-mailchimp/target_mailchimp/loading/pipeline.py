"""Takes records, plans them in batches and keeps several batches in flight; what is flushed is durable."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import Decision, LedgerChanges, Run
from kinetic_mailchimp.kit.errors import ConnectorError, DataError

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.directory import AudienceDirectory, require_audience
from target_mailchimp.audit import decisions as report
from target_mailchimp.audit.quality import Quality
from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord, read_record
from target_mailchimp.loading.in_flight import InFlight
from target_mailchimp.loading.review import Review
from target_mailchimp.loading.routing import routed
from target_mailchimp.planning.batch_planner import Planner
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.trial import Trial
from target_mailchimp.rules.plan import Write
from target_mailchimp.settings import LoadSettings
from target_mailchimp.writing.write_result import WriteResult
from target_mailchimp.writing.writer import Writer

SINGLES_PER_JOB = 10


class Loader:
    """Loads records into audiences.

    Used by one thread; it starts others for calls. Nothing counts as done before `flush` returns.

    Args:
        membership_of: Opens the states of the members of an audience.
        review: Stands between the plans and the decisions.
        trial: Takes the states of a run that writes nothing, in place of the ledger.
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
        review: Review,
        trial: Trial | None = None,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._membership_of = membership_of
        self._writer = writer
        self._run = run
        self._quality = quality
        self.review = review
        self._trial = trial
        self._memberships: dict[str, Membership] = {}
        self._invalid: list[InvalidRecord] = []
        self._unfed: list[MemberRecord | InvalidRecord] = []
        self._left_out: list[MemberRecord] = []
        self._unplanned: list[MemberRecord] = []
        self._pending: dict[str, list[Write]] = {}
        self._in_flight = InFlight(settings.concurrency)
        self._streams: set[str] = set()

    def expect(self, stream: str) -> None:
        """Prepare for the records of a stream."""
        self._streams.add(stream)
        self.review.expect(stream)

    def take(self, stream: str, record: Mapping[str, Any]) -> None:
        """Take a record; batches that are full are written meanwhile.

        Args:
            stream: The stream of the record.
            record: As the tap or mapper wrote it.

        Raises:
            ConnectorError: The run cannot go on.
        """
        read = read_record(stream, record)
        entries = routed(read, self._settings)
        self._run.read(max(len(entries), 1))
        self._unfed += () if entries else (read,)
        for entry in entries:
            if isinstance(entry, InvalidRecord):
                self._invalid.append(entry)
            elif self.review.takes(entry):
                self._unplanned.append(entry)
            else:
                self._left_out.append(entry)
        waiting = (self._unplanned, self._invalid, self._unfed, self._left_out)
        if any(len(some) >= self._settings.batch_size for some in waiting):
            self._plan_all()

    def flush(self) -> None:
        """Write everything that was taken; it is durable when this returns.

        Raises:
            ConnectorError: Something was not written, or too many records failed.
        """
        self._plan_all()
        self._submit_all()
        self._in_flight.finish()
        self._settings.check_failures(self._run)

    def write_now(self, audience: Audience, writes: Sequence[Write]) -> None:
        """Write what no record asks for; each is a decision of its own, and counts as a record read.

        Args:
            audience: Where the members are.
            writes: Each about another member.

        Raises:
            ConnectorError: The run cannot go on.
        """
        self._run.read(len(writes))
        self._pending.setdefault(audience.id, []).extend(writes)
        while self._pending[audience.id]:
            self._submit(audience.id, self._settings.batch_size)
        self.flush()

    def own_audiences(self) -> list[Audience]:
        """The audiences that the settings name, and those that records named."""
        found = {list_id: self._directory.get(list_id) for list_id in self._memberships}
        settings = self._settings
        for stream in self._streams:
            if settings.fed_audiences or settings.list_id or (settings.list_id_by_stream or {}).get(stream):
                audiences = map(self._directory.get, settings.audiences_of_stream(stream))
                found |= {audience.id: audience for audience in audiences}
        return list(found.values())

    def record(self, decisions: Iterable[Decision], ledger: LedgerChanges | None = None) -> None:
        """Store decisions and states in one transaction; where nothing is written, a trial has the states.

        Args:
            decisions: About records that were read.
            ledger: The changes of the ledger that follow.
        """
        made = list(map(self.review.decision, decisions))
        if made or any((ledger or {}).values()):
            self._run.record(made, ledger=None if self._trial else ledger)
        if self._trial and ledger:
            self._trial.add(ledger)

    def abandon(self, error: BaseException) -> None:
        """Record what was taken and not written as failed; the state does not pass it: it comes again."""
        undone = itertools.chain(*self._pending.values(), self._in_flight.abandon())
        undecided = [*self._unplanned, *(write.record for write in undone)]
        self._unplanned, self._pending = [], {}
        with contextlib.suppress(ConnectorError):
            self._record_unplanned()
            why = [(record, *self.review.unwritten(record, error)) for record in undecided]
            self.record([report.of_failure(*entry, keep=False) for entry in why])

    def close(self) -> None:
        """End the threads, and forget a trial."""
        self._in_flight.close()
        self.review.close()
        if self._trial:
            self._trial.close()

    # Planning

    def _plan_all(self) -> None:
        self._record_unplanned()
        groups = self._by_audience()
        while groups:
            (audience, records), *groups = groups
            writes = self._plan(audience, records)
            self._unplanned = [record for _, later in groups for record in later]
            for write in writes:
                self._pending.setdefault(_group_of(write), []).append(write)
            for group, size in (
                (audience.id, self._settings.batch_size),
                (_single(audience), SINGLES_PER_JOB),
            ):
                while len(self._pending.get(group, ())) >= size:
                    self._submit(group, size)
        self._settings.check_failures(self._run, share=False)

    def _record_unplanned(self) -> None:
        """Record the records about which nothing is planned."""
        keep = self._settings.on_invalid == "dead_letter"
        made = [report.of_invalid(one, keep=keep) for one in self._quality.with_flags(self._invalid)]
        made += [report.of_unfed(entry.stream, entry.source_key, entry.address) for entry in self._unfed]
        for record in self._left_out:
            named = self._settings.audience_of(record.stream, record.audience)
            made.append(report.of_no_write(report.left_out(record, "not_in_only"), named))
        self.record(made, self._quality.of_invalid(self._invalid))
        self._invalid, self._unfed, self._left_out = [], [], []

    def _by_audience(self) -> list[tuple[Audience, list[MemberRecord]]]:
        """The records to plan; those that name no audience of the account fail."""
        groups: dict[str, tuple[Audience, list[MemberRecord]]] = {}
        failed: list[Decision] = []
        for record in self._unplanned:
            try:
                audience = self._audience_of(record)
            except DataError as error:
                detail = f"{error.message} {error.advice}"
                failed.append(report.of_failure(record, "no_such_audience", detail, keep=True))
            else:
                groups.setdefault(audience.id, (audience, []))[1].append(record)
        self.record(failed)
        self._unplanned = [record for _, records in groups.values() for record in records]
        return list(groups.values())

    def _audience_of(self, record: MemberRecord) -> Audience:
        named = self._settings.audience_of(record.stream, record.audience)
        return require_audience(self._directory, named) if record.audience else self._directory.get(named)

    def _plan(self, audience: Audience, records: Sequence[MemberRecord]) -> list[Write]:
        """Decide about records: decisions without a call are recorded, the writes returned."""
        membership = self.open(audience)
        planned = Planner(self._settings, audience, membership, self._wait_for).plan(records)
        self._run.read(planned.extra)
        planned = replace(planned, entries=self.review.entries(planned))
        self.record(
            itertools.chain(
                (report.of_merged(record) for record in planned.merged),
                (report.of_no_write(decided, audience.id) for decided in planned.no_writes),
            ),
            ledger=self._quality.changes_after(audience.id, membership, planned.no_writes),
        )
        return planned.writes

    def open(self, audience: Audience) -> Membership:
        """The members of an audience; what changed in Mailchimp is learned when it is first asked for."""
        if audience.id not in self._memberships:
            membership = self._membership_of(audience)
            membership.prepare(audience)
            self._memberships[audience.id] = membership
        return self._memberships[audience.id]

    def memberships_of(self, stream: str) -> Mapping[str, Membership]:
        """The members of each audience so far, and of those that a stream may go to, by the audience's id."""
        for named in self._settings.audiences_of_stream(stream):
            self.open(self._directory.get(named))
        return self._memberships

    # Writing

    def _submit_all(self) -> None:
        for group, writes in list(self._pending.items()):
            if writes:
                self._submit(group, len(writes))

    def _submit(self, group: str, size: int) -> None:
        writes = self._pending[group][:size]
        self.review.check(writes)
        self._in_flight.submit(self._carry_out, writes)
        del self._pending[group][:size]

    def _carry_out(self, writes: Sequence[Write]) -> None:
        """Write, then store the results; runs in a thread of the pool."""
        self._claim(writes)
        if writes[0].needs_single_calls:
            results: list[WriteResult] = [self._writer.write_single(write) for write in writes]
        else:
            results = self._writer.write_batch(writes)
        membership = self._memberships[list_id := writes[0].audience.id]
        membership.note_archived(member for result in results if (member := result.archived))
        self.record(
            (report.of_write_result(result) for result in results),
            ledger=self._quality.changes_after(list_id, membership, results),
        )

    def _claim(self, writes: Sequence[Write]) -> None:
        """Note what is sent: a crash before the answer is stored makes it nobody's edit or opt-out."""
        membership = self._memberships[writes[0].audience.id]
        claims = {
            write.record.member: state
            for write in writes
            if (state := write.sending(self._settings.two_way_fields)) is not None
        }
        self.record([], ledger={membership.members_namespace: claims})

    def _wait_for(self, keys: set[str]) -> None:
        """Finish the writes about these people first: two about one person would race."""
        for group, writes in list(self._pending.items()):
            if any(not keys.isdisjoint(write.touches) for write in writes):
                self._submit(group, len(writes))
        self._in_flight.finish_those_about(keys)


def _group_of(write: Write) -> str:
    return _single(write.audience) if write.needs_single_calls else write.audience.id


def _single(audience: Audience) -> str:
    return f"{audience.id}/single"
