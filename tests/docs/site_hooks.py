"""Puts the READMEs of the repository into the site, and leads each link to where its target is there.

mkdocs loads this file (`hooks` in mkdocs.yml). A link to a file that is not a page of the site, such as a
module, stays as text, or leads to the repository where `repo_url` is set.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INCLUDED = {
    "project/contributing.md": "CONTRIBUTING.md",
    "project/changelog.md": "CHANGELOG.md",
    "project/security.md": "SECURITY.md",
    "project/simulators.md": "tests/simulators/README.md",
    **{
        f"plugins/{name}.md": f"{name}/README.md"
        for name in (
            "tap-epicor-kinetic",
            "target-mailchimp",
            "tap-mailchimp-webhooks",
            "target-epicor-contacts",
            "kinetic-mailchimp-kit",
        )
    },
}
"""Page of the site → file of the repository that is outside of docs/."""
CODE = re.compile(r"(^( *)(`{3,}).*?^\2\3$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<url>[^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that come from outside of docs/."""
    # Only the environment that builds the site has it.
    from mkdocs.structure.files import File  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415

    for page, source in INCLUDED.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead the links of a page to where their targets are in the site."""
    if "\n## " not in markdown:
        page.meta["hide"] = ["toc"]  # the space is the page's, which may be one wide table
    source = Path(page.file.abs_src_path).resolve()
    pages = {Path(file.abs_src_path).resolve(): file.src_uri for file in files if file.abs_src_path}
    return rewrite_links(markdown, source, page.file.src_uri, pages, config.repo_url or "")


def rewrite_links(markdown: str, source: Path, page: str, pages: dict[Path, str], repository: str) -> str:
    """The text with each relative link as the site needs it.

    Args:
        markdown: Of one page.
        source: The file in the repository that it comes from.
        page: Its path in the site's sources.
        pages: File of the repository → path in the site's sources.
        repository: The URL of the repository; empty if it has none.
    """

    def replaced(link: re.Match[str]) -> str:
        path, _, anchor = link["url"].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        target = (source.parent / path).resolve()
        found = pages.get(target) or pages.get(target / "README.md")
        if found:
            url = os.path.relpath(found, Path(page).parent) + (f"#{anchor}" if anchor else "")
        elif not target.exists():
            return link[0]  # mkdocs names it
        elif repository:
            url = f"{repository.rstrip('/')}/blob/main/{target.relative_to(ROOT)}"
        else:
            return link["text"]
        return f"{link['image']}[{link['text']}]({url})"

    # Code is left alone, but a link's text may hold some: so code is put aside first.
    aside: list[str] = []

    def put_aside(code: re.Match[str]) -> str:
        aside.append(code[0])
        return f"\x00{len(aside) - 1}\x00"

    text = LINK.sub(replaced, CODE.sub(put_aside, markdown))
    return re.sub("\x00([0-9]+)\x00", lambda match: aside[int(match[1])], text)
