"""Mailchimp's error bodies, word for word where they have been recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

DOCUMENTATION = "https://mailchimp.com/developer/marketing/docs/errors/"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldError:
    field: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message}


@dataclass
class Problem(Exception):  # noqa: N818 the vendor's own word
    """An answer of the API that is an error.

    `documented` tells whether the body carries a `type`: several of the recorded bodies do not.
    """

    status: int
    title: str
    detail: str
    errors: Sequence[FieldError] = ()
    documented: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, instance: str) -> Response:
        body: dict[str, object] = {"type": DOCUMENTATION} if self.documented else {}
        body |= {"title": self.title, "status": self.status, "detail": self.detail, "instance": instance}
        if self.errors:
            body["errors"] = [error.as_json() for error in self.errors]
        return Response(
            json.dumps(body),
            self.status,
            headers={"Content-Type": f"{MEDIA_TYPE}; charset=utf-8", **self.headers},
        )


def not_found() -> Problem:
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


def method_not_allowed(allow: str) -> Problem:
    return Problem(
        405,
        "Method Not Allowed",
        "The requested method and resource are not compatible. See the Allow header for this resource's "
        "available methods.",
        headers={"Allow": allow},
    )


def key_missing() -> Problem:
    return Problem(401, "API Key Missing", "Your request did not include an API key.")


def key_invalid() -> Problem:
    return Problem(
        401,
        "API Key Invalid",
        "Your API key may be invalid, or you've attempted to access the wrong datacenter.",
    )


def wrong_datacenter() -> Problem:
    return Problem(403, "Wrong Datacenter", "The API key provided is linked to a different datacenter.")


def too_many_connections(limit: int) -> Problem:
    return Problem(
        429, "Too Many Requests", f"You have exceeded the limit of {limit} simultaneous connections."
    )


def not_json() -> Problem:
    return Problem(
        400,
        "JSON Parse Error",
        "We encountered an unspecified JSON parsing error. Please ensure that your JSON is valid.",
    )


def invalid_resource(detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    return Problem(400, "Invalid Resource", detail, errors)


def not_valid(errors: Sequence[FieldError]) -> Problem:
    return invalid_resource(
        "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
        errors,
    )


def invalid_merge_fields(errors: Sequence[FieldError]) -> Problem:
    return invalid_resource("Your merge fields were invalid.", errors)


def member_exists(email_address: str) -> Problem:
    return Problem(
        400,
        "Member Exists",
        f"{email_address} is already a list member. Use PUT to insert or update list members.",
        documented=False,
    )


def in_compliance_state(email_address: str) -> Problem:
    return Problem(
        400,
        "Member In Compliance State",
        f"{email_address} is in a compliance state due to unsubscribe, bounce, or compliance review "
        "and cannot be subscribed.",
        documented=False,
    )


def forgotten_email(email_address: str) -> Problem:
    return Problem(
        400,
        "Forgotten Email Not Subscribed",
        f"{email_address} was permanently deleted and cannot be re-imported. The contact must "
        "re-subscribe to get back on the list.",
        documented=False,
    )


def signup_throttled(email_address: str) -> Problem:
    return invalid_resource(
        f"{email_address} has signed up to a lot of lists very recently; "
        "we're not allowing more signups for now"
    )


def cannot_archive() -> Problem:
    return Problem(
        405,
        "Method Not Allowed",
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived",
        headers={"Allow": "GET, PUT"},
    )


TRIGGERED = {
    "APIKeyMissing": key_missing(),
    "APIKeyInvalid": key_invalid(),
    "Forbidden": Problem(403, "Forbidden", "You are not permitted to access this resource."),
    "UserDisabled": Problem(403, "User Disabled", "This account has been disabled."),
    "ResourceNotFound": not_found(),
    "MethodNotAllowed": method_not_allowed("GET"),
    "InvalidResource": invalid_resource("The resource submitted could not be validated."),
    "TooManyRequests": too_many_connections(10),
    "InternalServerError": Problem(
        500, "Internal Server Error", "An unexpected internal error has occurred. Please contact Support."
    ),
    "ComplianceRelated": Problem(503, "Compliance Related", "This method has been disabled."),
}
"""What the request header `X-Trigger-Error` asks for, by its value."""
