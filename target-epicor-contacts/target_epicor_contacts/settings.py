"""The settings of the target: declared once, and read into one frozen object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from kinetic_mailchimp.audit.targets.settings import RunSettings
from kinetic_mailchimp.epicor import with_epicor_settings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.settings.declaration import json_schema, read, setting

from target_epicor_contacts.contract.campaign_result import RESULTS
from target_epicor_contacts.epicor.address_query import AddressFilter
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.epicor.row_sender import WriteMode
from target_epicor_contacts.rules.policy import Policy, Rules
from target_epicor_contacts.state.result_history import COUNTS, LAST_CAMPAIGN, LAST_TIMES

Unmatched = Literal["record", "dead_letter", "create", "ignore"]
OnInvalid = Literal["dead_letter", "skip"]
Evidence = Literal["memo", "crm_call"]


def _texts_by(names: Iterable[str]) -> Mapping[str, Any]:
    properties = {name: {"type": ["string"]} for name in names}
    return {"type": ["object"], "properties": properties, "additionalProperties": False}


@dataclass(frozen=True)
class WriteSettings(Policy, RunSettings):
    """Settings of the target beside those of the connection to Kinetic."""

    address_filter: AddressFilter = setting(
        AddressFilter.CONTAINS,
        description=(
            "`contains` finds `mailto:`, names and spaces around an address; `equals` is for clean columns. "
            "A run finds out if the database tells capitals apart; `tolower` takes it as known."
        ),
    )
    unmatched: Unmatched = setting(
        "record",
        description=(
            "`record` only notes it; `dead_letter` keeps the record for replay and counts it as failed; "
            "`create` makes a contact under `create_under_customer`; `ignore` counts it as of no interest."
        ),
    )
    create_under_customer: str | None = setting(
        None,
        description="CustID of the customer under which `unmatched: create` makes contacts.",
    )
    create_in_company: str | None = setting(
        None,
        description="The company of that customer. Default: the first of `companies`.",
    )
    write_mode: WriteMode = setting(
        WriteMode.PATCH,
        description=(
            "`patch` sets single columns; `rpc` reads and updates the whole row, where rules refuse `patch`; "
            "`update_ext` sends up to 50 rows in a call."
        ),
    )
    verify_writes: bool = setting(
        default=True,
        description="Read written rows back and compare; Epicor can accept a change and not store it.",
    )
    evidence: tuple[Evidence, ...] = setting(
        (),
        description="Log opt-outs in Epicor too: as a `memo` on the row, as a `crm_call` of the customer.",
    )
    crm_call_type: str | None = setting(
        None,
        description="CallTypeCode for `crm_call`; it must exist in Epicor.",
    )
    result_columns: Mapping[str, str] = setting(
        {},
        description=(
            "Campaign results → the column that shows them: `sent`, `opened`, `clicked`, `bounced` "
            "(campaigns of a year), `last_sent_at`, `last_opened_at`, `last_clicked_at`, `last_bounced_at`, "
            "`last_campaign`."
        ),
        schema=_texts_by((*COUNTS, *LAST_TIMES, LAST_CAMPAIGN)),
    )
    result_calls: Mapping[str, str] = setting(
        {},
        description=(
            "Campaign results that become CRM calls of the customer's sales rep → CallTypeCode: `sent`, "
            "`opened`, `clicked`, `bounced`; one per contact, campaign and result."
        ),
        schema=_texts_by(RESULTS),
    )
    batch_size: int = setting(
        500,
        description="Records worked on together; a STATE message ends a batch early.",
        minimum=1,
        maximum=5000,
    )
    cache_seconds: float = setting(
        60,
        description="Seconds for which a found row is used again without asking Epicor.",
        minimum=0,
    )
    on_invalid: OnInvalid = setting(
        "dead_letter",
        title="Invalid records",
        description=(
            "`dead_letter` keeps the record for replay and counts it as failed: it may hold an opt-out. "
            "`skip` only records why."
        ),
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> WriteSettings:
        """Read the settings; they were validated against the schema.

        Raises:
            ConfigurationError: Settings that only together make sense are not given together.
        """
        settings = read(cls, config)
        if settings.unmatched == "create" and not settings.create_under_customer:
            raise ConfigurationError(
                "`unmatched` is `create`, and no customer is named.", advice="Set `create_under_customer`."
            )
        if settings.unmatched == "create" and CONTACT not in settings.entities:
            raise ConfigurationError(
                "`unmatched` is `create`, and contacts are not matched.", advice="Add `contacts` to `match`."
            )
        if not settings.match:
            raise ConfigurationError(
                "Setting `match` is empty.", advice="Name `contacts`, `customers` or both."
            )
        settings.check_matrix()
        return settings.comparing() if settings.reconcile else settings

    def comparing(self) -> WriteSettings:
        """The same for a comparison, which writes nothing and keeps no record for replay."""
        unmatched: Unmatched = "record" if self.unmatched == "dead_letter" else self.unmatched
        return replace(self, dry_run=True, unmatched=unmatched, on_invalid="skip")

    def rules(self, columns: Columns) -> Rules:
        """The policy together with the columns that there are."""
        policy = {setting.name: getattr(self, setting.name) for setting in fields(Policy)}
        rules = Rules(columns=columns, repair=self.repair, **policy)
        return rules.comparing() if self.reconcile else rules


JSON_SCHEMA: dict[str, Any] = with_epicor_settings(json_schema(Policy, WriteSettings))
