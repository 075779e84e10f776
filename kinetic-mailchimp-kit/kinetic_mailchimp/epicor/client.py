"""Calls of the Kinetic REST API v2: rows by query and by key, methods of business objects, BAQs."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from kinetic_mailchimp.epicor.auth import authorization
from kinetic_mailchimp.epicor.classification import classify
from kinetic_mailchimp.epicor.errors import WHO_ANSWERS, PageTooLargeError, UrlTooLongError
from kinetic_mailchimp.epicor.metadata import ServiceMetadata, parse_metadata
from kinetic_mailchimp.epicor.odata import Value, key_segment
from kinetic_mailchimp.epicor.rows import Row, Rows
from kinetic_mailchimp.epicor.settings import EpicorSettings
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.http.call import Answer, HttpCall, Parse, Reply, Request
from kinetic_mailchimp.kit.http.retry import RetryPolicy, pause
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

logger = logging.getLogger(__name__)

LONGEST_URL = 7_500
"""Gateways in front of Kinetic refuse a request line of about 8,192 characters."""


class Query(TypedDict, total=False):
    """The query options of a read.

    Attributes:
        filter: An OData condition.
        orderby: Columns, each with ` desc` behind it where it descends.
        select: Columns; all without.
        expand: Navigation properties, in OData's form.
        top: Rows at most. The server may give fewer although there are more.
        skip: Rows to leave out first.
        parameters: Those of a BAQ, by name.
    """

    filter: str
    orderby: Sequence[str]
    select: Sequence[str]
    expand: str
    top: int | None
    skip: int
    parameters: Mapping[str, str | int]


class EpicorClient:
    """One Kinetic instance, as one identity. Shared by threads.

    `company` is the one in the URL, `path` a service and a set, such as `Erp.BO.CustomerSvc/Customers`. Every
    call raises the ConnectorError that the table in `kinetic_mailchimp.epicor.error_rules` gives.

    Args:
        retry: Bounds on trying again.
        sleep: Waits between two attempts; by default until `stop` is called, at most.
        clock: Monotonic seconds; tests hand in their own.
    """

    def __init__(
        self,
        settings: EpicorSettings,
        *,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._stopped = threading.Event()
        wait = sleep or partial(pause, self._stopped)
        self._root = f"{settings.base_url}/api/v2/odata"
        self._authorization = authorization(settings, retry=retry, sleep=wait, clock=clock)
        self.transport = Transport(
            classify,
            authorization=self._authorization,
            timeout=settings.request_timeout,
            retry=retry,
            max_connections=settings.concurrency,
            ca_bundle=settings.ca_bundle,
            sleep=wait,
            clock=clock,
        )
        self._metadata: dict[str, ServiceMetadata] = {}
        self.longest_url = LONGEST_URL
        """Characters that a URL may have, as far as is known of this server."""
        self.most_rows: int | None = None
        """Rows that a page may have, where the server has refused a larger one."""
        self.server_time: dt.datetime | None = None
        """The time of the server's clock with its last answer to a query; None where it did not say."""

    def close(self) -> None:
        """Close idle connections."""
        self.transport.close()

    def stop(self) -> None:
        """End every wait between two attempts, in all threads: the run is over."""
        self._stopped.set()

    def metadata(self, company: str, service: str) -> ServiceMetadata:
        """The sets and types of a service (`Erp.BO.CustomerSvc`): asked for once, for every company."""
        if service not in self._metadata:
            answer = self.transport.send(Request("GET", self._url(company, service, "$metadata")))
            self._metadata[service] = parse_metadata(service, answer.text)
        return self._metadata[service]

    def read(
        self,
        company: str,
        path: str,
        *,
        kind: type[Request] = Request,
        parse: Parse = parse_json,
        **query: Unpack[Query],
    ) -> list[Row]:
        """Rows of a set, such as `Erp.BO.CustomerSvc/Customers`; 100 of them where `top` is not given.

        Args:
            company: The company in the URL.
            path: Service and set, or a BAQ (`BaqSvc/MyQuery/Data`).
            kind: PageRequest raises PageTimeoutError at once where the server runs out of time, ProbeRequest
                QueryRefusedError where it cannot run the query; a plain Request is tried again.
            parse: Makes the document of the body, or Rows at once, which are handed on as they are.
            query: The query options.
        """
        top = query.get("top")
        if top is not None and self.most_rows is not None:
            query["top"] = top = min(top, self.most_rows)
        request = kind("GET", self._url(company, path), params=_parameters(query), parse=parse)
        try:
            answer = self.transport.send(request)
        except PageTooLargeError as error:
            if top is None or top <= 1:
                raise
            told = int(error.field) if error.field else top
            self.most_rows = query["top"] = told if 0 < told < top else top // 2
            logger.warning("%s: the server gives no more than %d rows at once.", path, self.most_rows)
            return self.read(company, path, kind=kind, parse=parse, **query)
        except UrlTooLongError:
            self.longest_url = min(self.longest_url, len(request.full_url) // 2)
            raise
        self.server_time = answer.date
        return _rows(answer)

    def count(self, company: str, path: str, *, filter: str = "") -> int:  # noqa: A002 (OData's own name)
        """Count the rows of a set. Servers have been seen to be wrong about it: for people, not for logic."""
        url = self._url(company, path, "$count")
        answer = self.transport.send(Request("GET", url, params=_parameters({"filter": filter})))
        self.server_time = answer.date
        if answer.status == HTTPStatus.NO_CONTENT:
            return 0
        try:
            return int(answer.text.strip().lstrip("\ufeff"))
        except ValueError:
            raise TransientError(
                "The server's count is not a number.",
                advice=WHO_ANSWERS,
                status=answer.status,
            ) from None

    def patch(
        self,
        company: str,
        path: str,
        key: Mapping[str, Value],
        changes: Mapping[str, Any],
        *,
        repeatable: bool = True,
    ) -> Reply:
        """Set these columns of the row with this key; the others stay.

        Values are absolute, so it may be repeated; `repeatable=False` leaves it to the caller to look first.
        Kinetic has been seen to accept a change and not to store it: read the row back.

        Raises:
            AmbiguousWriteError: Not repeatable, and whether it was stored is not known.
            NotFoundError: There is no such row.
            DataError: A business rule refuses.
        """
        url = self._url(company, path) + key_segment(key)
        answer = self.transport.send(Request("PATCH", url, json=dict(changes), repeatable=repeatable))
        # The body says nothing of use: that it cannot be read does not fail the write.
        return Reply(HttpCall.of_answer(answer))

    def create(self, company: str, path: str, row: Mapping[str, Any]) -> Reply:
        """Add a row; the document is the row as the server stored it, with the keys that it assigned.

        Raises:
            AmbiguousWriteError: Whether it was added is not known: look before it is sent again.
        """
        return _reply(self.transport.send(Request("POST", self._url(company, path), json=dict(row))))

    def call(
        self,
        company: str,
        service: str,
        method: str,
        body: Mapping[str, Any] | None = None,
        *,
        get: bool = False,
    ) -> Reply:
        """Call a method of a business object; the document has `returnObj`, `parameters` or both.

        Args:
            company: The company in the URL.
            service: `Erp.BO.CustCntSvc`.
            method: `GetByID`, `Update`.
            body: Its parameters; with `get`, simple values that go into the query.
            get: Whether it only reads, so that it goes as a GET and may be repeated.
        """
        url = self._url(company, service, method)
        if get:
            return _reply(self.transport.send(Request("GET", url, params=dict(body or {}))))
        return _reply(self.transport.send(Request("POST", url, json=dict(body or {}))))

    def url(self, company: str, path: str, **query: Unpack[Query]) -> str:
        """The URL that `read` would ask, to know its length."""
        return Request("GET", self._url(company, path), params=_parameters(query)).full_url

    def _url(self, company: str, *segments: str) -> str:
        return "/".join([self._root, quote(company, safe=""), *(quote(part, safe="/$") for part in segments)])


def _parameters(query: Query) -> dict[str, str | int]:
    """The query options that are given, as they stand in a URL."""
    options: dict[str, str | int | None] = {
        **query.get("parameters", {}),
        "$filter": query.get("filter") or None,
        "$orderby": ",".join(query.get("orderby", ())) or None,
        "$select": ",".join(query.get("select", ())) or None,
        "$expand": query.get("expand") or None,
        "$top": query.get("top"),
        "$skip": query.get("skip") or None,
    }
    return {name: value for name, value in options.items() if value is not None}


def _document(answer: Answer) -> Any:  # noqa: ANN401 (an object, or Rows)
    if not answer.body:
        return {}
    try:
        document = answer.document
    except ValueError:
        document = None
    if not isinstance(document, dict | Rows):
        raise TransientError(
            "The answer is not a JSON object.", status=answer.status, advice="Is `base_url` a Kinetic server?"
        )
    return document


def _reply(answer: Answer) -> Reply:
    return Reply(HttpCall.of_answer(answer), _document(answer))


def _rows(answer: Answer) -> list[Row]:
    if answer.status == HTTPStatus.NO_CONTENT:
        return []
    document = _document(answer)
    if isinstance(document, Rows):
        return document
    rows = document.get("value", document.get("d", ""))
    if rows is None:  # an empty list, after some gateways
        return []
    if isinstance(rows, dict):  # as OData wrote it before its version 4
        rows = rows.get("results")
    if not isinstance(rows, list):
        raise ConfigurationError("The answer holds no rows.", advice="Is the path an entity set or a BAQ?")
    if not all(isinstance(row, dict) for row in rows):
        raise TransientError(
            "The answer holds rows that are not JSON objects.", advice=WHO_ANSWERS, status=answer.status
        )
    return rows
