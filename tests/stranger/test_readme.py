"""The reader of the READMEs takes every console line, and notices when one that it treats is gone."""

from __future__ import annotations

import subprocess

import pytest
import readme

TEXT = """# Title

```console
$ before any heading
```

## First

```console
$ one \\
    --more   # why
output of one
$ two
```

```sh
three
```

## Second

```console
$ four
```
"""


def test_console_lines_are_read_by_section(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(TEXT)

    assert readme.sections(file) == {
        "# Title": ["before any heading"],
        "First": ["one \\\n    --more   # why", "two"],
        "Second": ["four"],
    }


def test_a_script_shows_and_runs_each_line_to_the_first_that_fails():
    script = readme.script(
        ["echo one", "serve --for-ever", "false", "echo two"], {"serve": "echo served & wait"}
    )

    run = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert {"$ echo one", "one", "$ serve --for-ever", "served", "$ false"} == set(run.stdout.splitlines())


def test_a_line_that_is_treated_and_gone_is_named():
    with pytest.raises(SystemExit, match="begins with serve"):
        readme.script(["echo one"], {"serve": "echo served"})
