"""Loads members with Mailchimp's own client: in batches or one by one, over one connection or several."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mailchimp_marketing import Client
from mailchimp_marketing.api_client import ApiClientError

BATCH = 500


def member(number: int) -> dict[str, Any]:
    return {
        "email_address": f"member{number}@example.com",
        "status_if_new": "subscribed",
        "merge_fields": {"FNAME": f"First {number}", "LNAME": "Last", "COMPANY": f"Company {number % 997}"},
    }


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    list_id = given["list_id"]
    client = Client()
    client.set_config({"api_key": given["api_key"], "server": "us1"})
    client.api_client.host = given["base_url"]

    def batch(start: int) -> int:
        members = [member(number) for number in range(start, min(start + BATCH, given["members"]))]
        answer = client.lists.batch_list_members(list_id, {"members": members, "update_existing": True})
        return int(answer["total_created"])

    def single(number: int) -> int:
        record = member(number)
        digest = hashlib.md5(record["email_address"].encode(), usedforsecurity=False).hexdigest()
        client.lists.set_list_member(list_id, digest, record)
        return 1

    what, items = (batch, range(0, given["members"], BATCH)) if given["batches"] else (single, None)
    started = time.perf_counter()
    try:
        with ThreadPoolExecutor(given["threads"]) as pool:
            written = sum(pool.map(what, items if items is not None else range(given["members"])))
    except ApiClientError as error:
        sys.exit(f"The client gave up: {error.text}")
    print(json.dumps({"written": written, "seconds": time.perf_counter() - started}))


main()
