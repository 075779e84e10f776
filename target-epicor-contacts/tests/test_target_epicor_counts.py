"""Whatever comes in and however Kinetic answers, each record ends in one decision, and the counts say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.reading.runs import latest_runs

Record = dict[str, Any]

ROWS = ("ann@example.com", "ann@example.com", "bob@example.com")

RECORD = st.fixed_dictionaries(
    {
        "email": st.sampled_from(["ann@example.com", "bob@example.com", "nobody@example.com", "no address"]),
        "status": st.sampled_from(["unsubscribed", "complaint", "cleaned", "subscribed", None]),
        "second": st.integers(0, 4),
    },
    optional={
        "FirstName": st.sampled_from(["Ann", "B" * 300]),
        "new_email": st.sampled_from(["cleo@example.com", "bob@example.com", "no address"]),
        "occurred_at": st.just("yesterday"),
    },
)
FAULTS = st.sampled_from(
    [
        [],
        [
            {
                "match": {"method": "PATCH", "every": 2},
                "effect": {"kind": "status", "status": 500, "body": "json"},
            }
        ],
        [{"match": {"method": "PATCH"}, "effect": {"kind": "status", "status": 500, "body": "json"}}],
        [{"match": {"after": 12}, "effect": {"kind": "status", "status": 503, "body": "html"}}],
        [{"match": {"method": "PATCH", "nth": 1}, "effect": {"kind": "reset", "applied": True}}],
    ]
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "on_invalid": st.sampled_from(["skip", "dead_letter"]),
        "unmatched": st.sampled_from(["record", "dead_letter", "ignore"]),
        "max_failed": st.just(1),
        "dry_run": st.booleans(),
    },
)


@pytest.mark.rule("R6")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(records=st.lists(RECORD, min_size=1, max_size=6), faults=FAULTS, options=OPTIONS)
def test_counts_equal_the_records_read_in_any_mixture(
    bench: Any,
    update: Callable[..., Record],
    records: list[Record],
    faults: list[Record],
    options: dict[str, Any],
) -> None:
    for name, address in zip(sorted(bench.all_rows())[:3], ROWS, strict=True):
        bench.edit(name, EMailAddress=address, NoContact=False)
    later = 10 * len(bench.runs())  # than whatever another example has left behind
    bench.epicor.control.faults(*faults)
    bench.attempt(
        *(update(**{**record, "second": record["second"] + later}) for record in records), **options
    )
    bench.epicor.control.faults()
    with AuditTrail.open(bench.audit_url) as trail:
        (run, *_) = latest_runs(trail)
        assert verify(trail).is_whole
    decided = [decision for decision in bench.decisions() if decision["run_id"] == run.id]
    assert run.counts == Counter(decision["action"] for decision in decided)
    assert sum(run.counts.values()) == len(decided) == run.records_read
    assert run.status in ("succeeded", "failed")
    if run.status == "succeeded":
        assert run.records_read == len(records)
