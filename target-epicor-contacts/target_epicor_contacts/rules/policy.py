"""Policy for statuses, conflicts and matches: everything that planning needs of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import ENTITIES, Entity
from target_epicor_contacts.rules.matching import LinkedPeople
from target_epicor_contacts.state.person_state import StatusSeen


class ConflictPolicy(str, Enum):
    """Side whose value stays when both changed a field since they last agreed."""

    MAILCHIMP_WINS = "mailchimp_wins"
    EPICOR_WINS = "epicor_wins"
    NEWEST_WINS = "newest_wins"


@dataclass(frozen=True)
class StatusColumns:
    """The columns that say why a person must not be contacted; None where a tenant has none."""

    status: str | None = None
    reason: str | None = None
    date: str | None = None
    campaign: str | None = None

    def given(self) -> tuple[str, ...]:
        """Those that are set."""
        return tuple(name for name in (self.status, self.reason, self.date, self.campaign) if name)


@dataclass(frozen=True)
class Rules:
    """Rules that make changes of events.

    Attributes:
        columns: The columns that there are.
        entities: Kinds of rows to match.
        linked_people: The further contacts of a person belonging to an address.
        flag_column: The column that keeps a row out of marketing.
        flag_value: Its value when it does.
        flag_statuses: The statuses that set it.
        status_columns: Columns for the particulars.
        status_values: Text for a status where it is not Mailchimp's own word.
        clear_on_subscribe: Whether a newer `subscribed` takes back a flag that this connector set.
        conflict_policy: Side whose value stays in a conflict.
        allow_clear: Whether an empty value may replace a value.
    """

    columns: Columns
    entities: tuple[Entity, ...] = ENTITIES
    linked_people: LinkedPeople = LinkedPeople.NO_OTHER_ADDRESS
    flag_column: str = "NoContact"
    flag_value: bool = True
    flag_statuses: frozenset[Status] = frozenset({Status.UNSUBSCRIBED, Status.COMPLAINT, Status.CLEANED})
    status_columns: StatusColumns = field(default_factory=StatusColumns)
    status_values: Mapping[str, str] = field(default_factory=dict)
    clear_on_subscribe: bool = True
    conflict_policy: ConflictPolicy = ConflictPolicy.MAILCHIMP_WINS
    allow_clear: bool = False

    def comparing(self) -> Rules:
        """The same for a comparison of present states: every difference counts, whichever side is right.

        Reason and time of an opt-out are particulars of an event, which a present state does not have.
        """
        return replace(
            self,
            status_columns=StatusColumns(),
            clear_on_subscribe=True,
            conflict_policy=ConflictPolicy.MAILCHIMP_WINS,
            allow_clear=True,
        )

    def opts_out(self, status: Status) -> bool:
        """Whether a status sets the flag."""
        return status in self.flag_statuses

    def particulars(self, seen: StatusSeen) -> dict[str, Any]:
        """The values for the columns of the particulars."""
        names = self.status_columns
        is_out = self.opts_out(seen.value)
        wanted = {
            names.status: self.status_values.get(seen.value.value, seen.value.value),
            names.reason: (seen.reason or "") if is_out else "",
            names.date: seen.cause.at,
            names.campaign: (seen.campaign_id or "") if is_out else "",
        }
        return {name: value for name, value in wanted.items() if name}

    def status_group(self) -> frozenset[str]:
        """The columns that belong to consent: written even when other columns of the row are refused."""
        return frozenset({self.flag_column, *self.status_columns.given()})
