"""The installed command: what it prints, how it ends, and every byte of a small run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulators.epicor.testing import RunningEpicor
from tap_epicor_kinetic.catalog.declarations import STREAMS

COMMAND = [sys.executable, "-m", "tap_epicor_kinetic"]
KEYS = {declaration.name: declaration.key for declaration in STREAMS}


def write_config(epicor: RunningEpicor, folder: Path, **changes: Any) -> str:
    names = ("base_url", "api_key", "companies", "username", "password")
    path = folder / "config.json"
    path.write_text(json.dumps({**{name: epicor.hello[name] for name in names}, **changes}))
    return str(path)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def parsed(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def keys(messages: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """Stream and key of all records."""
    records = [(m["stream"], m["record"]) for m in messages if m["type"] == "RECORD"]
    return {(stream, *(record[name] for name in KEYS[stream])) for stream, record in records}


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_about_needs_no_configuration(form: str) -> None:
    shown = run("--about", f"--format={form}")
    assert shown.returncode == 0
    assert "base_url" in shown.stdout


def test_about_lists_what_is_honoured_and_nothing_else() -> None:
    about = json.loads(run("--about", "--format=json").stdout)
    assert sorted(about["capabilities"]) == [
        "about",
        "activate-version",
        "catalog",
        "discover",
        "schema-flattening",
        "state",
        "stream-maps",
    ]
    properties = about["settings"]["properties"]
    secrets = {name for name, definition in properties.items() if definition.get("secret")}
    assert secrets == {"api_key", "client_secret", "password"}
    for name, definition in properties.items():
        assert definition.get("description"), name


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("--state", "", "The file of --state"),
        ("--state", '{"bookmarks": ["a"]}', "Without --state"),
        ("--catalog", "nothing", "`--discover` prints"),
        ("--config", '{"stream_maps": {"parts": {"New": "nope("}}}', "`stream_maps`: Failed to parse"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_without_a_traceback(
    start_epicor: Any, tmp_path: Path, option: str, text: str, says: str
) -> None:
    given = tmp_path / "given.json"
    given.write_text(text)
    done = run("--config", write_config(start_epicor(customers=1), tmp_path), option, str(given))
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_connection_check_prints_lines_and_ends_well_or_badly(start_epicor: Any, tmp_path: Path) -> None:
    epicor = start_epicor(customers=5)
    good = run("--config", write_config(epicor, tmp_path), "--test")
    assert (good.returncode, good.stdout.splitlines()[-1]) == (
        0,
        "Everything that is configured can be read.",
    )
    bad = run("--config", write_config(epicor, tmp_path, password="wrong-on-purpose"), "--test")
    assert bad.returncode == 1
    assert "`password`" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert "wrong-on-purpose" not in bad.stderr + bad.stdout


def test_a_connection_check_takes_the_files_that_meltano_hands_over(
    start_epicor: Any, tmp_path: Path
) -> None:
    config = write_config(start_epicor(customers=5), tmp_path)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(run("--config", config, "--discover").stdout)
    state = tmp_path / "state.json"
    state.write_text("{}")

    shown = run("--config", config, "--catalog", str(catalog), "--state", str(state), "--test")

    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (
        0,
        "Everything that is configured can be read.",
    ), shown.stderr


def test_a_connection_check_without_its_settings_says_which(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"base_url": "https://erp.example.com/erp"}')
    shown = run("--config", str(path), "--test")
    assert shown.returncode == 1
    assert "Setting `api_key` is missing." in shown.stderr
    assert " `api_key` belongs in the file of --config" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_failing_run_ends_with_one_line_that_helps(start_epicor: Any, tmp_path: Path) -> None:
    epicor = start_epicor(customers=5)
    failed = run("--config", write_config(epicor, tmp_path, companies=["NOWHERE"]))
    assert failed.returncode == 1
    assert "`companies`" in failed.stderr.splitlines()[-1]


@pytest.mark.parametrize("write", [json.dumps, ",".join])
def test_a_run_can_be_configured_by_the_environment(start_epicor: Any, write: Any) -> None:
    epicor = start_epicor(customers=5)
    prefix = "TAP_EPICOR_KINETIC_"
    given = {
        f"{prefix}{name.upper()}": str(epicor.hello[name]) for name in ("base_url", "api_key", "username")
    }
    companies = {f"{prefix}COMPANIES": write(epicor.companies)}
    shown = run("--config=ENV", "--discover", **given, **companies, **{f"{prefix}PASSWORD": epicor.password})
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)["streams"]) == len(STREAMS)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(("name", "value"), [("AUTH_METHOD", "basik"), ("PAGE_SIZE", "many")])
def test_a_bad_variable_is_named_in_one_line(start_epicor: Any, name: str, value: str) -> None:
    epicor = start_epicor(customers=1)
    prefix = "TAP_EPICOR_KINETIC_"
    given = {
        f"{prefix}{known.upper()}": str(epicor.hello[known]) for known in ("base_url", "api_key", "username")
    }
    failed = run("--config=ENV", "--discover", **given, **{f"{prefix}{name}": value})
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert f"Setting `{name.lower()}` " in last
    assert f"`{name.lower()}` comes from {prefix}{name} in the environment." in last
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_between_two_lines(start_epicor: Any, tmp_path: Path, number: int) -> None:
    epicor = start_epicor(customers=120)
    config = write_config(epicor, tmp_path, page_size=20)
    with subprocess.Popen(
        [*COMMAND, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as tap:
        assert tap.stdout is not None
        lines = [tap.stdout.readline() for _ in range(30)]
        # The pipe is full by now: the tap waits in the middle of a write.
        tap.send_signal(number)
        lines += tap.stdout.readlines()
        tap.communicate()
    assert tap.returncode == 128 + number
    assert lines[-1].endswith(b"\n")
    messages = [json.loads(line) for line in lines]
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    state = tmp_path / "state.json"
    state.write_text(json.dumps(states[-1] if states else {}))
    rest = parsed(run("--config", config, "--state", str(state)))
    assert keys(messages + rest) == keys(parsed(run("--config", config)))
