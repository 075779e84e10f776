"""What an account holds: its lists, their members, webhooks and campaigns."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from simulators.mailchimp.consent import LOCKED, Standing
from simulators.mailchimp.identity import derived_id, subscriber_hash
from simulators.mailchimp.merge_fields import DEFAULT_FIELDS, MergeField

STATUS_OF: Mapping[Standing, str] = {
    Standing.SUBSCRIBED: "subscribed",
    Standing.UNSUBSCRIBED_BY_ADMIN: "unsubscribed",
    Standing.UNSUBSCRIBED_BY_CONTACT: "unsubscribed",
    Standing.COMPLAINED: "unsubscribed",
    Standing.CLEANED: "cleaned",
    Standing.PENDING: "pending",
    Standing.TRANSACTIONAL: "transactional",
    Standing.ARCHIVED: "archived",
    Standing.ARCHIVED_LOCKED: "archived",
}
"""The status that the API shows for a contact that exists."""

_STANDING_AFTER_API_WRITE: Mapping[str, Standing] = {
    "subscribed": Standing.SUBSCRIBED,
    "unsubscribed": Standing.UNSUBSCRIBED_BY_ADMIN,
    "cleaned": Standing.CLEANED,
    "pending": Standing.PENDING,
    "transactional": Standing.TRANSACTIONAL,
}

WRITABLE_STATUSES = tuple(_STANDING_AFTER_API_WRITE)


def standing_for(status: str) -> Standing:
    """Where a contact stands after the API or an admin has set a status."""
    return _STANDING_AFTER_API_WRITE[status]


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of a contact's activity feed."""

    type: str
    at: int
    campaign_id: str = ""
    reason: str = ""
    by_admin: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A contact of a list. Times are seconds since the epoch; 0 means never."""

    email_address: str
    contact_id: str
    web_id: int
    standing: Standing
    unsubscribe_reason: str = ""
    email_type: str = "html"
    merge_values: Mapping[str, object] = field(default_factory=dict)
    interests: frozenset[str] = frozenset()
    tags: frozenset[int] = frozenset()
    language: str = ""
    vip: bool = False
    latitude: float = 0
    longitude: float = 0
    marketing_permissions: frozenset[str] = frozenset()
    ip_signup: str = ""
    timestamp_signup: int = 0
    ip_opt: str = ""
    timestamp_opt: int = 0
    source: str = "API - Generic"
    last_changed: int = 0
    confirmation_mails: int = 0
    activity: tuple[Activity, ...] = ()

    @property
    def id(self) -> str:
        return subscriber_hash(self.email_address)

    @property
    def unique_email_id(self) -> str:
        return derived_id(10, "unique_email_id", self.email_address.lower())

    @property
    def status(self) -> str:
        return STATUS_OF[self.standing]


@dataclass(frozen=True)
class Interest:
    id: str
    category_id: str
    name: str
    display_order: int


@dataclass(frozen=True)
class InterestCategory:
    id: str
    title: str
    type: str
    display_order: int


@dataclass(frozen=True)
class Permission:
    """A box that a contact ticks under a privacy law."""

    id: str
    text: str


@dataclass(frozen=True)
class AbuseReport:
    id: int
    campaign_id: str
    email_address: str
    at: int


@dataclass(frozen=True)
class Campaign:
    id: str
    list_id: str
    subject: str
    sent_at: int
    recipients: tuple[str, ...] = ()
    """Ids of the contacts that it was sent to."""


@dataclass
class Webhook:
    id: str
    list_id: str
    url: str
    events: Mapping[str, bool]
    sources: Mapping[str, bool]
    signing_secret: str
    signing_enabled: bool
    disabled: str = ""
    """Why the vendor stopped to deliver; no endpoint of the API shows it."""

    def wants(self, event_type: str, source: str) -> bool:
        # The vendor does not filter campaign events by who caused them.
        return self.events.get(event_type, False) and (
            event_type == "campaign" or self.sources.get(source, False)
        )


@dataclass(eq=False)
class Audience:
    """A list, with an index by subscriber hash and one by contact id."""

    id: str
    name: str
    double_optin: bool = False
    merge_fields: list[MergeField] = field(default_factory=list)
    permissions: tuple[Permission, ...] = ()
    created_at: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    hash_by_contact: dict[str, str] = field(default_factory=dict)
    forgotten: dict[str, str] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)
    categories: dict[str, InterestCategory] = field(default_factory=dict)
    interests: dict[str, Interest] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    abuse_reports: list[AbuseReport] = field(default_factory=list)
    re_adds: Counter[str] = field(default_factory=Counter)
    revision: int = 0
    """Counts the writes, so that a sorted listing can be kept until the next one."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def find(self, key: str) -> Member | None:
        """The member with a subscriber hash, an address or a contact id."""
        hashed = subscriber_hash(key) if "@" in key else self.hash_by_contact.get(key, key.lower())
        return self.members.get(hashed)

    def standing_of(self, email_address: str) -> Standing:
        hashed = subscriber_hash(email_address)
        if hashed in self.members:
            return self.members[hashed].standing
        return Standing.FORGOTTEN if hashed in self.forgotten else Standing.ABSENT

    def store(self, old: Member | None, new: Member | None) -> None:
        """Put one state of a member in the place of another; None stands for no member."""
        self.revision += 1
        if old is not None and (new is None or new.id != old.id):
            del self.members[old.id]
        if old is not None and new is None:
            del self.hash_by_contact[old.contact_id]
        if new is not None:
            self.members[new.id] = new
            self.hash_by_contact[new.contact_id] = new.id
            self.forgotten.pop(new.id, None)

    def tag_id(self, name: str) -> int:
        """The id of a tag by its name, whose case does not count; the tag is made if it is missing."""
        for tag_id, known in self.tags.items():
            if known.lower() == name.lower():
                return tag_id
        tag_id = next(self.numbers)
        self.tags[tag_id] = name
        return tag_id

    def add_merge_field(self, tag: str, name: str, kind: str = "text", **more: object) -> MergeField:
        merge_id = max((known.merge_id for known in self.merge_fields), default=0) + 1
        order = len(self.merge_fields) + 1
        merge_field = MergeField(merge_id, tag, name, kind, display_order=order, **more)  # type: ignore[arg-type]
        self.merge_fields.append(merge_field)
        self.revision += 1
        return merge_field

    def drop_interest(self, interest_id: str) -> None:
        """Remove an interest, from the members too."""
        self.revision += 1
        del self.interests[interest_id]
        for hashed, member in self.members.items():
            if interest_id in member.interests:
                self.members[hashed] = replace(member, interests=member.interests - {interest_id})

    def rename_values(self, tag: str, new_tag: str | None) -> None:
        """Carry the members' values of a merge field to another tag, or drop them."""
        self.revision += 1
        for hashed, member in self.members.items():
            if tag in member.merge_values:
                values = dict(member.merge_values)
                value = values.pop(tag)
                if new_tag is not None:
                    values[new_tag] = value
                self.members[hashed] = replace(member, merge_values=values)

    def add_default_fields(self) -> None:
        for tag, name, kind in DEFAULT_FIELDS:
            self.add_merge_field(tag, name, kind)


def archived(standing: Standing) -> Standing:
    """The standing of an archived contact, which remembers an opt-out of the contact's own."""
    return Standing.ARCHIVED_LOCKED if standing in LOCKED else Standing.ARCHIVED
