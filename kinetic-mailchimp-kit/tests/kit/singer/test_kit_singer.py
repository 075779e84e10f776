"""The durable target as a process of its own: state follows the write, whatever ends it."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from kinetic_mailchimp.kit.singer.messages import discard_input, is_unfinished
from kinetic_mailchimp.kit.singer.plugin import set_by_signal

PROGRAM = Path(__file__).with_name("kit_target.py")
SCHEMA = {
    "type": "SCHEMA",
    "stream": "s",
    "schema": {"properties": {"id": {"type": "integer"}}},
    "key_properties": ["id"],
}


def messages(first: int, last: int) -> str:
    """Records with a STATE after each."""
    lines = []
    for number in range(first, last + 1):
        lines.append({"type": "RECORD", "stream": "s", "record": {"id": number}})
        lines.append({"type": "STATE", "value": {"last": number}})
    return "".join(json.dumps(line) + "\n" for line in lines)


class Running:
    """A target that was started and is fed by hand."""

    def __init__(self, folder: Path, *options: str, **config: object) -> None:
        self.file = folder / "written.txt"
        settings = folder / "config.json"
        settings.write_text(json.dumps({"file": str(self.file), **config}))
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--config", str(settings), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def feed(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def wait_for_batch(self) -> None:
        begun = self.file.with_suffix(".begun")
        for _ in range(12_000):
            if begun.exists():
                return
            time.sleep(0.01)
        raise AssertionError("no batch began")

    def end(self, feed: str = "") -> tuple[int, list[int], list[int]]:
        """Exit status, the numbers written, the states emitted."""
        self.out, self.err = self.process.communicate(feed or None, timeout=60)
        written = self.file.read_text().split() if self.file.exists() else []
        states = [json.loads(line)["last"] for line in self.out.splitlines()]
        ended = self.file.with_suffix(".ended")
        self.ended = ended.read_text().splitlines() if ended.exists() else []
        return self.process.returncode, [int(number) for number in written], states


def test_writes_everything_then_emits_the_last_state(tmp_path):
    status, written, states = Running(tmp_path).end(json.dumps(SCHEMA) + "\n" + messages(1, 12))

    assert (status, written, states) == (0, list(range(1, 13)), [12])


def test_emits_state_with_every_message_on_request(tmp_path):
    status, written, states = Running(tmp_path, "--eager").end(json.dumps(SCHEMA) + "\n" + messages(1, 3))

    assert (status, written, states[-1]) == (0, [1, 2, 3], 3)
    assert states[:3] == [1, 2, 3]


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    "line",
    ["person@example.com that no tap wrote\n", '{"type": "RECORD", "person@example.com', '{"type": "FOO"}\n'],
)
def test_what_came_before_a_line_that_is_no_message_is_written_and_the_run_ends(tmp_path, line):
    running = Running(tmp_path)

    status, written, states = running.end(json.dumps(SCHEMA) + "\n" + messages(1, 7) + line)

    assert (status, written, states) == (1, list(range(1, 8)), [7])
    assert running.ended == ["failed DataError"]
    assert "not a Singer message" in running.err
    assert "person@" not in running.err


@pytest.mark.rule("R10")
def test_a_batch_file_that_is_not_there_is_told_in_words(tmp_path):
    batch = {
        "type": "BATCH",
        "stream": "s",
        "encoding": {"format": "jsonl"},
        "manifest": ["file:///not-there"],
    }
    running = Running(tmp_path)

    status, _, states = running.end(f"{json.dumps(SCHEMA)}\n{messages(1, 2)}{json.dumps(batch)}\n")

    assert (status, states) == (1, [2])
    assert "BATCH" in running.err
    assert "Traceback" not in running.err


@pytest.mark.rule("R3")
def test_a_batch_that_fails_after_such_a_line_moves_no_state(tmp_path):
    running = Running(tmp_path, refuse=True)

    status, written, states = running.end(json.dumps(SCHEMA) + "\n" + messages(1, 3) + "hello\n")

    assert (status, written, states, running.ended) == (1, [], [], ["failed ConfigurationError"])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_batch_loses_nothing(tmp_path, sent):
    running = Running(tmp_path, seconds=0.5)
    running.feed(json.dumps(SCHEMA) + "\n" + messages(1, 7))
    running.wait_for_batch()
    running.process.send_signal(sent)

    status, written, states = running.end()

    assert status == 128 + sent
    assert written == list(range(1, len(written) + 1))
    assert states[-1] in {len(written) - 1, len(written)}
    assert len(written) >= 5


def test_a_signal_while_it_waits_for_input_writes_what_was_read(tmp_path):
    running = Running(tmp_path)
    running.feed(json.dumps(SCHEMA) + "\n" + messages(1, 7))
    running.wait_for_batch()
    running.process.send_signal(signal.SIGTERM)

    status, written, states = running.end()

    assert (status, running.ended) == (128 + signal.SIGTERM, ["stopped NoneType"])
    assert written == list(range(1, len(written) + 1))
    assert states[-1] in {len(written) - 1, len(written)}


def test_a_kill_never_leaves_a_state_that_is_ahead(tmp_path):
    running = Running(tmp_path, "--eager", seconds=0.05)
    running.feed(json.dumps(SCHEMA) + "\n" + messages(1, 20))
    running.wait_for_batch()
    running.process.kill()

    _, written, states = running.end()

    assert max(states, default=0) <= max(written, default=0)


@pytest.mark.timeout(60)
def test_a_signal_that_comes_while_its_thread_holds_the_lock_of_the_event_is_taken():
    stop = threading.Event()
    with vars(stop)["_cond"]:  # as `wait` does on its way in and out
        set_by_signal(stop)
    assert stop.wait()


def test_a_signal_ends_a_wait_between_attempts_and_the_state_stays(tmp_path):
    running = Running(tmp_path, pause=600)
    running.feed(json.dumps(SCHEMA) + "\n" + messages(1, 7))
    running.wait_for_batch()
    running.process.send_signal(signal.SIGTERM)

    assert running.end() == (128 + signal.SIGTERM, [], [])
    assert running.ended == ["stopped TransientError"]


@pytest.mark.parametrize(
    ("config", "ended"), [({}, "succeeded NoneType"), ({"refuse": True}, "failed ConfigurationError")]
)
def test_the_end_of_a_run_is_reported_once(tmp_path, config, ended):
    running = Running(tmp_path, **config)
    running.end(json.dumps(SCHEMA) + "\n" + messages(1, 7))

    assert running.ended == [ended]


def test_an_error_is_one_readable_line_and_no_state(tmp_path):
    running = Running(tmp_path, refuse=True)

    status, written, states = running.end(json.dumps(SCHEMA) + "\n" + messages(1, 7))

    assert (status, written, states) == (1, [], [])
    assert "Refused. Unset `refuse`." in running.err
    assert "Traceback" not in running.err


@pytest.mark.parametrize(("refuse", "status"), [(False, 0), (True, 1)])
def test_the_connection_check_says_what_works(tmp_path, refuse, status):
    running = Running(tmp_path, "--test", refuse=refuse)
    running.process.wait(timeout=60)

    out, err = running.process.communicate()

    assert running.process.returncode == status
    assert out == "The file can be written.\n"
    assert ("Unset `refuse`" in err) == refuse


def test_the_connection_check_names_settings_that_do_not_fit(tmp_path):
    running = Running(tmp_path, "--test", file=1, seconds="many")

    out, err = running.process.communicate(timeout=60)

    assert (running.process.returncode, out) == (1, "")
    assert "file" in err
    assert "seconds" in err
    assert "Traceback" not in err


def test_encrypted_settings_are_read_and_masked(tmp_path, monkeypatch):
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", key)
    encrypted = SecretBox((key,)).encrypt(str(tmp_path / "written.txt"))

    running = Running(tmp_path, file=encrypted)
    status, written, _ = running.end(json.dumps(SCHEMA) + "\n" + messages(1, 2))

    assert (status, written) == (0, [1, 2])


def test_an_empty_setting_is_one_that_is_not_set(tmp_path):
    status, written, _ = Running(tmp_path, seconds="", password="").end(
        json.dumps(SCHEMA) + "\n" + messages(1, 2)
    )

    assert (status, written) == (0, [1, 2])


def test_a_wrong_secret_does_not_show_in_the_complaint_about_it(tmp_path):
    running = Running(tmp_path, password=["not-a-real-password"], file=12345678)

    status, _, _ = running.end()

    assert status == 1
    assert "file" in running.err


def test_a_fraction_in_the_state_of_a_foreign_tap_is_emitted_as_it_came(tmp_path):
    state = json.dumps({"type": "STATE", "value": {"last": 1.5}})
    status, written, states = Running(tmp_path).end(json.dumps(SCHEMA) + "\n" + messages(1, 3) + state + "\n")

    assert (status, written, states[-1]) == (0, [1, 2, 3], 1.5)


def test_what_is_nested_too_deeply_to_be_worked_on_is_told_in_words():
    plugin = "import logging, types\nlogging.basicConfig()\ndef cli():\n    cli()\n"
    made = "cli=cli, is_reading=False, logger=logging.getLogger('plugin')"
    run = f"{plugin}run_plugin(types.SimpleNamespace({made}))"
    ended = subprocess.run(
        [sys.executable, "-c", f"from kinetic_mailchimp.kit.singer.plugin import run_plugin\n{run}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "ERROR:plugin:A record or an answer is nested too deeply to be worked on.\n"


@pytest.mark.rule("R10")
def test_a_record_before_its_schema_is_told_in_words(tmp_path):
    running = Running(tmp_path)

    status, _, _ = running.end(messages(1, 2))

    assert status == 1
    assert "before a corresponding schema" in running.err
    assert "Traceback" not in running.err


def test_a_signal_after_a_failure_writes_nothing_more(tmp_path):
    target = runpy.run_path(str(PROGRAM))["TargetFile"](config={"file": str(tmp_path / "written.txt")})
    target._over("failed", ConfigurationError("Refused."))

    with pytest.raises(SystemExit) as ended:
        target._handle_termination(signal.SIGTERM, None)

    assert ended.value.code == 128 + signal.SIGTERM
    assert not (tmp_path / "written.txt").exists()


def start(folder: Path, stdin: int, *options: str, **config: object) -> subprocess.Popen[str]:
    """Start a target that reads from a descriptor."""
    (folder / "config.json").write_text(json.dumps(config))
    command = [sys.executable, str(PROGRAM), "--config", str(folder / "config.json"), *options]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ends(kind: str) -> tuple[BinaryIO, BinaryIO]:
    """The two ends of what Meltano links its plugins with: a pipe; before Python 3.12, sockets."""
    read_end, write_end = os.pipe() if kind == "pipe" else (one.detach() for one in socket.socketpair())
    return os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb")


MUCH = (json.dumps(SCHEMA) + "\n" + messages(1, 20_000)).encode()
"""Ten times of what a pipe holds."""


@pytest.mark.parametrize("kind", ["pipe", "sockets"])
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "Setting `file` is missing."),
        ({"file": "written.txt", "refuse": True}, "Refused. Unset `refuse`."),
    ],
)
def test_a_target_that_refuses_reads_on_so_that_nobody_writes_to_a_closed_pipe(tmp_path, kind, config, says):
    if "file" in config:
        config = {**config, "file": str(tmp_path / config["file"])}
    reader, writer = ends(kind)
    with reader, writer:
        process = start(tmp_path, reader.fileno(), **config)
        reader.close()
        writer.write(MUCH)  # a BrokenPipeError or a ConnectionResetError would end the test
        writer.close()
        _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert says in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--test", "--about", "--version"])
def test_what_reads_no_input_leaves_it_alone(tmp_path, option):
    reader, writer = ends("pipe")
    with reader, writer:
        writer.write(b"untouched\n")
        writer.flush()
        process = start(tmp_path, reader.fileno(), option)  # without the setting that it needs
        process.communicate(timeout=60)

        assert reader.readline() == b"untouched\n"


def test_an_input_without_an_end_is_left_after_a_time(monkeypatch):
    reader, writer = ends("pipe")
    with reader, writer:
        monkeypatch.setattr("sys.stdin", reader)
        writer.write(b"a line\n")
        writer.flush()
        discard_input(seconds=0.01)
        os.set_blocking(reader.fileno(), False)

        assert reader.read(1) is None


@pytest.mark.parametrize(
    ("state", "unfinished"),
    [
        ({}, False),
        ({"bookmarks": {"a": {"partitions": [{"replication_key_value": 3}]}}}, False),
        ({"bookmarks": {"a": {"unfinished": True}}}, True),
        ({"bookmarks": {"a": {"partitions": [{"unfinished": {}}]}}}, True),
        ({"bookmarks": {"a": {"progress_markers": {"Note": "…"}}}}, True),
    ],
)
def test_a_state_from_the_midst_of_a_stream_is_known(state, unfinished):
    assert is_unfinished(state) is unfinished
