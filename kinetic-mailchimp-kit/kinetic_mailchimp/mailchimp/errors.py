"""What Mailchimp's answers mean: one table from status, title and detail to an error that says what to do.

Several bodies have no `type`, and items of a batch have nothing but a text, so status, title and parts of the
text are what can be relied on. The texts of Mailchimp name the address; ours never do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    DataError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)
from kinetic_mailchimp.kit.transport import Answer, Request

_OF_NOBODY_IN_PARTICULAR = frozenset(range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)) - {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UPGRADE_REQUIRED,
}
"""Statuses that say nothing about a member when Mailchimp's own document is missing. One that a call is too
large does: a batch is halved for it."""

BLOCKED_PAUSE = 60.0
"""Seconds to wait when the network in front of Mailchimp turned us away: a quick repeat prolongs it."""


class Refusal(str, Enum):
    """Why Mailchimp refuses a member. The value is stable: it is what an audit trail stores."""

    COMPLIANCE_STATE = "compliance_state"
    FORGOTTEN = "permanently_deleted"
    MEMBER_EXISTS = "address_taken"
    SIGNUP_THROTTLED = "signup_throttled"
    FAKE_ADDRESS = "fake_address"
    INVALID_ADDRESS = "invalid_address"
    INVALID_FIELDS = "invalid_fields"
    CANNOT_ARCHIVE = "cannot_archive"
    DUPLICATE_FIELD = "merge_field_exists"
    UNCONFIRMED = "not_confirmed"
    OTHER = "refused_by_mailchimp"


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field: its name as Mailchimp says it (a merge tag or a path), and why."""

    field: str
    message: str


class RefusedError(DataError):
    """Mailchimp refuses one member or one resource; everything else can go on.

    Attributes:
        reason: Which refusal it is.
        field_errors: What is wrong with which field, where Mailchimp says so.
        retry_later: Whether the same record may be taken another day.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Refusal = Refusal.OTHER,
        field_errors: tuple[FieldError, ...] = (),
        **details: Any,  # noqa: ANN401 (those of the base class)
    ) -> None:
        super().__init__(message, **details)
        self.reason = reason
        self.field_errors = field_errors
        self.retry_later = reason is Refusal.SIGNUP_THROTTLED


@dataclass(frozen=True)
class _Meaning:
    """A part of a text that Mailchimp sends (lower case), and what it means."""

    says: str
    reason: Refusal
    message: str
    advice: str = ""


_MEANINGS = (
    _Meaning(
        "compliance state",
        Refusal.COMPLIANCE_STATE,
        "The person unsubscribed, complained or bounced, and Mailchimp lets nobody but them change that.",
        "Only the person can subscribe again, with a form of the audience.",
    ),
    _Meaning(
        "permanently deleted",
        Refusal.FORGOTTEN,
        "The person was permanently deleted from the audience.",
        "Only the person can come back, with a form of the audience.",
    ),
    _Meaning(
        "is already a list member",
        Refusal.MEMBER_EXISTS,
        "Another member of the audience already has this address.",
    ),
    _Meaning(
        "signed up to a lot of lists very recently",
        Refusal.SIGNUP_THROTTLED,
        "Mailchimp takes no further sign-up of this address for now.",
        "Replay the record in some days.",
    ),
    _Meaning(
        "looks fake or invalid",
        Refusal.FAKE_ADDRESS,
        "Mailchimp holds the address for made up.",
        "Correct it in the source.",
    ),
    _Meaning(
        "provide a valid email address",
        Refusal.INVALID_ADDRESS,
        "Mailchimp does not take the address.",
        "Correct it in the source.",
    ),
    _Meaning(
        "portion of the email address is invalid",
        Refusal.INVALID_ADDRESS,
        "Mailchimp does not take the address.",
        "Correct it in the source.",
    ),
    _Meaning(
        "can not archive",
        Refusal.CANNOT_ARCHIVE,
        "A member that bounced, is pending or is archived cannot be archived.",
    ),
    _Meaning(
        "already exists for this list",
        Refusal.DUPLICATE_FIELD,
        "The audience already has a merge field of this tag.",
    ),
    _Meaning(
        "merge fields were invalid",
        Refusal.INVALID_FIELDS,
        "Mailchimp refuses a merge field's value, or misses a required one.",
        "Correct it in the source, or change the field in the audience.",
    ),
    _Meaning(
        "could not be validated",
        Refusal.INVALID_FIELDS,
        "Mailchimp refuses the form of a field.",
    ),
)

_ADDRESS = re.compile(r"\S+@\S+")
_LIST_AND_ITS_COLLECTIONS = re.compile(r"/lists/(?P<list_id>[^/]+)(/[a-z-]+)?$")
_MEMBER = re.compile(r"/lists/[^/]+/members/[^/]+")


def classify(request: Request, answer: Answer) -> ConnectorError | None:
    """What an answer of the Marketing API means: None for success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return _strange_success(answer)
    problem = _problem(answer)
    if problem is None:
        return _without_problem(request, answer)
    return _BY_STATUS.get(answer.status, _by_kind)(request, answer, problem)


