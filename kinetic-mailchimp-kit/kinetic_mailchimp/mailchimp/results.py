"""The results of a batch of members, one for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kinetic_mailchimp.kit.http.call import HttpCall
from kinetic_mailchimp.mailchimp.member import member_key, normalized_member, subscriber_hash
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
    named: list[tuple[set[str], ItemResult]] = []
    for name, outcome in _OUTCOMES:
        for shown in _entries(document, name):
            member = normalized_member(shown)
            # The address may be shown in another spelling than it was sent, and the id be one of its own.
            named.append(({member_key(member), str(member.get("id") or "")}, ItemResult(outcome, member)))
    for error in _entries(document, "errors"):
        key = subscriber_hash(str(error.get("email_address") or ""))
        named.append(({key}, ItemResult("refused", {}, item_error(error))))
    for keys, result in named:
        found.update(dict.fromkeys(keys, result))
    wanted = [subscriber_hash(address) for address in sent]
    unanswered = [key for key in wanted if key not in found]
    if len(unanswered) == 1:
        # One result that names no address that was sent, and one address without a result.
        others = [result for keys, result in named if keys.isdisjoint(wanted)]
        found.update(dict.fromkeys(unanswered, others[0]) if len(others) == 1 else {})
    return {key: found.get(key, _UNANSWERED) for key in wanted}


def _entries(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries = document.get(name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


_UNANSWERED = ItemResult(
    "refused",
    {},
    RefusedError(
        "Mailchimp's answer does not say what became of this member.",
        advice="Replay the record.",
        reason=Refusal.UNCONFIRMED,
    ),
)
