"""Carries out writes: in batches where it can, in single calls where it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.member_state import MemberState
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, DataError, NotFoundError
from kinetic_mailchimp.kit.http_call import HttpCall, Reply
from kinetic_mailchimp.mailchimp import MailchimpClient, Refusal, RefusedError, subscriber_hash

from target_mailchimp.audience.member_values import PERMISSION, LeftOut, member_body
from target_mailchimp.rules.plan import Write
from target_mailchimp.writing.outcomes import Outcome, not_restored, refused, succeeded

MOST_ROUNDS = 3
"""How often a batch is repeated for members whose refused fields were taken out."""


class Writer(Protocol):
    """Carries out writes to one audience."""

    def write_batch(self, writes: Sequence[Write]) -> list[Outcome]:
        """Write members in one call, and what that call could not carry in more."""

    def write_single(self, write: Write) -> Outcome:
        """Write one member in calls of its own."""


class MailchimpWriter:
    """Writes to Mailchimp. Shared by threads.

    Args:
        client: The account.
        skip_merge_validation: Whether members may lack the merge fields that the audience requires.
        keep_payloads: Whether outcomes keep what was sent.
    """

    def __init__(
        self, client: MailchimpClient, *, skip_merge_validation: bool, keep_payloads: bool = False
    ) -> None:
        self._client = client
        self._skip = skip_merge_validation
        self._keep = keep_payloads

    def write_batch(self, writes: Sequence[Write]) -> list[Outcome]:
        """Write up to 500 members of one audience; each address comes once."""
        outcomes: list[Outcome] = []
        pending = list(writes)
        for _ in range(MOST_ROUNDS):
            repeated: list[Write] = []
            for outcome in self._upsert(pending):
                smaller = _without_refused_fields(outcome)
                if smaller:
                    repeated.append(smaller)
                else:
                    outcomes.append(self._followed_up(outcome))
            pending = repeated
            if not pending:
                return outcomes
        return outcomes + [self._followed_up(outcome) for outcome in self._upsert(pending)]

    def write_single(self, write: Write) -> Outcome:
        """Write one member with PUT, PATCH or DELETE."""
        try:
            if write.archive:
                return self._archive(write)
            if write.former:
                return self._move(write)
            return self._finished(self._put_or_patch(write))
        except DataError as error:
            moves = write.former and not write.archive
            outcome = refused(write, error, sent=self._kept(_move_body(write)) if moves else None)
            smaller = _without_refused_fields(outcome)
            return self.write_single(smaller) if smaller else outcome

    # Batches

    def _upsert(self, writes: Sequence[Write]) -> list[Outcome]:
        """One call for writes that agree about tags; halved when Mailchimp refuses it as a whole."""
        outcomes = []
        for replaces in (False, True):
            group = [write for write in writes if write.replaces_tags is replaces]
            if group:
                outcomes += self._upsert_group(group, replaces_tags=replaces)
        return outcomes

    def _upsert_group(self, writes: Sequence[Write], *, replaces_tags: bool) -> list[Outcome]:
        items = [_batch_item(write) for write in writes]
        try:
            result = self._client.upsert_members(
                writes[0].audience.id,
                items,
                sync_tags=replaces_tags,
                skip_merge_validation=self._skip,
            )
        except RefusedError as error:
            if len(writes) == 1:
                return [refused(writes[0], error, sent=self._kept(items[0]))]
            middle = len(writes) // 2
            return [
                *self._upsert_group(writes[:middle], replaces_tags=replaces_tags),
                *self._upsert_group(writes[middle:], replaces_tags=replaces_tags),
            ]
        outcomes = []
        for write, item in zip(writes, items, strict=True):
            came, sent = result.items[write.record.member], self._kept(item)
            if came.error:
                outcomes.append(refused(write, came.error, call=result.call, sent=sent))
            else:
                created = came.outcome == "created"
                outcomes.append(
                    succeeded(write, created=created, member=came.member, call=result.call, sent=sent)
                )
        return outcomes

    def _kept(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What was sent, where it is kept: a whole run's bodies are too much to hold for nothing."""
        return body if self._keep else None

    def _followed_up(self, outcome: Outcome) -> Outcome:
        write = outcome.write
        if outcome.action is Action.CREATED and write.known is not None:
            return self._put_back(write)
        if outcome.reason == Refusal.COMPLIANCE_STATE.value and write.values:
            # Their fields may still be written, as long as the call says nothing about their status.
            return self._fields_alone(write, outcome)
        return self._finished(outcome)

    def _put_back(self, write: Write) -> Outcome:
        """Archive somebody who was known, had left, and came back unsubscribed through the batch."""
        return not_restored(write, self._client.archive_member(write.audience.id, write.record.member))

    def _fields_alone(self, write: Write, outcome: Outcome) -> Outcome:
        body = member_body({name: value for name, value in write.values.items() if name != "tags"})
        try:
            reply = self._client.patch_member(
                write.audience.id, write.record.member, body, skip_merge_validation=self._skip
            )
        except DataError:
            return outcome
        return self._succeeded(replace(write, lower=False), reply, body)

    def _succeeded(
        self, write: Write, reply: Reply, body: Mapping[str, Any], *, created: bool = False
    ) -> Outcome:
        return succeeded(
            write, created=created, member=reply.document, call=reply.call, sent=self._kept(body)
        )

    # Single calls

    def _put_or_patch(self, write: Write) -> Outcome:
        list_id, member_hash = write.audience.id, write.record.member
        body = member_body({name: value for name, value in write.values.items() if name != "tags"})
        body["email_address"] = write.record.address
        exists = write.known is not None or self._status(list_id, member_hash) is not None
        if write.lower:
            body["status"] = "unsubscribed"
        if not exists:
            body |= {"status_if_new": write.new_status}
            reply = self._client.put_member(list_id, member_hash, body, skip_merge_validation=self._skip)
        else:
            del body["email_address"]
            try:
                reply = self._client.patch_member(
                    list_id, member_hash, body, skip_merge_validation=self._skip
                )
            except NotFoundError as error:
                return not_restored(write, HttpCall.of_failure(error))
        if reply.document.get("status") == "archived":
            return not_restored(write, reply.call)
        self._single_tags(write)
        return self._succeeded(write, reply, body, created=not exists)

    def _single_tags(self, write: Write) -> None:
        if "tags" not in write.values:
            return
        changes = dict.fromkeys(write.values["tags"], True)
        if write.replaces_tags:
            document = self._client.member(write.audience.id, write.record.member, fields=("tags",))
            wanted = {tag.lower() for tag in changes}
            changes |= {
                tag["name"]: False for tag in document["tags"] if str(tag["name"]).lower() not in wanted
            }
        self._client.set_tags(write.audience.id, write.record.member, changes)

    def _status(self, list_id: str, member_hash: str) -> str | None:
        try:
            return str(self._client.member(list_id, member_hash, fields=("status",))["status"])
        except NotFoundError:
            return None

    def _archive(self, write: Write) -> Outcome:
        try:
            member = write.former.member if write.former else write.record.member
            call = self._client.archive_member(write.audience.id, member)
        except NotFoundError as error:
            return not_restored(write, HttpCall.of_failure(error))
        except RefusedError as error:
            if error.reason is not Refusal.CANNOT_ARCHIVE:
                raise
            return Outcome(
                write,
                Action.REFUSED,
                error.reason.value,
                error.message,
                call=HttpCall.of_failure(error),
                written=False,
            )
        return succeeded(write, created=False, member={"status": "archived"}, call=call)

    def _move(self, write: Write) -> Outcome:
        """Give a member its new address; its `contact_id` and its consent stay."""
        former = write.former
        if former is None:
            raise ValueError("A move needs the member that is moved.")
        body = _move_body(write)
        try:
            reply = self._patch_address(write, former.member, body)
        except NotFoundError as error:
            return self._after_failed_move(write, "former_member_gone", error)
        except RefusedError as error:
            if error.reason is not Refusal.MEMBER_EXISTS:
                raise
            return self._after_failed_move(write, "address_taken", error)
        self._single_tags(write)
        return self._finished(self._succeeded(write, reply, body))

    def _patch_address(self, write: Write, former: str, body: Mapping[str, Any]) -> Reply:
        list_id = write.audience.id
        try:
            return self._client.patch_member(list_id, former, body, skip_merge_validation=self._skip)
        except AmbiguousWriteError:
            moved = self._moved_member(write)
            if moved:
                return Reply(HttpCall(), moved)
        return self._client.patch_member(list_id, former, body, skip_merge_validation=self._skip)

    def _moved_member(self, write: Write) -> dict[str, Any] | None:
        """The member under its new address, if it is the one that was to be moved."""
        try:
            member = self._client.member(
                write.audience.id, write.record.member, fields=("id", "contact_id", "status")
            )
        except NotFoundError:
            return None
        known = write.former.known if write.former else None
        return member if known and member["contact_id"] == known.contact_id else None

    def _after_failed_move(self, write: Write, reason: str, error: DataError) -> Outcome:
        """Update the new address if it is a member of its own; make nobody who is none."""
        status = self._status(write.audience.id, write.record.member)
        if status is None or status == "archived":
            return Outcome(
                write,
                Action.REFUSED,
                reason,
                "The member of the former address cannot be moved, and nobody is created in its place.",
                call=HttpCall.of_failure(error),
                sent=self._kept(_move_body(write)),
                written=False,
            )
        known = MemberState(write.record.address, status=status)
        outcome = self._finished(self._put_or_patch(replace(write, known=known, former=None)))
        return replace(outcome, reason=reason) if outcome.written else outcome

    # After either

    def _finished(self, outcome: Outcome) -> Outcome:
        """Make the calls that follow a write that succeeded."""
        write = outcome.write
        if not outcome.written or write.archive:
            return outcome
        try:
            if write.tag_changes:
                self._client.set_tags(
                    write.audience.id, subscriber_hash(write.record.address), write.tag_changes
                )
            return self._with_permissions(outcome)
        except DataError as error:
            return refused(write, error)

    def _with_permissions(self, outcome: Outcome) -> Outcome:
        """Set marketing permissions, which a batch does not carry, by the ids that the answer shows.

        A permission is consent: it is given for somebody new, and only taken back for everybody else.
        """
        write = outcome.write
        given = {
            name.removeprefix(PERMISSION): enabled
            for name, enabled in write.values.items()
            if name.startswith(PERMISSION)
        }
        if not given:
            return outcome
        ids = _permission_ids(outcome.member or {})
        left_out = [name for name in given if name.lower() not in ids]
        if outcome.action is not Action.CREATED:
            left_out += [name for name, enabled in given.items() if enabled and name.lower() in ids]
        changes = [
            {"marketing_permission_id": ids[name.lower()], "enabled": enabled}
            for name, enabled in given.items()
            if name not in left_out
        ]
        if changes:
            self._client.patch_member(
                write.audience.id,
                write.record.member,
                {"marketing_permissions": changes},
                skip_merge_validation=self._skip,
            )
        if not left_out:
            return outcome
        told = f"Left out: {', '.join(left_out)} (unknown, or consent that only the person can give)."
        return replace(outcome, detail=f"{outcome.detail} {told}".strip())


