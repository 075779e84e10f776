"""Finds the members of an audience in the ledger, after a listing of what changed in Mailchimp."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.audit import LedgerChanges
from kinetic_mailchimp.audit.state.agreed import agreed_namespace, read_agreed, with_agreed
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState, is_same_row, read_flags
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE, Handover, HandoverAction
from kinetic_mailchimp.audit.state.ledger import Ledger
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace, read_members
from kinetic_mailchimp.audit.state.merge_fields import merge_fields_namespace
from kinetic_mailchimp.audit.state.people import PEOPLE_NAMESPACE, given_up_for, opted_out_elsewhere
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.mailchimp import MailchimpClient, member_key, subscriber_hash
from kinetic_mailchimp.mailchimp.api import LARGEST_PAGE
from msgspec.structs import replace

from target_mailchimp.audience.api_member import (
    is_news_of_consent,
    seen_member,
    statement_of_member,
    without_baseline,
)
from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.tags import tags_to_restore
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.contract.waiting_rows import rows_from_json, still_waiting
from target_mailchimp.planning.known_fields import Definitions, known_fields, remade
from target_mailchimp.planning.moved_contacts import MovedContacts
from target_mailchimp.planning.returns import returned_at
from target_mailchimp.rules.hand_over import lost_flag
from target_mailchimp.rules.refusal import RefusedWrite, read_refused_write

logger = logging.getLogger(__name__)

SaveLedger = Callable[[LedgerChanges], None]

_LISTING = "listing"
_OVERLAP = timedelta(seconds=2)
"""A listing begins a little before the last one began: times of Mailchimp have whole seconds."""


def sources_namespace(list_id: str) -> str:
    """The namespace of the members of an audience by source row."""
    return f"target-mailchimp/{list_id}/sources"


class Membership:
    """The states of the members of one audience.

    Args:
        ledger: Opens a namespace of the ledger.
        save: Stores what was read in Mailchimp.
        note: Stores what follows for members before anything is written; by default as `save`.
        looks_at_all: Whether every member is looked at, and what Mailchimp once refused may be sent again.
        owned_tags: The tags that no one else sets or takes away.
        replayed: Finds the source rows whose dead letters are on their way again.
    """

    def __init__(
        self,
        client: MailchimpClient,
        ledger: Callable[[str], Ledger],
        save: SaveLedger,
        list_id: str,
        *,
        note: SaveLedger | None = None,
        looks_at_all: bool = False,
        owned_tags: Collection[str] = (),
        replayed: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        prefix = f"target-mailchimp/{list_id}"
        self.members_namespace = members_namespace(list_id)
        self.sources_namespace = sources_namespace(list_id)
        self.waiting_namespace = f"{prefix}/waiting"
        self.edited_namespace = f"{prefix}/edited"
        self.left_namespace = f"{prefix}/left"
        self.statements_namespace = f"{prefix}/statements"
        self.refused_namespace = f"{prefix}/refused"
        self._audience_namespace = f"{prefix}/audience"
        self._client = client
        self._save = save
        self._note = note or save
        self._list_id = list_id
        self._looks_at_all = looks_at_all
        self._owned_tags = owned_tags
        self._members = ledger(self.members_namespace)
        self._sources = ledger(self.sources_namespace)
        self._waiting = ledger(self.waiting_namespace)
        self._audience = ledger(self._audience_namespace)
        self._fields_namespace = merge_fields_namespace(list_id)
        self._fields = ledger(self._fields_namespace)
        self._agreed = ledger(agreed_namespace(list_id))
        self._edited = ledger(self.edited_namespace)
        self._flags = ledger(FLAGS_NAMESPACE)
        self._handovers = ledger(HANDOVER_NAMESPACE)
        self._left = ledger(self.left_namespace)
        self._statements = ledger(self.statements_namespace)
        self._refused = ledger(self.refused_namespace)
        self._replayed = replayed
        self._people = ledger(PEOPLE_NAMESPACE)
        self._archived: set[str] | None = None
        self._archived_now: set[str] = set()
        self._has_statements = self._has_refused = False

    def prepare(self, audience: Audience) -> None:
        """Learn what changed in Mailchimp: nothing that is read afterwards is older than the run."""
        self._note_fields({tag: field.to_json() for tag, field in audience.fields.items() if field.merge_id})
        self._list()
        self._has_statements = self._statements.count() > 0
        self._has_refused = not self._looks_at_all and self._refused.count() > 0

    def states(self, members: Iterable[str]) -> dict[str, MemberState]:
        """The states that the ledger has, by subscriber hash, with what the other direction learned."""
        found = self._known(members)
        if self._looks_at_all:
            return {member: replace(state, refused={}) for member, state in found.items()}
        return found

    def _known(self, members: Iterable[str]) -> dict[str, MemberState]:
        found = read_members(self._members, members)
        agreed = read_agreed(self._agreed, found)
        return found | {member: with_agreed(found[member], values) for member, values in agreed.items()}

    def member_of(self, sources: Iterable[str]) -> dict[str, str]:
        """The subscriber hash that each source row had last."""
        return {key: str(value["member"]) for key, value in self._sources.get_many(sources).items()}

    def left_behind(self, rows: Mapping[str, int]) -> dict[str, list[str]]:
        """The subscriber hashes of members that source rows left behind; those come with their `row_id`."""
        found = self._left.get_many(rows).items()
        same = {source: value for source, value in found if is_same_row(value.get("row", 0), rows[source])}
        return {source: list(value["members"]) for source, value in same.items()}

    def all_left_behind(self) -> Iterator[dict[str, MemberState]]:
        """The members that rows left behind and no row has since, in pages, each by the row that left it."""
        entries = self._left.items()
        while page := dict(itertools.islice(entries, LARGEST_PAGE)):
            states = self.states({member for value in page.values() for member in value["members"]})
            yield {
                source: states[member]
                for source, value in page.items()
                for member in value["members"]
                if member in states and source in states[member].left_by
            }

    def flags(self, rows: Iterable[str]) -> dict[str, FlagState]:
        """The flags that this software has set, by the name of the row: noted, or waiting to be cleared."""
        wanted = list(rows)
        found = read_flags(self._flags, wanted)
        waiting = self._handovers.get_many(row for row in wanted if row not in found)
        for row, handover in ((row, Handover.from_json(value)) for row, value in waiting.items()):
            if handover.action is HandoverAction.CLEAR and not handover.origin:
                found[row] = lost_flag(handover.address, self._list_id)
        return found

    def given_up(self, addresses: Iterable[str]) -> dict[str, str]:
        """The subscriber hash that a person has now, by that of an address that they gave up in Mailchimp."""
        found = given_up_for(self._people, map(email_key, addresses))
        return {subscriber_hash(address): subscriber_hash(now) for address, now in found.items()}

    def out_elsewhere(self, addresses: Iterable[str], *, everywhere: bool) -> dict[str, Handover]:
        """The flags of people who are out of another audience, by `email_key`."""
        return opted_out_elsewhere(self._people, addresses, self._list_id, everywhere=everywhere)

    def rows_of(self, stream: str) -> Iterator[dict[str, MemberState]]:
        """The source rows of a stream that have a member, each with that member, in pages."""
        sources = ((key, value) for key, value in self._sources.items() if key.startswith(f"{stream}/"))
        while page := dict(itertools.islice(sources, LARGEST_PAGE)):
            member_of = {source: value["member"] for source, value in page.items()}
            members = self.states(member_of.values())
            yield {source: members[member] for source, member in member_of.items() if member in members}

    def waiting(self, members: Iterable[str]) -> dict[str, list[MemberRecord]]:
        """The records that came before their people were members, by subscriber hash.

        An opt-out among them keeps the person from becoming a subscriber; a name travels once they are one.
        """
        found = {member: rows_from_json(rows) for member, rows in self._waiting.get_many(members).items()}
        sources = self._sources.get_many(row.source for rows in found.values() for row in rows if row.source)
        return {member: still_waiting(rows, member, sources) for member, rows in found.items()}

    def suppressed(self, members: Iterable[str]) -> dict[str, str]:
        """The times of the last opt-outs of another tool or of another audience that reached members."""
        found = self._waiting.get_many(members)
        by_person = {
            member: [row.source_updated_on or "" for row in rows_from_json(rows) if row.by_person]
            for member, rows in found.items()
        }
        return {member: max(times) for member, times in by_person.items() if times}

    def statements(self, members: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Mailchimp's words about the consent of members, read in a listing and in no decision yet."""
        return self._statements.get_many(members) if self._has_statements else {}

    def note(self, states: Mapping[str, MemberState | None]) -> None:
        """Take note of states; None for an address that is nobody's."""
        if states:
            self._note({self.members_namespace: states})

    def is_archived(self, member: str) -> bool:
        """Tell whether a person is archived: a batch would take the address for new."""
        if self._archived is None:
            listing = self._client.members(self._list_id, fields=("id",), status="archived")
            self._archived = {key for found in listing for key in (str(found.get("id")), member_key(found))}
        return member in self._archived or member in self._archived_now

    def note_archived(self, members: Iterable[str]) -> None:
        """Take note of people who were archived since the archived ones were listed."""
        self._archived_now.update(members)

    def returned_at(self, member: str, own_id: str) -> str:
        """When a person came back who once unsubscribed by their own act: see `returns.returned_at`.

        Args:
            member: The subscriber hash.
            own_id: The id by which the API knows the member, where that is another one.
        """
        return returned_at(self._client, self._list_id, own_id or member)

    def refused_before(self, sources: Iterable[str]) -> dict[str, RefusedWrite]:
        """The last write of each source row that Mailchimp refused, unless its dead letter is in flight."""
        found = self._refused.get_many(sources, read_refused_write) if self._has_refused else {}
        again = self._replayed() if found else ()
        return {source: refused for source, refused in found.items() if source not in again}

    def edited(self) -> Iterator[dict[str, MemberState]]:
        """Members that were edited in Mailchimp where the source owns the field, in pages."""
        edited = (member for member, _ in self._edited.items())
        while page := list(itertools.islice(edited, LARGEST_PAGE)):
            yield self.states(page)

    def _note_fields(self, fields: Definitions) -> None:
        """Keep the definitions of fields, and forget the baseline of those that were made again."""
        known = known_fields(self._fields, self._audience)
        lost = remade(known, fields)
        members = (member for member, _ in self._members.items()) if lost else iter(())
        while page := list(itertools.islice(members, LARGEST_PAGE)):
            states = {member: without_baseline(state, lost) for member, state in self._known(page).items()}
            self._save({self.members_namespace: states})
        if changed := {tag: field for tag, field in fields.items() if known.get(tag) != field}:
            self._save({self._fields_namespace: changed})

    def _list(self) -> None:
        """Read the members that changed since the last listing: all of them when nothing is known."""
        since = str((self._audience.get(_LISTING) or {}).get("from", "")) or None
        if since is None:
            logger.info("Reading the members of audience %s: nothing is known about them yet.", self._list_id)
        dates: list[datetime] = []
        asked = time.monotonic()

        def note(date: datetime) -> None:
            # The first page was read some time before its answer was dated.
            dates.append(date - timedelta(seconds=time.monotonic() - asked) - _OVERLAP)

        begin = None if self._looks_at_all else since
        listing = self._client.members(self._list_id, since_last_changed=begin, on_date=note)
        moved = MovedContacts(self._members, self.given_up, self._list_id)
        for page in iter(lambda: list(itertools.islice(listing, LARGEST_PAGE)), []):
            shown = {member_key(member): member for member in page}
            states = self._known(shown)
            seen = {
                key: seen_member(
                    states.get(key), member, is_first_look=since is None, owned_tags=self._owned_tags
                )
                for key, member in shown.items()
            }
            left, handovers = moved.among(shown, states, seen) if since else ({}, {})
            # Most of a listing is what the run before has written: of those members, nothing is news.
            news = {key: state for key, state in seen.items() if state != states.get(key)}
            self._save(
                {
                    self.members_namespace: {**news, **left},
                    HANDOVER_NAMESPACE: handovers,
                    self.statements_namespace: {
                        key: statement_of_member(member, self._list_id)
                        for key, member in shown.items()
                        if is_news_of_consent(states.get(key), seen[key])
                    },
                    self.edited_namespace: {key: {} for key, state in seen.items() if self._is_edited(state)},
                }
            )
        self._save({self._audience_namespace: {_LISTING: {"from": dates[0].isoformat()}}})

    def _is_edited(self, state: MemberState) -> bool:
        """Tell whether Mailchimp shows other values or owned tags than were sent."""
        return not (
            state.shown.keys().isdisjoint(state.sent) and tags_to_restore(state, self._owned_tags).is_empty
        )
