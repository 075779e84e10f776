"""What `status` and `status_if_new` do to a contact, for each state and each way to write.

This is the rule that matters most here: which writes raise a person who opted out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from simulators.mailchimp.switches import Switches


class Standing(Enum):
    """Where a contact stands with a list; who unsubscribed them decides what may be undone."""

    ABSENT = "absent"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED_BY_ADMIN = "unsubscribed by admin or API"
    UNSUBSCRIBED_BY_CONTACT = "unsubscribed by the contact"
    COMPLAINED = "complained of abuse"
    CLEANED = "cleaned"
    PENDING = "pending"
    TRANSACTIONAL = "transactional"
    ARCHIVED = "archived"
    ARCHIVED_LOCKED = "archived after an opt-out of the contact's own"
    FORGOTTEN = "permanently deleted"


class Way(Enum):
    """How a write arrives."""

    PUT = "PUT member"
    PATCH = "PATCH member"
    POST = "POST member"
    BATCH = "POST list"


class Outcome(Enum):
    CREATE = "create"
    KEEP = "keep the status"
    SET = "set the status"
    EXISTS = "refuse: exists"
    COMPLIANCE = "refuse: compliance state"
    FORGOTTEN = "refuse: forgotten"
    NOT_FOUND = "refuse: not found"
    NO_STATUS = "refuse: no status for a new contact"


@dataclass(frozen=True)
class Decision:
    outcome: Outcome
    status: str | None = None


LOCKED = frozenset({Standing.UNSUBSCRIBED_BY_CONTACT, Standing.COMPLAINED, Standing.CLEANED})
"""Only the contact can undo these."""

OPTED_OUT = LOCKED | {
    Standing.UNSUBSCRIBED_BY_ADMIN,
    Standing.PENDING,
    Standing.ARCHIVED,
    Standing.ARCHIVED_LOCKED,
    Standing.FORGOTTEN,
}
"""States in which nobody may be mailed. Nobody in them becomes `subscribed` without an act of their own."""

_ARCHIVED = frozenset({Standing.ARCHIVED, Standing.ARCHIVED_LOCKED})
_RAISING = frozenset({"subscribed", "transactional"})

_ALREADY = {
    (Standing.SUBSCRIBED, "subscribed"),
    (Standing.UNSUBSCRIBED_BY_ADMIN, "unsubscribed"),
    (Standing.UNSUBSCRIBED_BY_CONTACT, "unsubscribed"),
    (Standing.COMPLAINED, "unsubscribed"),
    (Standing.CLEANED, "cleaned"),
    (Standing.PENDING, "pending"),
    (Standing.TRANSACTIONAL, "transactional"),
}

_KEEP = Decision(Outcome.KEEP)


def decide(
    standing: Standing, way: Way, status: str | None, status_if_new: str | None, switches: Switches
) -> Decision:
    """What a write does to the status of a contact.

    Args:
        standing: Where the contact stands now.
        way: How the write arrives.
        status: The status that is asked for unconditionally, if any.
        status_if_new: The status for a contact that is new, if any.
        switches: The unconfirmed behaviours.
    """
    if standing is Standing.FORGOTTEN:
        return Decision(Outcome.NOT_FOUND if way is Way.PATCH else Outcome.FORGOTTEN)
    if standing is Standing.ABSENT:
        return _decide_for_new(way, status, status_if_new)
    if standing in _ARCHIVED:
        return _decide_for_archived(standing, way, status, status_if_new, switches)
    if way is Way.POST:
        locked = standing in LOCKED and switches.post_on_locked == "compliance"
        return Decision(Outcome.COMPLIANCE if locked else Outcome.EXISTS)
    if status is None or (standing, status) in _ALREADY:
        return _KEEP
    exception = _batch_exception(standing, status, switches) if way is Way.BATCH else None
    return exception or _decide_for_status(standing, status)


def _decide_for_new(way: Way, status: str | None, status_if_new: str | None) -> Decision:
    if way is Way.PATCH:
        return Decision(Outcome.NOT_FOUND)
    # A PUT that carries only `status` is refused for a new person; the other ways take either.
    wanted = status if way is Way.POST else status_if_new or (status if way is Way.BATCH else None)
    return Decision(Outcome.CREATE, wanted) if wanted else Decision(Outcome.NO_STATUS)


def _decide_for_archived(
    standing: Standing, way: Way, status: str | None, status_if_new: str | None, switches: Switches
) -> Decision:
    wanted = status or _status_if_new_for_archived(way, status_if_new, switches)
    if wanted is None:
        return _KEEP
    remembered = standing is Standing.ARCHIVED_LOCKED and not switches.archive_forgets_opt_out
    if wanted in _RAISING and remembered:
        return Decision(Outcome.COMPLIANCE)
    return Decision(Outcome.SET, wanted)


def _status_if_new_for_archived(way: Way, status_if_new: str | None, switches: Switches) -> str | None:
    applied = {
        Way.PUT: switches.put_status_if_new_on_archived,
        Way.BATCH: switches.batch_status_if_new_on_archived,
    }.get(way)
    return status_if_new if applied == "applied" else None


def _batch_exception(standing: Standing, status: str, switches: Switches) -> Decision | None:
    if status not in _RAISING:
        return None
    if standing is Standing.UNSUBSCRIBED_BY_ADMIN:
        return {
            "subscribed": None,
            "ignored": _KEEP,
            "error": Decision(Outcome.COMPLIANCE),
        }[switches.batch_status_on_admin_unsubscribed]
    if standing in LOCKED and switches.batch_status_on_locked == "ignored":
        return _KEEP
    if standing is Standing.PENDING and switches.batch_status_on_pending == "ignored":
        return _KEEP
    return None


def _decide_for_status(standing: Standing, status: str) -> Decision:
    if status in _RAISING and standing in LOCKED:
        return Decision(Outcome.COMPLIANCE)
    # A person who opted out may be asked again (`pending`); an address that bounced may not.
    if status == "pending" and standing is Standing.CLEANED:
        return Decision(Outcome.COMPLIANCE)
    return Decision(Outcome.SET, status)
