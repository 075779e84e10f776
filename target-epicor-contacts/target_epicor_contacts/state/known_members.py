"""Reads the members that events are about, completes the events, and keeps what both sides agree on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.agreed import agreed_namespace, agreed_to_json, read_agreed
from kinetic_mailchimp.audit.state.ledger import LedgerDraft
from kinetic_mailchimp.audit.state.member_state import (
    CarriedOptOut,
    MemberState,
    OpenWrite,
    members_namespace,
    read_member,
    read_members,
)
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp import subscriber_hash
from msgspec import structs

from target_epicor_contacts.contract.contact_update import (
    ContactUpdate,
    Status,
    declared_columns,
    value_of,
)
from target_epicor_contacts.state.known_member import (
    UNKNOWN,
    KnownMember,
    as_agreed,
    without_default_country,
)

MemberKey = tuple[str, str]
"""Id of the audience, and address as `email_key` makes it."""


_OF_PERSON = frozenset({Status.UNSUBSCRIBED, Status.COMPLAINT})
KnownMembers = Mapping[MemberKey, KnownMember]
OpenWrites = Mapping[MemberKey, Mapping[str, OpenWrite]]


def read_known_members(trail: AuditTrail, updates: Collection[ContactUpdate]) -> dict[MemberKey, KnownMember]:
    """The members that events are about, as far as anything is known.

    Args:
        trail: The audit trail, whose ledger has them.
        updates: The events; a person who gives up an address takes along what is known about them.
    """
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    for update in updates:
        if update.list_id:
            keys = (update.key, update.new_key) if update.new_key else (update.key,)
            wanted[update.list_id] |= {key: subscriber_hash(key) for key in keys}
    known: dict[MemberKey, KnownMember] = {}
    for list_id, hashes in wanted.items():
        states = read_members(trail.ledger(members_namespace(list_id)), hashes.values())
        agreed = read_agreed(trail.ledger(agreed_namespace(list_id)), hashes.values())
        for key, name in hashes.items():
            if name in states or name in agreed:
                known[list_id, key] = KnownMember(states.get(name, UNKNOWN), agreed.get(name, {}))
    known |= _known_by_number(trail, updates, known)
    for update in updates:
        before = known.get((update.list_id or "", update.key))
        if before and update.list_id and update.new_key:
            here = known.get((update.list_id, update.new_key), KnownMember())
            known[update.list_id, update.new_key] = replace(here, inherited=before.baseline)
    return known


def _known_by_number(
    trail: AuditTrail, updates: Collection[ContactUpdate], known: KnownMembers
) -> dict[MemberKey, KnownMember]:
    """The members of opt-outs under addresses that are unknown, by the number that outlives a change.

    No event has told of such an address, or it would be known.
    """
    untold = [
        (update.list_id, update.web_id, update.key)
        for update in updates
        if update.list_id and update.web_id and update.status in _OF_PERSON
        if (update.list_id, update.key) not in known
    ]
    found: dict[MemberKey, KnownMember] = {}
    for list_id in {list_id for list_id, _, _ in untold}:
        numbers = {number for audience, number, _ in untold if audience == list_id}
        members = trail.ledger(members_namespace(list_id)).find("web", numbers, read_member)
        of_number = {state.web_id: state for state in members.values() if state.rows_of(state.contact_id)}
        found |= {
            (list_id, key): KnownMember(_with_own_rows(of_number[number]))
            for audience, number, key in untold
            if audience == list_id and number in of_number
        }
    return found


def _with_own_rows(state: MemberState) -> MemberState:
    """A member without rows of a contact that had the address before."""
    rows = {name: state.rows[name] for name in state.rows_of(state.contact_id)}
    return structs.replace(state, rows=rows)


def complete(
    updates: Sequence[ContactUpdate], known: KnownMembers, merge_fields: Mapping[str, str]
) -> list[ContactUpdate]:
    """The updates with what is known about their members.

    Args:
        updates: As they were parsed.
        known: From `read_known_members`.
        merge_fields: The setting of that name.
    """
    return [
        _completed(update, member, merge_fields)
        if (member := known.get((update.list_id or "", update.key)))
        else update
        for update in updates
    ]


def with_echo(update: ContactUpdate, known: KnownMembers) -> ContactUpdate:
    """The update with the rep's opt-out that it comes from, and nothing else that is known.

    Args:
        update: As it was parsed.
        known: From `read_known_members`.
    """
    member = known.get((update.list_id or "", update.key))
    return replace(update, echo=_echo(update, member.state)) if member else update


def agreed_entries(
    agreed: Mapping[MemberKey, Mapping[str, Any] | None], known: KnownMembers, written: OpenWrites
) -> LedgerDraft:
    """The changes of the ledger after both sides were seen to agree.

    Args:
        agreed: Value by tag, by member; None for an address that is nobody's any more.
        known: From `read_known_members`, or `writing`.
        written: What was written meanwhile, and is known to have ended.
    """
    changes: LedgerDraft = defaultdict(dict)
    for member in {*agreed, *written}:
        values, here = agreed.get(member, {}), known.get(member, KnownMember())
        entry = None if values is None else here.with_values(values, written.get(member, ()))
        if entry is not None or values is None:
            changes[agreed_namespace(member[0])][subscriber_hash(member[1])] = entry
    return changes


def writing(known: KnownMembers, writes: OpenWrites) -> tuple[dict[MemberKey, KnownMember], LedgerDraft]:
    """The members while values are written to Epicor, and the changes of the ledger that say so.

    Args:
        known: From `read_known_members`.
        writes: By member and tag.
    """
    members = {
        member: known.get(member, KnownMember()).writing(of_tags) for member, of_tags in writes.items()
    }
    changes: LedgerDraft = defaultdict(dict)
    for (list_id, key), member in members.items():
        changes[agreed_namespace(list_id)][subscriber_hash(key)] = agreed_to_json(member.agreed)
    return {**known, **members}, changes


def _completed(update: ContactUpdate, member: KnownMember, merge_fields: Mapping[str, str]) -> ContactUpdate:
    state, baseline = member.state, member.baseline
    if state.address and email_key(state.address) != update.key:
        # Found by a number, which anybody can make up where nothing is signed: it is an opt-out alone.
        return replace(update, columns={}, merges={}, echo=_echo(update, state))
    declared = {column: tag for column, tag in merge_fields.items() if column in update.columns}
    sent = {column: _part(baseline, merge_field) for column, merge_field in declared.items()}
    now = member.at_present(update)
    merges = {
        tag: without_default_country(as_agreed(now.get(tag, value), baseline.get(tag)), baseline.get(tag))
        for tag, value in update.merges.items()
    }
    is_in = state.status == Status.SUBSCRIBED and state.returned_at
    return replace(
        update,
        merges=merges,
        overwritten=member.overwritten(update),
        columns={**update.columns, **declared_columns(merges, declared)},
        sent={column: value for column, value in sent.items() if value is not None},
        writing=_of_columns(member.open_writes, declared),
        opted_in_at=parse_timestamp(state.returned_at) if is_in else None,
        echo=_echo(update, state),
    )


def _echo(update: ContactUpdate, state: MemberState) -> CarriedOptOut | None:
    """The opt-out of a rep that an unsubscribe of ours in Mailchimp carried, where the event is its echo."""
    carried = state.own_opt_out
    if carried is None or update.status is not Status.UNSUBSCRIBED or update.campaign_id:
        return None
    return carried if update.event_time.by_source >= parse_timestamp(carried.at) else None


def _of_columns(writes: Mapping[str, OpenWrite], merge_fields: Mapping[str, str]) -> dict[str, OpenWrite]:
    """Open writes by column instead of by tag."""
    found = {}
    for column, merge_field in merge_fields.items():
        tag = merge_field.partition(".")[0]
        if write := writes.get(tag):
            before = {row: value_of({tag: value}, merge_field) for row, value in write.before.items()}
            found[column] = OpenWrite(value_of({tag: write.value}, merge_field), before)
    return found


def _part(baseline: Mapping[str, Any], merge_field: str) -> Any:  # noqa: ANN401 (any JSON)
    value = value_of(baseline, merge_field)
    tag, _, part = merge_field.partition(".")
    # A part that an address never had is empty.
    return "" if value is None and part and isinstance(baseline.get(tag), Mapping) else value
