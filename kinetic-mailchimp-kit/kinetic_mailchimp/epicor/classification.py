"""Finds the error that an answer of Kinetic means."""

from __future__ import annotations

from http import HTTPStatus
from http.client import responses

from kinetic_mailchimp.epicor.error_rules import RULES, Rule
from kinetic_mailchimp.epicor.errors import (
    CHECK_BASE_URL,
    WHO_ANSWERS,
    PageRequest,
    PageTimeoutError,
    ProbeRequest,
    QueryRefusedError,
    ServerLimitError,
    UrlTooLongError,
)
from kinetic_mailchimp.epicor.problem import Problem, read_problem
from kinetic_mailchimp.kit.errors import (
    ConnectorError,
    CredentialsError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import Answer, Request

LONG_URL = 1_000
"""Characters from which on a refusal without a reason may be about the length."""


def classify(request: Request, answer: Answer) -> ConnectorError | None:
    """The error that an answer means; None for success."""
    problem = read_problem(answer)
    if problem.status < HTTPStatus.MULTIPLE_CHOICES and not problem.is_html:
        if answer.body or request.method != "GET" or answer.status == HTTPStatus.NO_CONTENT:
            return None
        return TransientError("The answer is empty.", advice=WHO_ANSWERS, status=answer.status)
    if isinstance(request, PageRequest) and answer.status in {408, 504}:
        return PageTimeoutError(
            "The server ran out of time over a page.", advice="Lower `page_size`.", status=answer.status
        )
    if _may_be_too_long(request, problem):
        return UrlTooLongError(
            "A web page instead of data, in answer to a long query.",
            advice=f"{CHECK_BASE_URL} Or have longer queries allowed in the firewall or the IIS in front.",
            status=answer.status,
        )
    error = to_error(problem, answer)
    if isinstance(request, ProbeRequest) and _refuses_query(error):
        return QueryRefusedError(error.message, advice=error.advice, status=error.status, code=error.code)
    return error


def _may_be_too_long(request: Request, problem: Problem) -> bool:
    """Tell whether a page that names no cause may be that of a firewall, or of IIS that hides its codes."""
    is_unclear = problem.is_html and not problem.error_type and problem.status in {400, 403, 404}
    return is_unclear and len(request.full_url) > LONG_URL


def _refuses_query(error: ConnectorError) -> bool:
    """Tell whether the query itself fails; the server hides the cause behind an apology, as 400 or 500."""
    return (
        error.status in {400, 500, 501}
        and not isinstance(error, CredentialsError | PermissionDeniedError | ServerLimitError)
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
    waits = [seconds for seconds in (answer.retry_after, rule.retry_after) if seconds is not None]
    return rule.error(
        message or f"{responses.get(answer.status, 'The server refused')}.",
        advice=rule.advice,
        status=answer.status,
        code=problem.error_type or None,
        request_id=problem.correlation_id,
        retry_after=max(waits, default=None),
        field=found.get("name") or problem.field or None,
    )


def _sentence(text: str) -> str:
    """The server's words with a full stop, for others follow them."""
    return f"{text}." if text and (text[-1].isalnum() or text[-1] in "'\")]") else text
