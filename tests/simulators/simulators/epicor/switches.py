"""What a test or a user of the simulator can turn, above all where it is not known how Kinetic behaves."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal


class InvalidSwitchError(ValueError):
    """A switch that does not exist."""


@dataclass(frozen=True)
class Switches:
    """Everything that can be turned; the defaults are what is known best."""

    # Reading
    default_rows: int = 100
    """Rows without `$top`; an administrator can change it."""
    max_top: int | None = None
    """Cap on `$top` for every set; the true one is not known."""
    set_caps: dict[str, int] = field(default_factory=dict)
    """Cap on `$top` of single sets, by name: some give 100 rows whatever is asked."""
    count_error: int = 0
    """Added to every `@odata.count`, which is known to lie."""
    next_link: bool = False
    skip_seconds_per_thousand: float = 0.0
    """How much slower a page is for every 1,000 rows skipped."""
    filter_in: bool = False
    """Whether `in (…)` is understood."""
    quoted_guid: bool = False
    """Whether a GUID may also be compared as a quoted string."""
    case_sensitive: bool = False
    """Whether strings compare by case; with the usual collation they do not."""
    child_set_bug: Literal["window", "error", "off"] = "window"
    """`$filter` on a child set looks only at children of the first `$top` parents, or fails, or works."""
    hidden_territories: tuple[str, ...] = ()
    """Territories whose customers the account may not see."""
    max_request_line: int = 8192
    max_query: int | None = None
    """Bytes of a query that IIS takes (2,048 by default there); a longer one is 404.15, as HTML."""
    top_refused_above: int | None = None
    """The largest `$top`; a larger one is not cut (`max_top`) but refused."""
    max_filter_nodes: int | None = None
    """Nodes that a `$filter` may have (100 by default in ASP.NET); four are about one condition."""
    empty_is_204: bool = False
    """Whether an answer without rows is 204 without a body."""
    refused_path_characters: str = ""
    """Characters that ASP.NET takes for dangerous in a path (`<>*%&:\\?` by default there)."""
    ignore_trailing_blanks: bool = False
    """Whether `eq` and `ne` take no account of blanks at the end, as SQL Server does."""
    refused_functions: tuple[str, ...] = ()
    """Functions of `$filter` whose use ends in the generic 500."""
    numbers: Literal["plain", "quoted", "fractions"] = "plain"
    """Form of numbers in rows: JSON's own, in quotes, or whole ones with a fraction (`3.0`)."""
    broken_text: dict[str, str] = field(default_factory=dict)
    """Text in answers → JSON text in its place, such as `Yankee` → `Yan\\ud83dkee`: half a surrogate pair."""
    metadata_forbidden: bool = False
    """Whether the scope of the key leaves `$metadata` out."""
    metadata_max_length: bool = False
    """Whether `$metadata` tells `column_lengths`."""
    odata_version: str = "4.0"
    """The header `OData-Version` of answers; none without."""
    refused_filter_columns: tuple[str, ...] = ()
    """Columns whose use in `$filter` ends in the generic 500."""
    updated_on_decimals: int = 3
    baq_default_rows: int | None = 100
    get_rows_page_size_zero: Literal["refused", "unlimited"] = "refused"

    # Writing
    max_body: int | None = None
    """Bytes of a request that the gateway takes; a larger one is 413, as HTML."""
    column_lengths: dict[str, int] = field(default_factory=dict)
    """Characters that a column (`CustCnt.FirstName`) takes."""
    over_long: Literal["refused", "cut"] = "refused"
    day_columns: tuple[str, ...] = ()
    """Columns (`CustCnt.Since_c`) that hold a day: what is written is told by its day in the server's zone,
    and shown as the midnight at which that day begins there."""
    bare_date_refused: bool = False
    """Whether a date without a time is refused for an `Edm.DateTimeOffset`."""
    silent_discard: tuple[str, ...] = ()
    """Columns (`CustCnt.NoContact`) that a PATCH accepts and does not store."""
    keep_cleared_email: bool = False
    """Whether `EMailAddress: ""` over an address is dropped silently, as seen on a tenant."""
    custom_only_bumps_revision: bool = True
    """Whether an edit of UD columns alone moves SysRevID (else only UD_SysRevID)."""
    line_bumps_header: bool = False
    """Whether a change of a PO line moves the header's revision."""
    maintain_contact_change_date: bool = False
    """Whether CustCnt.ChangeDate is maintained after all."""
    locked_rejects: bool = False
    """Whether contacts with GlobalLock and inactive customers refuse edits."""
    stale_status: int = 409
    stale_message: str = "Row has been modified by another user and couldn't be updated"
    stale_error_type: str = "Ice.Common.BusinessObjectException"
    business_errors: dict[str, str] = field(default_factory=dict)
    """Table → message: every write to it is refused with that text, as by a BPM."""
    business_error_status: int = 400
    """401 wraps the business error in a status that looks like a login problem."""
    patch_status: Literal[200, 204] = 204
    late_commit_every: int = 0
    """Every so many edits by a user are committed only after the next one, so out of revision order."""

    # Identity
    api_key_required: bool = True
    api_key_valid: bool = True
    password_valid: bool = True
    api_key_error_status: Literal[401, 403] = 401
    access_scope: tuple[str, ...] | None = None
    """The services that the key may use."""
    access_scope_status: Literal[401, 403] = 403
    user_companies: tuple[str, ...] | None = None
    token_seconds: int = 3600
    token_resource_enabled: bool = True
    default_licenses: int | None = None
    """Seats of the default user licence that are free; None is without limit."""
    web_service_licenses: int | None = None
    """Free seats of the web service licence; beyond them calls get the slow shared licence."""
    shared_license_seconds: float = 0.2
    """The penalty of the shared licence; 20 s in reality, scaled."""

    # Errors
    error_shape: Literal["epicor", "odata"] = "epicor"
    """The body of errors of the OData layer."""
    xml_errors: bool = False
    """Whether errors are XML unless JSON is asked for."""
    correlation_id: bool = True

    def turned(self, **changes: Any) -> Switches:
        """These switches with some turned.

        Raises:
            InvalidSwitchError: No such switch.
        """
        names = {f.name for f in fields(self)}
        unknown = sorted(set(changes) - names)
        if unknown:
            raise InvalidSwitchError(f"no switch {', '.join(unknown)}; there are {', '.join(sorted(names))}")
        turned: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
        }
        return replace(self, **turned)
