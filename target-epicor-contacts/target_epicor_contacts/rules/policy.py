"""What the settings make of a status, of a conflict and of a match: all that planning needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import ENTITIES, Entity
from target_epicor_contacts.rules.matching import LinkedPeople
from target_epicor_contacts.state.person_state import StatusSeen


class ConflictPolicy(StrEnum):
    """Whose value stays when both sides changed a field since they last agreed."""

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
    """How events become changes.

    Attributes:
        columns: What columns there are.
        entities: Kinds of rows to match.
        linked_people: Which further contacts of a person belong to an address.
        flag_column: The column that keeps a row out of marketing.
        flag_value: Its value when it does.
        flag_statuses: The statuses that set it.
        status_columns: Columns for the particulars.
        status_values: What to write for a status where it is not Mailchimp's own word.
        clear_on_subscribe: Whether a newer `subscribed` takes back a flag that this connector set.
        conflict_policy: Whose value stays in a conflict.
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
        """The same for a comparison of present states: every difference counts, whoever is right.

        Why and when somebody opted out are particulars of an event, which a present state does not know.
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
        """What the columns for the particulars shall hold."""
        names = self.status_columns
        is_out = self.opts_out(seen.value)
        wanted = {
            names.status: self.status_values.get(seen.value.value, seen.value.value),
            names.reason: (seen.reason or "") if is_out else "",
            names.date: seen.cause.at.isoformat().replace("+00:00", "Z"),
            names.campaign: (seen.campaign_id or "") if is_out else "",
        }
        return {name: value for name, value in wanted.items() if name}

    def status_group(self) -> frozenset[str]:
        """The columns that belong to consent: written even when other columns of the row are refused."""
        return frozenset({self.flag_column, *self.status_columns.given()})
