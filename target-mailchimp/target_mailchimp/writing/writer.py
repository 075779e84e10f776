"""Carries out writes: in batches where it can, in single calls where it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.mailchimp import MailchimpClient, Refusal, RefusedError

from target_mailchimp.rules.plan import Write
from target_mailchimp.writing.acceptance import without_refused
from target_mailchimp.writing.bodies import batch_item
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
        client: The account.
        skip_merge_validation: Whether members may lack the merge fields that the audience requires.
        keep_payloads: Whether results keep what was sent.
    """

    def __init__(
        self, client: MailchimpClient, *, skip_merge_validation: bool, keep_payloads: bool = False
    ) -> None:
        self._client = client
        self._skip = skip_merge_validation
        self._single = SingleCalls(
            client, skip_merge_validation=skip_merge_validation, keep_payloads=keep_payloads
        )

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
        items = [batch_item(write) for write in writes]
        try:
            answer = self._client.upsert_members(
                writes[0].audience.id,
                items,
                sync_tags=replaces_tags,
                skip_merge_validation=self._skip,
            )
        except RefusedError as error:
            if len(writes) == 1:
                return [refused(writes[0], error, sent=self._single.kept(items[0]))]
            middle = len(writes) // 2
            return [
                *self._upsert_group(writes[:middle], replaces_tags=replaces_tags),
                *self._upsert_group(writes[middle:], replaces_tags=replaces_tags),
            ]
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
        return results

    def _follow_up(self, result: WriteResult) -> WriteResult:
        write = result.write
        if result.action is Action.CREATED and write.state is not None:
            return self._single.rearchive(write)
        if result.reason == Refusal.COMPLIANCE_STATE.value and write.values and write.state is not None:
            # The fields may still be written, as long as the call says nothing about the status.
            fields_alone = self._single.write(replace(write, lower=False))
            return fields_alone if fields_alone.written else result
        return self._single.follow_up(result)


class DryRunWriter:
    """Writes nothing, and says what would be done."""

    def write_batch(self, writes: Sequence[Write]) -> list[WriteResult]:
        """The results that are to be expected."""
        return [self.write_single(write) for write in writes]

    def write_single(self, write: Write) -> WriteResult:
        """The result that is to be expected."""
        return succeeded(write, created=write.state is None, member={})
