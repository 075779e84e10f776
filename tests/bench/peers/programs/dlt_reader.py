"""Reads a set with dlt's REST source and writes its rows as lines, without a destination."""

from __future__ import annotations

import json
import sys
from typing import Any

import orjson
from dlt.sources.rest_api import rest_api_resources


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    source: Any = {
        "client": {
            "base_url": given["url"],
            "headers": {"x-api-key": given["api_key"]},
            "auth": {"type": "http_basic", "username": given["username"], "password": given["password"]},
            "paginator": {
                "type": "offset",
                "limit": given["page"],
                "limit_param": "$top",
                "offset_param": "$skip",
                "total_path": None,
            },
        },
        "resources": [
            {
                "name": "customers",
                "endpoint": {"path": given["path"], "data_selector": "value", "params": given["params"]},
            }
        ],
    }
    out = sys.stdout.buffer
    for row in rest_api_resources(source)[0]:
        out.write(orjson.dumps(row) + b"\n")


main()
