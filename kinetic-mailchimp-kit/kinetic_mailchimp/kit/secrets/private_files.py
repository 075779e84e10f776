"""Files that are for their owner alone: how they are made, and a warning about those that others can read."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Final, TextIO

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

    Raises:
        OSError: It cannot be made.
    """
    if not path.exists():
        path.touch(MODE)
    warn_if_shared(path)


def open_private(path: Path) -> TextIO:
    """Open a file for writing UTF-8, in place of what it holds; a new one is for its owner alone.

    Raises:
        OSError: It cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    warn_if_shared(path, readers=_FOR_OTHERS)
    return os.fdopen(descriptor, "w", encoding="utf-8")
