"""The tap's settings, and what of them a stream needs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.epicor import with_epicor_settings
from kinetic_mailchimp.kit.errors import ConfigurationError
from singer_sdk import typing as th

from tap_epicor_kinetic.reading.cursor import Overlap, moment
from tap_epicor_kinetic.records.activity import ActivityRule

KEYSET = "keyset"
OFFSET = "offset"

_CUSTOM_STREAM = th.ObjectType(
    th.Property("name", th.StringType, required=True, description="Name of the stream."),
    th.Property("path", th.StringType, description="Service and set: `Erp.BO.SalesTerSvc/SalesTers`."),
    th.Property("baq", th.StringType, description="ID of a BAQ, instead of `path`."),
    th.Property("keys", th.ArrayType(th.StringType), description="Key columns; else from $metadata."),
    th.Property(
        "cursor", th.StringType, description="Column to follow changes by; without it, as for others."
    ),
    th.Property("filter", th.StringType, description="OData condition that always applies."),
    th.Property(
        "expand", th.ArrayType(th.StringType), description="Navigation properties to nest in the records."
    ),
    th.Property("parameters", th.ObjectType(additional_properties=True), description="Of the BAQ."),
    th.Property(
        "schema",
        th.ObjectType(additional_properties=True),
        description="JSON schema of each column, where $metadata tells none and rows would mislead.",
    ),
)

_OWN = th.PropertiesList(
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "Rows changed earlier are not read in the first run. Where a stream follows revisions, its "
            "change date is compared, if Kinetic maintains one; else the setting has no effect on it."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=10_000),
        default=1000,
        title="Page size",
        description="Rows to ask for at once; fewer for a while after the server ran out of time.",
    ),
    th.Property(
        "pagination",
        th.StringType,
        default=KEYSET,
        allowed_values=[KEYSET, OFFSET],
        title="Pagination",
        description=(
            "`keyset` begins each page after the last row of the one before and misses nothing; `offset` "
            "counts rows with `$skip`, for services that refuse such conditions, and may miss rows that "
            "change meanwhile."
        ),
    ),
    th.Property(
        "overlap_seconds",
        th.NumberType(minimum=0),
        default=60,
        title="Overlap in seconds",
        description="How far behind the bookmark a run begins where moments are followed: rows commit late.",
    ),
    th.Property(
        "overlap_revisions",
        th.IntegerType(minimum=0),
        default=1000,
        title="Overlap in revisions",
        description="The same where `SysRevID` is followed, which counts all writes of the database.",
    ),
    th.Property(
        "cursors",
        th.ObjectType(additional_properties=th.StringType),
        title="Cursors",
        description=(
            "Stream to the column that its changes are followed by. Without an entry: the first of "
            "`UpdatedOn`, `SysRevID` and `ChangedOn` that the service has."
        ),
    ),
    th.Property(
        "customer_types",
        th.ArrayType(th.StringType),
        default=["CUS"],
        title="Customer types",
        description="Customers to read: `CUS` customers, `PRO` prospects, `SUS` suspects; none: all.",
    ),
    th.Property(
        "inactive_customers",
        th.StringType,
        default="skip",
        allowed_values=["skip", "flag"],
        title="Inactive customers",
        description="`skip` leaves out customers marked inactive; `flag` reads them, with `Active` false.",
    ),
    th.Property(
        "on_company_error",
        th.StringType,
        default="fail",
        allowed_values=["fail", "skip"],
        title="Company without access",
        description="`fail` ends the run at a company without access; `skip` logs it and reads on.",
    ),
    th.Property(
        "report_deletions",
        th.ArrayType(th.StringType),
        title="Report deletions",
        description=(
            "Streams whose rows that are gone are reported, as records with their key and `_sdc_deleted_at`. "
            "Each run then reads all keys of these streams."
        ),
    ),
    th.Property(
        "key_store",
        th.StringType,
        title="Key store",
        description="SQLite file that keeps the keys between two runs, for `report_deletions`.",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Say when a table is complete",
        description="After the last row of a stream that is read as a full table, emit ACTIVATE_VERSION: "
        "what has not come is gone. Not after counted pages, a skipped company or an interrupted run.",
    ),
    th.Property(
        "custom_streams",
        th.ArrayType(_CUSTOM_STREAM),
        title="Custom streams",
        description="Further sets of services, and BAQs.",
    ),
)

CONFIG_JSONSCHEMA = with_epicor_settings(_OWN.to_dict())
_DEFAULTS = {
    name: definition["default"]
    for name, definition in CONFIG_JSONSCHEMA["properties"].items()
    if "default" in definition
}


@dataclass(frozen=True)
class ReadSettings:
    """How streams are read."""

    start: dt.datetime | None = None
    page_size: int = 1000
    pagination: str = KEYSET
    overlap: Overlap = field(default_factory=Overlap)
    cursors: Mapping[str, str] = field(default_factory=dict)
    activity: ActivityRule = field(default_factory=ActivityRule)
    skips_companies: bool = False
    report_deletions: frozenset[str] = frozenset()
    key_store: str = ""
    tells_completeness: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ReadSettings:
        """Read the tap's own settings.

        Raises:
            ConfigurationError: `start_date` is no moment, `key_store` is missing, or `report_deletions` is
                set with counted pages, which can miss a living row.
        """
        values = {**_DEFAULTS, **{name: value for name, value in config.items() if value is not None}}
        deletions = frozenset(values.get("report_deletions", ()))
        if deletions and not values.get("key_store"):
            raise ConfigurationError(
                "Setting `key_store` is missing.", advice="`report_deletions` needs a file that stays."
            )
        if deletions and values["pagination"] != KEYSET:
            raise ConfigurationError(
                "`report_deletions` cannot be used with counted pages: a row that slips by would be"
                " reported as gone.",
                advice="Set `pagination` to `keyset`, or leave `report_deletions` out.",
            )
        return cls(
            start=_start(values.get("start_date")),
            page_size=values["page_size"],
            pagination=values["pagination"],
            overlap=Overlap(values["overlap_seconds"], values["overlap_revisions"]),
            cursors=values.get("cursors", {}),
            activity=ActivityRule(tuple(values["customer_types"]), values["inactive_customers"]),
            skips_companies=values["on_company_error"] == "skip",
            report_deletions=deletions,
            key_store=values.get("key_store", ""),
            # A row that slips by counted pages would be taken for gone.
            tells_completeness=values["emit_activate_version_messages"] and values["pagination"] == KEYSET,
        )


def _start(text: str | None) -> dt.datetime | None:
    try:
        return moment(text) if text else None
    except ValueError:
        raise ConfigurationError(
            "Setting `start_date` is no date.", advice="Use `2026-01-31` or `2026-01-31T00:00:00Z`."
        ) from None
