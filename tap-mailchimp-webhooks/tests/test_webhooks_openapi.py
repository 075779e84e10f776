from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.app import create_app
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets

OPERATIONS = [
    ("/webhooks/mailchimp/{secret}", "POST"),
    ("/webhooks/mailchimp/{secret}", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
]
SECRET = "a-path-secret-of-the-tests"


def test_nothing_that_its_description_allows_makes_it_fail(
    start_receiver: Callable[..., str], inbox: Inbox
) -> None:
    url = start_receiver()
    app = create_app(ReceiverSettings(PathSecrets((SECRET,))), inbox)
    description = app.openapi()
    schema = schemathesis.openapi.from_dict(description)
    assert {path for path, _ in OPERATIONS} == set(description["paths"])

    for path, method in OPERATIONS:
        operation = schema[path][method]

        @given(case=operation.as_strategy())
        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def call(case: Any) -> None:
            if "secret" in case.path_parameters:
                case.path_parameters["secret"] = SECRET
            case.call_and_validate(base_url=url, checks=[not_a_server_error])

        call()


@given(body=st.binary(max_size=200))
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_bytes_can_be_stored(inbox: Inbox, body: bytes) -> None:
    arrival = from_delivery(body, FORM, datetime.now(UTC))
    inbox.store([arrival])

    assert inbox.store([arrival]) == [False]
