"""A person's status in each audience, beside the companies that feed it, as the ledger knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kinetic_mailchimp.audit.state.audience_matrix import (
    AUDIENCES_NAMESPACE,
    KnownAudience,
    company_of,
    counted_namespace,
)
from kinetic_mailchimp.audit.state.flag_state import (
    FLAGS_NAMESPACE,
    FlagCause,
    FlagState,
    read_flags,
    still_set,
)
from kinetic_mailchimp.audit.state.member_state import GONE, MemberState, members_namespace, read_members
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.kit.parsing.email_address import email_key

NOT_FED: Final = "not fed"
"""In place of a status in an audience that a company does not feed."""
_BECAUSE: Final = {
    FlagCause.PERSON: "left {audience}",
    FlagCause.COMPLAINT: "complained in {audience}",
    FlagCause.BOUNCE: "bounced in {audience}",
    FlagCause.REP: "a rep's wish on another row",
}


@dataclass(frozen=True, slots=True)
class CompanyStatus:
    """The status of a person, as one company sees it.

    Attributes:
        epicor: The opt-outs on its rows, in words.
        statuses: The status by the name of the audience.
    """

    company: str
    epicor: str
    statuses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PersonAudiences:
    """The status of a person in each audience, by company."""

    names: tuple[str, ...]
    companies: tuple[CompanyStatus, ...]

    def lines(self) -> Iterator[str]:
        """A line for each company."""
        for one in self.companies:
            fed = (f"{name}: {status}" for name, status in one.statuses.items() if status != NOT_FED)
            yield f"{one.company} ({one.epicor}): {', '.join(fed)}"


def read_audiences(
    trail: AuditTrail, address: str, *, vendor_hash: Callable[[str], str]
) -> PersonAudiences | None:
    """The status of a person in the audiences that companies feed; None where no setting says who does.

    Args:
        trail: Its ledger has the members, the flags, and the opt-outs on their way.
        address: The person's address.
        vendor_hash: The hash by which the vendor knows an address.
    """
    known = {
        list_id: KnownAudience.from_json(value)
        for list_id, value in trail.ledger(AUDIENCES_NAMESPACE).items()
    }
    if not known:
        return None
    titles = {list_id: _title(list_id, known) for list_id in known}
    member, person = vendor_hash(address), email_key(address)
    statuses: dict[str, str] = {}
    wished: dict[str, bool] = {}
    for list_id in known:
        members = read_members(trail.ledger(members_namespace(list_id)), [member])
        state = members.get(member, MemberState(""))
        is_leaving = bool(trail.ledger(counted_namespace(list_id)).get(person))
        statuses[list_id] = _status(state, is_leaving=is_leaving)
        for source, row in state.rows.items():
            name = source.partition("/")[2]
            wished[name] = wished.get(name, False) or row.opted_out
    flags = still_set(read_flags(trail.ledger(FLAGS_NAMESPACE), wished))
    companies = sorted({company for audience in known.values() for company in audience.companies})
    return PersonAudiences(
        tuple(titles.values()),
        tuple(
            CompanyStatus(
                company,
                _in_epicor(
                    {name: is_out for name, is_out in wished.items() if company_of(name) == company},
                    flags,
                    titles,
                ),
                {
                    titles[list_id]: statuses[list_id] if company in audience.companies else NOT_FED
                    for list_id, audience in known.items()
                },
            )
            for company in companies
        ),
    )


def _title(list_id: str, known: Mapping[str, KnownAudience]) -> str:
    """The name of an audience, with its id where two have the same."""
    name = known[list_id].name
    is_shared = sum(audience.name == name for audience in known.values()) > 1
    return f"{name} ({list_id})" if is_shared else name


def _status(state: MemberState, *, is_leaving: bool) -> str:
    if state.status in ("", GONE):
        return "not a member"
    return f"{state.status}, to be unsubscribed" if is_leaving and not state.opted_out else state.status


def _in_epicor(wished: Mapping[str, bool], flags: Mapping[str, FlagState], titles: Mapping[str, str]) -> str:
    """The opt-outs on rows in words: the flag of ours, or that of a rep."""
    ours = next((flags[name] for name in wished if name in flags), None)
    if ours:
        audience = titles.get(ours.list_id, ours.list_id) or "Mailchimp"
        return f"flagged: {_BECAUSE[ours.cause].format(audience=audience)}"
    if any(wished.values()):
        return "flagged by a rep"
    return "no flag" if wished else "no row known"
