"""The meaning of Mailchimp's answers: from status, title and detail to an error that says what to do.

Several bodies have no `type`, and items of a batch have nothing but a text, so status, title and parts of the
text are what can be relied on. The texts of Mailchimp name the address; ours never do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.mailchimp.refusals import (
    FieldError,
    Refusal,
    RefusedError,
    refusal_error,
    without_addresses,
)

_OF_NOBODY_IN_PARTICULAR = frozenset(range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)) - {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UPGRADE_REQUIRED,
}
"""Statuses that say nothing about a member when Mailchimp's own document is missing. One that a call is too
large does: a batch is halved for it."""

_ASK_SUPPORT = "Correct what it names; else ask Mailchimp's support, who find the call by its id."

WHO_ANSWERS = "If it lasts, look at what answers at `base_url`, such as a proxy."

BLOCKED_PAUSE = 60.0
"""Seconds to wait when the network in front of Mailchimp turned us away: a quick repeat prolongs it."""


_LIST_AND_ITS_COLLECTIONS = re.compile(r"/lists/(?P<list_id>[^/]+)(/[a-z-]+)?$")
_DATA_CENTRE = re.compile(r"data ?cent(er|re)", re.IGNORECASE)
_MEMBER = re.compile(r"/lists/[^/]+/members/[^/]+")


@dataclass(frozen=True)
class DocumentRequest(Request):
    """A call whose answer is of no use unless it is a JSON object."""


def classify(request: Request, answer: Answer) -> ConnectorError | None:
    """The error that an answer of the Marketing API means; None for success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return _strange_success(request, answer)
    problem = _problem(answer)
    if problem is None:
        return _without_problem(request, answer)
    return _BY_STATUS.get(answer.status, _by_kind)(request, answer, problem)


def _strange_success(request: Request, answer: Answer) -> ConnectorError | None:
    """The error of an answer that is none: a page of a proxy, nothing, or half a document."""
    is_json = answer.is_json or answer.body.lstrip()[:1] in {b"{", b"["}
    if answer.body and not is_json:
        return TransientError(
            "Another program than the Mailchimp API answered.", advice=WHO_ANSWERS, status=answer.status
        )
    if not isinstance(request, DocumentRequest) or answer.json_object is not None:
        return None
    return TransientError("The answer is not a whole JSON object.", advice=WHO_ANSWERS, status=answer.status)


def _problem(answer: Answer) -> Mapping[str, Any] | None:
    """The body of an error, when it is one of Mailchimp's own."""
    document = answer.json_object if answer.is_json else None
    return document if document and ("title" in document or "detail" in document) else None


def _without_problem(request: Request, answer: Answer) -> ConnectorError:
    """An error that something in front of Mailchimp sent, or that was sent in a hurry.

    What a gateway or a proxy refuses is not the member: taking it for a refusal would lose whole batches.
    """
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _unknown_credentials(request, answer, {})
    text = answer.text
    if answer.status in {HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE} and (
        "Access Denied" in text or "Reference #" in text
    ):
        return TransientError(
            "The network in front of Mailchimp turns our calls away; the key is not the cause.",
            advice="If it lasts, ask Mailchimp's support about the outgoing IP address.",
            status=answer.status,
            code="access_denied",
            retry_after=BLOCKED_PAUSE,
        )
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or (answer.status == HTTPStatus.FORBIDDEN and not text):
        return TransientError(
            "Mailchimp is throttling calls of this user.",
            advice="If it lasts, lower `concurrency`.",
            status=answer.status,
            code="throttled",
            request_id=answer.request_id,
            retry_after=answer.retry_after,
        )
    if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return ConfigurationError(
            "The proxy on the way to Mailchimp asks for credentials.",
            advice="Set them in `HTTPS_PROXY`, or let the proxy pass this machine.",
            status=answer.status,
        )
    if answer.status in _OF_NOBODY_IN_PARTICULAR:
        return TransientError(
            f"Something in front of Mailchimp answered {request} with status {answer.status}.",
            advice="If it lasts, check `base_url` and any proxy.",
            status=answer.status,
            code="not_from_mailchimp",
            request_id=answer.request_id,
            retry_after=answer.retry_after,
        )
    return _by_kind(request, answer, {})


