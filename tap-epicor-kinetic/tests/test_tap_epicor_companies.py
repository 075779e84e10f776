"""Several companies: each with its own place, and one without access."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import PermissionDeniedError


def test_each_company_has_its_own_bookmark(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=60)
    result = runner(epicor).run("customers", companies=epicor.companies)
    for company in epicor.companies:
        latest = max(row["UpdatedOn"] for row in result.records() if row["Company"] == company)
        assert result.bookmark(company=company)["replication_key_value"] >= latest


def test_a_company_added_later_is_read_from_the_start(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=60)
    tap = runner(epicor)
    first = tap.run("customers", companies=["EPIC06"], overlap_seconds=0)
    second = tap.run("customers", companies=epicor.companies, state=first.state, overlap_seconds=0)
    assert {row["Company"] for row in second.records()} == {"EPIC07"}


@pytest.mark.parametrize("companies", [["NOWHERE", "EPIC06"], ["EPIC06", "NOWHERE"]])
def test_a_company_without_access_ends_the_run_and_is_named(
    start_epicor: Any, runner: Any, companies: list[str]
) -> None:
    with pytest.raises(PermissionDeniedError, match=r"company NOWHERE: .*`companies`"):
        runner(start_epicor(customers=10)).run("customers", companies=companies)


@pytest.mark.parametrize("companies", [["NOWHERE", "EPIC06"], ["EPIC06", "NOWHERE"]])
def test_a_company_without_access_may_be_skipped(
    start_epicor: Any, runner: Any, companies: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    epicor = start_epicor(customers=30)
    tap = runner(epicor)
    result = tap.run("customers", companies=companies, on_company_error="skip")
    assert len(result.records()) == len(tap.run("customers").records())
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert any("company NOWHERE" in message for message in errors)
