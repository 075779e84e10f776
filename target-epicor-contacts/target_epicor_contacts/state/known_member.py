"""A member as both targets know it: the values that both sides last had in common, and those of now.

A profile event of Mailchimp holds every field, changed or not, and no webhook reports fields that were set
over the API. target-mailchimp keeps the last value of each field in the same audit database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kinetic_mailchimp.audit.state.agreed import (
    Agreed,
    AgreedValue,
    agreed_to_json,
    in_common,
    next_version,
    settled,
    with_agreed,
)
from kinetic_mailchimp.audit.state.member_state import MemberState, OpenWrite
from kinetic_mailchimp.kit.parsing.countries import same_country
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp.stored_form import is_stored

from target_epicor_contacts.contract.contact_update import ContactUpdate

V = TypeVar("V")

PREFIX = "merge_fields."
"""Before a tag, in the flat names of values."""

UNKNOWN = MemberState("")
"""The state of a member of whom target-mailchimp knows nothing."""


@dataclass(frozen=True)
class KnownMember:
    """A member of an audience.

    Attributes:
        state: As target-mailchimp knows it.
        agreed: The values on which this target found both sides to agree.
        inherited: The same of the address that the person gave up for this one, by tag.
    """

    state: MemberState = UNKNOWN
    agreed: Agreed = field(default_factory=dict)
    inherited: Mapping[str, Any] = field(default_factory=dict)

    @property
    def baseline(self) -> dict[str, Any]:
        """Value by tag on which both sides agreed last."""
        return {**self.inherited, **self._own_baseline}

    @property
    def _own_baseline(self) -> dict[str, Any]:
        return _by_tag(in_common(self.state, self.agreed))

    @property
    def _now(self) -> dict[str, Any]:
        """Value by tag that Mailchimp has, as it was seen last."""
        sent = with_agreed(self.state, self.agreed).sent
        return {**self.inherited, **_by_tag(sent), **_by_tag(self.state.shown)}

    @property
    def open_writes(self) -> dict[str, OpenWrite]:
        """By tag, the values of a run that broke off while it wrote them to Epicor."""
        return _by_tag(with_agreed(self.state, self.agreed).writing)

    def writing(self, writes: Mapping[str, OpenWrite]) -> KnownMember:
        """The member while values are written to Epicor."""
        version, known = next_version(self.agreed, self.state), settled(self.agreed)
        entries = {
            name: AgreedValue(write.value, version, write.before, known.get(name))
            for name, write in ((f"{PREFIX}{tag}", write) for tag, write in writes.items())
        }
        return replace(self, agreed={**self.agreed, **entries})

    def at_present(self, update: ContactUpdate) -> Mapping[str, Any]:
        """Value by tag that Mailchimp has now, where it is known to have changed after an event."""
        changed_at = self.state.changed_at
        return self._now if changed_at and parse_timestamp(changed_at) > update.event_time.by_source else {}

    def overwritten(self, update: ContactUpdate) -> frozenset[str]:
        """The tags of which Mailchimp had another value in the very second of an event, sooner or later."""
        changed_at = self.state.changed_at
        if not changed_at or parse_timestamp(changed_at) != update.event_time.by_source:
            return frozenset()
        now = self._now
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


def as_agreed(value: Any, known: Any) -> Any:  # noqa: ANN401 (any JSON)
    """A value, or the one that was agreed on where Mailchimp shows that in a form of its own."""
    if isinstance(value, Mapping) and isinstance(known, Mapping):
        return {part: as_agreed(inner, known.get(part)) for part, inner in value.items()}
    return known if known is not None and is_stored(value, known) else value


def without_default_country(value: Any, known: Any) -> Any:  # noqa: ANN401 (any JSON)
    """An address without the country that Mailchimp gives to one that came without: Epicor named none."""
    if not (isinstance(value, Mapping) and isinstance(known, Mapping)) or known.get("country"):
        return value
    bare = {**value, "country": ""}
    return bare if _same(bare, known) else value


def _by_tag(values: Mapping[str, V]) -> dict[str, V]:
    return {name.removeprefix(PREFIX): value for name, value in values.items() if name.startswith(PREFIX)}


def _spelled(value: Any, known: Any) -> Any:  # noqa: ANN401 (any JSON)
    """A value with the country as it was spelled before, where it is the same one."""
    if not (isinstance(value, Mapping) and isinstance(known, Mapping) and known.get("country")):
        return value
    same = same_country(str(value.get("country") or ""), str(known["country"]))
    return {**value, "country": known["country"]} if same else value


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 (any JSON)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        spelled = _spelled(one, other)
        return all((spelled.get(part) or "") == (other.get(part) or "") for part in {*one, *other})
    return bool(one == other)
