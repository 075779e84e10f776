"""A full table says that it is complete, so that rows which did not come are known to be gone."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import PermissionDeniedError


def as_full_table(catalog: dict[str, Any]) -> None:
    for entry in catalog["streams"]:
        entry["replication_method"] = "FULL_TABLE"
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["forced-replication-method"] = "FULL_TABLE"
                item["metadata"]["replication-method"] = "FULL_TABLE"


def kinds(result: Any) -> list[str]:
    return [message["type"] for message in result.messages]


def test_a_full_table_is_complete_after_its_last_record(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=30)
    result = runner(epicor).run(
        "customers",
        edit_catalog=as_full_table,
        emit_activate_version_messages=True,
        companies=epicor.companies,
        page_size=10,
    )
    assert kinds(result).count("ACTIVATE_VERSION") == 1
    records = [message for message in result.messages if message["type"] == "RECORD"]
    assert {message["record"]["Company"] for message in records} == set(epicor.companies)
    version = next(message for message in result.messages if message["type"] == "ACTIVATE_VERSION")
    assert version["stream"] == "customers"
    assert {message["version"] for message in records} == {version["version"]}
    assert result.messages.index(version) > result.messages.index(records[-1])


def test_what_follows_changes_is_never_called_complete(start_epicor: Any, runner: Any) -> None:
    result = runner(start_epicor(customers=5)).run("customers", emit_activate_version_messages=True)
    assert "ACTIVATE_VERSION" not in kinds(result)


def test_counted_pages_may_have_missed_a_row(start_epicor: Any, runner: Any) -> None:
    result = runner(start_epicor(customers=5)).run(
        "customers", edit_catalog=as_full_table, emit_activate_version_messages=True, pagination="offset"
    )
    assert result.records()
    assert "ACTIVATE_VERSION" not in kinds(result)


def test_without_the_setting_nothing_is_said(start_epicor: Any, runner: Any) -> None:
    result = runner(start_epicor(customers=5)).run("customers", edit_catalog=as_full_table)
    assert "ACTIVATE_VERSION" not in kinds(result)
    assert "version" not in next(message for message in result.messages if message["type"] == "RECORD")


def test_the_rest_of_an_interrupted_read_is_not_the_whole(start_epicor: Any, runner: Any) -> None:
    tap = runner(start_epicor(customers=30))
    how: dict[str, Any] = {
        "edit_catalog": as_full_table,
        "emit_activate_version_messages": True,
        "page_size": 10,
    }
    first = tap.run("customers", states=1, **how)
    assert "ACTIVATE_VERSION" not in kinds(first)
    rest = tap.run("customers", state=first.state, **how)
    assert 0 < len(rest.records()) < 30
    assert "ACTIVATE_VERSION" not in kinds(rest)
    assert "ACTIVATE_VERSION" in kinds(tap.run("customers", state=rest.state, **how))


def test_a_company_that_was_left_out_is_not_taken_for_empty(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=10)
    how: dict[str, Any] = {"edit_catalog": as_full_table, "emit_activate_version_messages": True}
    companies = [*epicor.companies[:1], "NOPE"]
    skipping = runner(epicor).run("customers", companies=companies, on_company_error="skip", **how)
    assert skipping.records()
    assert "ACTIVATE_VERSION" not in kinds(skipping)
    with pytest.raises(PermissionDeniedError):
        runner(epicor).run("customers", companies=companies, **how)
