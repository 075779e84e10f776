"""The bare kit: its modules need no package of an extra."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

from kinetic_mailchimp import kit

NEEDS_AN_EXTRA = {
    "kinetic_mailchimp.kit.server.bounded_server": "uvicorn",
    "kinetic_mailchimp.kit.database.bulk_insert": "sqlalchemy",
    "kinetic_mailchimp.kit.database.database": "sqlalchemy",
    "kinetic_mailchimp.kit.database.copy_rows": "sqlalchemy",
    "kinetic_mailchimp.kit.database.failures": "sqlalchemy",
    "kinetic_mailchimp.kit.database.postgresql": "sqlalchemy",
    "kinetic_mailchimp.kit.database.sqlite": "sqlalchemy",
    "kinetic_mailchimp.kit.database.url": "sqlalchemy",
    "kinetic_mailchimp.kit.singer.durable_target": "singer_sdk",
    "kinetic_mailchimp.kit.singer.plugin": "singer_sdk",
    "kinetic_mailchimp.kit.singer.messages": "singer_sdk",
}


def test_no_other_module_of_the_kit_imports_what_an_extra_brings() -> None:
    names = [module.name for module in pkgutil.walk_packages(kit.__path__, "kinetic_mailchimp.kit.")]
    bare = [name for name in names if name not in NEEDS_AN_EXTRA]
    extras = list(NEEDS_AN_EXTRA.values())
    program = f"import sys, {', '.join(bare)}\nprint([name for name in {extras} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(NEEDS_AN_EXTRA) <= set(names)
    assert ended.stdout == "[]\n"
