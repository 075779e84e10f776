"""A server that fails in every way: the run completes, or ends with words that help."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError, CredentialsError, TransientError

PAGES = "Customers$"


def numbers(result: Any) -> list[int]:
    return sorted(row["CustNum"] for row in result.records())


@pytest.mark.parametrize(
    "effect",
    [
        {"kind": "status", "status": 429, "retry_after": 3},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 503, "body": "html"},
        {"kind": "status", "status": 502, "body": "empty"},
        {"kind": "status", "status": 500},
        {"kind": "truncate"},
        {"kind": "truncate", "disconnect": True},
        {"kind": "reset"},
    ],
)
def test_a_fault_now_and_then_changes_nothing(start_epicor: Any, runner: Any, effect: dict[str, Any]) -> None:
    epicor = start_epicor(customers=80)
    tap = runner(epicor)
    whole = numbers(tap.run("customers"))
    epicor.control.faults({"match": {"path": PAGES, "every": 3}, "effect": effect})
    result = tap.run("customers", page_size=15, concurrency=1)
    assert numbers(result) == whole
    assert sum(epicor.control.faults_struck().values()) > 1
    assert result.pauses
    if "retry_after" in effect:
        assert min(result.pauses) >= 3


@pytest.mark.parametrize("status", [408, 504])
def test_pages_shrink_when_the_server_runs_out_of_time(
    start_epicor: Any, runner: Any, queries: Any, status: int
) -> None:
    epicor = start_epicor(customers=120)
    tap = runner(epicor)
    whole = numbers(tap.run("customers"))
    epicor.control.clear_requests()
    epicor.control.faults(
        {"match": {"path": PAGES, "after": 1, "count": 3}, "effect": {"kind": "status", "status": status}}
    )
    result = tap.run("customers", page_size=80, concurrency=1)
    assert numbers(result) == whole
    assert result.pauses == []
    sizes = [
        int(query["$top"]) for query in queries(epicor, PAGES.rstrip("$")) if query["$top"] not in {"1", "5"}
    ]
    assert sizes[:4] == [80, 40, 20, 10]


def test_pages_shrink_when_the_tap_itself_runs_out_of_patience(
    start_epicor: Any, runner: Any, queries: Any
) -> None:
    epicor = start_epicor(customers=120)
    tap = runner(epicor)
    whole = numbers(tap.run("customers"))
    epicor.control.clear_requests()
    epicor.control.faults(
        {"match": {"path": PAGES, "after": 1, "count": 1}, "effect": {"kind": "latency", "seconds": 40}}
    )
    result = tap.run("customers", page_size=80, concurrency=1, request_timeout=10)
    assert numbers(result) == whole
    assert result.pauses == []
    sizes = [
        int(query["$top"]) for query in queries(epicor, PAGES.rstrip("$")) if query["$top"] not in {"1", "5"}
    ]
    # The simulator notes a request when it has answered it.
    assert [size for size in sizes if size != 40] in ([], [80])
    assert sizes.count(40) >= 3


def test_a_server_that_stays_away_ends_the_run_with_words(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=5)
    epicor.control.faults({"match": {"path": PAGES}, "effect": {"kind": "maintenance", "body": "html"}})
    with pytest.raises(TransientError, match=r"Stream customers, company EPIC06: .*web page"):
        runner(epicor).run("customers")


def test_a_full_licence_pool_is_waited_for(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=5, default_licenses=0)
    with pytest.raises(TransientError, match="`license_type`"):
        runner(epicor).run("customers", license_type="none")
    assert runner(epicor).run("customers").records()


@pytest.mark.parametrize(
    "identity", [{"auth_method": "token_resource"}, {"auth_method": "oauth2"}], ids=lambda i: i["auth_method"]
)
def test_a_token_that_ends_in_the_middle_of_a_read(
    start_epicor: Any, runner: Any, identity: dict[str, str]
) -> None:
    epicor = start_epicor(customers=80)
    known = {name: epicor.hello[name] for name in ("client_id", "client_secret")}
    if identity["auth_method"] == "oauth2":
        known["token_url"] = epicor.hello["token_url"]
    tap = runner(epicor)
    whole = numbers(tap.run("customers"))
    seen = 0

    def expire_now_and_then(message: Any) -> None:
        nonlocal seen
        if message["type"] == "STATE":
            seen += 1
            # At every second page only: a read that meets two ends in a row is refused, and rightly so.
            if seen % 2:
                epicor.control.expire_tokens()

    result = tap.run(
        "customers", page_size=10, concurrency=1, on_message=expire_now_and_then, **identity, **known
    )
    assert numbers(result) == whole
    assert seen > 4
    assert epicor.control.counts()["GET 401"] > 1


def test_a_service_that_cannot_filter_is_read_whole_and_says_so_once(
    start_epicor: Any, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    epicor = start_epicor(customers=30, refused_filter_columns=("UpdatedOn",))
    tap = runner(epicor)
    caplog.set_level(logging.WARNING)
    first = tap.run("customers", page_size=10, companies=epicor.companies)
    assert {row["Company"] for row in first.records()} == set(epicor.companies)
    assert caplog.text.count("reads the whole table") == 1
    again = tap.run("customers", companies=epicor.companies, state=first.state)
    assert numbers(again) == numbers(first) != []


def test_a_server_whose_clock_is_in_the_past_loses_nothing(start_epicor: Any, runner: Any) -> None:
    """The upper bound is read from the server's rows, so no clock of ours plays a part."""
    epicor = start_epicor(customers=20)
    tap = runner(epicor)
    first = tap.run("customers")
    epicor.control.faults({"effect": {"kind": "skew", "seconds": -3600}})
    edited = first.records()[0]["CustNum"]
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": edited}, Name="Long ago")
    assert "Long ago" in {row["Name"] for row in tap.run("customers", state=first.state).records()}


