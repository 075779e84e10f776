"""Files with secrets or people in them: made for their owner, and told of where others can read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.secrets import private_files
from kinetic_mailchimp.kit.secrets.files import SettingsFile
from kinetic_mailchimp.kit.secrets.keys import find_keys
from kinetic_mailchimp.kit.secrets.private_files import (
    make_folder,
    make_private,
    open_private,
    warn_if_shared,
)

pytestmark = pytest.mark.rule("R9")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_files, "_warned", set())


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with open_private(tmp_path / "export.json") as file:
            file.write("ä")
    finally:
        os.umask(before)
    assert (tmp_path / "export.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("user", [0, 1_000])
def test_what_root_makes_belongs_to_the_owner_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    owner = tmp_path.stat()
    given: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(
        os, "fchown", lambda file, *to: given.append((Path(f"/proc/self/fd/{file}").readlink().name, *to))
    )
    file = tmp_path / "data" / "audit" / "trail.sqlite3"
    for _ in range(2):
        make_folder(file.parent)
        make_private(file)
    assert file.stat().st_mode & 0o777 == 0o600
    made = ["data", "audit", "trail.sqlite3"] if user == 0 else []
    assert given == [(name, owner.st_uid, owner.st_gid) for name in made]


def test_a_private_file_is_made_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    make_private(tmp_path / "link")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_can_read_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = tmp_path / ".env"
    shared.write_text("A=b\n")
    shared.chmod(0o644)
    SettingsFile.read(shared)
    SettingsFile.read(shared)
    assert caplog.text.count("chmod 600") == 1

    shared.chmod(0o640)
    warn_if_shared(tmp_path / "missing")
    assert caplog.text.count("chmod 600") == 1


def test_a_key_file_that_others_can_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "key"
    file.write_text(Fernet.generate_key().decode())
    file.chmod(0o604)
    assert find_keys({"CONNECTOR_SECRET_KEY_FILE": str(file)})
    assert f"Others can read {file}" in caplog.text


def test_keys_that_were_found_do_not_show(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    file = tmp_path / "key"
    file.write_text(key)
    file.chmod(0o600)
    for source in ({"CONNECTOR_SECRET_KEY": key}, {"CONNECTOR_SECRET_KEY_FILE": str(file)}):
        found = find_keys(source)
        assert found
        assert found.keys == (key,)
        assert key not in repr(found)
