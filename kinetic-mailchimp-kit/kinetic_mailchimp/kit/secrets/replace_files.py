"""Replaces the texts of files, all of them or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from kinetic_mailchimp.kit.errors import ConfigurationError


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
