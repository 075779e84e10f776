"""The results of a batch of members, one for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kinetic_mailchimp.kit.http_call import HttpCall
from kinetic_mailchimp.mailchimp.identity import subscriber_hash
from kinetic_mailchimp.mailchimp.refusals import Refusal, RefusedError, item_error

Outcome = Literal["created", "updated", "refused"]
_OUTCOMES: tuple[tuple[str, Outcome], ...] = (("new_members", "created"), ("updated_members", "updated"))


@dataclass(frozen=True)
class ItemResult:
    """The result of one member.

    Attributes:
        member: The member as Mailchimp now has it; empty when it was refused.
    """

    outcome: Outcome
    member: Mapping[str, Any]
    error: RefusedError | None = None


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch.

    Attributes:
        call: How the call ended.
        items: One result for each member that was sent, by subscriber hash.
    """

    call: HttpCall
    items: Mapping[str, ItemResult]


def results_by_hash(sent: Iterable[str], document: Mapping[str, Any]) -> dict[str, ItemResult]:
    """Find the result of every address that was sent.

    A member that the answer does not mention counts as refused: nobody knows what became of it.

    Args:
        sent: The addresses, as they were sent.
        document: The answer of the batch.
    """
    found: dict[str, ItemResult] = {}
    for name, outcome in _OUTCOMES:
        for member in document.get(name) or ():
            # The address may be shown in another spelling than it was sent, and the id be one of its own.
            for key in {member_key(member), str(member.get("id") or "")}:
                found[key] = ItemResult(outcome, member)
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


def member_key(member: Mapping[str, Any]) -> str:
    """The key of a member that Mailchimp shows: made of its address, because its `id` may be another one."""
    address = str(member.get("email_address") or "")
    return subscriber_hash(address) if address else str(member.get("id") or "")
