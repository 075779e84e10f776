"""The SDK's own suite: its made-up streams hold no addresses, so each record is recorded and skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import TargetRecordMissingKeyProperty
from target_mailchimp.target import TargetMailchimp

# A record without its key has no address: that is recorded and skipped; the suite wants the run to fail.
_OMITTED = (TargetRecordMissingKeyProperty,)

_SUITE = SingerTestSuite("target", [test for test in target_tests.tests if test not in _OMITTED])

_StandardTests = get_target_test_class(
    TargetMailchimp,
    config={"api_key": "made-up-us1", "base_url": "http://127.0.0.1:9/3.0", "list_id": "made-up"},
    custom_suites=[_SUITE],
    include_target_tests=False,
)


class TestStandard(_StandardTests):  # type: ignore[valid-type, misc]  # made at run time
    """The suite, with the audit trail in a folder of its own."""

    @pytest.fixture(autouse=True)
    def project_root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
