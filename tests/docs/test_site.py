"""The links of the site, and the checks of what pages tell people to do."""

from __future__ import annotations

import instructions
import pytest
import site_hooks
from plugin_definitions import ROOT

PAGES = {
    ROOT / "docs" / "rules.md": "rules.md",
    ROOT / "docs" / "how-to" / "backup.md": "how-to/backup.md",
    ROOT / "target-mailchimp" / "README.md": "plugins/target-mailchimp.md",
}


@pytest.mark.parametrize(
    ("markdown", "repository", "expected"),
    [
        ("[a](../rules.md#tests)", "", "[a](../rules.md#tests)"),
        ("[a](../../target-mailchimp)", "", "[a](../plugins/target-mailchimp.md)"),
        ("[`a` b](../../target-mailchimp/README.md#x)", "", "[`a` b](../plugins/target-mailchimp.md#x)"),
        ("[a](../../Makefile)", "", "a"),
        ("[a](../../Makefile)", "https://host/us/it/", "[a](https://host/us/it/blob/main/Makefile)"),
        (
            "[a](../none.md) [b](#here) [c](https://x.org)",
            "",
            "[a](../none.md) [b](#here) [c](https://x.org)",
        ),
        ("`[a](../../Makefile)`", "", "`[a](../../Makefile)`"),
        ("```\n[a](../../Makefile)\n```\n", "", "```\n[a](../../Makefile)\n```\n"),
    ],
)
def test_a_link_leads_to_its_page_wherever_that_is_in_the_site(markdown, repository, expected):
    page = "how-to/backup.md"

    assert site_hooks.rewrite_links(markdown, ROOT / "docs" / page, page, PAGES, repository) == expected


def test_every_page_of_the_repository_that_the_site_shows_exists():
    assert [source for source in site_hooks.INCLUDED.values() if not (ROOT / source).is_file()] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```console\n$ sync-audit run\n$ sync-audit --database x search --since 7d > file\n```", ""),
        ("```console\n$ sync-audit search --since\n```", "`sync-audit search --since`: "),
        ("    ```console\n    $ sync-audit person\n    ```", "EMAIL is missing."),
        ("```console\n$ sync-audit person a@b.c d@e.f\n```", "`d@e.f` is one argument too many."),
        ("Call `sync-audit close --becaus TEXT`.", "`sync-audit close --becaus TEXT`: "),
        ("`sync-audit person` tells a story, `mailchimp-webhooks status --json` another.", ""),
        ("Set `EPICOR_API_KEY`, `TARGET_MAILCHIMP_DRY_RUN` and `MAILCHIMP_WEBHOOKS_…`.", ""),
        ("Set `EPICOR_APY_KEY`.", "`EPICOR_APY_KEY` sets nothing."),
        ("Set `TAP_MAILCHIMP_WEBHOOKS_FOLLOWS`.", "`TAP_MAILCHIMP_WEBHOOKS_FOLLOWS` sets nothing."),
        ("```yaml\n# meltano.yml\nplugins: {loaders: [{name: x, config: {}}]}\n```", "no plugin `x`."),
        (
            "```yaml\n# meltano.yml\nplugins: {loaders: [{name: target-mailchimp, config: {dry: 1}}]}\n```",
            "`target-mailchimp` has no setting `dry`.",
        ),
    ],
)
def test_what_a_page_tells_people_to_do_can_be_done(tmp_path, text, told):
    file = tmp_path / "page.md"
    file.write_text(f"{text}\n", encoding="utf-8")

    found = list(instructions.problems(file))

    assert len(found) == bool(told)
    assert all(told in problem for problem in found)