def _permission_ids(member: Mapping[str, Any]) -> dict[str, str]:
    """The ids of an audience's marketing permissions, by id and by text in lower case."""
    ids: dict[str, str] = {}
    for entry in member.get("marketing_permissions") or ():
        permission_id = str(entry["marketing_permission_id"])
        ids[permission_id.lower()] = ids[str(entry["text"]).strip().lower()] = permission_id
    return ids


class DryRunWriter:
    """Writes nothing, and says what would be done."""

    def write_batch(self, writes: Sequence[Write]) -> list[Outcome]:
        """What would come of each, as far as it can be known."""
        return [self.write_single(write) for write in writes]

    def write_single(self, write: Write) -> Outcome:
        """What would come of it."""
        return succeeded(write, created=write.known is None, member={})


def _batch_item(write: Write) -> dict[str, Any]:
    item = {"email_address": write.record.address, **member_body(write.values)}
    item["status_if_new"] = write.new_status
    if write.lower:
        item["status"] = "unsubscribed"
    return item


def _move_body(write: Write) -> dict[str, Any]:
    body = member_body({name: value for name, value in write.values.items() if name != "tags"})
    body["email_address"] = write.record.address
    if write.lower:
        body["status"] = "unsubscribed"
    return body


def _without_refused_fields(outcome: Outcome) -> Write | None:
    """The same write without the fields that Mailchimp refuses; None when that is not the cause."""
    error = outcome.error
    if not isinstance(error, RefusedError) or error.reason is not Refusal.INVALID_FIELDS:
        return None
    write = outcome.write
    names = {
        f"merge_fields.{complaint.field.removeprefix('merge_fields.')}": complaint.message
        for complaint in error.field_errors
    }
    bad = {name: message for name, message in names.items() if name in write.values}
    if not bad:
        return None
    return replace(
        write,
        values={name: value for name, value in write.values.items() if name not in bad},
        left_out=(
            *write.left_out,
            *(
                LeftOut(name.partition(".")[2], "refused_by_mailchimp", message)
                for name, message in bad.items()
            ),
        ),
    )