def test_offset_paging_for_services_that_need_it(start_epicor: Any, runner: Any, queries: Any) -> None:
    epicor = start_epicor(customers=60)
    tap = runner(epicor)
    whole = numbers(tap.run("customers"))
    epicor.control.clear_requests()
    how = {"pagination": "offset", "page_size": 10, "overlap_seconds": 0}
    result = tap.run("customers", **how)
    assert numbers(result) == whole
    assert {query.get("$skip", "0") for query in queries(epicor, "Customers")} >= {
        "0",
        "9",
        "18",
    }  # a page begins with the last row of the one before
    for states in range(5):
        cut = tap.run("customers", states=states, **how)
        rest = tap.run("customers", state=cut.state, **how)
        assert sorted({*numbers(cut), *numbers(rest)}) == whole
    assert tap.run("customers", state=result.state, **how).records() == []


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("switches", "error", "says"),
    [
        ({"api_key_valid": False}, CredentialsError, "`api_key`"),
        ({"password_valid": False}, CredentialsError, "`password`"),
    ],
)
def test_a_wrong_identity_names_its_setting(
    start_epicor: Any, runner: Any, switches: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        runner(start_epicor(customers=2, **switches)).run()


@pytest.mark.rule("R9")
def test_no_name_of_a_person_in_the_log(
    start_epicor: Any, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    epicor = start_epicor(customers=30)
    epicor.control.faults({"match": {"path": PAGES, "every": 3}, "effect": {"kind": "status", "status": 503}})
    result = runner(epicor).run("customers", "customer_contacts")
    for row in [*result.records(), *result.records("customer_contacts")]:
        assert not row["EMailAddress"] or row["EMailAddress"] not in caplog.text
    for secret in ("api_key", "password"):
        assert epicor.hello[secret] not in caplog.text


@pytest.mark.parametrize("change", [{"page_size": 0}, {"pagination": "pages"}, {"companies": []}])
def test_a_setting_that_makes_no_sense(start_epicor: Any, runner: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        runner(start_epicor(customers=1)).run("customers", **change)
    told = getattr(raised.value, "errors", [str(raised.value)])
    assert any(next(iter(change)) in message for message in told)


def test_deletions_need_a_file(start_epicor: Any, runner: Any) -> None:
    with pytest.raises(ConfigurationError, match="`key_store`"):
        runner(start_epicor(customers=1)).run("customers", report_deletions=["customers"])
