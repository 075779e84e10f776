"""Reads failures out of answers: Kinetic's own JSON or XML, the OData layer's JSON, text, a web page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kinetic_mailchimp.kit.http.call import Answer
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.redaction.plain_text import plain

LONGEST_MESSAGE = 300
_REFUSED_BY_IIS = re.compile(
    r"\b40\d\.\d+\b|maxQueryStringLength|maxUrlLength|Request\.Path|Request Too Long|"
    r"request URL is invalid|Invalid URL</h|query string is too long|plain HTTP request|"
    r"maximum request length|request (entity|body) too large|content length too large",
    re.IGNORECASE,
)
"""Words in a web page of IIS or ASP.NET about a request that never reached Kinetic."""
_SAYS_NOTHING = re.compile(
    r"System\.(Exception|ApplicationException|AggregateException|Reflection\.TargetInvocationException"
    r"|InvalidOperationException|ServiceModel\.FaultException)|.*\.ApiException"
)
"""Types of exceptions around the one that is the cause."""
_DEEPEST_CAUSE = 10


@dataclass(frozen=True)
class Problem:
    """The failure that an answer tells of, whichever form the body has."""

    status: int
    message: str = ""
    error_type: str = ""
    field: str = ""
    correlation_id: str | None = None
    is_html: bool = False

    @property
    def text(self) -> str:
        """All that a rule may look at."""
        return f"{self.error_type} {self.message}"


def read_problem(answer: Answer) -> Problem:
    """Read the body of an answer; a success has no more than its status.

    An error that came up when the status was out already stands in the body alone: it counts as a 500, or as
    the status that Kinetic's own error names.
    """
    content_type = answer.headers.get("Content-Type", "").lower()
    if answer.status < HTTPStatus.MULTIPLE_CHOICES and "html" not in content_type:
        document = (answer.json_object if answer.is_json else None) or {}
        status = _status_in(document)
        return _from_json(status, document) if status else Problem(answer.status)
    text = answer.text.strip()
    if "html" in content_type or text[:200].lower().startswith(("<!doctype html", "<html")):
        found = _REFUSED_BY_IIS.search(text) if answer.status <= HTTPStatus.INTERNAL_SERVER_ERROR else None
        return Problem(answer.status, error_type=found[0] if found else "", is_html=True)
    if answer.is_json or text.startswith("{"):
        return _from_json(answer.status, answer.json_object or {})
    if text.startswith("<"):
        return _from_xml(answer.status, text)
    return Problem(answer.status, _shortened(text))


def _status_in(document: Mapping[str, Any]) -> int:
    """The status of an error in the document of a success; 0 where there is none."""
    if isinstance(document.get("error"), Mapping):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    told = document.get("HttpStatus") if document.get("ErrorMessage") else 0
    return told if isinstance(told, int) and told >= HTTPStatus.BAD_REQUEST else 0


def _from_json(status: int, document: Mapping[str, Any]) -> Problem:
    """Read Kinetic's own errors, those of OData 2 to 4, of ASP.NET and of gateways."""
    document = _lowered(document)
    found = document.get("error") or document.get("odata.error") or document.get("fault")
    error = _lowered(found)
    first = _first(document.get("errordetails"))
    words = (
        document.get("errormessage"),
        error.get("message"),
        error.get("faultstring"),
        document.get("error_description"),
        document.get("exceptionmessage"),
        document.get("message"),
        document.get("detail"),
        _first(document.get("errors")).get("message"),
        found,
        first.get("message"),
        document.get("reasonphrase"),
        document.get("title"),
    )
    types = [
        document.get("errortype"),
        document.get("exceptiontype"),
        *_inner_types(error),
        error.get("code"),
    ]
    types += [first.get("type"), first.get("method")]
    return Problem(
        status,
        _shortened(next(filter(None, map(_text, words)), "")),
        error_type=_telling(types),
        field=_text(first.get("field")),
        correlation_id=_text(document.get("correlationid")) or None,
    )


def _inner_types(error: Mapping[str, Any]) -> list[object]:
    """Types of the errors inside of one, from the outermost to the cause."""
    types: list[object] = []
    inner = _lowered(error.get("innererror"))
    while inner and len(types) < _DEEPEST_CAUSE:
        types.append(inner.get("type"))
        inner = _lowered(inner.get("innererror") or inner.get("internalexception"))
    return types


def _telling(types: Sequence[object]) -> str:
    """The first type of an exception that says more than that there was one; else the first."""
    names = [name for name in map(_name, types) if "exception" in name.lower()]
    return next((name for name in names if not _SAYS_NOTHING.fullmatch(name)), names[0] if names else "")


def _name(value: object) -> str:
    """A text, of a length that patterns may search."""
    return _text(value)[:LONGEST_MESSAGE]


def _text(value: object) -> str:
    """A text; OData 2 and 3 put theirs beside its language."""
    value = value.get("value") if isinstance(value, Mapping) else value
    return value if isinstance(value, str) else ""


def _lowered(value: object) -> Mapping[str, Any]:
    """An object with its names in lower case: some layers write them so; nothing of what is none."""
    return {name.lower(): inner for name, inner in value.items()} if isinstance(value, Mapping) else {}


def _first(entries: object) -> Mapping[str, Any]:
    return _lowered(entries[0]) if isinstance(entries, list) and entries else {}


def _from_xml(status: int, text: str) -> Problem:
    parts = {
        name: found.group(1)
        for name in ("ErrorMessage", "ReasonPhrase", "ErrorType", "CorrelationId")
        if (found := re.search(rf"<(?:\w+:)?{name}[^<>]*>([^<]*)<", text))
    }
    return Problem(
        status,
        _shortened(parts.get("ErrorMessage") or parts.get("ReasonPhrase", "")),
        error_type=_name(parts.get("ErrorType")),
        correlation_id=parts.get("CorrelationId"),
    )


def _shortened(text: str) -> str:
    # Its words are kept in the audit trail, too; and a secret that is cut could no longer be told as one.
    line = plain(MASKER.mask(" ".join(text.split())))
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"
