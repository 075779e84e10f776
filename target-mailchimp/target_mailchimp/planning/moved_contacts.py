"""Finds contacts that a listing shows under another address than the ledger has their rows at.

The webhook that told of the change may be lost, or may not have been read yet. What is said under the new
address would reach no row, or under the old one the rows of a person who has left it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.handover import Handover, HandoverAction, move_key
from kinetic_mailchimp.audit.state.ledger import Ledger
from kinetic_mailchimp.audit.state.member_state import MemberState, read_member, read_members
from kinetic_mailchimp.mailchimp import subscriber_hash
from msgspec.structs import replace

from target_mailchimp.audience.api_member import carried_on, is_news_of_consent
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.plan import Former, NoWrite

MOVED: Final = "moved_in_mailchimp"
MOVED_DETAIL: Final = (
    "The person has another address in Mailchimp; a row gets it with the next run of reverse."
)
GivenUp = Callable[[Iterable[str]], Mapping[str, str]]


class MovedContacts:
    """The contacts that moved, in one listing of an audience.

    Args:
        members: The members as the ledger has them.
        given_up: The members that people have moved to as events told, by those that they gave up.
        list_id: The audience.
    """

    def __init__(self, members: Ledger, given_up: GivenUp, list_id: str) -> None:
        self._members = members
        self._given_up = given_up
        self._list_id = list_id
        self._displaced: dict[str, str] = {}

    def among(
        self,
        shown: Mapping[str, Mapping[str, Any]],
        states: Mapping[str, MemberState],
        seen: Mapping[str, MemberState],
    ) -> tuple[dict[str, MemberState], dict[str, Handover]]:
        """The contacts of a page whose rows are at another address, as far as no event has told of it.

        Args:
            shown: The members of a page, by subscriber hash.
            states: Those of them that were known before the page.
            seen: All of them after it.

        Returns:
            What changes of the members at both addresses, and what the other direction is to do about rows.
        """
        contacts = {key: state.contact_id for key, state in seen.items()}
        for key, state in states.items():
            owners = {row.contact_id or state.contact_id for row in state.rows.values()}
            self._displaced |= dict.fromkeys(owners - {contacts[key], ""}, key)
        new = {
            contact: key for key, contact in contacts.items() if _may_have_moved(states.get(key), seen[key])
        }
        left_by = {contact: key for contact, key in self._displaced.items() if contact in new}
        known = read_members(self._members, left_by.values())
        changed: dict[str, MemberState] = {}
        for key, state in self._known_before(new, seen).items():
            if state.contact_id in new and state.rows_of(state.contact_id):
                left_by[state.contact_id], known[key] = key, state
                now = new[state.contact_id]
                if carried := carried_on(state, seen[now], shown[now]):
                    # A rep's opt-out is one under the new address, too.
                    changed[now] = replace(seen[now], carried_opt_out=carried)
        known |= {key: seen[key] for key in left_by.values() if key in seen}
        told = self._given_up(known[key].address for key in left_by.values() if key in known)
        handovers: dict[str, Handover] = {}
        for contact, key in left_by.items():
            now = new[contact]
            if key not in known or told.get(key) == now or not known[key].rows_of(contact):
                continue
            changed[key] = with_move(changed.get(key, known[key]), contact, str(shown[now]["email_address"]))
            handovers |= moves(changed[key], contact, self._list_id, seen[now])
        return changed, handovers

    def _known_before(
        self, new: Mapping[str, str], seen: Mapping[str, MemberState]
    ) -> dict[str, MemberState]:
        """The members that the ledger has of contacts: by their numbers, or ids where it has no number."""
        numbers = {number for key in new.values() if (number := seen[key].web_id)}
        found = self._members.find("web", numbers, read_member)
        return found | self._members.find("contact", new, read_member)


def _may_have_moved(before: MemberState | None, now: MemberState) -> bool:
    """Tell whether a contact is new under its address, or says something there while no row has it."""
    if not now.contact_id or now.rows_of(now.contact_id):
        return False
    return before is None or before.contact_id != now.contact_id or is_news_of_consent(before, now)


def with_move(state: MemberState, contact_id: str, address: str) -> MemberState:
    """The member at an address that a contact has left, as far as its rows tell.

    Args:
        state: The member.
        contact_id: Of the contact.
        address: The one that the contact has by now.
    """
    rows = {source: replace(state.rows[source], moved_to=address) for source in state.rows_of(contact_id)}
    return replace(state, rows={**state.rows, **rows})


def moves(before: MemberState, contact_id: str, list_id: str, now: MemberState) -> dict[str, Handover]:
    """The change of address for the rows of a contact, by its key.

    Args:
        before: The member at the address that the rows have.
        contact_id: Of the contact.
        list_id: The audience.
        now: The contact as Mailchimp shows it.
    """
    names = (source.partition("/")[2] for source in before.rows_of(contact_id))
    rows = tuple(sorted(filter(None, names)))
    if not rows:
        return {}
    return {
        move_key(list_id, now.address): Handover(
            before.address,
            HandoverAction.MOVE,
            now.status,
            list_id=list_id,
            at=now.changed_at,
            instead_of=rows,
            new_address=now.address,
            is_taken=before.contact_id != contact_id,
        )
    }


def without_left(
    records: Iterable[MemberRecord],
    states: Mapping[str, MemberState | None],
    member_of: Mapping[str, str],
    given_up: GivenUp,
    list_id: str,
) -> tuple[list[MemberRecord], list[NoWrite]]:
    """The records that can be written, and decisions about rows that still have an address of before.

    Such a row says nothing about the person who has that address by now, and writing it would make a second
    member of its contact. Once the other direction has changed the address, the row comes again.

    Args:
        records: Of a batch.
        states: The members with their addresses, with those that the rows had, and those of their contacts.
        member_of: The subscriber hash that each row had last.
        given_up: As for `MovedContacts`: an address from before may be one that an event brought.
        list_id: The audience.
    """
    rest: list[MemberRecord] = []
    left: list[NoWrite] = []
    moved = [state.address for state in states.values() if state and state.moved_to]
    told = given_up(moved) if moved else {}
    for record in records:
        member = member_of.get(record.source, record.member)
        state = states.get(member)
        row = state.rows.get(record.source) if state else None
        now_at = subscriber_hash(row.moved_to) if row and row.moved_to else ""
        if not (state and now_at and record.member in {member, told.get(member)} - {now_at}):
            rest.append(record)
            continue
        now = states.get(now_at)
        handovers = moves(state, now.contact_id, list_id, now) if now else {}
        left.append(NoWrite(record, Action.SKIPPED, MOVED, MOVED_DETAIL, handovers=handovers))
    return rest, left


def vacated(records: Iterable[MemberRecord], states: Mapping[str, MemberState | None]) -> dict[str, str]:
    """The subscriber hash that a contact has by now, by that of an address that other rows come with.

    Args:
        records: Those that can be written.
        states: The members with their addresses.
    """
    return {
        record.member: subscriber_hash(state.moved_to)
        for record in records
        if (state := states[record.member]) and state.moved_to
    }


def as_moved(former: Former, states: Mapping[str, MemberState | None]) -> Former:
    """A member that a row had before, where Mailchimp has it by now and with the status that it has there.

    Args:
        former: The member.
        states: As for `without_left`.
    """
    now = states.get(subscriber_hash(former.state.moved_to)) if former.state.moved_to else None
    if now is None or now.contact_id != former.state.contact_id:
        return former
    state = replace(
        former.state,
        status=now.status,
        own_id=now.own_id or subscriber_hash(now.address),
        changed_at=now.changed_at,
        complained=now.complained,
        carried_opt_out=now.carried_opt_out,
    )
    return replace(former, state=state)
