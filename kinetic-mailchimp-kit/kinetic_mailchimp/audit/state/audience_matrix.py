"""Companies and audiences: whose rows feed which audience, as both targets declare it, and pages show it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.settings.declaration import setting

AUDIENCES_NAMESPACE: Final = "target-mailchimp/audiences"
"""The audiences that companies feed, by id. Written by target-mailchimp alone."""


class KnownAudience(LedgerValue, frozen=True):
    """An audience, and the companies that feed it."""

    name: str
    companies: tuple[str, ...] = ()


class CountedOptOut(LedgerValue, frozen=True):
    """An opt-out of one audience that counts in another one.

    Attributes:
        address: The address of the person.
        audience: The id of the audience that they left.
        at: The time of the opt-out by Mailchimp's clock.
    """

    address: str
    audience: str
    at: str


def counted_namespace(list_id: str) -> str:
    """The namespace of opt-outs of other audiences that count in an audience, by email key.

    target-epicor-contacts writes, target-mailchimp deletes.
    """
    return f"consent/counted/{list_id}"


def company_of(row: str) -> str:
    """The company in the name of a row, such as `Customer EPIC06/12`; empty where it names none."""
    company, slash, _ = row.partition(" ")[2].partition("/")
    return company if slash else ""


def similar(name: str, known: Iterable[str]) -> str:
    """The name that may be meant by one that is not known, or all that are."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f"Is {found[0]} meant?" if found else f"Known are: {', '.join(sorted(known)) or 'none'}."


@dataclass(frozen=True)
class AudienceMatrix:
    """The setting that says which company feeds which audience."""

    audiences_by_company: Mapping[str, tuple[str, ...]] = setting(
        {},
        title="Audiences of a company",
        description="Company → ids of the audiences that its rows feed, `[]` for a company whose rows are "
        "left out. Each company of `companies` is in it. Both targets take the same.",
    )

    @cached_property
    def fed_audiences(self) -> frozenset[str]:
        """The ids of all audiences that a company feeds."""
        return frozenset(audience for fed in self.audiences_by_company.values() for audience in fed)

    def audiences_of(self, row: str) -> Sequence[str]:
        """The ids of the audiences that a row feeds; none where its company feeds none.

        Args:
            row: Its name, as `row_name` makes it.

        Raises:
            ConfigurationError: It names no company, or one that the setting does not have.
        """
        company = company_of(row)
        if not company:
            raise ConfigurationError(
                f"`audiences_by_company` is set, and the row `{row}` names no company.",
                advice="Let the mapping make `source_key` as 'Customer ' + Company + '/' + str(CustNum).",
            )
        if company not in self.audiences_by_company:
            raise ConfigurationError(
                f"`audiences_by_company` says nothing about company {company}.",
                advice=f"Name its audiences, or write `{company}: []` to leave its rows out. "
                f"{similar(company, self.audiences_by_company)}",
            )
        return self.audiences_by_company[company]

    def check_matrix_companies(self, companies: Collection[str]) -> None:
        """Make sure that the setting has each company, and no other, if it is set.

        Args:
            companies: Those of the setting `companies`.

        Raises:
            ConfigurationError: It does not.
        """
        if not self.audiences_by_company:
            return
        for company in companies:
            self.audiences_of(f"Customer {company}/")
        for unknown in sorted(self.audiences_by_company.keys() - set(companies)):
            raise ConfigurationError(
                f"`audiences_by_company` names company {unknown}, which `companies` does not have.",
                advice=similar(unknown, companies),
            )

    def check_matrix(self) -> None:
        """Make sure that a company feeds an audience, if the setting is set.

        Raises:
            ConfigurationError: None does.
        """
        if self.audiences_by_company and not self.fed_audiences:
            raise ConfigurationError(
                "No company in `audiences_by_company` feeds an audience.",
                advice="Name the ids of audiences, or take the setting out.",
            )
