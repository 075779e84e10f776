"""Walks through the members of an audience in the order of their last change.

A member that changes moves to the end of that order. Pages by a bare offset would then skip the member that
slides into its place. So each page begins at the last change that was seen; what is read twice is dropped.
"""

from __future__ import annotations

import itertools
import logging
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp.member import normalized_member

logger = logging.getLogger(__name__)

MEMBER_FIELDS = (
    "id",
    "email_address",
    "contact_id",
    "web_id",
    "status",
    "unsubscribe_reason",
    "merge_fields",
    "interests",
    "language",
    "vip",
    "tags",
    "timestamp_opt",
    "last_changed",
    "timestamp_signup",
    "ip_signup",
    "ip_opt",
    "source",
)
"""Attributes that are read by default: a page of whole members is several times as large."""

_ALWAYS = ("id", "email_address", "last_changed")
_TIE_OVERLAP = 10
"""Of a page whose members all changed in one second, a tenth is read again with the next page: that many may
leave this second while it is read."""
_TELLING = 10
"""Members of a page whose order cannot be chance; of fewer, a call more tells whether older ones follow."""
_BITS = 2**64 - 1


class SeenKeys:
    """The keys that came, by 64 bits of their hashes: 30 bytes for each at most, where a set takes 130.

    Of a million keys, two share these bits once in forty million walks.
    """

    def __init__(self) -> None:
        self._slots = array("Q", (0,)) * 1024
        self._count = 0

    def add(self, key: str) -> bool:
        """Take note of a key; True if it is new."""
        is_new = _put(self._slots, hash(key) & _BITS or 1)
        self._count += is_new
        if self._count * 3 > len(self._slots) * 2:
            before, self._slots = self._slots, array("Q", (0,)) * (2 * len(self._slots))
            for number in filter(None, before):
                _put(self._slots, number)
        return is_new


def _put(slots: array[int], number: int) -> bool:
    """Put a number into the first slot that is free from its own on; False where it is there already."""
    most = len(slots) - 1
    slot = number & most
    while (found := slots[slot]) != number:
        if not found:
            slots[slot] = number
            return True
        slot = (slot + 1) & most
    return False


def walk_members(
    page: Callable[[Mapping[str, str | int]], list[Any]],
    *,
    fields: Sequence[str],
    page_size: int,
    filters: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """Yield each member with an e-mail address once; an empty page alone ends the walk.

    Args:
        page: Reads one page of the listing.
        fields: Attributes to read.
        page_size: Members per page.
        filters: Further parameters; `since_last_changed` is where the walk begins.

    Raises:
        TransientError: The same full page comes again and again.
    """
    wanted = ",".join(f"members.{name}" for name in dict.fromkeys((*fields, *_ALWAYS)))
    order = {"sort_field": "last_changed", "sort_dir": "ASC"}
    since = filters.get("since_last_changed")
    offset, count = 0, page_size
    seen = SeenKeys()
    without_address = 0
    before: list[Any] = []
    in_order = True
    while True:
        bounds = {**filters, **({"since_last_changed": since} if since else {}), **order}
        rows = page({**bounds, "fields": wanted, "count": count, "offset": offset})
        if offset and rows and rows == before:
            if len(rows) >= page_size:
                raise TransientError(
                    "Mailchimp gives the same page of members again.",
                    advice="Look at what answers at `base_url`, such as a proxy.",
                )
            break  # all there are, of a listing without pages
        members = [normalized_member(row) for row in rows if isinstance(row, dict)]
        for member in members:
            if not member.get("email_address"):
                without_address += 1
            elif seen.add(member.get("id") or email_key(member["email_address"])):
                yield member
        # A page may hold fewer rows than it was asked for: only one that follows tells.
        more = len(rows) >= count or (
            rows and page({**bounds, "fields": "members.id", "count": 1, "offset": offset + len(rows)})
        )
        if not more:
            break
        count, before = len(rows), rows
        changed = [str(member.get("last_changed", "")) for member in members]
        anchor, after = _next_page(since, offset, changed)
        in_order = in_order and all(one <= other for one, other in itertools.pairwise(changed))
        if in_order and anchor and anchor != since and len(rows) < _TELLING:
            older = sum(time < changed[-1] for time in changed)
            rest = {**bounds, "before_last_changed": anchor, "fields": "members.id"}
            in_order = not page({**rest, "count": 1, "offset": offset + older})
        # Without the order, no time is behind us, not even after a page that is in it by chance.
        since, offset = (anchor, after) if in_order else (since, offset + _step(changed))
    if without_address:
        logger.warning("Contacts without an e-mail address, passed over: %d.", without_address)


def _next_page(since: str | None, offset: int, changed: Sequence[str]) -> tuple[str | None, int]:
    """The start of the next page, after one whose members changed at these times."""
    after = offset + _step(changed)
    # `since_last_changed` is exclusive and changes have whole seconds: one second earlier includes all ties.
    try:
        anchor = parse_timestamp(changed[-1]) - timedelta(seconds=1)
        is_later = since is None or parse_timestamp(since) < anchor
    except (IndexError, ValueError):
        return since, after
    return (anchor.isoformat(), 0) if is_later else (since, after)


def _step(changed: Sequence[str]) -> int:
    """The members of a page that need not be read again with the next one."""
    return max(1, len(changed) - len(changed) // _TIE_OVERLAP)
