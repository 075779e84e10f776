"""One HTTP call: the request, the answer and how it ended, in the same words for both vendors."""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from typing_extensions import override

from kinetic_mailchimp.kit.errors import ConnectorError, TransientError
from kinetic_mailchimp.kit.parsing.json_reading import parse_json
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.redaction.plain_text import LONGEST_ID, message

READS = frozenset({"GET", "HEAD", "OPTIONS"})

Parse = Callable[[bytes], Any]
"""Makes a document of a body; raises ValueError where it is cut off."""


@dataclass(frozen=True)
class Request:
    """One call.

    Attributes:
        url: Without a query.
        params: The query; a space is sent as `%20`.
        headers: Beside those of the authorization.
        repeatable: Whether it may be sent again when no usable answer came. By default, reads only.
        max_attempts: Attempts at most, where the transport would make more.
        parse: Makes the document of any answer, a refusal too.
    """

    method: str
    url: str
    params: Mapping[str, str | int] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object | None = None
    form: Mapping[str, str] | None = None
    repeatable: bool | None = None
    authorized: bool = True
    max_attempts: int | None = None
    parse: Parse = parse_json

    timeout_error: ClassVar[type[ConnectorError]] = TransientError
    """The error for no answer in time; only a TransientError is tried again."""

    @property
    def may_repeat(self) -> bool:
        """True if an attempt of unknown outcome may be repeated."""
        return self.method in READS if self.repeatable is None else self.repeatable

    @property
    def full_url(self) -> str:
        """The URL with its query, as it is sent."""
        return f"{self.url}?{encode_query(self.params)}" if self.params else self.url

    @override
    def __str__(self) -> str:
        """Method, host and path: a login may stand before the host, and the query may hold personal data."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class Answer:
    """An answer of a server.

    Attributes:
        headers: Case-insensitive.
        seconds: From the request to the end of the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    parse: Parse = parse_json

    @property
    def text(self) -> str:
        """The body as text, for messages."""
        return self.body.decode("utf-8", "replace")

    @property
    def is_json(self) -> bool:
        """True if the body says that it is JSON, `application/problem+json` included."""
        return "json" in self.headers.get("Content-Type", "").lower()

    @cached_property
    def document(self) -> Any:  # noqa: ANN401 (a document has any shape)
        """The body as a JSON document, parsed once.

        Raises:
            ValueError: It is not valid JSON.
        """
        return self.parse(self.body)

    @property
    def json_object(self) -> Mapping[str, Any] | None:
        """The JSON object in the body; None where it is anything else."""
        try:
            return self.document if isinstance(self.document, Mapping) else None
        except ValueError:
            return None

    @property
    def request_id(self) -> str | None:
        """The server's own id of the call, where it names one as Mailchimp does."""
        return message(self.headers.get("X-Request-Id", ""), LONGEST_ID) or None

    @property
    def date(self) -> datetime | None:
        """The time of the server's clock, in UTC; None where the answer does not tell it."""
        return _http_date(self.headers.get("Date", ""))

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait: a number, or a date, which is one of the server's clock."""
        value = self.headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value.isascii() and value.isdigit():
            return float(value)
        until = _http_date(value)
        return max(0.0, (until - (self.date or utc_now())).total_seconds()) if until else None


def _http_date(text: str) -> datetime | None:
    """A date in one of the forms of HTTP, in UTC; None where the text is none."""
    try:
        date = email.utils.parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class HttpCall:
    """The end of one call; nothing but defaults where none was made.

    Attributes:
        status: The HTTP status; None where no answer came.
        request_id: The vendor's own id of the call. Kinetic gives one with failures alone.
        seconds: From the request to the end of the answer; None where it is not known.
        failed: Whether a refusal came, or no usable answer.
    """

    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    failed: bool = False

    @classmethod
    def of_answer(cls, answer: Answer) -> HttpCall:
        """The call that was answered so."""
        return cls(answer.status, answer.request_id, answer.seconds)

    @classmethod
    def of_failure(cls, error: ConnectorError, seconds: float | None = None) -> HttpCall:
        """The call that ended with an error.

        Args:
            error: As the client raised it.
            seconds: Measured by the caller, with what the client repeated; by default those of the last
                answer.
        """
        return cls(error.status, error.request_id, error.seconds if seconds is None else seconds, failed=True)

    def facts(self) -> dict[str, Any]:
        """The attributes of an audited decision that tell of it."""
        return {
            "http_status": self.status,
            "request_id": self.request_id,
            "duration_ms": None if self.seconds is None else self.seconds * 1000,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful call, with the document that came back.

    Attributes:
        document: The JSON object; empty where the answer has no body.
    """

    call: HttpCall
    document: Mapping[str, Any] = field(default_factory=dict)


def encode_query(params: Mapping[str, str | int]) -> str:
    """A query string; a space becomes `%20`, never `+`, and OData's `$`, `'`, `,` stay readable."""
    return urlencode(params, quote_via=quote, safe="$',():@/*")
