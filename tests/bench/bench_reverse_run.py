"""What `meltano run reverse` costs with a few events, against an empty run of two bare plugins of the SDK."""

from __future__ import annotations

from pathlib import Path

from meltano_floor import PROGRAMS, bare_project, cost_of
from sizing import SMOKE, size
from stage import ROOT, borrow_plugins, set_stage

EVENTS = size(15, 3)
CUSTOMERS = size(300, 60)
TIMES = size(3, 1)
MOST_TIMES_THE_FLOOR = 1.5


def test_a_few_events_cost_little_more_than_an_empty_run(tmp_path: Path) -> None:
    command, environment = bare_project(tmp_path / "bare")
    cost_of(command, tmp_path / "bare", env=environment)
    plugins = tmp_path / "plugins"
    borrow_plugins(plugins)
    run: list[str | Path] = [PROGRAMS / "meltano", "--environment=dev", "run", "--no-install"]
    floors, costs = [], []
    with set_stage(tmp_path / "stage", customers=CUSTOMERS, plugins=plugins) as stage:
        stage.forward("forward", "--no-install")
        people = sorted(stage.members())
        stage.reverse("first", "--no-install")
        for turn in range(TIMES):
            for address in people[turn * EVENTS : (turn + 1) * EVENTS]:
                stage.person("unsubscribe", address)
            stage.mailchimp_control("POST", "/webhooks/flush")
            floors.append(cost_of(command, tmp_path / "bare", env=environment))
            costs.append(cost_of([*run, "reverse"], stage.folder, cwd=ROOT, env=stage.environment))
        decisions = stage.decisions("--plugin", "target-epicor-contacts")
    least, floor = min(cost.cpu for cost in costs), min(cost.cpu for cost in floors)
    print(
        f"\nmeltano run reverse, {EVENTS} events: {least:.2f} s of CPU, {least / floor:.2f} times an empty "
        f"run of two bare plugins ({floor:.2f} s); "
        f"{min(cost.wall for cost in costs):.1f} s in all against {min(cost.wall for cost in floors):.1f} s"
    )
    assert len({row["subject"] for row in decisions}) >= EVENTS * TIMES
    assert SMOKE or least <= MOST_TIMES_THE_FLOOR * floor
