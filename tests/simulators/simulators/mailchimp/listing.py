"""Finds and sorts the members of a list; the last result is kept until the list changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

from simulators.mailchimp import problems, queries
from simulators.mailchimp.model import Audience, Member
from simulators.mailchimp.problems import FieldError
from simulators.mailchimp.validation import one_of

PARAMETERS = (
    "status",
    "since_last_changed",
    "before_last_changed",
    "since_timestamp_opt",
    "before_timestamp_opt",
    "unsubscribed_since",
    "since_last_campaign",
    "unique_email_id",
    "email_type",
    "vip_only",
    "interest_category_id",
    "interest_ids",
    "interest_match",
    "sort_field",
    "sort_dir",
)
_ENUMS = {
    "status": one_of("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"),
    "email_type": one_of("html", "text"),
    "sort_field": one_of("timestamp_opt", "timestamp_signup", "last_changed"),
    "sort_dir": one_of("ASC", "DESC"),
    "interest_match": one_of("any", "all", "none"),
}
_MATCHES: Mapping[str, Callable[[frozenset[str], frozenset[str]], bool]] = {
    "any": lambda chosen, asked: bool(chosen & asked),
    "all": lambda chosen, asked: asked <= chosen,
    "none": lambda chosen, asked: not chosen & asked,
}

Test = Callable[[Member], bool]


class Listings:
    """The last listing of each list, so that its next page needs no search."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Audience, tuple[object, list[Member]]] = WeakKeyDictionary()

    def members(self, audience: Audience, query: Mapping[str, str], *, offset_ignored: bool) -> list[Member]:
        """All members that a query asks for, in its order.

        Raises:
            Problem: A parameter is not valid, or needs another one.
        """
        asked = {name: query[name] for name in PARAMETERS if name in query}
        if asked.get("sort_field") != "last_changed" or asked.get("sort_dir") == "DESC":
            return self._found(audience, asked, offset_ignored=offset_ignored)
        # Whoever follows changes asks with a later bound for each page: cut, not searched and sorted anew.
        since = queries.timestamp(asked, "since_last_changed", offset_ignored=offset_ignored)
        asked.pop("since_last_changed", None)
        found = self._found(audience, asked, offset_ignored=offset_ignored)
        if since is None:
            return found
        return found[bisect_right(found, since, key=lambda member: member.last_changed) :]

    def _found(self, audience: Audience, asked: Mapping[str, str], *, offset_ignored: bool) -> list[Member]:
        state = (audience.revision, asked, offset_ignored)
        kept = self._kept.get(audience)
        if kept is not None and kept[0] == state:
            return kept[1]
        found = _search(audience, asked, offset_ignored=offset_ignored)
        self._kept[audience] = (state, found)
        return found


def _search(audience: Audience, query: Mapping[str, str], *, offset_ignored: bool) -> list[Member]:
    for name, check in _ENUMS.items():
        complaint = check(query[name]) if name in query else None
        if complaint:
            raise problems.not_valid([FieldError(name, complaint)])
    tests = _tests(query, offset_ignored=offset_ignored)
    found = [member for member in audience.members.values() if all(test(member) for test in tests)]
    field = query.get("sort_field")
    if field is not None:
        found.sort(key=lambda member: getattr(member, field), reverse=query.get("sort_dir") == "DESC")
    return found


def _tests(query: Mapping[str, str], *, offset_ignored: bool) -> list[Test]:
    status = query.get("status")
    if "unsubscribed_since" in query and status != "unsubscribed":
        raise problems.invalid_resource("The unsubscribed_since parameter requires a status of unsubscribed.")
    if "since_last_campaign" in query and status is None:
        raise problems.invalid_resource("The since_last_campaign parameter requires a status.")
    # Archived contacts are listed only for those who ask for them.
    tests: list[Test] = [_status_is(status) if status else _is_not_archived]
    for name, field, after in (
        ("since_last_changed", "last_changed", True),
        ("before_last_changed", "last_changed", False),
        ("since_timestamp_opt", "timestamp_opt", True),
        ("before_timestamp_opt", "timestamp_opt", False),
        ("unsubscribed_since", "last_changed", True),
    ):
        time = queries.timestamp(query, name, offset_ignored=offset_ignored)
        if time is not None:
            tests.append(_time_test(field, time, after=after))
    if "unique_email_id" in query:
        tests.append(lambda member: member.unique_email_id == query["unique_email_id"])
    if "email_type" in query:
        tests.append(lambda member: member.email_type == query["email_type"])
    if queries.flag(query, "vip_only"):
        tests.append(lambda member: member.vip)
    if "interest_ids" in query:
        asked = frozenset(query["interest_ids"].split(","))
        match = _MATCHES[query.get("interest_match", "any")]
        tests.append(lambda member: match(member.interests, asked))
    return tests


def _is_not_archived(member: Member) -> bool:
    return member.status != "archived"


def _status_is(status: str) -> Test:
    return lambda member: member.status == status


def _time_test(field: str, time: float, *, after: bool) -> Test:
    """Both bounds are exclusive."""
    if after:
        return lambda member: getattr(member, field) > time
    return lambda member: getattr(member, field) < time
