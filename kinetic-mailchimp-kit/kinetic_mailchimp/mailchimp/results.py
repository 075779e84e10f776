"""The results of a batch of members, one for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kinetic_mailchimp.kit.http_call import HttpCall
from kinetic_mailchimp.mailchimp.identity import subscriber_hash
from kinetic_mailchimp.mailchimp.refusals import Refusal, RefusedError, item_error


@dataclass(frozen=True)
class ItemResult:
    """The result of one member.

    Attributes:
        outcome: What Mailchimp says it did.
        member: The member as Mailchimp now has it; empty when it was refused.
        error: Why it was refused.
    """

    outcome: Literal["created", "updated", "refused"]
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
