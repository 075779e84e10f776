"""The meaning of an answer of Kinetic, or of the gateway before it: one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import urlsplit

from kinetic_mailchimp.epicor.problem import Problem, read_problem
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    DataError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.http_call import Answer, Request

LICENSE_PAUSE = 30.0
"""Seconds until a seat of a full licence pool may be free again."""


class PageTimeoutError(ConnectorError):
    """The server, its gateway or our own patience ran out of time over a page: ask for a smaller one."""


class QueryRefusedError(ConnectorError):
    """The server cannot run a query of this form; the rows may be had in another way."""


class CompanyAccessError(PermissionDeniedError):
    """The company does not exist, or this identity may not work in it. Kinetic says no more than that."""


@dataclass(frozen=True)
class PageRequest(Request):
    """A read that its sender can make smaller, so that a time-out is told at once."""

    timeout_error: ClassVar[type[ConnectorError]] = PageTimeoutError


@dataclass(frozen=True)
class ProbeRequest(Request):
    """A read that finds out whether the server can run it, so that a refusal is told at once."""


@dataclass(frozen=True)
class Rule:
    """One row of the table; a rule applies where all that it names fits.

    Attributes:
        error: The class of failure, which is how one recovers from it.
        statuses: HTTP statuses, or any.
        says: A pattern in the error type or the message; its group `name` is a column, a set or a service.
        html: Whether the body is a web page.
        message: Instead of the server's own words; `{name}` is that group.
        advice: What a person can do.
        retry_after: Seconds that this kind of failure needs.
    """

    error: type[ConnectorError]
    statuses: frozenset[int] = frozenset()
    says: re.Pattern[str] | None = None
    html: bool | None = None
    message: str = ""
    advice: str = ""
    retry_after: float | None = None

    def match(self, problem: Problem) -> Mapping[str, str] | None:
        """The groups that the pattern found, where the rule applies; else None."""
        if self.statuses and problem.status not in self.statuses:
            return None
        if self.html is not None and self.html != problem.is_html:
            return None
        if self.says is None:
            return {}
        found = self.says.search(problem.text)
        return found.groupdict(default="") if found else None


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _on(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


BUSY = _on(408, 425, 429, 502, 503, 504)
CHECK_BASE_URL = "Check `base_url`: host and instance, the part before `/api/v2`."

RULES: tuple[Rule, ...] = (
    Rule(
        TransientError,
        says=_says(r"LicenseAccessException|maximum users exceeded"),
        advice="Lower `concurrency`, or claim another licence with `license_type`.",
        retry_after=LICENSE_PAUSE,
    ),
    Rule(
        TransientError,
        _on(503),
        _says(r"ConversionsPending"),
        message="The server is being upgraded.",
        advice="Wait until the upgrade is done.",
    ),
    Rule(
        TransientError,
        BUSY | _on(200, 500),
        html=True,
        message="A web page instead of data: maintenance, a gateway, or not a Kinetic address.",
        advice=f"If it stays: {CHECK_BASE_URL}",
    ),
    Rule(
        TransientError,
        BUSY,
        message="The server is busy or away.",
        advice="If it stays, ask its administrators.",
    ),
    # Kinetic sends some refusals of business rules as 401; to log in again would change nothing.
    Rule(NotFoundError, _on(400, 401, 404), _says(r"RecordNotFoundException|record not found")),
    Rule(DataError, _on(401), _says(r"BusinessObjectException|BLException")),
    Rule(
        PermissionDeniedError,
        _on(401, 403),
        _says(r"access scope|out of scope|not in scope"),
        advice="Add the service to the access scope of the key in API Key Maintenance (`api_key`).",
    ),
    Rule(
        CredentialsError,
        _on(401, 403),
        _says(r"api[ -]?key"),
        advice="Check `api_key`: of this environment, not expired, enabled.",
    ),
    Rule(
        CompanyAccessError,
        _on(400, 401, 403, 404, 500),
        _says(r"(invalid|unknown) company|company \S* ?(is )?(not valid|invalid|unknown|not found)"),
        advice="Check `companies`: IDs as they stand in Kinetic, and the access of the user to each.",
    ),
    Rule(
        CompanyAccessError,
        _on(400, 401, 403),
        _says(r"\bcompany\b.*\b(access|authori[sz]ed|permitted|allowed)|(access|authori[sz]ed).*\bcompany\b"),
        advice="Give the user access to this company, or take it out of `companies`.",
    ),
    Rule(
        CredentialsError,
        _on(401),
        message="The login was refused.",
        advice=(
            "Check `auth_method` and its settings: `username` and `password`, or `client_id` "
            "and `client_secret`; then `api_key`."
        ),
    ),
    Rule(
        PermissionDeniedError,
        _on(403),
        advice=(
            "Widen the access scope of the API key (`api_key`), or the menu and service security of the user."
        ),
    ),
    Rule(
        ConfigurationError,
        _on(400),
        _says(r"could not find a property named '(?P<name>[^']*)'"),
        message="The service has no column {name}.",
        advice="Take it out of the selection, or out of the setting or mapping that names it.",
    ),
    Rule(
        ConfigurationError,
        _on(404),
        _says(r"resource not found for the segment '(?P<name>[^']*)'"),
        message="The server has no service or set {name}.",
        advice="Names are case-sensitive; the version of Kinetic or its licensed modules may lack it.",
    ),
    Rule(ConfigurationError, _on(404), html=True, message="Nothing is there.", advice=CHECK_BASE_URL),
    Rule(
        ConfigurationError,
        _on(404),
        advice=f"The service, the set, the BAQ or the instance does not exist. {CHECK_BASE_URL}",
    ),
    # A PATCH or GetByID of a row that is not there answers 400 "Customer not available".
    Rule(NotFoundError, _on(400), _says(r"\bnot (available|found)\b|does not exist")),
    Rule(
        ConfigurationError,
        _on(400),
        _says(
            r"ODataException|binary operator|identifier was expected|syntax error"
            r"|\$(filter|select|orderby|expand)"
        ),
        advice="The query was refused: check filter, expand and columns of this stream.",
    ),
    Rule(
        ConfigurationError,
        _on(414),
        message="The URL of the request is too long for the gateway.",
        advice="Select fewer columns, or shorten the filter.",
    ),
    Rule(
        TransientError,
        _on(410),
        message="The session on the server has ended.",
    ),
    Rule(DataError, _on(500), _says(r"BusinessObjectException|BLException")),
    Rule(
        TransientError,
        frozenset(range(500, 600)),
        advice="If it stays, give the correlation id to the administrators of the server.",
    ),
    Rule(
        ConfigurationError,
        frozenset(range(300, 400)),
        message="The server sends elsewhere.",
        advice=CHECK_BASE_URL,
    ),
    Rule(DataError),
)
"""First match decides. The last row fits everything: the record is refused, the run goes on."""


def classify(request: Request, answer: Answer) -> ConnectorError | None:
    """The error that an answer means; None for success.

    Args:
        request: What was sent.
        answer: What came back.
    """
    problem = read_problem(answer)
    if answer.status < HTTPStatus.MULTIPLE_CHOICES and not problem.is_html:
        return None
    if isinstance(request, PageRequest) and answer.status in {408, 504}:
        return PageTimeoutError("The server ran out of time over a page.", status=answer.status)
    error = to_error(problem, answer)
    if isinstance(request, ProbeRequest) and _refuses_query(error):
        return QueryRefusedError(error.message, status=error.status, code=error.code)
    return error


def _refuses_query(error: ConnectorError) -> bool:
    """Tell whether the query itself fails; the server hides the cause behind an apology, as 400 or 500."""
    return (
        error.status in {400, 500, 501}
        and not isinstance(error, CredentialsError | PermissionDeniedError)
        and error.retry_after is None
    )


def to_error(problem: Problem, answer: Answer, rules: tuple[Rule, ...] = RULES) -> ConnectorError:
    """The error of the first rule that fits.

    Args:
        problem: The failure, read out of the body.
        answer: What came back.
        rules: The table; the first rule that fits decides.
    """
    rule, found = next((rule, found) for rule in rules if (found := rule.match(problem)) is not None)
    message = rule.message.format(**found) if rule.message else _sentence(problem.message)
    return rule.error(
        message or _reason(answer.status),
        advice=rule.advice,
        status=answer.status,
        code=problem.error_type or None,
        request_id=problem.correlation_id,
        retry_after=_longest(answer.retry_after, rule.retry_after),
        field=found.get("name") or problem.field or None,
    )


def _sentence(text: str) -> str:
    """The server's words with a full stop, for others follow them."""
    return f"{text}." if text and (text[-1].isalnum() or text[-1] in "'\")]") else text


def _longest(*seconds: float | None) -> float | None:
    return max((value for value in seconds if value is not None), default=None)


def _reason(status: int) -> str:
    try:
        return f"{HTTPStatus(status).phrase}."
    except ValueError:
        return "The server refused."


def host_of(url: str) -> str:
    """Scheme, host and port of a URL, to compare two by."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
