"""Companies and audiences: whose rows feed which audience, as both targets declare it, and pages show it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.nearest import did_you_mean
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


def _known(name: str, known: Iterable[str]) -> str:
    """The name that may be meant by one that is not known, or all that are."""
    known = sorted(known)
    return did_you_mean(name, known).rstrip() or f"Known are: {', '.join(known) or 'none'}."


@dataclass(frozen=True)
class AudienceMatrix:
    """The settings that say which company feeds which audience, and where an opt-out counts."""

    audiences_by_company: Mapping[str, tuple[str, ...]] = setting(
        {},
        title="Audiences of a company",
        description="Company → ids of the audiences that its rows feed, `[]` for a company whose rows are "
        "left out. Each company of `companies` is in it. Both targets take the same.",
    )
    opt_outs_count_in: Mapping[str, tuple[str, ...]] = setting(
        {},
        title="Reach of opt-outs",
        description=(
            "Id of each audience of `audiences_by_company` → ids of further ones in which an opt-out of it "
            "counts, `[]` for none: the person is unsubscribed there too, and the flag goes to the companies "
            "that feed one of them. Without it, the flag goes to all companies, and each audience keeps its "
            "own opt-outs. Complaints and bounces reach all companies in any case. Both targets take one."
        ),
    )

    @cached_property
    def fed_audiences(self) -> frozenset[str]:
        """The ids of all audiences that a company feeds."""
        return frozenset(audience for fed in self.audiences_by_company.values() for audience in fed)

    def audiences_of(self, row: str) -> Sequence[str]:
        """The ids of the audiences that a row feeds; none where its company feeds none.

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
                f"{_known(company, self.audiences_by_company)}",
            )
        return tuple(dict.fromkeys(self.audiences_by_company[company]))

    def counts_in(self, list_id: str) -> frozenset[str]:
        """The ids of the audiences in which an opt-out of one counts: itself, and all that follow from it."""
        found: set[str] = set()
        waiting = [list_id]
        while waiting:
            if (one := waiting.pop()) not in found:
                found.add(one)
                waiting += self.opt_outs_count_in.get(one, ())
        return frozenset(found)

    def check_matrix_companies(self, companies: Collection[str]) -> None:
        """Make sure that the setting has each company, and no other, if it is set.

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
                advice=_known(unknown, companies),
            )

    def check_matrix(self) -> None:
        """Make sure that a company feeds an audience, and that the other setting names those and no others.

        Raises:
            ConfigurationError: It is not so.
        """
        if self.audiences_by_company and not self.fed_audiences:
            raise ConfigurationError(
                "No company in `audiences_by_company` feeds an audience.",
                advice="Name the ids of audiences, or take the setting out.",
            )
        reach = self.opt_outs_count_in
        self.require_fed("opt_outs_count_in", {*reach, *chain(*reach.values())})
        for missing in sorted(self.fed_audiences - reach.keys() if reach else ()):
            raise ConfigurationError(
                f"`opt_outs_count_in` says nothing about audience {missing}.",
                advice=f"Write `{missing}: []` if its opt-outs count there alone.",
            )

    def require_fed(self, name: str, list_ids: Iterable[str]) -> None:
        """Make sure that a setting names no audience that nothing feeds.

        Args:
            name: Of the setting.
            list_ids: The ids that it names.

        Raises:
            ConfigurationError: It does.
        """
        for unknown in sorted(set(list_ids) - self.fed_audiences):
            raise ConfigurationError(
                f"`{name}` names audience {unknown}, which `audiences_by_company` does not have.",
                advice=_known(unknown, self.fed_audiences),
            )
