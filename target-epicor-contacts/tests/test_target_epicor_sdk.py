"""The Singer SDK's standard tests of a target, each one listed: with its end here, where that is another.

Their streams hold no contact updates, so their records end in quarantine; what they prove is that no form of
input ends the run, and that counts and states stay right.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError
from singer_sdk.testing import suites, target_tests
from singer_sdk.testing.config import SuiteConfig
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.templates import TargetTestTemplate
from target_epicor_contacts.target import TargetEpicorContacts

AS_THEY_STAND = (
    target_tests.TargetArrayData,
    target_tests.TargetCliPrintsTest,
    target_tests.TargetDuplicateRecords,
    target_tests.TargetEncodedStringData,
    target_tests.TargetInvalidSchemaTest,
    target_tests.TargetNoPrimaryKeys,
    target_tests.TargetOptionalAttributes,
    target_tests.TargetPrimaryKeyUpdates,
    target_tests.TargetRecordBeforeSchemaTest,
    target_tests.TargetRecordMissingOptionalFields,
    target_tests.TargetRecordMissingRequiredProperty,
    target_tests.TargetSchemaNoProperties,
    target_tests.TargetSchemaUpdates,
    target_tests.TargetSpecialCharsInAttributes,
)
WITH_ANOTHER_END = (
    # Properties with a capital letter are Epicor columns, and Epicor has none of these.
    target_tests.TargetCamelcaseComplexSchema,
    target_tests.TargetCamelcaseTest,
    # A record without its key is a decision about that record, not the end of the run.
    target_tests.TargetRecordMissingKeyProperty,
)


def run(test: type[TargetTestTemplate], bench: Any) -> None:
    runner = TargetTestRunner(TargetEpicorContacts, config=bench.config())
    try:
        test().run(SuiteConfig(), None, runner)
    finally:
        # The SDK's runner leaves its input open.
        if runner._input is not None:
            runner._input.close()


def test_no_standard_test_is_left_out() -> None:
    assert {*AS_THEY_STAND, *WITH_ANOTHER_END} >= set(suites.target_tests.tests)


@pytest.mark.rule("R6")
@pytest.mark.parametrize("test", AS_THEY_STAND, ids=lambda test: test.name)
def test_standard(test: type[TargetTestTemplate], bench: Any) -> None:
    run(test, bench)
    for run_ in bench.runs():
        assert run_["records_read"] == len(bench.decisions())


@pytest.mark.parametrize("test", WITH_ANOTHER_END[:2], ids=lambda test: test.name)
def test_columns_that_epicor_does_not_have_end_the_run(test: type[TargetTestTemplate], bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="there is no such column"):
        run(test, bench)


def test_a_record_without_its_key_is_quarantined(bench: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        run(target_tests.TargetRecordMissingKeyProperty, bench)
    assert {action for action, _ in bench.actions()} == {"quarantined"}


def test_every_state_message_is_passed_on_after_its_records(bench: Any) -> None:
    # The SDK's own test expects that states between two of its drains are left out; here each one drains.
    source = target_tests.TargetMultipleStateMessages().singer_filepath.read_text(encoding="utf-8")
    values = [message["value"] for message in map(json.loads, source.splitlines()) if "value" in message]
    runner = TargetTestRunner(TargetEpicorContacts, config=bench.config(), input_io=io.StringIO(source))
    runner.sync_all()
    assert runner.state_messages == [*values, values[-1]]
