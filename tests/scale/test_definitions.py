"""The definitions that Dagster loads: assets, schedules and limits, and the words where a file is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from fleet import DAGSTER, DEPLOYED
from stage import FOREIGN, ROOT

ACME = {"id": "acme", "epicor": "e", "mailchimp": "m"}
SHOW = """
import json, definitions
repository = definitions.defs.get_repository_def()
print(json.dumps({
    "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
    "schedules": {s.name: [s.cron_schedule, s.execution_timezone] for s in repository.schedule_defs},
    "assets": {
        spec.key.to_user_string(): policy and policy.fail_window.to_timedelta().total_seconds()
        for spec in definitions.defs.resolve_all_asset_specs()
        for policy in [spec.freshness_policy]
    },
}))
"""
RUN_WHAT_WAS_QUEUED = """
import json, sys
import dagster as dg, definitions
with dg.DagsterInstance.get() as instance:
    ended = definitions.defs.get_job_def("forward").execute_in_process(
        tags={"dagster/partition": sys.argv[1]}, instance=instance, raise_on_error=False
    )
    (failed,) = (event for event in ended.all_events if event.is_step_failure)
    said = failed.step_failure_data.user_failure_data.description
    print(json.dumps([said, [event.event_type_value for event in ended.all_events]]))
"""
COUNT = """
import json, sys, definitions
definitions.run_program = lambda *asked: (0, f"a warning\\n{sys.argv[1]}\\n")
print(json.dumps(definitions.count_decisions({}, "attempt")))
"""

SENSE = """
import json, dagster as dg, definitions
from dagster._core.test_utils import create_run_for_test
definitions.has_events = lambda tenant: True
with dg.DagsterInstance.get() as instance:
    for tenant, *statuses in (("acme", "FAILURE"), ("bolt", "FAILURE", "SUCCESS"), ("cobalt", "STARTED")):
        for status in map(dg.DagsterRunStatus, statuses):
            create_run_for_test(instance, job_name="reverse", status=status, tags={"tenant": tenant})
    asked = definitions.inbox(dg.build_sensor_context(instance))
    print(json.dumps([request.partition_key for request in asked]))
"""
RETRIES = """
import json, dagster as dg
with dg.DagsterInstance.get() as instance:
    print(json.dumps(instance.get_concurrency_config().run_queue_config.max_user_code_failure_retries))
"""


@pytest.fixture
def dagster(tmp_path):
    """Run a program in Dagster's environment, with some tenants; gives what it printed, or its errors."""

    def run(program: str, *tenants: dict[str, Any], arguments: tuple[str, ...] = ()) -> Any:
        (tmp_path / "tenants.yaml").write_text(yaml.safe_dump({"tenants": list(tenants)}))
        shutil.copy(DEPLOYED / "one-machine" / "dagster.yaml", tmp_path)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own = {"CONNECTOR_TENANTS": str(tmp_path / "tenants.yaml"), "DAGSTER_HOME": str(tmp_path)}
        command = [str(DAGSTER / "bin" / "python"), "-W", "ignore", "-c", program, *arguments]
        ended = subprocess.run(
            command, cwd=DEPLOYED, env=environment | own, capture_output=True, text=True, check=False
        )
        return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr

    return run


def streams_of(project: dict[str, Any], job: str) -> set[str]:
    """The streams that the mappings of a job make."""
    (tasks,) = (found["tasks"] for found in project["jobs"] if found["name"] == job)
    maps = [mapping for mapper in project["plugins"]["mappers"] for mapping in mapper["mappings"]]
    return {
        stream["__alias__"]
        for mapping in maps
        if mapping["name"] in " ".join(tasks).split()
        for stream in mapping["config"]["stream_maps"].values()
    }


