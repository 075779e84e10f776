"""Prints all runs of a Dagster instance as JSON when they have ended; it runs in Dagster's environment."""

from __future__ import annotations

import json
import sys
import time

from dagster import DagsterEventType, DagsterInstance

ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def main(count: int, seconds: float) -> None:
    """Wait until so many runs have succeeded and none is left, for some seconds at most."""
    end = time.monotonic() + seconds
    with DagsterInstance.get() as instance:
        while True:
            runs = instance.get_runs()
            states = [run.status.value for run in runs]
            if states.count("SUCCESS") >= count and set(states) <= ENDED:
                break
            if time.monotonic() > end:
                sys.exit(f"Of {count} runs: {[(run.job_name, run.tags, run.status.value) for run in runs]}")
            time.sleep(1)
        found = []
        for run in runs:
            stats = instance.get_run_stats(run.run_id)
            assets = {}
            for event in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION):
                data = event.get_dagster_event().step_materialization_data.materialization
                metadata = {name: value.value for name, value in data.metadata.items()}
                assets[data.asset_key.to_user_string()] = metadata
            found.append(
                {
                    "id": run.run_id,
                    "job": run.job_name,
                    "status": run.status.value,
                    "tags": dict(run.tags),
                    "assets": assets,
                    "start": stats.start_time,
                    "end": stats.end_time,
                }
            )
    print(json.dumps(found))


main(int(sys.argv[1]), float(sys.argv[2]))
