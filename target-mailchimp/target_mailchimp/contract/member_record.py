"""Reads a Singer record into values of one member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit.state.flag_state import FlagState, own_flag, short_row_id
from kinetic_mailchimp.kit.parsing.email_address import (
    InvalidEmailError,
    domain_spellings,
    find_address,
    parse_email,
)
from kinetic_mailchimp.mailchimp import subscriber_hash
from msgspec.structs import force_setattr, replace

PLAIN_ATTRIBUTES = (
    "email_type",
    "language",
    "vip",
    "location",
    "ip_signup",
    "timestamp_signup",
    "ip_opt",
    "timestamp_opt",
)
"""Attributes of Mailchimp's member that are sent as they are, under their own names."""

HANDLED_ATTRIBUTES = frozenset(
    {
        *PLAIN_ATTRIBUTES,
        "email_address",
        "status",
        "status_if_new",
        "tags",
        "interests",
        "marketing_permissions",
        "merge_fields",
        "list_id",
    }
)
"""Lower-case properties that mean something; those that begin with `source_` do too, and are never sent."""

COUNTED = "opt_outs_of_audiences"
"""The stream of opt-outs of one audience that count in another one, which no tap has."""

NEW_STATUSES = frozenset({"subscribed", "pending", "transactional", "unsubscribed", "cleaned"})
_OPTED_IN = frozenset({"subscribed", "pending", "transactional"})


class MemberRecord(msgspec.Struct, frozen=True, gc=False):
    """The values that a record has of a person; those that it leaves out stay as they are in Mailchimp.

    Attributes:
        address: The e-mail address, as it is spelled.
        member: The subscriber hash of the address.
        audience: The id or name of the audience that the record names; mostly empty.
        source_updated_on: When that row changed; texts of one source sort by time.
        active: False when the source says that the customer is no longer one.
        opted_out: Whether the source says that the person wants no mail.
        by_person: Whether that is the person's own word, as in a list of old opt-outs: it is of no row.
        status_if_new: The status of a new member; empty for that of the settings.
        merge_values: Values as they were read, by tag.
        interests: Wanted or not, by id or name; `permissions`, given or not, by id or text.
        tags: Names, or None when the record says nothing about tags.
        others: Older rows with the same address in the same batch, the oldest first.
        carried: Our own flag on the row, where the record's opt-out is that: no rep wished it.
        row_id: Of that row, as `short_row_id` makes it of `source_id`.
        source: The source row, told apart from rows of other streams; empty when the record names none.
        statement: Mailchimp's words about the consent, read with the member, for the decision to keep.
        is_mailable: False for an opt-out under an address that is not valid: a member may have it.
        stays_with: The member that the row keeps: its person opted out there, and is not subscribed here.
    """

    stream: str
    raw: Mapping[str, Any]
    address: str
    member: str
    audience: str = ""
    source_key: str | None = None
    source_updated_on: str | None = None
    active: bool = True
    opted_out: bool = False
    by_person: bool = False
    status_if_new: str = ""
    attributes: Mapping[str, Any] = {}
    merge_values: Mapping[str, Any] = {}
    interests: Mapping[str, bool] = {}
    permissions: Mapping[str, bool] = {}
    tags: tuple[str, ...] | None = None
    others: tuple[MemberRecord, ...] = ()
    carried: FlagState | None = None
    source: str = ""
    is_mailable: bool = True
    row_id: int = 0
    statement: Mapping[str, Any] | None = None
    stays_with: str = ""

    def __post_init__(self) -> None:
        """Name the source row once: it is asked for twenty times."""
        force_setattr(self, "source", _source(self.stream, self.source_key))

    @property
    def wished_out(self) -> bool:
        """Tell whether a rep wants no mail for the person."""
        return self.opted_out and self.carried is None

    @property
    def rows(self) -> tuple[MemberRecord, ...]:
        """All rows that this record stands for, the newest last."""
        return (*self.others, self)

    def bound_to(self, list_id: str) -> MemberRecord:
        """The record for one audience; a dead letter of it goes there alone."""
        return replace(self, audience=list_id, raw={**self.raw, "list_id": list_id})

    def with_flags(self, flags: Mapping[str, FlagState]) -> MemberRecord:
        """The record with the flags that this software has set on its rows, by the name of the row."""
        others = tuple(row.with_flags(flags) for row in self.others)
        row, updated_on = self.source_key or "", self.source_updated_on or ""
        flag = own_flag(flags, row, self.row_id, updated_on) if self.opted_out else None
        return replace(self, others=others, carried=flag)


class InvalidRecord(msgspec.Struct, frozen=True):
    """A record that cannot be used; `is_carried` where its opt-out is our own flag on the row."""

    stream: str
    raw: Mapping[str, Any]
    reason: str
    detail: str
    is_carried: bool = False

    @property
    def source_key(self) -> str | None:
        """The key of the row at its source."""
        return _text(self.raw.get("source_key")) or None

    @property
    def address(self) -> str | None:
        """The text in place of the address; None where there is none."""
        value = self.raw.get("email_address")
        return None if value is None else str(value)

    @property
    def source(self) -> str:
        """The source row, as for a valid record."""
        return _source(self.stream, self.source_key)

    @property
    def opted_out(self) -> bool:
        """Tell whether the record is an opt-out, though without an address that can be used."""
        says_so = self.reason != "empty" and _lowers_consent(_text(self.raw.get("status")).lower())
        return says_so and not self.is_carried

    def with_flags(self, flags: Mapping[str, FlagState]) -> InvalidRecord:
        """The record with the flags that this software has set on rows, by the name of the row."""
        row_id, updated_on = (_text(self.raw.get(name)) for name in ("source_id", "source_updated_on"))
        flag = own_flag(flags, self.source_key or "", short_row_id(row_id), updated_on)
        text = (self.address or "").lower()
        spellings = domain_spellings(flag.address) if flag else ()
        is_named = "@" not in text or any(spelling in text for spelling in spellings)
        return replace(self, is_carried=flag is not None and is_named)


