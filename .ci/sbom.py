"""Lists everything that a distribution needs as CycloneDX, at the versions of requirements.lock."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMESPACE = uuid.UUID("5d5b7a4e-6a1c-5d0e-9f3b-2f0c7c1f5f10")

PLATFORMS: tuple[dict[str, str], ...] = (
    {},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
)
"""Platforms on which a distribution may be installed: variables of markers that differ from those here."""


@dataclass
class Component:
    """A distribution that another one needs.

    Attributes:
        name: Its normalized name.
        version: As it is installed here, from the lock file.
        optional: Tells that only an extra needs it.
        needs: The names of those that it needs itself.
    """

    name: str
    version: str
    optional: bool
    needs: set[str] = field(default_factory=set)

    @property
    def purl(self) -> str:
        """The package URL that names it in the document."""
        return f"pkg:pypi/{self.name}@{self.version}"


def document(name: str, lock: Path, timestamp: str) -> dict[str, Any]:
    """Make the document of a distribution, with everything that it and its extras need.

    Args:
        name: Of the distribution, which is installed here.
        lock: The file requirements.lock.
        timestamp: Of the release, ISO 8601; the document follows from its arguments alone.

    Raises:
        SystemExit: A distribution is installed here at another version than the locked one.
    """
    locked = _locked_versions(lock)
    found: dict[str, Component] = {}
    _collect(Requirement(name), found, set(), locked, optional=False)
    extras = distribution(name).metadata.get_all("Provides-Extra") or []
    whole = Requirement(f"{name}[{','.join(extras)}]" if extras else name)
    _collect(whole, found, set(), locked, optional=True)
    root = found[canonicalize_name(name)]
    others = sorted((part for part in found.values() if part is not root), key=lambda part: part.name)
    for part in others:
        # The library is not locked: it is released together with the plugins.
        if part.version not in locked.get(part.name, {part.version}):
            raise SystemExit(f"{part.name} {part.version} is installed, which is not the locked version.")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{root.purl} {timestamp}')}",
        "version": 1,
        "metadata": {"timestamp": timestamp, "component": _described(root, "application")},
        "components": [_described(part, "library") for part in others],
        "dependencies": [
            {"ref": part.purl, "dependsOn": sorted(found[need].purl for need in part.needs)}
            for part in (root, *others)
        ],
    }


def write(name: str, lock: Path, timestamp: str, file: Path) -> None:
    """Write the document of a distribution into a file."""
    file.write_text(json.dumps(document(name, lock, timestamp), indent=2) + "\n", encoding="utf-8")


def _collect(
    requirement: Requirement,
    found: dict[str, Component],
    seen: set[tuple[str, frozenset[str]]],
    locked: Mapping[str, set[str]],
    *,
    optional: bool,
) -> str | None:
    name = canonicalize_name(requirement.name)
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        # For another platform: the lock file has its version, and its own needs are not known here.
        for version in locked.get(name, ()):
            found.setdefault(name, Component(name, version, optional=True))
        return name if name in found else None
    part = found.setdefault(name, Component(name, installed.version, optional))
    request = (name, frozenset(requirement.extras))
    if request not in seen:
        seen.add(request)
        for need in _needs(installed.requires or [], requirement.extras):
            needed = _collect(need, found, seen, locked, optional=optional)
            part.needs |= {needed} - {name} if needed else set()
    return name


def _needs(requirements: list[str], extras: set[str]) -> Iterator[Requirement]:
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({"extra": extra, **platform}) for extra in ("", *extras) for platform in PLATFORMS
        ):
            yield requirement


def _described(part: Component, kind: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": kind,
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if kind == "library":
        described["scope"] = "optional" if part.optional else "required"
    return described


def _locked_versions(lock: Path) -> dict[str, set[str]]:
    """The versions of each distribution in the lock file; several where platforms differ."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^ ;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found
