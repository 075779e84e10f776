"""Makes what other projects take a plugin by: its definition for Meltano, and its install lines."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from distributions import LIBRARY, urls, version
from plugin_definitions import ROOT, VARIANT, Plugin, definition


def requirements(source: str, repository: str) -> list[str]:
    """Requirements that install a plugin from git, without an index that has it or its library.

    Args:
        source: The folder of its distribution, with extras.
        repository: The address of the repository, for git.
    """
    wanted = [source] if source.startswith(LIBRARY) else [LIBRARY, source]
    return [f"{name}@git+{repository}#subdirectory={name.partition('[')[0]}" for name in wanted]


def hub_path(plugin: Plugin) -> Path:
    """The file of a definition, named as in Meltano Hub."""
    return ROOT / "hub" / plugin.kind / plugin.name / f"{VARIANT}.yml"


def hub_file(plugin: Plugin) -> str:
    """The definition of a plugin in the form of Meltano Hub."""
    document = {
        **definition(plugin),
        "pip_url": " ".join(requirements(plugin.source, urls()["Repository"])),
        "repo": urls()["Homepage"],
        "maintenance_status": "active",
        "keywords": list(plugin.keywords),
        "settings_preamble": "",
        "usage": "",
        "next_steps": "",
    }
    del document["plugin_type"]  # it follows from the path
    return "# `make docs` writes this file.\n" + yaml.safe_dump(document, allow_unicode=True, width=110)


def with_version_and_repository(text: str) -> str:
    """A text with install lines, brought to the present version and address."""
    text = re.sub(r"^(\$ REPOSITORY=)\S+", rf"\g<1>{urls()['Repository']}", text, flags=re.MULTILINE)
    return re.sub(r"(?<=[a-z]==)\d[\w.]*", version(), text)


def install_section(plugin: Plugin) -> str:
    """How to install a plugin, as its README says it."""
    name = plugin.name
    from_git = " ".join(f'"{text}"' for text in requirements(name, "$REPOSITORY"))
    extra = f", an extra behind the name: `{name}[postgres]@git+…`" if "[" in plugin.source else ""
    return f"""\
Python 3.11 or newer. Nothing is on an index yet: the library comes on the same line. With pip, or as
`uv pip install`:

```console
$ REPOSITORY={urls()["Repository"]}
$ pip install {from_git}
```

A tag or commit goes behind `.git`, as in `….git@v{version()}#…`{extra}.

From a folder of wheels, such as `dist`, which `make wheels` fills in a checkout. Without the versions,
pip would take a higher one of that name from an index:

```console
$ pip install --find-links dist {LIBRARY}=={version()} {name}=={version()}
```

In a Meltano project, with either `backend` of its `venv`, from a checkout in the folder `$CHECKOUT`:

```console
$ meltano add --from-ref $CHECKOUT/{hub_path(plugin).relative_to(ROOT)} {name}
```
"""
