"""What came of a call that writes members, and of each member of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kinetic_mailchimp.mailchimp.errors import Refusal, RefusedError, item_error
from kinetic_mailchimp.mailchimp.identity import subscriber_hash


@dataclass(frozen=True)
class ItemResult:
    """What came of one member.

    Attributes:
        outcome: What Mailchimp says it did.
        member: The member as Mailchimp now has it; empty when it was refused.
        error: Why it was refused.
    """

    outcome: Literal["created", "updated", "refused"]
    member: Mapping[str, Any]
    error: RefusedError | None = None


@dataclass(frozen=True, kw_only=True)
class CallResult:
    """How a call ended; all is None where none was made, or no answer came.

    Attributes:
        status: The HTTP status.
        request_id: Mailchimp's id of the call.
        seconds: How long it took.
    """

    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class MemberResult(CallResult):
    """What came of a write of one member.

    Attributes:
        member: The member as Mailchimp now has it.
    """

    member: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class BatchResult(CallResult):
    """What came of a batch.

    Attributes:
        items: One result for each member that was sent, by subscriber hash.
    """

    items: Mapping[str, ItemResult]


def results_by_hash(sent: Iterable[str], document: Mapping[str, Any]) -> dict[str, ItemResult]:
    """Find the result of every address that was sent.

    A member that the answer does not mention counts as refused: nobody knows what became of it.
    """
    found: dict[str, ItemResult] = {}
    for member in document.get("new_members") or ():
        found[_hash_of(member)] = ItemResult("created", member)
    for member in document.get("updated_members") or ():
        found[_hash_of(member)] = ItemResult("updated", member)
    for error in document.get("errors") or ():
        found[subscriber_hash(str(error.get("email_address") or ""))] = ItemResult(
            "refused", {}, item_error(error)
        )
    missing = ItemResult(
        "refused",
        {},
        RefusedError(
            "Mailchimp's answer does not say what became of this member.",
            advice="Replay the record.",
            reason=Refusal.UNCONFIRMED,
        ),
    )
    return {key: found.get(key, missing) for key in map(subscriber_hash, sent)}


def _hash_of(member: Mapping[str, Any]) -> str:
    return str(member.get("id") or subscriber_hash(str(member["email_address"])))
