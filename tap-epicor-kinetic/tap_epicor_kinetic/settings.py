"""The tap's own settings, beside those of every plugin that talks to Kinetic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kinetic_mailchimp.epicor import EntityType, EpicorSettings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.kit.settings.declaration import json_schema, read, setting

from tap_epicor_kinetic.reading.cursor import Overlap
from tap_epicor_kinetic.records.activity import customers_to_read

KEYSET: Literal["keyset"] = "keyset"

_TEXTS: Mapping[str, Any] = {"type": ["array", "null"], "items": {"type": ["string"]}}
_OBJECT: Mapping[str, Any] = {"type": ["object", "null"], "additionalProperties": True}
_CUSTOM_STREAM: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": ["string"], "description": "Name of the stream."},
        "path": {
            "type": ["string", "null"],
            "description": "Service and set: `Erp.BO.SalesTerSvc/SalesTers`.",
        },
        "baq": {"type": ["string", "null"], "description": "ID of a BAQ, instead of `path`."},
        "keys": {**_TEXTS, "description": "Key columns; else from $metadata."},
        "cursor": {
            "type": ["string", "null"],
            "description": "Column to follow changes by; without it, as for others.",
        },
        "filter": {"type": ["string", "null"], "description": "OData condition that always applies."},
        "expand": {**_TEXTS, "description": "Navigation properties to nest in the records."},
        "parameters": {**_OBJECT, "description": "Of the BAQ."},
        "schema": {
            **_OBJECT,
            "description": "JSON schema of each column, where $metadata tells none and rows would mislead.",
        },
    },
    "required": ["name"],
    "additionalProperties": True,
}


def _start_date(text: str) -> dt.datetime:
    try:
        return parse_timestamp(text)
    except ValueError:
        raise ConfigurationError(
            "Setting `start_date` is not a valid date.",
            advice="Use `2026-01-31` or `2026-01-31T00:00:00Z`.",
        ) from None


@dataclass(frozen=True)
class ReadSettings:
    """The way in which streams are read. Build it with `from_config`."""

    start_date: dt.datetime | None = setting(
        None,
        description="Rows changed earlier are not read in the first run. Where a stream follows revisions, "
        "its change date is compared, if Kinetic maintains one; else the setting has no effect on it.",
        schema={"type": ["string"], "format": "date-time"},
        parse=_start_date,
    )
    page_size: int | None = setting(
        None,
        description="Rows to ask for at once; fewer for a while after the server ran out of time. By default "
        "1,000, then up to 2,000 of at most 20 columns as long as the server answers quickly.",
        minimum=1,
        maximum=10_000,
    )
    pagination: Literal["keyset", "offset"] = setting(
        KEYSET,
        description="`keyset` begins each page after the last row of the one before and misses nothing; "
        "`offset` counts rows with `$skip`, for services that refuse such conditions, and reads rows again "
        "where others moved meanwhile; of rows without a key it may miss one.",
    )
    overlap_seconds: float = setting(
        60,
        description="Seconds before the bookmark at which a run begins where timestamps are followed: rows "
        "commit late. Where the column has local times without a zone, 3700 also covers the night in which "
        "clocks are set back.",
        minimum=0,
    )
    overlap_revisions: int = setting(
        1000,
        description="The same where `SysRevID` is followed, which counts all writes of the database.",
        minimum=0,
    )
    cursors: Mapping[str, str] | None = setting(
        None,
        description="Stream to the column that its changes are followed by. Without an entry: the first of "
        "`UpdatedOn`, `SysRevID` and `ChangedOn` that the service has.",
    )
    customer_types: tuple[str, ...] = setting(
        ("CUS",),
        description="Customers to read: `CUS` customers, `PRO` prospects, `SUS` suspects; none: all.",
    )
    inactive_customers: Literal["skip", "flag"] = setting(
        "skip",
        description="`skip` leaves out customers marked inactive; `flag` reads them, with `Active` false.",
    )
    on_company_error: Literal["fail", "skip"] = setting(
        "fail",
        description="`fail` ends the run at a company without access; `skip` logs it and reads on.",
    )
    report_deletions: frozenset[str] | None = setting(
        None,
        description="Streams whose rows that are gone are reported, as records with their key and "
        "`_sdc_deleted_at`. Each run then reads all keys of these streams.",
    )
    key_store: str = setting(
        "",
        description="SQLite file that keeps the keys between two runs, for `report_deletions`.",
    )
    emit_activate_version_messages: bool = setting(
        default=False,
        title="Say when a table is complete",
        description="After the last row of a stream that is read as a full table, emit ACTIVATE_VERSION: "
        "what has not come is gone. Not after counted pages, a skipped company or an interrupted run.",
    )
    custom_streams: Sequence[Mapping[str, Any]] | None = setting(
        None,
        description="Further sets of services, and BAQs.",
        schema={"type": ["array"], "items": _CUSTOM_STREAM},
        parse=tuple,
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ReadSettings:
        """Read the tap's own settings.

        Raises:
            ConfigurationError: `start_date` is not a valid date, `key_store` is missing, or
                `report_deletions` is set with counted pages, which can miss a living row.
        """
        settings = read(cls, config)
        if settings.report_deletions and not settings.key_store:
            raise ConfigurationError(
                "Setting `key_store` is missing.", advice="`report_deletions` needs a file that stays."
            )
        if settings.report_deletions and settings.pagination != KEYSET:
            raise ConfigurationError(
                "`report_deletions` cannot be used with counted pages: a row that slips by would be"
                " reported as gone.",
                advice="Set `pagination` to `keyset`, or leave `report_deletions` out.",
            )
        return settings

    @property
    def overlap(self) -> Overlap:
        """The distance behind the bookmark at which a run begins."""
        return Overlap(self.overlap_seconds, self.overlap_revisions)

    def customers_to_read(self, entity: EntityType) -> str:
        """The OData condition for the customers that flow."""
        skips_inactive = self.inactive_customers == "skip"
        return customers_to_read(entity, self.customer_types, skips_inactive=skips_inactive)

    @property
    def tells_completeness(self) -> bool:
        """True where the end of a full table is told: a row that counted pages missed would seem gone."""
        return self.emit_activate_version_messages and self.pagination == KEYSET

    @property
    def named_streams(self) -> frozenset[str]:
        """The streams that settings name."""
        return frozenset(self.report_deletions or ()) | frozenset(self.cursors or ())

    def cursor_of(self, stream: str) -> str | None:
        """The column that is configured for a stream to follow."""
        return (self.cursors or {}).get(stream)

    def reports_deletions_of(self, stream: str) -> bool:
        """Tell whether rows of a stream that are gone are reported."""
        return stream in (self.report_deletions or ())


CONFIG_JSONSCHEMA = json_schema(EpicorSettings, ReadSettings)
