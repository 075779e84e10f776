"""Walks through the members of an audience in the order of their last change.

A member that changes moves to the end of that order. Pages by a bare offset would then skip the member that
slides into its place. So each page begins at the last change that was seen; what is read twice is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from kinetic_mailchimp.kit.email_address import email_key
from kinetic_mailchimp.kit.timestamps import parse_timestamp

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
)
"""Attributes that are read by default: a page of whole members is several times as large."""

_ALWAYS = ("id", "email_address", "last_changed")
_TIE_OVERLAP = 10
"""Of a page whose members all changed in one second, a tenth is read again with the next page: that many may
leave this second while it is read."""


def walk_members(
    page: Callable[[Mapping[str, str | int]], list[dict[str, Any]]],
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
    """
    wanted = ",".join(f"members.{name}" for name in dict.fromkeys((*fields, *_ALWAYS)))
    order = {"sort_field": "last_changed", "sort_dir": "ASC"}
    since = filters.get("since_last_changed")
    offset = 0
    seen: set[str] = set()
    without_address = 0
    while True:
        bounds = {**filters, **({"since_last_changed": since} if since else {}), **order}
        rows = page({**bounds, "fields": wanted, "count": page_size, "offset": offset})
        for row in rows:
            if not row.get("email_address"):
                without_address += 1
            elif (key := str(row.get("id") or email_key(row["email_address"]))) not in seen:
                seen.add(key)
                yield row
        # A page may hold fewer rows than it was asked for: only one that follows tells.
        more = len(rows) >= page_size or (
            rows and page({**bounds, "fields": "members.id", "count": 1, "offset": offset + len(rows)})
        )
        if not more:
            break
        page_size = len(rows)
        since, offset = _next_page(since, offset, rows)
    if without_address:
        logger.warning("Contacts without an e-mail address, passed over: %d.", without_address)


def _next_page(since: str | None, offset: int, rows: Sequence[Mapping[str, Any]]) -> tuple[str | None, int]:
    # `since_last_changed` is exclusive and changes have whole seconds: one second earlier includes all ties.
    last = parse_timestamp(rows[-1]["last_changed"])
    anchor = (last - timedelta(seconds=1)).isoformat()
    if since is None or parse_timestamp(since) < last - timedelta(seconds=1):
        return anchor, 0
    return since, offset + max(1, len(rows) - len(rows) // _TIE_OVERLAP)