def test_there_is_one_asset_for_each_stream_and_audience(dagster):
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    fresh = {"fresh_hours": {"forward": 2, "reconcile": 30}}
    found = dagster(SHOW, {**ACME, **fresh}, {**ACME, "id": "bolt"})
    assert found["jobs"] == sorted([*(job["name"] for job in project["jobs"]), "alert"])
    expected = {}
    for tenant, hours in (("acme", (2, 30)), ("bolt", (0, 0))):
        for job, below, age in (
            ("forward", "", hours[0]),
            ("reverse", "", 0),
            ("reconcile", "/drift", hours[1]),
        ):
            for stream in streams_of(project, job):
                expected[f"{tenant}/{stream}{below}"] = age * 3600 or None
    assert found["assets"] == expected


def test_tenants_with_one_time_share_a_schedule_and_a_time_zone_parts_them(dagster):
    weekdays, two_days = {"forward": "0 8 * * 1-5"}, {"forward": "0 8 * * 1,5"}
    found = dagster(
        SHOW,
        {**ACME, "schedules": weekdays},
        {**ACME, "id": "bolt", "schedules": weekdays},
        {**ACME, "id": "cobalt", "schedules": weekdays, "timezone": "America/Chicago"},
        {**ACME, "id": "delta", "schedules": two_days},
    )
    assert found["schedules"] == {
        "forward_at_0_8_x_x_1_5_UTC": ["0 8 * * 1-5", "UTC"],
        "forward_at_0_8_x_x_1_5_AmericabyChicago": ["0 8 * * 1-5", "America/Chicago"],
        "forward_at_0_8_x_x_1and5_UTC": ["0 8 * * 1,5", "UTC"],
    }


def test_a_run_goes_back_into_the_queue_while_dagster_does_not_reach_its_own_server(dagster):
    assert dagster(RETRIES, ACME) == 5
    for variant in ("dagster/celery", "kubernetes/base"):
        queue = yaml.safe_load((ROOT / "deploy" / variant / "dagster.yaml").read_text())["run_queue"]
        assert queue["max_user_code_failure_retries"] == 5


def test_the_sensor_starts_whom_events_wait_for_but_nobody_who_just_failed(dagster):
    names = ("acme", "bolt", "cobalt", "delta")
    tenants = ({**ACME, "id": name, "receiver_url": "http://127.0.0.1:1"} for name in names)
    assert dagster(SENSE, *tenants) == ["bolt", "delta"]


@pytest.mark.parametrize(
    ("pipeline", "dry_run", "shown"),
    [
        ("prod:tap-epicor-kinetic", False, "created"),
        ("staging:tap-epicor-kinetic", True, "created (dry run)"),
        ("reconcile", True, "created"),  # a comparison never writes
    ],
)
def test_counts_tell_a_dry_run_apart(dagster, pipeline, dry_run, shown):
    run = {"pipeline": pipeline, "dry_run": dry_run, "streams": {"members": {"created": 3}}}
    found = dagster(COUNT, ACME, arguments=(json.dumps(run),))
    assert found == {"members": {shown: 3}}


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"schedules": {"froward": "* * * * *"}},
            "tenant `acme`: ['froward'] are not jobs. Jobs: ['forward', ",
        ),
        ({"fresh_hours": {"froward": 1}}, "tenant `acme`: ['froward'] are not jobs."),
        ({"schedules": {"forward": "61 * * * *"}}, "tenant `acme`: schedules.forward: Found invalid cron"),
        ({"schedules": {"forward": "* * * * *"}, "timezone": "Berlin"}, "tenant `acme`: schedules.forward: "),
    ],
)
def test_a_wrong_schedule_is_named(dagster, changed, said):
    assert said in dagster(SHOW, {**ACME, **changed})


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("queued", "environment", "said"),
    [
        ("gone", {}, "tenants.yaml has no tenant 'gone' any longer."),
        ("acme", {"EPICOR_API_KEY": {"file": "/nowhere/key"}}, "tenant `acme`: EPICOR_API_KEY: "),
    ],
)
def test_a_run_that_cannot_begin_fails_at_once(dagster, queued, environment, said):
    description, events = dagster(
        RUN_WHAT_WAS_QUEUED, {**ACME, "environment": environment}, arguments=(queued,)
    )
    assert said in description
    assert "STEP_UP_FOR_RETRY" not in events
