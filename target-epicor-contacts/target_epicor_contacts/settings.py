"""The settings of the target: declared for Singer, and read into one frozen object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

from kinetic_mailchimp.epicor import with_epicor_settings
from kinetic_mailchimp.kit.errors import ConfigurationError
from singer_sdk import typing as th

from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CONTACT, ENTITIES, Entity
from target_epicor_contacts.epicor.row_finder import AddressFilter
from target_epicor_contacts.epicor.row_writer import WriteMode
from target_epicor_contacts.rules.matching import LinkedPeople
from target_epicor_contacts.rules.policy import ConflictPolicy, Rules, StatusColumns
from target_epicor_contacts.state.last_sent import MERGE_FIELDS

Unmatched = Literal["record", "dead_letter", "create", "ignore"]
OnInvalid = Literal["dead_letter", "skip"]
Evidence = Literal["memo", "crm_call"]

SENT_VALUES = "target-mailchimp/{list_id}/members"


def _words(kind: type[Enum]) -> list[str]:
    return [str(member.value) for member in kind]


_OWN_SETTINGS = th.PropertiesList(
    th.Property(
        "match",
        th.ArrayType(th.StringType(allowed_values=[entity.setting for entity in ENTITIES])),
        default=[entity.setting for entity in ENTITIES],
        title="Rows to match",
        description="Which rows an address is looked for in: `contacts` (CustCnt), `customers`, or both.",
    ),
    th.Property(
        "linked_people",
        th.StringType(allowed_values=_words(LinkedPeople)),
        default=LinkedPeople.NO_OTHER_ADDRESS.value,
        title="Contacts of the same person",
        description=(
            "Which further contacts of a person (PerConID) a status reaches: none but those with the address "
            "(`same_address`), also those without any (`no_other_address`), or `all`."
        ),
    ),
    th.Property(
        "address_filter",
        th.StringType(allowed_values=_words(AddressFilter)),
        default=AddressFilter.CONTAINS.value,
        title="How addresses are searched",
        description=(
            "`contains` finds `mailto:`, names and spaces around an address; `tolower` does so in a database "
            "that tells capitals apart; `equals` is for clean columns."
        ),
    ),
    th.Property(
        "unmatched",
        th.StringType(allowed_values=["record", "dead_letter", "create", "ignore"]),
        default="record",
        title="People without a row",
        description=(
            "`record` only notes it; `dead_letter` keeps the record for replay and counts it as failed; "
            "`create` makes a contact under `create_under_customer`; `ignore` counts it as of no interest."
        ),
    ),
    th.Property(
        "create_under_customer",
        th.StringType,
        title="Customer of new contacts",
        description="CustID of the customer under which `unmatched: create` makes contacts.",
    ),
    th.Property(
        "create_in_company",
        th.StringType,
        title="Company of new contacts",
        description="The company of that customer. Default: the first of `companies`.",
    ),
    th.Property(
        "flag_column",
        th.StringType,
        default="NoContact",
        title="Flag column",
        description="The yes-or-no column that keeps a row out of marketing; all matched rows must have it.",
    ),
    th.Property(
        "flag_value",
        th.BooleanType,
        default=True,
        title="Value of the flag",
        description="What the flag column holds for someone who opted out; false for a column of consent.",
    ),
    th.Property(
        "flag_statuses",
        th.ArrayType(th.StringType(allowed_values=["unsubscribed", "complaint", "cleaned"])),
        default=["unsubscribed", "complaint", "cleaned"],
        title="Statuses that set the flag",
        description="`cleaned` is an address that bounced.",
    ),
    th.Property(
        "status_column",
        th.StringType,
        title="Status column",
        description="Column for the status, such as `MC_Status_c`.",
    ),
    th.Property(
        "status_values",
        th.ObjectType(additional_properties=th.StringType),
        title="Words for a status",
        description="Status → what the status column gets instead, such as `unsubscribed` → `OPTOUT`.",
    ),
    th.Property(
        "reason_column",
        th.StringType,
        title="Reason column",
        description="Column for Mailchimp's reason, such as `MC_StatusReason_c`.",
    ),
    th.Property(
        "date_column",
        th.StringType,
        title="Date column",
        description="Column for the moment of the status, such as `MC_StatusDate_c`.",
    ),
    th.Property(
        "campaign_column",
        th.StringType,
        title="Campaign column",
        description="Column for the campaign that caused it, such as `MC_Campaign_c`.",
    ),
    th.Property(
        "clear_on_subscribe",
        th.BooleanType,
        default=True,
        title="Take the flag back",
        description="Whether a newer `subscribed` clears a flag; never one that somebody else set.",
    ),
    th.Property(
        "conflict_policy",
        th.StringType(allowed_values=_words(ConflictPolicy)),
        default=ConflictPolicy.MAILCHIMP_WINS.value,
        title="Conflicts",
        description=(
            "Whose value stays in a field that both sides changed since they last agreed. `newest_wins` "
            "needs a change date on the row; without one the event counts as newer."
        ),
    ),
    th.Property(
        "merge_fields",
        th.ObjectType(additional_properties=th.StringType),
        default=dict(MERGE_FIELDS),
        title="Merge fields",
        description=(
            "Epicor's column → the merge field it is sent to (`ADDRESS.city` for a part). The last value "
            "sent, which the other direction keeps in the same audit database, tells an edit from a stale "
            "value."
        ),
    ),
    th.Property(
        "sent_values_namespace",
        th.StringType,
        default=SENT_VALUES,
        title="Where values sent are kept",
        description="The part of the audit database's ledger that has them; `{list_id}` is the audience.",
    ),
    th.Property(
        "allow_clear",
        th.BooleanType,
        default=False,
        title="Allow clearing",
        description="Whether an empty value from Mailchimp may replace a value in Epicor.",
    ),
    th.Property(
        "write_mode",
        th.StringType(allowed_values=_words(WriteMode)),
        default=WriteMode.PATCH.value,
        title="Way to write",
        description=(
            "`patch` sets single columns; `rpc` reads and updates the whole row, where rules refuse `patch`; "
            "`update_ext` sends up to 50 rows in a call."
        ),
    ),
    th.Property(
        "verify_writes",
        th.BooleanType,
        default=True,
        title="Read back",
        description="Read written rows back and compare; Epicor can accept a change and not store it.",
    ),
    th.Property(
        "evidence",
        th.ArrayType(th.StringType(allowed_values=["memo", "crm_call"])),
        default=[],
        title="Evidence",
        description="Log opt-outs in Epicor too: as a `memo` on the row, as a `crm_call` of the customer.",
    ),
    th.Property(
        "crm_call_type",
        th.StringType,
        title="Type of CRM calls",
        description="CallTypeCode for `crm_call`; it must exist in Epicor.",
    ),
    th.Property(
        "batch_size",
        th.IntegerType(minimum=1, maximum=5000),
        default=500,
        title="Batch size",
        description="Records worked on together; a STATE message ends a batch early.",
    ),
    th.Property(
        "cache_seconds",
        th.NumberType(minimum=0),
        default=60,
        title="Seconds to remember rows",
        description="How long a found row is used again without asking Epicor.",
    ),
    th.Property(
        "on_invalid",
        th.StringType(allowed_values=["dead_letter", "skip"]),
        default="dead_letter",
        title="Invalid records",
        description=(
            "`dead_letter` keeps the record for replay and counts it as failed: it may hold an opt-out. "
            "`skip` only records why."
        ),
    ),
    th.Property(
        "max_failed",
        th.IntegerType(minimum=0),
        title="Most failed records",
        description="More failed records than this end the run with an error before its state moves on.",
    ),
    th.Property(
        "max_failed_ratio",
        th.NumberType(minimum=0, maximum=1),
        title="Largest share of failed records",
        description="The same as a share of the records read, from 0 to 1; looked at from 100 records on.",
    ),
    th.Property(
        "audit_database_url",
        th.StringType,
        secret=True,
        title="Audit database",
        description=(
            "`sqlite:///file` or `postgresql://…`. Default: `data/sync-audit.sqlite3` in the Meltano project."
        ),
    ),
    th.Property(
        "keep_payloads",
        th.BooleanType,
        default=False,
        title="Keep what was sent",
        description=(
            "Store what was sent completely in the audit trail, encrypted where AUDIT_ENCRYPTION_KEY is set."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Do everything but write; the audit trail says what would be done. No state is saved.",
    ),
    th.Property(
        "reconcile",
        th.BooleanType,
        default=False,
        title="Compare",
        description="Compare and write nothing: each difference is recorded as drift. No state is saved.",
    ),
)

JSON_SCHEMA: dict[str, Any] = with_epicor_settings(_OWN_SETTINGS.to_dict())


@dataclass(frozen=True)
class WriteSettings:
    """How records are written; each attribute is the setting of that name."""

    match: tuple[Entity, ...] = ENTITIES
    linked_people: LinkedPeople = LinkedPeople.NO_OTHER_ADDRESS
    address_filter: AddressFilter = AddressFilter.CONTAINS
    unmatched: Unmatched = "record"
    create_under_customer: str | None = None
    create_in_company: str | None = None
    flag_column: str = "NoContact"
    flag_value: bool = True
    flag_statuses: frozenset[Status] = frozenset({Status.UNSUBSCRIBED, Status.COMPLAINT, Status.CLEANED})
    status_columns: StatusColumns = field(default_factory=StatusColumns)
    status_values: Mapping[str, str] = field(default_factory=dict)
    clear_on_subscribe: bool = True
    conflict_policy: ConflictPolicy = ConflictPolicy.MAILCHIMP_WINS
    merge_fields: Mapping[str, str] = field(default_factory=lambda: dict(MERGE_FIELDS))
    sent_values_namespace: str = SENT_VALUES
    allow_clear: bool = False
    write_mode: WriteMode = WriteMode.PATCH
    verify_writes: bool = True
    evidence: tuple[Evidence, ...] = ()
    crm_call_type: str | None = None
    cache_seconds: float = 60.0
    on_invalid: OnInvalid = "dead_letter"
    max_failed: int | None = None
    max_failed_ratio: float | None = None
    keep_payloads: bool = False
    dry_run: bool = False
    reconcile: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> WriteSettings:
        """Read the settings; they were validated against the schema.

        Raises:
            ConfigurationError: Settings that only together make sense are not given together.
        """
        given = {name: value for name, value in config.items() if value is not None}
        plain = {name: given[name] for name in _PLAIN if name in given}
        typed = {name: convert(given[name]) for name, convert in _TYPED.items() if name in given}
        columns = StatusColumns(
            **{name: given.get(f"{name}_column") or None for name in ("status", "reason", "date", "campaign")}
        )
        settings = cls(**plain, **typed, status_columns=columns)
        if settings.unmatched == "create" and not settings.create_under_customer:
            raise ConfigurationError(
                "`unmatched` is `create`, and no customer is named.", advice="Set `create_under_customer`."
            )
        if settings.unmatched == "create" and CONTACT not in settings.match:
            raise ConfigurationError(
                "`unmatched` is `create`, and contacts are not matched.", advice="Add `contacts` to `match`."
            )
        if not settings.match:
            raise ConfigurationError(
                "Setting `match` is empty.", advice="Name `contacts`, `customers` or both."
            )
        return settings.comparing() if settings.reconcile else settings

    def comparing(self) -> WriteSettings:
        """The same for a comparison, which writes nothing and keeps no record for replay."""
        unmatched: Unmatched = "record" if self.unmatched == "dead_letter" else self.unmatched
        return replace(self, dry_run=True, unmatched=unmatched, on_invalid="skip")

    def rules(self, columns: Columns) -> Rules:
        """How events become changes, given the columns that there are."""
        rules = Rules(
            columns=columns,
            entities=self.match,
            linked_people=self.linked_people,
            flag_column=self.flag_column,
            flag_value=self.flag_value,
            flag_statuses=self.flag_statuses,
            status_columns=self.status_columns,
            status_values=self.status_values,
            clear_on_subscribe=self.clear_on_subscribe,
            conflict_policy=self.conflict_policy,
            allow_clear=self.allow_clear,
        )
        return rules.comparing() if self.reconcile else rules


_PLAIN = (
    "unmatched",
    "create_under_customer",
    "create_in_company",
    "flag_column",
    "flag_value",
    "status_values",
    "clear_on_subscribe",
    "merge_fields",
    "sent_values_namespace",
    "allow_clear",
    "verify_writes",
    "crm_call_type",
    "on_invalid",
    "max_failed",
    "keep_payloads",
    "dry_run",
    "reconcile",
)
_TYPED: Mapping[str, Callable[[Any], Any]] = {
    "match": lambda names: tuple(entity for entity in ENTITIES if entity.setting in names),
    "linked_people": LinkedPeople,
    "address_filter": AddressFilter,
    "flag_statuses": lambda names: frozenset(Status(name) for name in names),
    "conflict_policy": ConflictPolicy,
    "write_mode": WriteMode,
    "evidence": tuple,
    "cache_seconds": float,
    "max_failed_ratio": float,
}
