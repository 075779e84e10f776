"""Members as both targets know them: the values that both sides last had in common, and whose opt-out it was.

A profile event of Mailchimp holds every field, changed or not, and no webhook reports fields that were set
over the API. target-mailchimp keeps the last value of each field in the same audit database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.agreed import (
    Agreed,
    AgreedValue,
    agreed_namespace,
    agreed_to_json,
    in_common,
    next_version,
    read_agreed,
    settled,
    with_agreed,
)
from kinetic_mailchimp.audit.state.member_state import (
    CarriedOptOut,
    MemberState,
    OpenWrite,
    members_namespace,
    read_members,
)
from kinetic_mailchimp.kit.parsing.countries import same_country
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp import subscriber_hash

from target_epicor_contacts.contract.contact_update import (
    ContactUpdate,
    Status,
    declared_columns,
    value_of,
)

V = TypeVar("V")

PREFIX = "merge_fields."
"""Before a tag, in the flat names of values."""

MemberKey = tuple[str, str]
"""Id of the audience, and address as `email_key` makes it."""


@dataclass(frozen=True)
class KnownMember:
    """A member of an audience.

    Attributes:
        state: As target-mailchimp knows it; None where it does not.
        agreed: The values on which this target found both sides to agree.
        inherited: The same of the address that the person gave up for this one, by tag.
    """

    state: MemberState | None = None
    agreed: Agreed = field(default_factory=dict)
    inherited: Mapping[str, Any] = field(default_factory=dict)

    @property
    def baseline(self) -> dict[str, Any]:
        """Value by tag on which both sides agreed last."""
        return {**self.inherited, **self._own_baseline}

    @property
    def _own_baseline(self) -> dict[str, Any]:
        return _by_tag(in_common(self.state or MemberState(""), self.agreed))

    def _now(self, state: MemberState) -> dict[str, Any]:
        """Value by tag that Mailchimp has, as it was seen last."""
        sent = with_agreed(state, self.agreed).sent
        return {**self.inherited, **_by_tag(sent), **_by_tag(state.shown)}

    @property
    def open_writes(self) -> dict[str, OpenWrite]:
        """By tag, the values of a run that broke off while it wrote them to Epicor."""
        return _by_tag(with_agreed(self.state or MemberState(""), self.agreed).writing)

    def writing(self, writes: Mapping[str, OpenWrite]) -> KnownMember:
        """The member while values are written to Epicor.

        Args:
            writes: By tag.
        """
        version, known = next_version(self.agreed, self.state), settled(self.agreed)
        entries = {
            name: AgreedValue(write.value, version, write.before, known.get(name))
            for name, write in ((f"{PREFIX}{tag}", write) for tag, write in writes.items())
        }
        return replace(self, agreed={**self.agreed, **entries})

    def at_present(self, update: ContactUpdate) -> Mapping[str, Any]:
        """Value by tag that Mailchimp has now, where it is known to have changed after an event."""
        state = self.state
        if state is None or not state.changed_at:
            return {}
        if parse_timestamp(state.changed_at) <= update.event_time.by_source:
            return {}
        return self._now(state)

    def overwritten(self, update: ContactUpdate) -> frozenset[str]:
        """The tags of which Mailchimp had another value in the very second of an event, sooner or later."""
        state = self.state
        if state is None or not state.changed_at:
            return frozenset()
        if parse_timestamp(state.changed_at) != update.event_time.by_source:
            return frozenset()
        now = self._now(state)
        return frozenset(
            tag for tag, value in update.merges.items() if tag in now and not _same(value, now[tag])
        )

    def with_values(self, values: Mapping[str, Any], written: Iterable[str] = ()) -> dict[str, Any] | None:
        """The entry to store after both sides were seen to agree; None where that is known already.

        Args:
            values: Value by tag, as Mailchimp has it.
            written: The tags of `writing` whose end is known.
        """
        baseline = self._own_baseline
        news = {
            f"{PREFIX}{tag}": _spelled(value, baseline.get(tag))
            for tag, value in {**self.baseline, **values}.items()
            if not _same(value, baseline.get(tag))
        }
        done = {f"{PREFIX}{tag}" for tag in written}
        if not (news or done):
            return None
        version, known = next_version(self.agreed, self.state), settled(self.agreed)
        entries = {name: AgreedValue(value, version) for name, value in news.items()}
        left = {name: entry for name, entry in self.agreed.items() if name not in done}
        return agreed_to_json({**known, **left, **entries})


KnownMembers = Mapping[MemberKey, KnownMember]
OpenWrites = Mapping[MemberKey, Mapping[str, OpenWrite]]
Entries = dict[str, dict[str, dict[str, Any] | None]]
"""Changes of the ledger: namespace → key → value."""


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
                known[list_id, key] = KnownMember(states.get(name), agreed.get(name, {}))
    for update in updates:
        before = known.get((update.list_id or "", update.key))
        if before and update.list_id and update.new_key:
            here = known.get((update.list_id, update.new_key), KnownMember())
            known[update.list_id, update.new_key] = replace(here, inherited=before.baseline)
    return known


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
) -> Entries:
    """The changes of the ledger after both sides were seen to agree.

    Args:
        agreed: Value by tag, by member; None for an address that is nobody's any more.
        known: From `read_known_members`, or `writing`.
        written: What was written meanwhile, and is known to have ended.
    """
    changes: Entries = defaultdict(dict)
    for member in {*agreed, *written}:
        values, here = agreed.get(member, {}), known.get(member, KnownMember())
        entry = None if values is None else here.with_values(values, written.get(member, ()))
        if entry is not None or values is None:
            changes[agreed_namespace(member[0])][subscriber_hash(member[1])] = entry
    return changes


def writing(known: KnownMembers, writes: OpenWrites) -> tuple[dict[MemberKey, KnownMember], Entries]:
    """The members while values are written to Epicor, and the changes of the ledger that say so.

    Args:
        known: From `read_known_members`.
        writes: By member and tag.
    """
    members = {
        member: known.get(member, KnownMember()).writing(of_tags) for member, of_tags in writes.items()
    }
    changes: Entries = defaultdict(dict)
    for (list_id, key), member in members.items():
        changes[agreed_namespace(list_id)][subscriber_hash(key)] = agreed_to_json(member.agreed)
    return {**known, **members}, changes


def _completed(update: ContactUpdate, member: KnownMember, merge_fields: Mapping[str, str]) -> ContactUpdate:
    state, baseline = member.state, member.baseline
    declared = {column: tag for column, tag in merge_fields.items() if column in update.columns}
    sent = {column: _part(baseline, merge_field) for column, merge_field in declared.items()}
    now = member.at_present(update)
    merges = {
        tag: _without_default_country(now.get(tag, value), baseline.get(tag))
        for tag, value in update.merges.items()
    }
    is_in = state is not None and state.status == Status.SUBSCRIBED and state.returned_at
    return replace(
        update,
        merges=merges,
        overwritten=member.overwritten(update),
        columns={**update.columns, **declared_columns(merges, declared)},
        sent={column: value for column, value in sent.items() if value is not None},
        writing=_of_columns(member.open_writes, declared),
        opted_in_at=parse_timestamp(state.returned_at) if state and is_in else None,
        echo=_echo(update, state),
    )


def _echo(update: ContactUpdate, state: MemberState | None) -> CarriedOptOut | None:
    """The opt-out of a rep that an unsubscribe of ours in Mailchimp carried, where the event is its echo."""
    carried = state.own_opt_out if state else None
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


def _by_tag(values: Mapping[str, V]) -> dict[str, V]:
    return {name.removeprefix(PREFIX): value for name, value in values.items() if name.startswith(PREFIX)}


def _part(baseline: Mapping[str, Any], merge_field: str) -> Any:  # noqa: ANN401 (any JSON)
    value = value_of(baseline, merge_field)
    tag, _, part = merge_field.partition(".")
    # A part that an address never had is empty.
    return "" if value is None and part and isinstance(baseline.get(tag), Mapping) else value


def _spelled(value: Any, known: Any) -> Any:  # noqa: ANN401 (any JSON)
    """A value with the country as it was spelled before, where it is the same one."""
    if not (isinstance(value, Mapping) and isinstance(known, Mapping) and known.get("country")):
        return value
    same = same_country(str(value.get("country") or ""), str(known["country"]))
    return {**value, "country": known["country"]} if same else value


def _without_default_country(value: Any, known: Any) -> Any:  # noqa: ANN401 (any JSON)
    """An address without the country that Mailchimp gives to one that came without: Epicor named none."""
    if not (isinstance(value, Mapping) and isinstance(known, Mapping)) or known.get("country"):
        return value
    bare = {**value, "country": ""}
    return bare if _same(bare, known) else value


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 (any JSON)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        spelled = _spelled(one, other)
        return all((spelled.get(part) or "") == (other.get(part) or "") for part in {*one, *other})
    return bool(one == other)