def item_error(item: Mapping[str, Any]) -> RefusedError:
    """What an entry of `errors` in the answer of a batch means."""
    complaint = str(item.get("field_message") or "")
    field_errors = (
        (FieldError(str(item["field"]), without_addresses(complaint)),) if item.get("field") else ()
    )
    text = str(item.get("error") or "")
    if field_errors and not _meaning(text):
        text = "Your merge fields were invalid."
    return _refused(text, field_errors, code=str(item.get("error_code") or "") or None)


def without_addresses(text: str) -> str:
    """A text of Mailchimp's, fit for a log."""
    return _ADDRESS.sub("(address)", text)


def _strange_success(answer: Answer) -> ConnectorError | None:
    if not answer.body or answer.is_json:
        return None
    return ConfigurationError(
        "What answered is not the Mailchimp API.",
        advice="Check `base_url` and any proxy.",
        status=answer.status,
    )


def _problem(answer: Answer) -> Mapping[str, Any] | None:
    """The body of an error, when it is one of Mailchimp's own."""
    if not (answer.is_json and answer.body):
        return None
    try:
        document = answer.document
    except ValueError:
        return None
    return document if isinstance(document, dict) and ("title" in document or "detail" in document) else None


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
    if answer.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN}:
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
    said = (
        without_addresses(str(problem.get("detail") or problem.get("title") or ""))
        or "Mailchimp gave no reason."
    )
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.REQUEST_TIMEOUT:
        return TransientError(
            f"Mailchimp cannot answer now: {said}", retry_after=answer.retry_after, **details
        )
    if answer.status < HTTPStatus.BAD_REQUEST or answer.status == HTTPStatus.UPGRADE_REQUIRED:
        return ConfigurationError(
            f"{request} leads elsewhere.", advice="Set `base_url` to the https address of the API.", **details
        )
    return RefusedError(f"Mailchimp refused the call: {said}", **details)


def _bad_request(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:  # noqa: ARG001 (a row of the table)
    errors = tuple(
        FieldError(str(error.get("field") or ""), without_addresses(str(error.get("message") or "")))
        for error in problem.get("errors") or ()
        if isinstance(error, dict)
    )
    text = f"{problem.get('title') or ''}: {problem.get('detail') or ''}"
    return _refused(text, errors, **_details(answer, problem))


def _unknown_credentials(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:  # noqa: ARG001 (a row of the table)
    return CredentialsError(
        "Mailchimp does not accept the credentials: the key or token is wrong, or it was revoked.",
        advice="Check `api_key` (or run `mailchimp-auth authorize` again for `access_token`).",
        **_details(answer, problem),
    )


def _forbidden(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    said = without_addresses(str(problem.get("detail") or problem.get("title") or ""))
    return PermissionDeniedError(
        f"{request} is not allowed: {said}",
        advice="The user of the key needs at least the role Manager in the Mailchimp account.",
        **_details(answer, problem),
    )


def _not_found(request: Request, answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    details = _details(answer, problem)
    path = urlsplit(request.url).path
    audience = _LIST_AND_ITS_COLLECTIONS.search(path)
    if audience:
        return ConfigurationError(
            f"The account has no audience {audience['list_id']}.",
            advice="Check `list_id`: Mailchimp shows it as the Audience ID in the audience's settings.",
            **details,
        )
    what = "The member" if _MEMBER.search(path) else "What was asked for"
    return NotFoundError(f"{what} does not exist.", **details)


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
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: _not_found,
    HTTPStatus.METHOD_NOT_ALLOWED: _method_not_allowed,
    HTTPStatus.TOO_MANY_REQUESTS: _too_many,
    HTTPStatus.SERVICE_UNAVAILABLE: _unavailable,
}


def _meaning(text: str) -> _Meaning | None:
    lowered = text.lower()
    return next((meaning for meaning in _MEANINGS if meaning.says in lowered), None)


def _refused(text: str, field_errors: tuple[FieldError, ...], **details: Any) -> RefusedError:  # noqa: ANN401 (those of the error)
    meaning = _meaning(text)
    complaints = " ".join(f"{error.field}: {error.message}." for error in field_errors if error.field)
    field = next((error.field for error in field_errors if error.field), None)
    if meaning is None:
        said = without_addresses(text).strip(": ") or "no reason was given"
        return RefusedError(
            f"Mailchimp refused it: {said} {complaints}".rstrip(),
            field_errors=field_errors,
            field=field,
            **details,
        )
    return RefusedError(
        f"{meaning.message} {complaints}".rstrip(),
        advice=meaning.advice,
        reason=meaning.reason,
        field_errors=field_errors,
        field=field,
        **details,
    )


def _details(answer: Answer, problem: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": answer.status,
        "code": str(problem.get("title") or "") or None,
        "request_id": answer.request_id or str(problem.get("instance") or "") or None,
    }
