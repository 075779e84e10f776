"""Finds links of a built site that lead nowhere, as a browser without a server would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAME = re.compile(r"<[^>]*\s(?:id|name)=\"?([^\"\s>]+)")
ADDRESS = re.compile(r"<(?!base)[^>]*\s(?:href|src)=\"?([^\"\s>]+)")
TOP = frozenset({"", "top"})
"""Fragments that every page has."""


def broken_links(site: Path) -> Iterator[str]:
    """Each address in a page of a site that is no file of it, or no heading of that file.

    Args:
        site: The folder of the site.
    """
    pages = {
        file.resolve(): file.read_text(encoding="utf-8")
        for file in sorted(site.rglob("*.html"))
        if file.name != "404.html"  # its addresses begin at the root of a server
    }
    names = {file: TOP | {unescape(name) for name in NAME.findall(text)} for file, text in pages.items()}
    for file, text in pages.items():
        for address in sorted(set(map(unescape, ADDRESS.findall(text)))):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or unquote(parts.fragment) not in names.get(target, {parts.fragment}):
                yield f"{file.relative_to(site.resolve())}: {address}"
