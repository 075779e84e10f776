from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from kinetic_mailchimp.kit.secrets.keys import KEY_VARIABLE
from kinetic_mailchimp.kit.settings.declaration import read, setting
from kinetic_mailchimp.kit.settings.options import options_of


class Mode(StrEnum):
    FAST = "fast"
    SAFE = "safe"


def to_age(text: str) -> timedelta:
    if not re.fullmatch(r"\d+m", text):
        raise ValueError(f"{text!r} is not an age such as 30m")
    return timedelta(minutes=int(text[:-1]))


@dataclass(frozen=True)
class Example:
    url: str = setting(title="URL", description="Where it `is`.")
    token: str = setting(
        "", title="Token", description="Of the user.", secret=True, variables=["OTHER_TOKEN"]
    )
    max_body_bytes: int = setting(1024, title="Size", description="Refuse more.", minimum=1)
    delay: float = setting(2.0, title="Delay", description="Seconds.", exclusiveMinimum=0)
    mode: Mode = setting(Mode.SAFE, title="Mode", description="How.")
    kind: Literal["a", "b"] = setting("a", title="Kind", description="Which.")
    follow: bool = setting(default=False, title="Follow", description="Stay.")
    backfill: bool = setting(default=True, title="Backfill", description="All.")
    streams: tuple[str, ...] = setting((), title="Streams", description="Which.", metavar="NAME")
    limits: tuple[int, ...] = setting((1, 2), title="Limits", description="How many.")
    limit: int | None = setting(None, title="Limit", description="None without.")
    age: timedelta = setting(
        timedelta(minutes=30), title="Age", description="How old.", schema={"default": "30m"}, parse=to_age
    )
    derived: str = "not a setting"


Run = Callable[..., Result]


@pytest.fixture
def received() -> list[Example]:
    return []


@pytest.fixture
def run(received: list[Example], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(MASKER, "_forms", ())

    @click.command()
    @options_of(Example, prefix="EXAMPLE", names={"streams": "stream"})
    def command(**options: Any) -> None:
        received.append(read(Example, options))

    def invoke(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
        return CliRunner(env=env).invoke(command, arguments)

    return invoke


def test_options_that_are_not_given_leave_the_defaults_of_the_dataclass(run: Run, received: list[Example]):
    assert run("--url", "x").exit_code == 0

    assert received == [Example(url="x")]


def test_each_option_fills_its_attribute_in_its_type(run: Run, received: list[Example]):
    given = (
        "--url=x --token=s3cret-of-a-test --max-body-bytes=5 --delay=0.5 --mode=fast --kind=b --follow "
        "--no-backfill --stream=one --stream=two --limits=7 --limit=9 --age=5m"
    )

    result = run(*given.split())

    assert result.exit_code == 0, result.output
    assert received == [
        Example(
            url="x",
            token="s3cret-of-a-test",
            max_body_bytes=5,
            delay=0.5,
            mode=Mode.FAST,
            kind="b",
            follow=True,
            backfill=False,
            streams=("one", "two"),
            limits=(7,),
            limit=9,
            age=timedelta(minutes=5),
        )
    ]
    assert isinstance(received[0].mode, Mode)


def test_variables_stand_for_options_under_the_prefix_and_under_names_of_the_setting(
    run: Run, received: list[Example]
):
    shared = {
        "EXAMPLE_URL": "x",
        "EXAMPLE_STREAMS": "one two",
        "EXAMPLE_FOLLOW": "true",
        "OTHER_TOKEN": "other",
    }

    run(env=shared)
    run(env={**shared, "EXAMPLE_TOKEN": "own", "EXAMPLE_MAX_BODY_BYTES": ""})

    assert received[0] == Example(url="x", token="other", streams=("one", "two"), follow=True)
    assert received[1].token == "own"
    assert received[1].max_body_bytes == 1024


def test_a_secret_may_be_encrypted_and_is_masked_in_logs(run: Run, received: list[Example]):
    key = Fernet.generate_key().decode()
    sealed = SecretBox((key,)).encrypt("s3cret-of-a-test")

    result = run("--url=x", f"--token={sealed}", env={KEY_VARIABLE: key})

    assert result.exit_code == 0, result.output
    assert received[0].token == "s3cret-of-a-test"
    assert "s3cret" not in MASKER.mask("token: s3cret-of-a-test")


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--max-body-bytes=0", "--max-body-bytes"),
        ("--delay=0", "--delay"),
        ("--mode=other", "--mode"),
        ("--kind=c", "--kind"),
        ("--limit=many", "--limit"),
        ("--age=old", "'old' is not an age such as 30m"),
    ],
)
def test_a_value_that_its_declaration_does_not_allow_is_refused(
    run: Run, received: list[Example], argument: str, named: str
):
    result = run("--url=x", argument)

    assert result.exit_code == 2
    assert named in result.output
    assert received == []


def test_a_setting_without_a_default_is_a_required_option(run: Run):
    result = run()

    assert result.exit_code == 2
    assert "--url" in result.output


def test_the_help_shows_descriptions_variables_and_defaults(run: Run):
    text = " ".join(run("--help").output.split())

    assert "--url TEXT Where it is. [env var: EXAMPLE_URL; required]" in text
    assert "[env var: EXAMPLE_TOKEN, OTHER_TOKEN]" in text
    assert (
        "--max-body-bytes INTEGER RANGE Refuse more. [env var: EXAMPLE_MAX_BODY_BYTES; default: 1024; x>=1]"
        in text
    )
    assert "[env var: EXAMPLE_MODE; default: safe]" in text
    assert "--backfill / --no-backfill All. [env var: EXAMPLE_BACKFILL; default: backfill]" in text
    assert "--stream NAME Which. [env var: EXAMPLE_STREAMS]" in text
    assert "default: 30m" in text
    assert "derived" not in text
    assert text.index("--url") < text.index("--token") < text.index("--age")


def test_a_type_that_no_option_can_have_is_refused_when_the_command_is_made():
    @dataclass(frozen=True)
    class Odd:
        columns: Mapping[str, str] = setting({}, title="Columns", description="From, to.")

    with pytest.raises(TypeError, match="parse"):
        options_of(Odd, prefix="ODD")
