"""Reads a set with a declarative source of the Airbyte CDK, which writes its messages as lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource


def manifest(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "7.39.1",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["customers"]},
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "customers",
                "primary_key": ["CustNum"],
                "schema_loader": {
                    "type": "InlineSchemaLoader",
                    "schema": {"type": "object", "properties": given["properties"]},
                },
                "retriever": {
                    "type": "SimpleRetriever",
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": given["url"],
                        "path": given["path"],
                        "http_method": "GET",
                        "authenticator": {
                            "type": "BasicHttpAuthenticator",
                            "username": given["username"],
                            "password": given["password"],
                        },
                        "request_headers": {"x-api-key": given["api_key"]},
                        "request_parameters": given["params"],
                    },
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["value"]},
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "page_size_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "$top",
                        },
                        "page_token_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "$skip",
                        },
                        "pagination_strategy": {"type": "OffsetIncrement", "page_size": given["page"]},
                    },
                },
            }
        ],
    }


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    stream = {
        "name": "customers",
        "json_schema": {"type": "object", "properties": given["properties"]},
        "supported_sync_modes": ["full_refresh"],
    }
    catalog = {
        "streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]
    }
    (folder / "airbyte_config.json").write_text("{}", encoding="utf-8")
    (folder / "airbyte_catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    source = ConcurrentDeclarativeSource(config={}, source_config=manifest(given))
    files = [
        "--config",
        str(folder / "airbyte_config.json"),
        "--catalog",
        str(folder / "airbyte_catalog.json"),
    ]
    launch(source, ["read", *files])


main()
