"""The meaning of failures of Kinetic, and of the gateway before it: one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kinetic_mailchimp.epicor.errors import (
    CHECK_BASE_URL,
    BodyTooLargeError,
    CompanyAccessError,
    FilterTooLargeError,
    PageTooLargeError,
    PathRefusedError,
    UrlTooLongError,
)
from kinetic_mailchimp.epicor.problem import Problem
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    DataError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)

LICENSE_PAUSE = 30.0
"""Seconds until a seat of a full licence pool may be free again."""


@dataclass(frozen=True)
class Rule:
    """One row of the table; a rule applies where all that it names fits.

    Attributes:
        error: The class of failure, which is how one recovers from it.
        statuses: HTTP statuses, or any.
        of_type: A pattern in the error type.
        says: A pattern in the message, or in the error type; its group `name` is a column or a set.
        message: Instead of the server's own words; `{name}` is that group.
        retry_after: Seconds that this kind of failure needs.
    """

    error: type[ConnectorError]
    statuses: frozenset[int] = frozenset()
    of_type: re.Pattern[str] | None = None
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
        if self.of_type is not None and not self.of_type.search(problem.error_type):
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
_NO_PROPERTY = r"could not find a property named '(?P<name>[^']*)'"
_NO_PROPERTY_ADVICE = "Take it out of the selection, or out of the setting or mapping that names it."

BUSINESS_RULE = _says(r"BusinessObjectException|BLException|Bpm|DuplicateRecord|RowModified")
_MISSING_ROW = _says(r"\bnot (available|found)\b|does not exist")
_TOO_LONG_ADVICE = (
    "Nothing shorter can be asked: let the administrators of the server allow longer queries "
    "(`maxQueryString` of IIS), or select fewer columns and shorten the filter."
)
_BODY_TOO_LARGE = "The request or its answer is too large for the gateway."
_QUERY_ADVICE = "The query was refused: check filter, expand and columns of this stream."

RULES: tuple[Rule, ...] = (
    # Where the type says what kind of failure it is, the words do not: a business rule may speak of
    # companies, licences and users. Kinetic sends some as 401; to log in again would change nothing.
    # A PATCH or GetByID of a row that is not there answers 400 "Customer not available".
    Rule(NotFoundError, _on(400, 401, 404), of_type=_says("RecordNotFoundException")),
    Rule(NotFoundError, _on(400), of_type=BUSINESS_RULE, says=_MISSING_ROW),
    Rule(DataError, frozenset(range(400, 501)) - BUSY, of_type=BUSINESS_RULE),
    Rule(
        ConfigurationError,
        _on(400),
        of_type=_says("ODataException"),
        says=_says(_NO_PROPERTY),
        message="The service has no column {name}.",
        advice=_NO_PROPERTY_ADVICE,
    ),
    Rule(
        PageTooLargeError,
        _on(400, 422, 500, 501),
        says=_says(
            r"limit of '(?P<name>\d+)' for top|top query"
            r"|\$top\b.*(exceed|maxim|at most|limit|between|less|more|greater|larger"
            r"|too (large|big|high|many)|invalid|not (valid|allowed|permitted))"
            r"|(page ?size|\bmax ?top\b|\btop\b).*(exceed|maxim|at most|limit|too (large|big|high))"
            r"|(exceed|maxim|limit|too (large|many)).*(page ?size|\bmax ?top\b|\$top\b)"
            r"|(more than|at most|maximum( number)? of|up to) \d+ (rows|records|entities|items|results)"
        ),
        advice="Ask the administrators of the server.",
    ),
    Rule(
        FilterTooLargeError,
        _on(400, 500),
        says=_says(
            r"node count|Max\w*(NodeCount|Depth)|nested too deeply|(depth|recursion|complexity) limit"
            r"|(filter|expression|query).*too (complex|deep|many|large)"
            r"|too (many|complex).*(filter|expression|quer|condition|node|term)"
            r"|ran out of internal resources|InsufficientExecutionStack"
        ),
        advice="Nothing smaller can be asked: let the administrators allow more (`MaxNodeCount`).",
    ),
    Rule(
        UrlTooLongError,
        _on(400, 404, 414, 431),
        says=_says(
            r"404\.1[45]\b|maxQueryStringLength|maxUrlLength|request too long|query string is too long"
        ),
        message="The query of the request is too long for the server.",
        advice=_TOO_LONG_ADVICE,
    ),
    Rule(
        UrlTooLongError,
        _on(414),
        message="The URL of the request is too long for the gateway.",
        advice=_TOO_LONG_ADVICE,
    ),
    Rule(
        ConfigurationError,
        _on(400),
        says=_says("plain HTTP request"),
        message="The server speaks TLS at this port.",
        advice="Check `base_url`: it begins with `https://`.",
    ),
    Rule(BodyTooLargeError, _on(413), message=_BODY_TOO_LARGE),
    Rule(
        BodyTooLargeError,
        _on(400, 404, 500),
        says=_says(
            r"404\.13\b|maximum request length|request (entity|body) too large|content length too large"
        ),
        message=_BODY_TOO_LARGE,
    ),
    Rule(
        PathRefusedError,
        _on(400, 404),
        says=_says(r"404\.([578]|11|20)\b|Request\.Path|request URL is invalid|Invalid URL</h"),
        message="The web server refuses a character in the path.",
        advice="Set `write_mode` to `rpc`.",
    ),
    Rule(ConfigurationError, _on(400), of_type=_says("ODataException"), advice=_QUERY_ADVICE),
    Rule(  # a seat of a full pool is free again soon; a licence that is not there is not
        CompanyAccessError,
        _on(400, 401, 403, 500),
        says=_says(
            r"\b(not |un)licen[cs]ed\b|\bno (valid )?licen[cs]e (was |is )?(found|installed|assigned|for)\b"
            r"|\blicen[cs]e\b.{0,60}\b(expired|not (found|valid|installed|assigned|enabled))\b"
        ),
        advice="Let an administrator of Kinetic install or renew it and assign it to the company, claim "
        "another one with `license_type`, or take the company out of `companies`.",
    ),
    Rule(
        TransientError,
        says=_says(r"LicenseAccessException|maximum users exceeded"),
        advice="Lower `concurrency`, or claim another licence with `license_type`.",
        retry_after=LICENSE_PAUSE,
    ),
    Rule(
        TransientError,
        _on(503),
        says=_says(r"ConversionsPending"),
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
    Rule(NotFoundError, _on(400, 401, 404), says=_says(r"record not found")),
    Rule(
        PermissionDeniedError,
        _on(401, 403),
        says=_says(r"access scope|out of scope|not in scope"),
        advice="Add the service to the access scope of the key in API Key Maintenance (`api_key`).",
    ),
    Rule(
        CredentialsError,
        _on(401, 403),
        says=_says(r"api[ -]?key"),
        advice="Check `api_key`: of this environment, not expired, enabled.",
    ),
    Rule(
        CompanyAccessError,
        _on(400, 401, 403, 404, 500),
        says=_says(r"(invalid|unknown) company|company \S* ?(is )?(not valid|invalid|unknown|not found)"),
        advice="Check `companies`: IDs as they stand in Kinetic, and the access of the user to each.",
    ),
    Rule(
        CompanyAccessError,
        _on(400, 401, 403),
        says=_says(
            r"\bcompany\b.*\b(access|authori[sz]ed|permitted|allowed)|(access|authori[sz]ed).*\bcompany\b"
        ),
        advice="Give the user access to this company, or take it out of `companies`.",
    ),
    Rule(
        PermissionDeniedError,
        _on(400, 404, 500),
        of_type=_says("UnauthorizedAccessException|SecurityException"),
        advice="Let the menu and service security of the user, or the access scope of the API key, allow it.",
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
        says=_says(_NO_PROPERTY),
        message="The service has no column {name}.",
        advice=_NO_PROPERTY_ADVICE,
    ),
    Rule(
        ConfigurationError,
        _on(404),
        says=_says(r"resource not found for the segment '(?P<name>[^'$]+)'"),
        message="The server has no service or set {name}.",
        advice="Names are case-sensitive; the version of Kinetic or its licensed modules may lack it.",
    ),
    Rule(ConfigurationError, _on(404), html=True, message="Nothing is there.", advice=CHECK_BASE_URL),
    Rule(
        ConfigurationError,
        _on(404),
        advice=f"The service, the set, the BAQ or the instance does not exist. {CHECK_BASE_URL}",
    ),
    Rule(NotFoundError, _on(400), says=_MISSING_ROW),
    Rule(
        ConfigurationError,
        _on(400),
        says=_says(r"binary operator|identifier was expected|syntax error|\$(filter|select|orderby|expand)"),
        advice=_QUERY_ADVICE,
    ),
    Rule(
        TransientError,
        _on(410),
        message="The session on the server has ended.",
    ),
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
