"""The results of a batch of members, one for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

import msgspec

from kinetic_mailchimp.kit.http.call import HttpCall
from kinetic_mailchimp.kit.parsing.json_reading import parse_json
from kinetic_mailchimp.mailchimp.member import member_key, normalized_member, subscriber_hash
from kinetic_mailchimp.mailchimp.refusals import Refusal, RefusedError, item_error

Outcome = Literal["created", "updated", "refused"]
_OUTCOMES: tuple[tuple[str, Outcome], ...] = (("new_members", "created"), ("updated_members", "updated"))


class ItemResult(msgspec.Struct, frozen=True):
    """The result of one member.

    Attributes:
        member: The attributes of `_Shown`, as Mailchimp now has them; empty when it was refused.
    """

    outcome: Outcome
    member: Mapping[str, Any]
    error: RefusedError | None = None


class _Shown(TypedDict, total=False):
    """The attributes of a member that are read out of the answer of a batch; most of its bytes are others."""

    id: Any
    email_address: Any
    contact_id: Any
    web_id: Any
    status: Any
    unsubscribe_reason: Any
    last_changed: Any
    email_type: Any
    language: Any
    vip: Any
    merge_fields: Any
    interests: Any
    marketing_permissions: Any


class _BatchAnswer(TypedDict, total=False):
    """The answer of a batch."""

    new_members: list[_Shown]
    updated_members: list[_Shown]
    errors: Any


_read_answer: Final = msgspec.json.Decoder(_BatchAnswer).decode


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch.

    Attributes:
        items: One result for each member that was sent, by subscriber hash.
    """

    call: HttpCall
    items: Mapping[str, ItemResult]


def parse_batch_answer(body: bytes) -> Any:  # noqa: ANN401 (a document has any shape)
    """The answer of a batch, without what is not read; any other document as it is.

    Raises:
        ValueError: It is not valid JSON.
    """
    try:
        answer = _read_answer(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return parse_json(body)
    return answer if "new_members" in answer or "updated_members" in answer else parse_json(body)


def results_by_hash(sent: Iterable[str], document: Mapping[str, Any]) -> dict[str, ItemResult]:
    """Find the result of every address that was sent.

    A member that the answer does not mention counts as refused: nobody knows what became of it.

    Args:
        sent: The addresses, as they were sent.
        document: The answer of the batch.
    """
    found: dict[str, ItemResult] = {}
    named: list[tuple[tuple[str, ...], ItemResult]] = []
    for name, outcome in _OUTCOMES:
        for shown in _entries(document, name):
            member = normalized_member(shown)
            # The address may be shown in another spelling than it was sent, and the id be one of its own.
            named.append(((member_key(member), str(member.get("id") or "")), ItemResult(outcome, member)))
    for error in _entries(document, "errors"):
        key = subscriber_hash(str(error.get("email_address") or ""))
        named.append(((key,), ItemResult("refused", {}, item_error(error))))
    for keys, result in named:
        for key in keys:
            found[key] = result
    wanted = [subscriber_hash(address) for address in sent]
    unanswered = [key for key in wanted if key not in found]
    if len(unanswered) == 1:
        # One result that names no address that was sent, and one address without a result.
        others = [result for keys, result in named if not {*keys} & {*wanted}]
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
