"""Calls of the Marketing API, in the words of its reference."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from kinetic_mailchimp.kit.errors import ConfigurationError, CredentialsError, TransientError
from kinetic_mailchimp.kit.http_call import Answer, HttpCall, Reply, Request
from kinetic_mailchimp.kit.redaction import MASKER
from kinetic_mailchimp.kit.retry import RetryPolicy
from kinetic_mailchimp.kit.transport import Transport
from kinetic_mailchimp.kit.web_url import split_url
from kinetic_mailchimp.mailchimp.errors import classify
from kinetic_mailchimp.mailchimp.identity import authorization
from kinetic_mailchimp.mailchimp.members_walk import MEMBER_FIELDS, walk_members
from kinetic_mailchimp.mailchimp.results import BatchResult, results_by_hash
from kinetic_mailchimp.mailchimp.settings import MailchimpSettings

Document = dict[str, Any]

LARGEST_BATCH = 500
"""Members that one batch may hold."""

LARGEST_PAGE = 1000
"""Rows that a listing gives at most. Without `count` it gives ten."""


class MailchimpClient:
    """The Marketing API of one account. Shared by threads.

    Every method raises a `ConnectorError` of the class that says how one recovers; a refused member or
    resource is a `RefusedError`, a missing one a `NotFoundError`, a missing audience a `ConfigurationError`.

    Args:
        retry: Bounds on trying again.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: MailchimpSettings,
        *,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        MASKER.add([settings.api_key, settings.access_token])
        self._settings = settings
        self.transport = Transport(
            classify,
            authorization=authorization(settings),
            timeout=settings.request_timeout,
            retry=retry,
            max_connections=settings.max_connections,
            sleep=sleep,
            clock=clock,
        )

    @cached_property
    def base_url(self) -> str:
        """The URL of this account's API, without a slash at the end."""
        if self._settings.base_url:
            return self._settings.base_url
        metadata = self.metadata()
        endpoint = str(metadata["api_endpoint"]).rstrip("/")
        _check_endpoint(endpoint, self._settings.metadata_url)
        return f"{endpoint}/3.0"

    def metadata(self) -> Document:
        """The owner of an access token: `dc`, `api_endpoint`, `login` and more.

        Raises:
            CredentialsError: The token was revoked, or is not a token.
        """
        answer = self.transport.send(
            Request(
                "GET",
                self._settings.metadata_url,
                headers={"Authorization": f"OAuth {self._settings.access_token}"},
                authorized=False,
            )
        )
        document: Document = answer.document if isinstance(answer.document, dict) else {}
        if "api_endpoint" not in document:
            raise CredentialsError(
                "Mailchimp does not know the access token: it was revoked, or is not complete.",
                advice="Run `mailchimp-auth authorize` again and set `access_token`.",
                code=str(document.get("error") or "") or None,
            )
        return document

    def close(self) -> None:
        """Close idle connections."""
        self.transport.close()

    # The account

    def ping(self) -> str:
        """The greeting of a healthy API."""
        return str(self.get("ping")["health_status"])

    def account(self) -> Document:
        """The account that the credentials belong to: `account_name`, `role` and its ids."""
        return self.get("", fields="account_id,account_name,role,login_id")

    def server_time(self) -> datetime:
        """The time on Mailchimp's side: the upper bound of a listing should not depend on our clock."""
        return _date_of(self._send("GET", "ping"))

    # Audiences and their fields

    def lists(self) -> Iterator[Document]:
        """All audiences: `id`, `name`, `double_optin` and more."""
        return self._all("lists", "lists")

    def merge_fields(self, list_id: str) -> list[Document]:
        """The merge fields of an audience: `merge_id`, `tag`, `name`, `type`, `required`, `options`."""
        return list(self._all(f"lists/{_part(list_id)}/merge-fields", "merge_fields"))

    def create_merge_field(self, list_id: str, field: Mapping[str, Any]) -> Document:
        """Make a merge field; `name` and `type` are required, the tag has at most 10 characters.

        Args:
            list_id: The audience.
            field: Its attributes; `name` and `type` are required.
        """
        return self._write("POST", f"lists/{_part(list_id)}/merge-fields", field)

    def interest_categories(self, list_id: str) -> list[Document]:
        """The groups of interests of an audience: `id`, `title`, `type`."""
        return list(self._all(f"lists/{_part(list_id)}/interest-categories", "categories"))

    def interests(self, list_id: str, category_id: str) -> list[Document]:
        """The interests of a group: `id`, `name`."""
        path = f"lists/{_part(list_id)}/interest-categories/{_part(category_id)}/interests"
        return list(self._all(path, "interests"))

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

        def page(params: Mapping[str, str | int]) -> list[Document]:
            answer = self._send("GET", f"lists/{_part(list_id)}/members", params=params)
            if on_date:
                on_date(_date_of(answer))
            return list(answer.document["members"])

        return walk_members(page, fields=fields, page_size=page_size, filters=_given(filters))

    def count_members(self, list_id: str, **filters: str | None) -> int:
        """Count the members that a listing with these filters would give."""
        page = self.get(f"lists/{_part(list_id)}/members", **_given(filters), fields="total_items", count=1)
        return int(page["total_items"])

    def member(self, list_id: str, member_hash: str, *, fields: Sequence[str] = ()) -> Document:
        """One member by subscriber hash; an archived one has the status `archived`.

        Args:
            list_id: The audience.
            member_hash: The subscriber hash of the member.
            fields: Attributes to read; all without.
        """
        wanted: dict[str, str] = {"fields": ",".join(fields)} if fields else {}
        return self.get(_member(list_id, member_hash), **wanted)

    def put_member(
        self,
        list_id: str,
        member_hash: str,
        body: Mapping[str, Any],
        *,
        skip_merge_validation: bool = False,
    ) -> Reply:
        """Create or update a member. `status` overwrites without asking; `status_if_new` does not.

        Args:
            list_id: The audience.
            member_hash: The subscriber hash of the member.
            body: Attributes of the member.
            skip_merge_validation: Take the member without the merge fields that the audience requires.
        """
        return self._write_member(
            "PUT",
            _member(list_id, member_hash),
            body,
            repeatable=True,
            params=_merge_rule(skip=skip_merge_validation),
        )

    def patch_member(
        self,
        list_id: str,
        member_hash: str,
        body: Mapping[str, Any],
        *,
        skip_merge_validation: bool = False,
    ) -> Reply:
        """Change a member that exists. A new `email_address` moves it; `contact_id` stays.

        Args:
            list_id: The audience.
            member_hash: The subscriber hash of the member.
            body: Attributes to change.
            skip_merge_validation: Take the member without the merge fields that the audience requires.
        """
        # After a move the old hash is unknown: the caller looks before it repeats.
        return self._write_member(
            "PATCH",
            _member(list_id, member_hash),
            body,
            repeatable="email_address" not in body,
            params=_merge_rule(skip=skip_merge_validation),
        )

    def delete_member_permanently(self, list_id: str, member_hash: str) -> HttpCall:
        """Delete a member and all that is known about them; the address cannot be imported again.

        Args:
            list_id: The audience.
            member_hash: The subscriber hash of the member.

        Raises:
            NotFoundError: There is no such member.
        """
        path = f"{_member(list_id, member_hash)}/actions/delete-permanent"
        return HttpCall.of_answer(self._send("POST", path, repeatable=True))

    def archive_member(self, list_id: str, member_hash: str) -> HttpCall:
        """Archive a member.

        Args:
            list_id: The audience.
            member_hash: The subscriber hash of the member.
        """
        return HttpCall.of_answer(self._send("DELETE", _member(list_id, member_hash)))

    def set_tags(
        self, list_id: str, member_hash: str, tags: Mapping[str, bool], *, is_syncing: bool = False
    ) -> None:
        """Add (True) and remove (False) tags by name; missing tags are made.

        Args:
            list_id: The audience.
            member_hash: The member.
            tags: By name.
            is_syncing: True keeps automations that wait for a tag from starting.
        """
        changes = [{"name": name, "status": "active" if on else "inactive"} for name, on in tags.items()]
        self._send(
            "POST",
            f"{_member(list_id, member_hash)}/tags",
            {"tags": changes, "is_syncing": is_syncing},
            repeatable=True,
        )

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
        answer = self._send(
            "POST",
            f"lists/{_part(list_id)}",
            body,
            params=_merge_rule(skip=skip_merge_validation),
            repeatable=update_existing,
            max_attempts=max_attempts,
        )
        return BatchResult(
            HttpCall.of_answer(answer),
            results_by_hash((str(member["email_address"]) for member in members), answer.document),
        )

    def abuse_reports(self, list_id: str) -> Iterator[Document]:
        """Complaints of abuse: `email_address`, `campaign_id`, `date`."""
        return self._all(f"lists/{_part(list_id)}/abuse-reports", "abuse_reports")

    # Webhooks

    def webhooks(self, list_id: str) -> list[Document]:
        """The webhooks of an audience: `id`, `url`, `events`, `sources`, `signing_enabled`."""
        # This listing alone comes whole: it has no pages.
        return list(self.get(f"lists/{_part(list_id)}/webhooks")["webhooks"])

    def create_webhook(self, list_id: str, webhook: Mapping[str, Any]) -> Document:
        """Register a webhook. Mailchimp first asks its URL for an answer 200.

        `signing_secret` is in this answer and never again.

        Args:
            list_id: The audience.
            webhook: `url`, `events` and `sources`.
        """
        return self._write("POST", f"lists/{_part(list_id)}/webhooks", webhook)

    def update_webhook(self, list_id: str, webhook_id: str, changes: Mapping[str, Any]) -> Document:
        """Change the events, sources or URL of a webhook."""
        path = f"lists/{_part(list_id)}/webhooks/{_part(webhook_id)}"
        return self._write("PATCH", path, changes, repeatable=True)

    def delete_webhook(self, list_id: str, webhook_id: str) -> None:
        """Remove a webhook."""
        self._send("DELETE", f"lists/{_part(list_id)}/webhooks/{_part(webhook_id)}")

    # Below: how a call is made

    def get(self, path: str, **params: str | int) -> Document:
        """Read a resource that has no method of its own here."""
        return dict(self._send("GET", path, params=params).document)

    def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool = False,
    ) -> Document:
        return dict(self._send(method, path, body, repeatable=repeatable).document)

    def _write_member(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool,
        params: Mapping[str, str | int],
    ) -> Reply:
        answer = self._send(method, path, body, params=params, repeatable=repeatable)
        return Reply(HttpCall.of_answer(answer), answer.document)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str | int] | None = None,
        repeatable: bool | None = None,
        max_attempts: int | None = None,
    ) -> Answer:
        return self.transport.send(
            Request(
                method,
                f"{self.base_url}/{path}",
                params=params or None,
                json=body,
                repeatable=repeatable,
                max_attempts=max_attempts,
            )
        )

    def _all(self, path: str, key: str, **params: str | int) -> Iterator[Document]:
        """Every row of a listing. An empty page ends it, or one that comes again where the listing has no
        pages: short pages and `total_items` have misled.
        """
        offset = 0
        before: list[Document] = []
        while True:
            rows = list(self.get(path, **params, count=LARGEST_PAGE, offset=offset)[key])
            if not rows or rows == before:
                return
            yield from rows
            before, offset = rows, offset + len(rows)


