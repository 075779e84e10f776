"""The SDK's standard tests of a tap: all of them, for every stream, against a simulated Kinetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from simulators.epicor.testing import running_epicor
from singer_sdk import Stream
from singer_sdk.testing import SuiteConfig
from singer_sdk.testing.runners import TapTestRunner
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests, tap_tests
from tap_epicor_kinetic.catalog.declarations import STREAMS
from tap_epicor_kinetic.tap import TapEpicorKinetic

SUITE = SuiteConfig(max_records_limit=20)
# Whether a column holds nothing but null is up to the data, not to the tap.
ATTRIBUTES = SuiteConfig(max_records_limit=20, ignore_no_records=True)


@pytest.fixture(scope="module", params=["updated-on", "stock"])
def suite(request: pytest.FixtureRequest) -> Iterator[TapTestRunner]:
    with running_epicor(customers=40, orders=1, profile=request.param) as epicor:
        known = {name: epicor.hello[name] for name in ("base_url", "api_key", "username", "password")}
        config = {**known, "companies": epicor.companies, "customer_types": [], "inactive_customers": "flag"}
        runner = TapTestRunner(TapEpicorKinetic, config, SUITE, parse_env_config=False)
        runner.sync_all()
        yield runner


@pytest.fixture(scope="module")
def streams(suite: TapTestRunner) -> Mapping[str, Stream]:
    return suite.new_tap().streams


@pytest.mark.parametrize("test", tap_tests.tests, ids=lambda test: test.name)
def test_tap(suite: TapTestRunner, test: Any, capfdbinary: Any) -> None:
    test().run(SUITE, None, suite)


@pytest.mark.parametrize("name", [declaration.name for declaration in STREAMS])
@pytest.mark.parametrize("test", tap_stream_tests.tests, ids=lambda test: test.name)
def test_stream(suite: TapTestRunner, streams: Any, test: Any, name: str) -> None:
    assert suite.records[name], "the simulated Kinetic has rows for every stream"
    test().run(SUITE, None, suite, stream=streams[name])


@pytest.mark.parametrize("name", [declaration.name for declaration in STREAMS])
@pytest.mark.parametrize("test", tap_stream_attribute_tests.tests, ids=lambda test: test.name)
def test_attributes(suite: TapTestRunner, streams: Any, test: Any, name: str) -> None:
    stream = streams[name]
    for column, schema in stream.schema["properties"].items():
        if test.evaluate(stream=stream, property_name=column, property_schema=schema):
            test().run(ATTRIBUTES, None, suite, stream=stream, attribute_name=column)
