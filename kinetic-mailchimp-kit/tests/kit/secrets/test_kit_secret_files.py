"""Values of .env and YAML files: where they stand, and that replacing one changes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.files import SettingsFile, find_files
from kinetic_mailchimp.kit.secrets.private_files import replace_files

NEW = "enc:gAAAAABnew_-=="
ENV = """\
# A comment with PASSWORD=in-a-comment

PLAIN=one two   # why
export SINGLE='it\\'s' # why
DOUBLE = "a \\"quoted\\" # text"
EMPTY=   # nothing yet
NOTHING
LINES="first
second"
  INDENTED=last"""
YAML = """\
# a comment
plugins:
  extractors:
  - name: tap-one
    config: {password: 'quoted', token: plain, none: null, "on": true}   # why
    nested:
    - "in a \\"list\\""
    again: &anchor enc:aaa
    alias: *anchor
    folded: >-
      enc:bbb
"""


def read(folder: Path, name: str, text: str) -> SettingsFile:
    file = folder / name
    file.write_bytes(text.encode())
    return SettingsFile.read(file)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_finds_the_values_of_an_env_file_and_their_lines(tmp_path, newline, mark):
    file = read(tmp_path, ".env", mark + ENV.replace("\n", newline))

    assert {value.name: (value.line, value.text) for value in file.values} == {
        "PLAIN": (3, "one two"),
        "SINGLE": (4, "it's"),
        "DOUBLE": (5, 'a "quoted" # text'),
        "EMPTY": (6, ""),
        "LINES": (8, f"first{newline}second"),
        "INDENTED": (10, "last"),
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("PLAIN", "PLAIN=one two   # why", f"PLAIN={NEW}   # why"),
        ("SINGLE", "'it\\'s'", f"'{NEW}'"),
        ("DOUBLE", '"a \\"quoted\\" # text"', f'"{NEW}"'),
        ("LINES", '"first\nsecond"', f'"{NEW}"'),
        ("INDENTED", "=last", f"={NEW}"),
    ],
)
def test_replaces_one_value_of_an_env_file_and_nothing_else(tmp_path, newline, name, before, after):
    file = read(tmp_path, ".env", ENV.replace("\n", newline))
    (value,) = [value for value in file.values if value.name == name]

    expected = ENV.replace(before, after)
    assert expected != ENV
    assert file.with_encrypted({value: NEW}) == expected.replace("\n", newline)


def test_finds_the_values_of_yaml_by_the_names_of_things(tmp_path):
    file = read(tmp_path, "meltano.yml", YAML)

    assert {value.name: (value.line, value.text) for value in file.values} == {
        "plugins.extractors.tap-one.name": (4, "tap-one"),
        "plugins.extractors.tap-one.config.password": (5, "quoted"),
        "plugins.extractors.tap-one.config.token": (5, "plain"),
        "plugins.extractors.tap-one.config.none": (5, ""),
        "plugins.extractors.tap-one.config.on": (5, "true"),
        "plugins.extractors.tap-one.nested.0": (7, 'in a "list"'),
        "plugins.extractors.tap-one.again": (8, "enc:aaa"),
        "plugins.extractors.tap-one.folded": (10, "enc:bbb"),
    }


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("config.password", "'quoted'", f"'{NEW}'"),
        ("config.token", "token: plain,", f"token: {NEW},"),
        ("nested.0", '"in a \\"list\\""', f'"{NEW}"'),
        ("again", "enc:aaa", NEW),
        ("folded", "enc:bbb", NEW),
    ],
)
def test_replaces_one_value_of_yaml_and_nothing_else(tmp_path, name, before, after):
    file = read(tmp_path, "meltano.yml", YAML)
    (value,) = [value for value in file.values if value.name.endswith(name)]

    assert file.with_encrypted({value: NEW}) == YAML.replace(before, after)


def test_refuses_to_replace_what_it_cannot_replace_alone(tmp_path):
    file = read(tmp_path, "meltano.yml", "password: |\n  in a\n  block\nnext: value\n")

    with pytest.raises(ConfigurationError, match=r"meltano\.yml:1: `password`.*unusual"):
        file.with_encrypted({file.values[0]: NEW})


NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
QUOTED = {
    "'": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    '"': lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"',
    "": lambda text: text,
}
PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
TEXTS = {
    "'": st.text(PRINTABLE, min_size=1),
    '"': st.text(PRINTABLE, min_size=1),
    "": st.from_regex(r"[a-z$%&/()=?+*~#-][a-z'\"#\\ ]{0,8}[a-z]", fullmatch=True).filter(
        lambda text: " #" not in text
    ),
}
LINES = st.sampled_from(sorted(QUOTED)).flatmap(
    lambda quote: st.tuples(
        NAMES,
        TEXTS[quote],
        st.just(quote),
        st.sampled_from(["", "  # why", "\n", "\n# why\n\n"]),
        st.sampled_from(["", "export ", "  "]),
    )
)


@given(
    lines=st.lists(LINES, min_size=1, max_size=5, unique_by=lambda line: line[0]), chosen=st.integers(0, 4)
)
def test_whatever_an_env_file_holds_one_value_changes_alone(tmp_path_factory, lines, chosen):
    text = "".join(
        f"{before}{name}={QUOTED[quote](value)}{after}\n" for name, value, quote, after, before in lines
    )
    file = read(tmp_path_factory.mktemp("env"), ".env", text)
    value = file.values[chosen % len(file.values)]
    file.path.write_text(file.with_encrypted({value: NEW}))

    assert {value.name: value.text for value in file.values} == {name: text for name, text, *_ in lines}
    assert dotenv_values(file.path, interpolate=False) == {
        name: NEW if name == value.name else text for name, text, *_ in lines
    }


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param(
            ".env", b"A=1\n\nB='secret-text\nC=2\n", r"\.env:3: the line cannot be read", id="open quotes"
        ),
        pytest.param(
            "meltano.yml", b"a: 1\nb: {c: secret-text\n", r"meltano\.yml:3: this is not valid YAML", id="YAML"
        ),
        pytest.param(".env", b"A=\xff\n", "it is not UTF-8", id="encoding"),
        pytest.param(".env", None, "No such file", id="no file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_without_its_content(tmp_path, name, content, told):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigurationError, match=told) as failure:
        SettingsFile.read(tmp_path / name)

    assert failure.value.advice
    assert "secret-text" not in str(failure.value)


def test_a_folder_means_its_env_file_and_meltano_yml_with_what_that_includes(tmp_path):
    (tmp_path / "parts").mkdir()
    for name in (".env", "parts/b.yml", "parts/a.yml", "other.yml"):
        (tmp_path / name).touch()
    (tmp_path / "meltano.yml").write_text("include_paths: ['parts/*.yml', meltano.yml]\n")

    assert [str(file.relative_to(tmp_path)) for file in find_files([tmp_path])] == [
        ".env",
        "meltano.yml",
        "parts/a.yml",
        "parts/b.yml",
    ]


def test_a_folder_means_the_definitions_of_its_plugins_too(tmp_path):
    (tmp_path / "plugins" / "loaders").mkdir(parents=True)
    (tmp_path / "meltano.yml").touch()
    definition = tmp_path / "plugins" / "loaders" / "target-one--variant.lock"
    definition.write_text('{"name": "target-one", "settings": [{"name": "pin", "sensitive": true}]}')

    assert find_files([tmp_path]) == [tmp_path / "meltano.yml", definition]
    assert [value.path for value in SettingsFile.read(definition).values] == [
        ("plugins", "loaders", "target-one", "name"),
        ("plugins", "loaders", "target-one", "settings", "pin", "name"),
        ("plugins", "loaders", "target-one", "settings", "pin", "sensitive"),
    ]


def test_a_folder_with_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"neither \.env nor meltano\.yml"):
        find_files([tmp_path])


def test_replaced_files_keep_their_mode_and_links_stay_links(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)

    replace_files({link: "new"})

    assert link.is_symlink()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_either_all_files_are_replaced_or_none(tmp_path, failing):
    files = [tmp_path / f"{number}" for number in (1, 2, 3)]
    for file in files:
        file.write_text("old")

    def rename(source: Path, target: Path) -> None:
        if target == files[failing - 1]:
            raise OSError(30, "Read-only file system", str(target))
        source.replace(target)

    with pytest.raises(ConfigurationError, match=r"Read-only file system\. Every file is as it was"):
        replace_files(dict.fromkeys(files, "new"), rename=rename)

    assert [file.read_text() for file in files] == ["old"] * 3
    assert sorted(tmp_path.iterdir()) == files


def test_nothing_is_written_where_one_file_is_missing(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")

    with pytest.raises(ConfigurationError, match="missing"):
        replace_files({file: "new", tmp_path / "missing": "new"})

    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
