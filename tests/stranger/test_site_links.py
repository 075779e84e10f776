"""The reader of the site finds addresses and headings that are not there, and nothing else."""

from __future__ import annotations

from site_links import broken_links

PAGE = """<html><body><h2 id="here">Here</h2> <a href="#here">1</a> <a href="#gone">2</a> <a href=".">3</a>
<a href="how-to/two.html#a%2Db">4</a> <a href="how-to/two.html#c">5</a> <a href="three.html">6</a>
<img src="images/none.png"> <a href="https://example.com/#x">7</a> <a href="mailto:a@example.com">8</a>
<code>&lt;a href="in-an-example"&gt;</code></body></html>"""


def test_what_leads_nowhere_is_named(tmp_path):
    (tmp_path / "how-to").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "how-to" / "two.html").write_text('<p id="a-b"><a href="../index.html#here">Back</a></p>')
    (tmp_path / "404.html").write_text('<a href="/nowhere">Home</a>')

    assert list(broken_links(tmp_path)) == [
        "index.html: #gone",
        "index.html: how-to/two.html#c",
        "index.html: images/none.png",
        "index.html: three.html",
    ]