def _by_kind(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    """Statuses without a row of their own, by their hundreds."""
    details = _details(answer, problem)
    said = _said(problem) or "Mailchimp gave no reason."
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.REQUEST_TIMEOUT:
        return TransientError(
            f"Mailchimp cannot answer now: {said}",
            advice="If it lasts, see https://status.mailchimp.com.",
            retry_after=answer.retry_after,
            **details,
        )
    if answer.status < HTTPStatus.BAD_REQUEST or answer.status == HTTPStatus.UPGRADE_REQUIRED:
        return ConfigurationError(
            f"{request} leads elsewhere.", advice="Set `base_url` to the https address of the API.", **details
        )
    return RefusedError(f"Mailchimp refused the call: {said}", advice=_ASK_SUPPORT, **details)


def _bad_request(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:  # noqa: ARG001 (a row of the table)
    listed = problem.get("errors")
    errors = tuple(
        FieldError(str(error.get("field") or ""), without_addresses(str(error.get("message") or "")))
        for error in (listed if isinstance(listed, list) else ())
        if isinstance(error, dict)
    )
    text = f"{problem.get('title') or ''}: {problem.get('detail') or ''}"
    return refusal_error(text, errors, **_details(answer, problem))


def _unknown_credentials(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:  # noqa: ARG001 (a row of the table)
    return CredentialsError(
        "Mailchimp does not accept the credentials: the key or token is wrong, or it was revoked.",
        advice="Check `api_key` (or run `mailchimp-auth authorize` again for `access_token`), and the data "
        "centre that `base_url` names, if it is set.",
        **_details(answer, problem),
    )


def _forbidden(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    if _DATA_CENTRE.search(f"{problem.get('title')} {problem.get('detail')}"):
        return CredentialsError(
            "The key or token belongs to another data centre than the one that was called.",
            advice="Leave `base_url` empty, or begin it with what follows the last `-` of `api_key`.",
            **_details(answer, problem),
        )
    refused = _bad_request(request, answer, problem)
    if isinstance(refused, RefusedError) and refused.reason is Refusal.CONTACT_LIMIT:
        return refused
    return PermissionDeniedError(
        f"{request} is not allowed: {_said(problem)}",
        advice="The user of the key needs at least the role Manager in the Mailchimp account.",
        **_details(answer, problem),
    )


def _of_the_account(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    return PermissionDeniedError(
        f"{request} is not allowed: {_said(problem)}",
        advice="Look for a message of Mailchimp in the account: about a bill, or of its compliance team.",
        **_details(answer, problem),
    )


def _not_found(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    details = _details(answer, problem)
    path = urlsplit(request.url).path
    audience = _LIST_AND_ITS_COLLECTIONS.search(path)
    if audience:
        return ConfigurationError(
            f"The account has no audience {audience['list_id']}.",
            advice="Check it in `list_id`, or in `list_ids`: Mailchimp shows it as the Audience ID in the "
            "audience's settings.",
            **details,
        )
    what = "The member" if _MEMBER.search(path) else "The resource"
    advice = "It may have been deleted meanwhile; the next run looks again."
    return NotFoundError(f"{what} does not exist.", advice=advice, **details)


def _method_not_allowed(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    refused = _bad_request(request, answer, problem)
    refused.message = refused.message or f"{request} is not possible."
    return refused


def _too_many(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:  # noqa: ARG001 (a row of the table)
    return TransientError(
        "Mailchimp has too many connections of this user open.",
        advice="If it lasts, lower `concurrency`, or look for another program that uses the account.",
        retry_after=answer.retry_after,
        **_details(answer, problem),
    )


def _unavailable(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    if "disabled" in str(problem.get("detail") or "").lower():
        return PermissionDeniedError(
            "Mailchimp has disabled this call for the account.",
            advice="Look for a message of Mailchimp's compliance team in the account.",
            **_details(answer, problem),
        )
    return _by_kind(request, answer, problem)


_BY_STATUS: Mapping[int, Callable[[Request, Answer, Mapping[str, Any]], ConnectorError]] = {
    HTTPStatus.BAD_REQUEST: _bad_request,
    HTTPStatus.UNAUTHORIZED: _unknown_credentials,
    HTTPStatus.PAYMENT_REQUIRED: _of_the_account,
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: _not_found,
    HTTPStatus.METHOD_NOT_ALLOWED: _method_not_allowed,
    HTTPStatus.TOO_MANY_REQUESTS: _too_many,
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: _of_the_account,
    HTTPStatus.SERVICE_UNAVAILABLE: _unavailable,
}


def _said(problem: Mapping[str, Any]) -> str:
    return without_addresses(str(problem.get("detail") or problem.get("title") or ""))


def _details(answer: Answer, problem: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": answer.status,
        "code": str(problem.get("title") or "") or None,
        "request_id": answer.request_id or str(problem.get("instance") or "") or None,
    }
