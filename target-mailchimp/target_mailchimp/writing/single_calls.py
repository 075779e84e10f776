"""Writes one member in calls of its own: creating, changing, moving, archiving, tags and permissions."""

from __future__ import annotations

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, DataError, NotFoundError
from kinetic_mailchimp.kit.http.call import HttpCall, Reply
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.mailchimp import MailchimpClient, Refusal, RefusedError, member_key
from msgspec.structs import replace

from target_mailchimp.audience.api_member import own_id
from target_mailchimp.audience.member_values import PERMISSION
from target_mailchimp.rules.plan import Former, Write
from target_mailchimp.writing.acceptance import without_refused
from target_mailchimp.writing.bodies import address_body, single_body
from target_mailchimp.writing.isolation import MAY_BE_ABOUT_ONE, Isolation
from target_mailchimp.writing.permissions import permission_changes
from target_mailchimp.writing.write_result import (
    ADDRESS_TAKEN,
    FORMER_MEMBER_GONE,
    WriteResult,
    failed_after,
    member_gone,
    nothing_left,
    opt_out_followed,
    refused,
    succeeded,
)


class SingleCalls:
    """Writes single members. Shared by threads.

    Args:
        isolation: Tells a failure about one member from one about all.
        skip_merge_validation: Whether members may lack the merge fields that the audience requires.
    """

    def __init__(
        self,
        client: MailchimpClient,
        isolation: Isolation,
        *,
        skip_merge_validation: bool,
        keep_payloads: bool,
    ) -> None:
        self._client = client
        self._isolation = isolation
        self._skip = skip_merge_validation
        self._keep = keep_payloads

    def write(self, write: Write) -> WriteResult:
        """Write one member with PUT, PATCH or DELETE."""
        try:
            if write.archive:
                return self._archive(write)
            if write.former:
                return self._move(write, write.former)
            return self.follow_up(self._put_or_patch(write))
        except MAY_BE_ABOUT_ONE as failure:
            error = self._isolation.blame(failure, write.audience.id)
            smaller = without_refused(write, error)
            if smaller:
                return (
                    nothing_left(smaller, HttpCall.of_failure(error))
                    if smaller.is_empty
                    else self.write(smaller)
                )
            moves = write.former and not write.archive
            return refused(write, error, sent=self.kept(address_body(write)) if moves else None)

    def rearchive(self, result: WriteResult) -> WriteResult:
        """Archive who came back unsubscribed through the batch: a known person had left the address."""
        write = result.write
        try:
            return self._gone(write, self._client.archive_member(write.audience.id, result.path))
        except MAY_BE_ABOUT_ONE as failure:
            return refused(write, self._isolation.blame(failure, write.audience.id))

    def _gone(self, write: Write, call: HttpCall) -> WriteResult:
        """The result where nobody has the address; an opt-out follows a person who has another one now."""
        gone, contact_id = member_gone(write, call), write.state.contact_id if write.state else ""
        if not (write.lower and contact_id):
            return gone
        list_id, fields = write.audience.id, ("id", "email_address", "contact_id", "status")
        try:
            member = self._client.member(list_id, contact_id, fields=fields)
        except NotFoundError:
            return gone
        if member.get("contact_id") != contact_id or member.get("status") not in CONSENTING_STATUSES:
            return gone
        body = {"status": "unsubscribed"}
        path = own_id(member) or member_key(member)
        reply = self._client.patch_member(list_id, path, body, skip_merge_validation=self._skip)
        result = self._succeeded(write, reply, body)
        return opt_out_followed(result) if result.written else result

    def write_fields(self, result: WriteResult) -> WriteResult:
        """Write the fields of a member who left, in a call that says nothing about the status."""
        write = replace(result.write, lower=False)
        if write.state is None:
            try:
                state = self._present(write)
            except MAY_BE_ABOUT_ONE as failure:
                self._isolation.blame(failure, write.audience.id)
                return result
            if state is None or state.status == "archived":
                return result
            write = replace(write, state=state)
        fields = self.write(write)
        if not fields.written:
            return result
        detail = f"{result.detail} The other fields are written. {fields.detail}".rstrip()
        return replace(fields, action=Action.REFUSED, reason=result.reason, detail=detail)

    def kept(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The body, where it is kept: a whole run's bodies are too much to hold for nothing."""
        return body if self._keep else None

    def follow_up(self, result: WriteResult) -> WriteResult:
        """Make the calls that follow a write that succeeded."""
        write = result.write
        if result.action in {Action.FAILED, Action.REFUSED} or write.archive:
            return result
        try:
            if write.tag_changes:
                self._client.set_tags(write.audience.id, result.path, write.tag_changes)
        except MAY_BE_ABOUT_ONE as failure:
            error = self._isolation.blame(failure, write.audience.id)
            return failed_after(result, {"tags"}, error)
        return self._with_permissions(result)

    def _put_or_patch(self, write: Write) -> WriteResult:
        list_id, member_hash = write.audience.id, write.path
        exists = write.state is not None or self._present(write) is not None
        if exists:
            body = single_body(write)
            try:
                reply = self._client.patch_member(
                    list_id, member_hash, body, skip_merge_validation=self._skip
                )
            except NotFoundError as error:
                return self._gone(write, HttpCall.of_failure(error))
        else:
            body = {**address_body(write), "status_if_new": write.new_status}
            reply = self._client.put_member(list_id, member_hash, body, skip_merge_validation=self._skip)
        if reply.document.get("status") == "archived":
            return member_gone(write, reply.call)
        return self._with_tags(self._succeeded(write, reply, body, created=not exists))

    def _succeeded(
        self, write: Write, reply: Reply, body: Mapping[str, Any], *, created: bool = False
    ) -> WriteResult:
        return succeeded(write, created=created, member=reply.document, call=reply.call, sent=self.kept(body))

    def _with_tags(self, result: WriteResult) -> WriteResult:
        """Set the tags, which a call about an existing member does not carry."""
        write = result.write
        if "tags" not in write.values:
            return result
        changes = dict.fromkeys(write.values["tags"], True)
        try:
            if write.replaces_tags:
                document = self._client.member(write.audience.id, result.path, fields=("tags",))
                wanted = {tag.lower() for tag in changes}
                changes |= {
                    tag["name"]: False
                    for tag in document.get("tags", ())
                    if html.unescape(str(tag["name"])).lower() not in wanted
                }
            self._client.set_tags(write.audience.id, result.path, changes)
        except MAY_BE_ABOUT_ONE as failure:
            error = self._isolation.blame(failure, write.audience.id)
            return failed_after(result, {"tags"}, error)
        return result

    def _present(self, write: Write) -> MemberState | None:
        """The member with the address of a write, without what is known of it; None for nobody."""
        address, fields = write.record.address, ("id", "email_address", "status")
        try:
            shown = self._client.find_member(write.audience.id, address, fields=fields)
        except NotFoundError:
            return None
        return MemberState(address, status=str(shown.get("status", "")), own_id=own_id(shown))

    def _archive(self, write: Write) -> WriteResult:
        try:
            member = write.former.path if write.former else write.path
            call = self._client.archive_member(write.audience.id, member)
        except NotFoundError as error:
            return member_gone(write, HttpCall.of_failure(error))
        except RefusedError as error:
            if error.reason is not Refusal.CANNOT_ARCHIVE and error.status != HTTPStatus.METHOD_NOT_ALLOWED:
                raise
            return WriteResult(
                write,
                Action.REFUSED,
                Refusal.CANNOT_ARCHIVE.value,
                error.message,
                call=HttpCall.of_failure(error),
                written=False,
            )
        return succeeded(write, created=False, member={"status": "archived"}, call=call)

    # Moves

    def _move(self, write: Write, former: Former) -> WriteResult:
        """Give a member its new address; its `contact_id` and its consent stay."""
        body = address_body(write)
        try:
            reply = self._patch_address(write, former, body)
            _require_move(reply, former)
        except NotFoundError as error:
            return self._after_failed_move(write, FORMER_MEMBER_GONE, error)
        except RefusedError as error:
            if error.reason is not Refusal.MEMBER_EXISTS:
                raise
            return self._after_failed_move(write, ADDRESS_TAKEN, error)
        return self.follow_up(self._with_tags(self._succeeded(write, reply, body)))

    def _patch_address(self, write: Write, former: Former, body: Mapping[str, Any]) -> Reply:
        list_id = write.audience.id
        try:
            return self._client.patch_member(list_id, former.path, body, skip_merge_validation=self._skip)
        except AmbiguousWriteError:
            moved = self._moved_member(write, former)
            if moved:
                return Reply(HttpCall(), moved)
        return self._client.patch_member(list_id, former.path, body, skip_merge_validation=self._skip)

    def _moved_member(self, write: Write, former: Former) -> dict[str, Any] | None:
        """The member under its new address, if it is the one that was to be moved."""
        try:
            member = self._client.member(write.audience.id, write.path, fields=("id", "contact_id", "status"))
        except NotFoundError:
            return None
        return member if member.get("contact_id") == former.state.contact_id else None

    def _after_failed_move(self, write: Write, reason: str, error: DataError) -> WriteResult:
        """Update the new address if it is a member of its own; create nobody in its place."""
        state = self._present(write)
        if state is None or state.status == "archived":
            return WriteResult(
                write,
                Action.REFUSED,
                reason,
                "The member of the former address cannot be moved, and nobody is created in its place.",
                call=HttpCall.of_failure(error),
                sent=self.kept(address_body(write)),
                written=False,
            )
        # Another member: it has none of the values that the former one was sent.
        merged = replace(state, rows=write.merged.rows, field_owner=write.merged.field_owner)
        here = replace(write, state=state, merged=merged, former=None)
        if reason == ADDRESS_TAKEN and write.former:
            sources = frozenset(row.source for row in write.record.rows if row.source)
            stays = Former(write.former.member, replace(write.former.state, rows={}, left_by=sources))
            here = replace(here, detached=(*write.detached, stays))
        result = self.follow_up(self._put_or_patch(here))
        return replace(result, reason=reason) if result.written else result

    def _with_permissions(self, result: WriteResult) -> WriteResult:
        """Set marketing permissions, which a batch does not carry."""
        result, changes = permission_changes(result)
        if not changes:
            return result
        write = result.write
        try:
            self._client.patch_member(
                write.audience.id,
                result.path,
                {"marketing_permissions": changes},
                skip_merge_validation=self._skip,
            )
        except MAY_BE_ABOUT_ONE as failure:
            error = self._isolation.blame(failure, write.audience.id)
            wanted = {name for name in write.values if name.startswith(PERMISSION)}
            return failed_after(result, wanted, error)
        return result


def _require_move(reply: Reply, former: Former) -> None:
    """See to it that Mailchimp does not go on showing the former address.

    Raises:
        RefusedError: It does, although it took the new one.
    """
    if email_key(str(reply.document.get("email_address") or "")) == email_key(former.state.address):
        raise RefusedError(
            "Mailchimp took the new address, and shows the former one.",
            advice="Change it in Mailchimp; each run tries it again.",
            reason=Refusal.UNCONFIRMED,
        )
