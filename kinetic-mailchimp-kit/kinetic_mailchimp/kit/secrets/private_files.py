"""Files with secrets: made for their owner alone, warned of where others can read, and replaced safely."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from kinetic_mailchimp.kit.errors import ConfigurationError

logger = logging.getLogger(__name__)

MODE: Final = 0o600
_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_warned: set[Path] = set()


def warn_if_shared(path: Path, *, readers: int = stat.S_IROTH) -> None:
    """Warn, once in a process, of a file with secrets or people in it that others can read.

    Args:
        path: The file; one that is not there is not warned of.
        readers: The bits of the mode that are too many: by default those of everybody, not of a group.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & readers and path not in _warned:
        _warned.add(path)
        logger.warning("Others can read %s (mode %03o): run `chmod 600 %s`.", path, stat.S_IMODE(mode), path)


def make_private(path: Path) -> None:
    """Make an empty file for its owner alone, and warn of one that is there and that others can read.

    What root makes belongs to the owner of the folder: a command by hand must not lock out the services.

    Raises:
        OSError: It cannot be made.
    """
    file = path.resolve()
    with suppress(FileExistsError):
        _leave_to_owner(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), file.parent)
    warn_if_shared(path)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing; of what root makes, as `make_private`.

    Raises:
        OSError: It cannot be made.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        # By its descriptor: the owner of the folder above could put a link in its place.
        _leave_to_owner(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW), path.parent)


def _leave_to_owner(descriptor: int, folder: Path) -> None:
    """Give what root has made to the owner of its folder, and close it."""
    try:
        if os.geteuid() == 0:
            owner = folder.stat()
            with suppress(PermissionError):  # of a file server that does not let root
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def open_private(path: Path) -> TextIO:
    """Open a file for writing UTF-8, in place of what it holds; a new one is for its owner alone.

    Raises:
        OSError: It cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    warn_if_shared(path, readers=_FOR_OTHERS)
    return os.fdopen(descriptor, "w", encoding="utf-8")


def replace_files(texts: Mapping[Path, str], *, rename: Callable[[Path, Path], None] = os.replace) -> None:
    """Write new texts into files: all of them or, where one fails, none.

    Each is written beside its file and renamed over it, so that a reader sees the old text or the new one.
    Mode and owner stay; a symbolic link stays one.

    Raises:
        ConfigurationError: A file cannot be written; every file is as it was.
    """
    renamed: dict[Path, bytes] = {}
    waiting: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            file = path.resolve()
            waiting[file] = _written_beside(file, text.encode())
        for file in list(waiting):
            before = file.read_bytes()
            rename(waiting[file], file)
            del waiting[file]
            renamed[file] = before
    except OSError as error:
        for file, before in renamed.items():
            _written_beside(file, before).replace(file)
        raise ConfigurationError(
            f"{error.filename or 'A file'} cannot be written: {error.strerror}. Every file is as it was.",
            advice="Check the permissions of the file and of its folder.",
        ) from error
    finally:
        for beside in waiting.values():
            beside.unlink(missing_ok=True)


def _written_beside(file: Path, content: bytes) -> Path:
    status = file.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(descriptor, "wb") as beside:
        if (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o7777)
        beside.write(content)
        beside.flush()
        os.fsync(descriptor)
    return Path(name)
