"""Calls of the Marketing API in general: where it is, one call, the pages of a listing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError, CredentialsError, TransientError
from kinetic_mailchimp.kit.http.authorization import Authorization, FixedAuthorization, basic_login
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.kit.http.web_url import split_url
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.mailchimp.errors import WHO_ANSWERS, DocumentRequest, classify
from kinetic_mailchimp.mailchimp.settings import MailchimpSettings

Document = dict[str, Any]

LARGEST_PAGE = 1000
"""Rows that a listing gives at most. Without `count` it gives ten."""
_MOST_REREADS = 10
"""Pages of a listing that are read again, as rows were deleted before them."""


class MailchimpApi:
    """The Marketing API of one account. Shared by threads.

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
            url_from=settings.url_from,
            sleep=sleep,
            clock=clock,
        )

    @cached_property
    def base_url(self) -> str:
        """The URL of this account's API, without a slash at the end."""
        if self._settings.base_url:
            return self._settings.base_url
        endpoint = str(self.metadata()["api_endpoint"]).rstrip("/")
        check_endpoint(endpoint, self._settings.metadata_url)
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
        document = dict(answer.json_object or {})
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

    def get(self, path: str, **params: str | int) -> Document:
        """Read a resource that has no method of its own."""
        return dict(self._answer("GET", path, params=params).document)

    def _answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        kind: type[Request] = DocumentRequest,
        **options: Any,  # noqa: ANN401 (attributes of the request)
    ) -> Answer:
        """Make a call. Its answer is a JSON object, unless `kind` is a plain Request."""
        return self.transport.send(kind(method, f"{self.base_url}/{path}", json=body, **options))

    def _all(
        self, path: str, key: str, *required: str, has_pages: bool = True, **params: str
    ) -> Iterator[Document]:
        """Every row of a listing that has the required attributes.

        An empty page ends it, or one that comes again where the listing has no pages: short pages and
        `total_items` have misled. Of a listing that has none by the reference, more is asked for only where
        `total_items` tells of more. A page begins with the last row of the one before: where it does not, a
        row was deleted in between and others moved up, so that the page before is read again. That has
        a bound: rows that differ with every look would be read for ever.
        """
        offset, overlap, rereads = 0, 0, 0
        before: list[Any] = []
        while True:
            page = {"count": LARGEST_PAGE, "offset": offset} if has_pages or offset else {}
            document = self.get(path, **params, **page)
            rows = rows_of(document, key)
            if overlap and rows[:1] != before[-1:] and rows != before:
                overlap, rereads = 0, rereads + 1
                if rereads <= _MOST_REREADS:
                    offset = max(0, offset + 1 - len(before))
                    continue
            if len(rows) == overlap or rows == before:
                return
            new = rows[overlap:]
            yield from (row for row in new if isinstance(row, dict) and all(map(row.get, required)))
            overlap = int(has_pages and len(rows) > 1)
            before, offset = rows, offset + len(rows) - overlap
            if not has_pages and document.get("total_items") in {None, offset}:
                return


def rows_of(document: Mapping[str, Any], key: str) -> list[Any]:
    """The rows of a page.

    Raises:
        TransientError: It has none by this name, which must not be taken for the end.
    """
    rows = document.get(key, "")
    if rows is None or isinstance(rows, list):
        return rows or []
    raise TransientError(f"Mailchimp's answer has no list of `{key}`.", advice=WHO_ANSWERS)


def date_of(answer: Answer) -> datetime:
    """The time of Mailchimp's clock.

    Raises:
        TransientError: The answer does not tell it.
    """
    if answer.date is None:
        raise TransientError("Mailchimp's answer carries no date.", advice=WHO_ANSWERS)
    return answer.date


def check_endpoint(endpoint: str, metadata_url: str) -> None:
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


def authorization(settings: MailchimpSettings) -> Authorization:
    """The authorization with the key or the token, whichever is set.

    Neither can be renewed: a token does not expire, so that one which is refused was revoked.
    """
    if settings.access_token:
        return FixedAuthorization({"Authorization": f"Bearer {settings.access_token}"})
    # Mailchimp ignores the user.
    return FixedAuthorization({"Authorization": basic_login("connector", settings.api_key)})