_LONGEST_STAMP = 64
"""Characters of a timestamp or a revision."""

ADDRESS_PROBLEMS = {
    "empty": "The record has no e-mail address.",
    "several_addresses": "There are several addresses in the field, and nothing says which one is meant.",
    "not_an_address": "The value of the field is not an e-mail address.",
}


def read_record(stream: str, record: Mapping[str, Any]) -> MemberRecord | InvalidRecord:
    """Read a record.

    A status that is unknown, or that lowers consent, counts as an opt-out: a doubt never makes a subscriber.

    Args:
        stream: The stream of the record.
        record: As the tap or mapper wrote it.
    """
    raw = {name: value for name, value in record.items() if not name.startswith("_sdc_")}
    if record.get("_sdc_deleted_at"):  # as taps mark a row that is gone
        raw["source_active"] = False
    values = {name: value for name, value in raw.items() if value is not None}
    status = _text(values.get("status")).lower()
    text, is_mailable = _text(raw.get("email_address")), True
    try:
        address = parse_email(text)
    except InvalidEmailError as error:
        found = _same_text(text) if _lowers_consent(status) else ""
        if not found:
            return InvalidRecord(stream, raw, error.reason, ADDRESS_PROBLEMS[error.reason])
        address, is_mailable = found, False
    if_new = _text(values.get("status_if_new")).lower()
    try:
        return MemberRecord(
            stream=stream,
            raw=raw,
            address=address,
            member=subscriber_hash(address),
            audience=_text(values.get("list_id")),
            source_key=_text(values.get("source_key")) or None,
            source_updated_on=_text(values.get("source_updated_on"))[:_LONGEST_STAMP] or None,
            active=_boolean(values.get("source_active", True), "source_active"),
            opted_out=_lowers_consent(status),
            by_person=_lowers_consent(status) and values.get("source_consent") == "person",
            status_if_new=if_new or (status if status in _OPTED_IN else ""),
            attributes={name: values[name] for name in PLAIN_ATTRIBUTES if name in values},
            merge_values=_merge_values(values),
            interests=_choices(values.get("interests"), "interests"),
            permissions=_permissions(values.get("marketing_permissions")),
            tags=_names(values.get("tags"), "tags"),
            is_mailable=is_mailable,
            row_id=short_row_id(_text(values.get("source_id"))),
        )
    except _MalformedError as error:
        return InvalidRecord(stream, raw, "malformed_record", str(error))


def _same_text(text: str) -> str:
    """The one address in a text, valid or not, to match by; empty where there is none."""
    try:
        return find_address(text)
    except InvalidEmailError:
        return ""


class _MalformedError(ValueError):
    """A property has a form that nothing can be made of."""


def _lowers_consent(status: str) -> bool:
    return bool(status) and status not in _OPTED_IN


def _text(value: Any) -> str:  # noqa: ANN401 (JSON)
    return "" if value is None else str(value).strip()


def _source(stream: str, key: str | None) -> str:
    return f"{stream}/{key}" if key else ""


def _boolean(value: Any, name: str) -> bool:  # noqa: ANN401 (JSON)
    if isinstance(value, bool):
        return value
    truth = {"true": True, "1": True, "false": False, "0": False}.get(_text(value).lower())
    if truth is None:
        raise _MalformedError(f"`{name}` is neither true nor false.")
    return truth


def _merge_values(properties: Mapping[str, Any]) -> dict[str, Any]:
    nested = properties.get("merge_fields", {})
    if not isinstance(nested, Mapping):
        raise _MalformedError("`merge_fields` is not an object.")
    values = {str(tag).upper(): value for tag, value in nested.items() if value is not None}
    return values | {name: value for name, value in properties.items() if is_tag(name)}


def rep_in(raw: Mapping[str, Any]) -> str:
    """The sales rep whom a record names; empty where it names none."""
    return _text(raw.get("source_rep"))


def is_tag(name: str) -> bool:
    """Tell whether a property is a merge field of its name: it is upper-case."""
    return name.isupper()


def _names(value: Any, name: str) -> tuple[str, ...] | None:  # noqa: ANN401 (JSON)
    if value is None:
        return None
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        raise _MalformedError(f"`{name}` is not a list of names.")
    # In Mailchimp's own records, as other taps bring them, a tag is an object.
    names = (one.get("name") if isinstance(one, Mapping) else one for one in value)
    return tuple(dict.fromkeys(text for text in map(_text, names) if text))


def _choices(value: Any, name: str) -> dict[str, bool]:  # noqa: ANN401 (JSON)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(key): _boolean(chosen, name) for key, chosen in value.items() if chosen is not None}
    return dict.fromkeys(_names(value, name) or (), True)


def _permissions(value: Any) -> dict[str, bool]:  # noqa: ANN401 (JSON)
    name = "marketing_permissions"
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        return _choices(value, name)
    given = {}
    for entry in value:
        key = _text(entry.get("marketing_permission_id") or entry.get("text"))
        if not key or entry.get("enabled") is None:
            raise _MalformedError(f"An entry of `{name}` names no permission, or not whether it is given.")
        given[key] = _boolean(entry["enabled"], name)
    return given
