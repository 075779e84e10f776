"""Policy for statuses, conflicts and matches: everything that planning needs of the settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from kinetic_mailchimp.audit.state.audience_matrix import AudienceMatrix
from kinetic_mailchimp.audit.state.three_way import ConflictPolicy
from kinetic_mailchimp.kit.settings.declaration import setting
from typing_extensions import override

from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.epicor.columns import NAME, OF_CONTACTS_ONLY, Columns
from target_epicor_contacts.epicor.entities import ENTITIES, Entity
from target_epicor_contacts.rules.matching import LinkedPeople
from target_epicor_contacts.state.person_state import StatusSeen

Match = Literal["contacts", "customers"]


OPT_OUTS = (Status.UNSUBSCRIBED, Status.COMPLAINT, Status.CLEANED)


@dataclass(frozen=True)
class Policy(AudienceMatrix):
    """Settings that decide which rows an event matches and what it changes."""

    match: tuple[Match, ...] = setting(
        ("contacts", "customers"),
        description="Rows in which an address is looked for: `contacts` (CustCnt), `customers`, or both.",
    )
    merge_fields: Mapping[str, str] = setting(
        {},
        description=(
            "Epicor's column → the merge field that goes back to it, `ADDRESS.city` for a part. Parts of one "
            "field move together. The value that both sides last had in common, which is kept in the "
            "audit database, tells an edit from a stale value."
        ),
    )
    write_customer_columns: bool = setting(
        default=False,
        description=(
            "Let merge fields change customers too, whose columns are master data. Contacts take them in any "
            "case; a flag and a status reach both."
        ),
    )
    linked_people: LinkedPeople = setting(
        LinkedPeople.NO_OTHER_ADDRESS,
        description=(
            "Further contacts of a person (PerConID) that a status reaches: none but those with the address "
            "(`same_address`), also those without any (`no_other_address`), or `all`."
        ),
    )
    flag_column: str = setting(
        "NoContact",
        description="The yes-or-no column that keeps a row out of marketing; all matched rows must have it.",
    )
    flag_value: bool = setting(
        default=True,
        description="Value of the flag column for a person who opted out; false for a column of consent.",
    )
    flag_statuses: tuple[Status, ...] = setting(
        OPT_OUTS,
        description="`cleaned` is an address that bounced.",
        items={"type": ["string"], "enum": [status.value for status in OPT_OUTS]},
    )
    status_column: str | None = setting(None, description="Column for the status, such as `MC_Status_c`.")
    status_values: Mapping[str, str] | None = setting(
        None,
        description="Status → what the status column gets instead, such as `unsubscribed` → `OPTOUT`.",
    )
    reason_column: str | None = setting(
        None,
        description="Column for Mailchimp's reason, such as `MC_StatusReason_c`.",
    )
    date_column: str | None = setting(
        None,
        description="Column for the time of the status, such as `MC_StatusDate_c`.",
    )
    campaign_column: str | None = setting(
        None,
        description="Column for the campaign that caused it, such as `MC_Campaign_c`.",
    )
    audience_columns: Mapping[str, str] = setting(
        {},
        title="Status columns of audiences",
        description=(
            "Id of an audience → column for the person's status in it, such as `Dealers_c`: a text, or a "
            "yes-or-no column that is true for who is out. An opt-out that a user of Epicor set there stays."
        ),
    )
    clear_on_subscribe: bool = setting(
        default=True,
        description="Let a newer `subscribed` clear a flag; never one that a user of Epicor set.",
    )
    conflict_policy: ConflictPolicy = setting(
        ConflictPolicy.MAILCHIMP_WINS,
        description=(
            "Side whose value stays in a field that both changed since they last agreed. `newest_wins` "
            "needs a change date on the row; without one the event counts as newer."
        ),
    )
    allow_clear: bool = setting(
        default=False,
        description="Let an empty value from Mailchimp replace a value in Epicor.",
    )

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        """The kinds of rows to match."""
        return tuple(entity for entity in ENTITIES if entity.setting in self.match)

    def reaches(self, seen: StatusSeen, company: str) -> bool:
        """True if an opt-out counts for the rows of a company.

        A complaint, a bounce and the word of a rep do everywhere, and so does an audience that is not known.
        """
        if not self.opt_outs_count_in or seen.value is not Status.UNSUBSCRIBED or seen.origins:
            return True
        fed = self.audiences_by_company.get(company, ())
        return not seen.audiences or any(
            one in fed or one not in self.fed_audiences for one in seen.audiences
        )

    @override
    def check_matrix(self) -> None:
        super().check_matrix()
        if self.audiences_by_company:
            self.require_fed("audience_columns", self.audience_columns)


@dataclass(frozen=True)
class Rules(Policy):
    """Rules that make changes of events: the policy, and the columns that there are."""

    columns: Columns = field(kw_only=True)
    repair: bool = False

    def comparing(self) -> Rules:
        """The same for a comparison of present states: every difference counts, whichever side is right.

        Reason and time of an opt-out are particulars of an event, which a present state does not have.
        """
        return replace(
            self,
            status_column=None,
            reason_column=None,
            date_column=None,
            campaign_column=None,
            audience_columns={},
            clear_on_subscribe=True,
            conflict_policy=ConflictPolicy.MAILCHIMP_WINS,
            allow_clear=True,
            repair=False,
        )

    def opts_out(self, status: Status) -> bool:
        """True if a status sets the flag."""
        return status in self.flag_statuses

    def status_text(self, status: Status) -> str:
        """The text for a status in a column."""
        return (self.status_values or {}).get(status.value, status.value)

    def particulars(self, seen: StatusSeen) -> dict[str, Any]:
        """The values for the columns of the particulars."""
        is_out = self.opts_out(seen.value)
        wanted = {
            self.status_column: self.status_text(seen.value),
            self.reason_column: (seen.reason or "") if is_out else "",
            self.date_column: seen.cause.at,
            self.campaign_column: (seen.campaign_id or "") if is_out else "",
        }
        return {name: value for name, value in wanted.items() if name}

    def fields_of_columns(self) -> dict[str, str]:
        """The columns that are written together, each with its field: parts of a name and of an address."""
        parts = {column: field.partition(".") for column, field in self.merge_fields.items()}
        return {
            **{column: tag for column, (tag, _, part) in parts.items() if part},
            **dict.fromkeys(OF_CONTACTS_ONLY, NAME),
        }

    def status_group(self) -> frozenset[str]:
        """The columns that belong to consent: written even when other columns of the row are refused."""
        return frozenset(self._consent_columns)

    def columns_of_several(self, others: Iterable[str]) -> list[str]:
        """Columns that more than one setting writes; `others` are those that are not about consent."""
        times = Counter([*self._consent_columns, *others])
        return [column for column, count in times.items() if count > 1]

    @property
    def _consent_columns(self) -> list[str]:
        particulars = self.status_column, self.reason_column, self.date_column, self.campaign_column
        return list(filter(None, (self.flag_column, *particulars, *self.audience_columns.values())))
