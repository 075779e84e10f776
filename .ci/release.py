"""Makes a release up to the upload: checks, builds, lists what is inside, tags, and prints the last command.

`make release` starts it with `--check-only` before the long `make check`, and without it after. The version
is the one in the file VERSION.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import sbom
from distributions import PUBLISHED, urls
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"


def git(*arguments: str) -> str:
    """Run git in the checkout and return what it prints."""
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607 (git, with arguments from this file)
    return run.stdout.strip()


def check(version: str) -> None:
    """Stop where the checkout is not ready for this version.

    Args:
        version: From the file VERSION.

    Raises:
        SystemExit: The tree is not clean, the tag exists, or the changelog lacks the version.
    """
    if changes := git("status", "--porcelain"):
        raise SystemExit(f"The tree is not clean:\n{changes}\nCommit first.")
    if git("tag", "--list", f"v{version}"):
        raise SystemExit(f"The tag v{version} exists: raise the version in VERSION, then `make docs`.")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n+(.*?)(?=^## |\Z)"
    section = re.search(heading, changelog, re.DOTALL | re.MULTILINE)
    if not section or not section[1].strip():
        raise SystemExit(f"CHANGELOG.md has no entries under `## [{version}] - YYYY-MM-DD`.")


def build(timestamp: str) -> None:
    """Build the source distribution of each, and its wheel from that, with the tools of the lock file.

    Args:
        timestamp: Seconds since the epoch, for files inside: the same commit makes the same archives.
    """
    shutil.rmtree(DIST, ignore_errors=True)
    for member in PUBLISHED:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run(  # noqa: S603 (the program of this environment)
            [
                *(uv, "build", "--quiet", "--no-build-isolation", "--python", sys.executable),
                *("--out-dir", DIST, ROOT / member),
            ],
            env={**os.environ, "SOURCE_DATE_EPOCH": timestamp},
            check=True,
        )


def validate(version: str) -> None:
    """Look into each archive: its name, metadata as an index reads them, licence and marker of types.

    Args:
        version: The one that each must have.

    Raises:
        SystemExit: An archive is missing, has other metadata, or has files that belong elsewhere.
    """
    for member in PUBLISHED:
        stem = f"{member.replace('-', '_')}-{version}"
        wheel, sdist = DIST / f"{stem}-py3-none-any.whl", DIST / f"{stem}.tar.gz"
        if not (wheel.exists() and sdist.exists()):
            raise SystemExit(f"{member} {version} was not built.")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            text = archive.read(f"{stem}.dist-info/METADATA")
        with tarfile.open(sdist) as archive:
            source = [name.removeprefix(f"{stem}/") for name in archive.getnames()]
        found = Metadata.from_email(text, validate=True)
        described = found.description and found.description_content_type == "text/markdown"
        package = member.replace("-", "_") if member != PUBLISHED[0] else "kinetic_mailchimp"
        wrong = [
            *([] if found.name == member else [f"is named {found.name}"]),
            *([] if str(found.version) == version else [f"has the version {found.version}"]),
            *([] if found.license_expression == "Apache-2.0" else ["has another licence"]),
            *([] if described else ["has no description"]),
            *([] if found.project_urls == urls() else ["has other addresses"]),
            *([] if found.keywords else ["has no keywords"]),
            *([] if f"{stem}.dist-info/licenses/LICENSE" in names else ["lacks LICENSE"]),
            *([] if f"{package}/py.typed" in names else ["lacks py.typed"]),
            *(
                []
                if {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO"} <= set(source)
                else ["lacks sources"]
            ),
            *(f"has {name}" for name in names if not name.startswith((f"{package}/", f"{stem}.dist-info/"))),
        ]
        if wrong:
            raise SystemExit(f"{member} {version}: {', '.join(wrong)}.")


def main() -> None:
    """Make the release."""
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    check(version)
    if "--check-only" in sys.argv:
        return
    committed = git("show", "--no-patch", "--format=%ct")
    build(committed)
    validate(version)
    timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(committed)))
    for member in PUBLISHED:
        sbom.write(member, ROOT / "requirements.lock", timestamp, DIST / f"{member}-{version}.cdx.json")
    files = sorted(file for file in DIST.iterdir() if not file.name.startswith("."))
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (DIST / "SHA256SUMS").write_text(sums, encoding="utf-8")
    git("tag", "--annotate", f"v{version}", "--message", f"Version {version}")
    sys.stdout.write(
        f"{sums}\nTagged v{version}. Nothing was uploaded; this does it:\n\n"
        f"  git push origin v{version}\n  .venv/bin/uv publish dist/*.whl dist/*.tar.gz\n"
    )
    if "example." in urls()["Homepage"]:
        sys.stdout.write(
            "\nNot yet: put the real addresses under [project.urls] in pyproject.toml, then `make docs`.\n"
        )


if __name__ == "__main__":
    main()
