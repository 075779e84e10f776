"""Kinetic's errors: status, texts and the forms of the body."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

API_EXCEPTION = "Epicor.RESTApi.ErrorHandling.ApiException"
BUSINESS = "Ice.Common.BusinessObjectException"
DUPLICATE = "Ice.Common.DuplicateRecordException"
INVALID_SESSION = "Ice.Common.InvalidSessionException"
LICENSE = "Ice.Common.LicenseAccessException"
NOT_FOUND = "Ice.Common.RecordNotFoundException"
ODATA = "Microsoft.OData.ODataException"
UNAUTHORIZED = "Ice.Common.UnauthorizedAccessException"

WEB_PAGE = "text/html"
"""In place of a type: the web server in front answers, with a page."""

IIS_QUERY_TOO_LONG = (
    "<!DOCTYPE html><html><head><title>IIS Detailed Error - 404.15 - Not Found</title></head><body>"
    "<h2>HTTP Error 404.15 - Not Found</h2><h3>The request filtering module is configured to deny a request"
    " where the query string is too long.</h3></body></html>"
)
DANGEROUS_PATH = (
    "<!DOCTYPE html><html><head><title>A potentially dangerous Request.Path value was detected from the"
    " client.</title></head><body>Server Error in Application</body></html>"
)
APOLOGY = (
    "We apologize, but an unexpected internal problem occurred. Please provide your System Administrator or"
    " Technical Support with the Correlation Id for further details."
)


# Not frozen: the interpreter attaches tracebacks to an exception that is raised.
@dataclass(eq=False)
class EpicorError(Exception):
    """A refusal that becomes a response."""

    status: int
    message: str
    error_type: str = API_EXCEPTION
    table: str = ""
    field: str = ""
    unknown: bool = False
    """The simulator does not know what was asked: a test should fail on it."""

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


def odata_error(message: str, *, unknown: bool = False) -> EpicorError:
    return EpicorError(400, message, ODATA, unknown=unknown)


def business_error(message: str, table: str = "", field: str = "", status: int = 400) -> EpicorError:
    return EpicorError(status, message, BUSINESS, table, field)


def internal_error() -> EpicorError:
    return EpicorError(500, APOLOGY, "System.Exception")


def no_such_property(name: str, type_name: str) -> EpicorError:
    return odata_error(f"Could not find a property named '{name}' on type '{type_name}'.")


def no_such_segment(segment: str) -> EpicorError:
    return EpicorError(404, f"Resource not found for the segment '{segment}'.", unknown=True)


def body(error: EpicorError, *, correlation_id: bool = True) -> Mapping[str, Any]:
    """The body that Kinetic's REST layer writes."""
    written: dict[str, Any] = {
        "HttpStatus": error.status,
        "ReasonPhrase": "REST API Exception",
        "ErrorMessage": error.message,
        "ErrorType": error.error_type,
    }
    if error.table or error.error_type == BUSINESS:
        detail = {"Message": error.message, "Type": "Error", "Table": error.table, "Field": error.field}
        detail["Method"] = "ThrowUpdateExtException"
        written["ErrorDetails"] = [{name: value for name, value in detail.items() if value}]
    if correlation_id:
        # Of the message, not of the clock: the same run gives the same bytes.
        written["CorrelationId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{error.status} {error.message}"))
    return written


def odata_body(error: EpicorError) -> Mapping[str, Any]:
    """The body that the OData layer writes in some versions."""
    inner = {"message": error.message, "type": error.error_type, "stacktrace": ""}
    return {"error": {"code": "", "message": error.message, "innererror": inner}}


def xml_body(error: EpicorError) -> str:
    """The body for a client that does not ask for JSON."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><RestException>'
        f"<HttpStatus>{error.status}</HttpStatus><ReasonPhrase>REST API Exception</ReasonPhrase>"
        f"<ErrorMessage>{escape(error.message)}</ErrorMessage>"
        f"<ErrorType>{escape(error.error_type)}</ErrorType></RestException>"
    )


def gateway_body(status: int, text: str) -> Mapping[str, Any]:
    """Kinetic's form for an error that a fault rule asks for."""
    return body(EpicorError(status, text))
