"""Carries out writes: in batches where it can, in single calls where it must."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from kinetic_mailchimp.mailchimp import PERSON_LEFT, MailchimpClient, Refusal, RefusedError

from target_mailchimp.rules.plan import Write
from target_mailchimp.writing.acceptance import without_refused
from target_mailchimp.writing.bodies import batch_item
from target_mailchimp.writing.isolation import FEW_ATTEMPTS, MAY_BE_ABOUT_ONE, Isolation
from target_mailchimp.writing.single_calls import SingleCalls
from target_mailchimp.writing.write_result import WriteResult, nothing_left, refused, succeeded


class Writer(Protocol):
    """Carries out writes to one audience."""

    def write_batch(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Write members in one call, and in more calls what that one could not carry."""

    def write_single(self, write: Write) -> WriteResult:
        """Write one member in calls of its own."""


class MailchimpWriter:
    """Writes to Mailchimp. Shared by threads.

    Args:
        skip_merge_validation: Whether members may lack the merge fields that the audience requires.
    """

    def __init__(
        self, client: MailchimpClient, *, skip_merge_validation: bool, keep_payloads: bool = False
    ) -> None:
        self._client = client
        self._skip = skip_merge_validation
        self._isolation = Isolation(client)
        self._single = SingleCalls(
            client,
            self._isolation,
            skip_merge_validation=skip_merge_validation,
            keep_payloads=keep_payloads,
        )
        self._is_full = False
        """True once the account had no room for a single contact: then a batch of new ones is not halved."""

    def write_batch(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Write up to 500 members of one audience; each address comes once."""
        results: list[WriteResult] = []
        pending = list(writes)
        while pending:
            # Each round takes a refused field out of each member that is repeated, so the rounds end.
            repeated: list[Write] = []
            for result in self._upsert(pending):
                smaller = without_refused(result.write, result.error)
                if smaller is None:
                    results.append(self._follow_up(result))
                elif smaller.is_empty:
                    results.append(nothing_left(smaller, result.call))
                else:
                    repeated.append(smaller)
            pending = repeated
        return results

    def write_single(self, write: Write) -> WriteResult:
        """Write one member with PUT, PATCH or DELETE."""
        return self._single.write(write)

    def _upsert(self, writes: Sequence[Write]) -> list[WriteResult]:
        """One call for writes that agree about tags; halved when Mailchimp refuses it as a whole."""
        results = []
        for replaces in (False, True):
            group = [write for write in writes if write.replaces_tags is replaces]
            if group:
                results += self._upsert_group(group, replaces_tags=replaces)
        return results

    def _upsert_group(self, writes: Sequence[Write], *, replaces_tags: bool) -> list[WriteResult]:
        """Write members in one call; in smaller ones where it is refused, or fails, as a whole."""
        results: list[WriteResult] = []
        groups = deque([writes])
        attempts, is_whole = None, True
        while groups:
            group = groups.popleft()
            list_id = group[0].audience.id
            try:
                results += self._call(group, replaces_tags=replaces_tags, attempts=attempts)
            except MAY_BE_ABOUT_ONE as error:
                if is_whole and isinstance(error, DataError):
                    self._isolation.require_own_words(error, list_id)
                is_whole = False
                smaller = self._smaller(group, error)
                if not smaller:
                    blamed = self._isolation.blame(error, list_id)
                    results += [
                        refused(write, blamed, sent=self._single.kept(batch_item(write))) for write in group
                    ]
                    continue
                if not isinstance(error, DataError):
                    self._isolation.require_answers(error, list_id)
                    attempts = FEW_ATTEMPTS
                groups.extendleft(reversed(smaller))
        return results

    def _smaller(self, group: Sequence[Write], error: ConnectorError) -> list[Sequence[Write]]:
        """The groups to try after a refusal of all of one; none where it holds for each of its members.

        An account without room for new contacts refuses a batch for them, and still takes updates.
        """
        if isinstance(error, RefusedError) and error.reason is Refusal.CONTACT_LIMIT:
            members = [write for write in group if write.state]
            new = [write for write in group if not write.state]
            if members and new:
                return [members, new]
            self._is_full = self._is_full or len(group) == 1
            if self._is_full:
                return []
        middle = len(group) // 2
        return [group[:middle], group[middle:]] if middle else []

    def _call(
        self, writes: Sequence[Write], *, replaces_tags: bool, attempts: int | None
    ) -> list[WriteResult]:
        items = [batch_item(write) for write in writes]
        answer = self._client.upsert_members(
            writes[0].audience.id,
            items,
            sync_tags=replaces_tags,
            skip_merge_validation=self._skip,
            max_attempts=attempts,
        )
        results = []
        for write, item in zip(writes, items, strict=True):
            of_item, sent = answer.items[write.record.member], self._single.kept(item)
            if of_item.error:
                results.append(refused(write, of_item.error, call=answer.call, sent=sent))
            else:
                created = of_item.outcome == "created"
                results.append(
                    succeeded(write, created=created, member=of_item.member, call=answer.call, sent=sent)
                )
        known = next((result for result in results if result.written), None)
        if known:
            self._isolation.note(known)
        return results

    def _follow_up(self, result: WriteResult) -> WriteResult:
        write = result.write
        if result.action is Action.CREATED and write.state is not None:
            return self._single.rearchive(result)
        if result.reason in PERSON_LEFT and write.values:
            return self._single.write_fields(result)
        return self._single.follow_up(result)


class DryRunWriter:
    """Writes nothing, and says what would be done."""

    def write_batch(self, writes: Sequence[Write]) -> list[WriteResult]:
        """The results that are to be expected."""
        return [self.write_single(write) for write in writes]

    def write_single(self, write: Write) -> WriteResult:
        """The result that is to be expected."""
        status = "unsubscribed" if write.lower else write.new_status if write.state is None else ""
        return succeeded(write, created=write.state is None, member={"status": status} if status else {})