def _date_of(answer: Answer) -> datetime:
    try:
        return email.utils.parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError as error:
        raise TransientError(
            "Mailchimp's answer carries no date.",
            advice="Look at what answers at `base_url`, such as a proxy.",
        ) from error


def _merge_rule(*, skip: bool) -> dict[str, str | int]:
    return {"skip_merge_validation": "true"} if skip else {}


def _given(filters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value is not None}


def _part(text: str) -> str:
    return quote(text, safe="")


def _member(list_id: str, member_hash: str) -> str:
    return f"lists/{_part(list_id)}/members/{_part(member_hash)}"


def _check_endpoint(endpoint: str, metadata_url: str) -> None:
    """See to it that the token goes to Mailchimp alone, or to the host that the operator named.

    Raises:
        ConfigurationError: The answer names another host, or one in clear.
    """
    found, asked = split_url(endpoint), split_url(metadata_url)
    if found is not None and found.hostname and "@" not in found.netloc:
        if asked is not None and (found.scheme, found.hostname) == (asked.scheme, asked.hostname):
            return
        if found.scheme == "https" and found.hostname.endswith(".mailchimp.com"):
            return
    raise ConfigurationError(
        "The answer of `metadata_url` names an API that is not a host of Mailchimp; no token was sent there.",
        advice="Check `metadata_url`, or set `base_url` yourself.",
    )
