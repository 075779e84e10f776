"""Calls of the Marketing API, in the words of its reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kinetic_mailchimp.kit.errors import NotFoundError, TransientError
from kinetic_mailchimp.kit.http.call import HttpCall, Reply, Request
from kinetic_mailchimp.mailchimp.api import LARGEST_PAGE, Document, MailchimpApi, date_of, rows_of
from kinetic_mailchimp.mailchimp.errors import WHO_ANSWERS
from kinetic_mailchimp.mailchimp.member import normalized_member, subscriber_hash
from kinetic_mailchimp.mailchimp.members_walk import MEMBER_FIELDS, walk_members
from kinetic_mailchimp.mailchimp.results import BatchResult, parse_batch_answer, results_by_hash

LARGEST_BATCH = 500
"""Members that one batch may hold."""
REPORT_FIELDS = (
    "id",
    "list_id",
    "campaign_title",
    "subject_line",
    "send_time",
    "emails_sent",
    "bounces",
    "opens",
    "clicks",
)
"""Attributes of a report that are read."""


class MailchimpClient(MailchimpApi):
    """The Marketing API of one account. Shared by threads.

    `list_id` is the audience, `member_hash` the subscriber hash of a member. Every method raises a
    `ConnectorError` of the class that says how one recovers; a refused member or resource is a
    `RefusedError`, a missing one a `NotFoundError`, a missing audience a `ConfigurationError`.
    """

    # The account

    def account(self) -> Document:
        """The account that the credentials belong to: `account_name`, `role` and its ids."""
        return self.get("", fields="account_id,account_name,role,login_id")

    def server_time(self) -> datetime:
        """The time on Mailchimp's side: the upper bound of a listing should not depend on our clock."""
        return date_of(self._answer("GET", "ping"))

    # Audiences and their fields

    def lists(self) -> Iterator[Document]:
        """All audiences: `id`, `name`, `double_optin` and more."""
        return self._all("lists", "lists", "id")

    def merge_fields(self, list_id: str) -> list[Document]:
        """The merge fields of an audience: `merge_id`, `tag`, `name`, `type`, `required`, `options`."""
        return list(self._all(f"{_list(list_id)}/merge-fields", "merge_fields", "tag"))

    def create_merge_field(self, list_id: str, field: Mapping[str, Any]) -> Document:
        """Make a merge field; `name` and `type` are required, the tag has at most 10 characters."""
        return self._write("POST", f"{_list(list_id)}/merge-fields", field)

    def interest_categories(self, list_id: str) -> list[Document]:
        """The groups of interests of an audience: `id`, `title`, `type`."""
        return list(self._all(f"{_list(list_id)}/interest-categories", "categories", "id"))

    def interests(self, list_id: str, category_id: str) -> list[Document]:
        """The interests of a group: `id`, `name`."""
        path = f"{_list(list_id)}/interest-categories/{_part(category_id)}/interests"
        return list(self._all(path, "interests", "id"))

    # Members

    def members(
        self,
        list_id: str,
        *,
        fields: Sequence[str] = MEMBER_FIELDS,
        page_size: int = LARGEST_PAGE,
        on_date: Callable[[datetime], None] | None = None,
        **filters: str | None,
    ) -> Iterator[Document]:
        """Members in the order of their last change, each once, even while some of them change.

        Args:
            list_id: The audience.
            fields: Attributes of a member to read; `id` and `last_changed` are read in any case.
            page_size: Members per call.
            on_date: Takes Mailchimp's time of each page.
            filters: Parameters of the reference, such as `status`, `since_last_changed` (exclusive),
                `before_last_changed` (UTC, ISO 8601); None leaves one out. Archived members come with
                `status="archived"` alone.
        """

        def page(params: Mapping[str, str | int]) -> list[Any]:
            answer = self._answer("GET", f"{_list(list_id)}/members", params=params)
            if on_date:
                on_date(date_of(answer))
            return rows_of(answer.document, "members")

        status = filters.get("status")
        given = {name: value for name, value in filters.items() if value is not None}
        for member in walk_members(page, fields=fields, page_size=page_size, filters=given):
            if status is None or member.setdefault("status", status) == status:
                yield member

    def member(self, list_id: str, member_hash: str, *, fields: Sequence[str] = ()) -> Document:
        """One member with these fields, or all; an archived one has the status `archived`."""
        wanted: dict[str, str] = {"fields": ",".join(fields)} if fields else {}
        return normalized_member(self.get(_member(list_id, member_hash), **wanted))

    def find_member(self, list_id: str, address: str, *, fields: Sequence[str] = ()) -> Document:
        """The member with an address, also where the API knows it by another id than the hash of that."""
        try:
            return self.member(list_id, subscriber_hash(address), fields=fields)
        except NotFoundError:
            return self.member(list_id, address, fields=fields)

    def put_member(
        self, list_id: str, member_hash: str, body: Mapping[str, Any], *, skip_merge_validation: bool = False
    ) -> Reply:
        """Create or update a member. `status` overwrites without asking; `status_if_new` does not."""
        return self._write_member("PUT", list_id, member_hash, body, skip=skip_merge_validation)

    def patch_member(
        self, list_id: str, member_hash: str, body: Mapping[str, Any], *, skip_merge_validation: bool = False
    ) -> Reply:
        """Change a member that exists. A new `email_address` moves it; `contact_id` stays."""
        return self._write_member("PATCH", list_id, member_hash, body, skip=skip_merge_validation)

    def delete_member_permanently(self, list_id: str, member_hash: str) -> HttpCall:
        """Delete a member and all that is known about them; the address cannot be imported again.

        Raises:
            NotFoundError: There is no such member.
        """
        path = f"{_member(list_id, member_hash)}/actions/delete-permanent"
        return HttpCall.of_answer(self._answer("POST", path, kind=Request, repeatable=True))

    def archive_member(self, list_id: str, member_hash: str) -> HttpCall:
        """Archive a member."""
        return HttpCall.of_answer(self._answer("DELETE", _member(list_id, member_hash), kind=Request))

    def set_tags(self, list_id: str, member_hash: str, tags: Mapping[str, bool]) -> None:
        """Add (True) and remove (False) tags by name; missing tags are made.

        Args:
            list_id: The audience.
            member_hash: The member.
            tags: By name.
        """
        changes = [{"name": name, "status": "active" if on else "inactive"} for name, on in tags.items()]
        body = {"tags": changes, "is_syncing": False}
        self._answer("POST", f"{_member(list_id, member_hash)}/tags", body, kind=Request, repeatable=True)

    def upsert_members(
        self,
        list_id: str,
        members: Sequence[Mapping[str, Any]],
        *,
        update_existing: bool = True,
        sync_tags: bool = False,
        skip_merge_validation: bool = False,
        max_attempts: int | None = None,
    ) -> BatchResult:
        """Create and update up to 500 members in one call; one bad member does not hold up the others.

        Args:
            list_id: The audience.
            members: Each with `email_address` and one of `status` and `status_if_new`; no address twice.
            update_existing: False refuses members that exist.
            sync_tags: Whether `tags` is the whole set of a member's tags; otherwise they are added.
            skip_merge_validation: Take members without the merge fields that the audience requires.
            max_attempts: Attempts at most; by default, those of the retry policy.
        """
        body: Document = {"members": list(members), "update_existing": update_existing}
        if sync_tags:
            body["sync_tags"] = True
        answer = self._answer(
            "POST",
            _list(list_id),
            body,
            params=_merge_rule(skip=skip_merge_validation),
            repeatable=update_existing,
            max_attempts=max_attempts,
            parse=parse_batch_answer,
        )
        if not {"new_members", "updated_members", "errors"} & answer.document.keys():
            raise TransientError("Mailchimp's answer names no result of the batch.", advice=WHO_ANSWERS)
        sent = (str(member["email_address"]) for member in members)
        return BatchResult(HttpCall.of_answer(answer), results_by_hash(sent, answer.document))

    def abuse_reports(self, list_id: str) -> Iterator[Document]:
        """Complaints of abuse: `email_address`, `campaign_id`, `date`."""
        return self._all(f"{_list(list_id)}/abuse-reports", "abuse_reports")

    # Reports

    def reports(self, since_send_time: str) -> Iterator[Document]:
        """The reports of campaigns that were sent after a time (UTC, ISO 8601): `id`, `list_id`, sums."""
        fields = ",".join(f"reports.{name}" for name in REPORT_FIELDS)
        return self._all("reports", "reports", "id", since_send_time=since_send_time, fields=fields)

    def email_activity(self, campaign_id: str) -> Iterator[Document]:
        """The recipients of a campaign: `email_address`, and `activity` with `action` and `timestamp`."""
        path = f"reports/{_part(campaign_id)}/email-activity"
        return self._all(path, "emails", fields="emails.email_id,emails.email_address,emails.activity")

    # Webhooks

    def webhooks(self, list_id: str) -> list[Document]:
        """The webhooks of an audience: `id`, `url`, `events`, `sources`, `signing_enabled`."""
        return list(self._all(f"{_list(list_id)}/webhooks", "webhooks", "id", "url", has_pages=False))

    def create_webhook(self, list_id: str, webhook: Mapping[str, Any]) -> Document:
        """Register a webhook (`url`, `events`, `sources`). Mailchimp first asks its URL for an answer 200.

        `signing_secret` is in this answer and never again.
        """
        return self._write("POST", f"{_list(list_id)}/webhooks", webhook)

    def update_webhook(self, list_id: str, webhook_id: str, changes: Mapping[str, Any]) -> Document:
        """Change the events, sources or URL of a webhook."""
        path = f"{_list(list_id)}/webhooks/{_part(webhook_id)}"
        return self._write("PATCH", path, changes, repeatable=True)

    def delete_webhook(self, list_id: str, webhook_id: str) -> None:
        """Remove a webhook."""
        self._answer("DELETE", f"{_list(list_id)}/webhooks/{_part(webhook_id)}", kind=Request)

    def _write(
        self, method: str, path: str, body: Mapping[str, Any], *, repeatable: bool = False
    ) -> Document:
        return dict(self._answer(method, path, body, repeatable=repeatable).document)

    def _write_member(
        self, method: str, list_id: str, member_hash: str, body: Mapping[str, Any], *, skip: bool
    ) -> Reply:
        # After a move the old hash is unknown: the caller looks before it repeats.
        repeatable = method == "PUT" or "email_address" not in body
        path, params = _member(list_id, member_hash), _merge_rule(skip=skip)
        answer = self._answer(method, path, body, params=params, repeatable=repeatable)
        return Reply(HttpCall.of_answer(answer), normalized_member(answer.document))


def _merge_rule(*, skip: bool) -> dict[str, str | int] | None:
    """The parameter that takes a member without the merge fields that the audience requires."""
    return {"skip_merge_validation": "true"} if skip else None


def _part(text: str) -> str:
    return quote(text, safe="")


def _list(list_id: str) -> str:
    return f"lists/{_part(list_id)}"


def _member(list_id: str, member_hash: str) -> str:
    return f"{_list(list_id)}/members/{_part(member_hash)}"
