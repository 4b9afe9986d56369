"""What a page would load from elsewhere is found; what a reader may click is not."""

import pytest

from tools.site.offline import outside_resources

LOADS = {
    "script": '<script src="https://cdn.example/a.js"></script>',
    "style": '<link rel="stylesheet" href="//cdn.example/a.css">',
    "preload": '<link rel="preload" as="font" href="https://cdn.example/a.woff2">',
    "image": '<img alt="" src="http://cdn.example/a.png">',
    "image in SVG": '<svg><image xlink:href="https://cdn.example/a.png"/></svg>',
    "frame": '<iframe src="https://cdn.example/"></iframe>',
    "font in a style": "<style>@font-face {src: url('https://cdn.example/a.woff2')}</style>",
    "background": '<p style="background: url(https://cdn.example/a.png)">text</p>',
}
LOADS_NOT = (
    '<a href="https://example.org/">a link</a>',
    '<link rel="canonical" href="https://example.org/">',
    '<link rel="next" href="https://example.org/">',
    '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    '<script src="../_static/a.js"></script><img src="data:image/png;base64,AA==">',
    "<script>const address = 'https://example.org/'</script><pre>url(https://example.org/)</pre>",
)


@pytest.mark.parametrize("kind", LOADS)
def test_a_resource_from_elsewhere_is_found(kind, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/page.html").write_text(f"<html><body>{LOADS[kind]}</body></html>", encoding="utf-8")
    ((page, address),) = outside_resources(tmp_path)
    assert page == "sub/page.html" and "cdn.example" in address


@pytest.mark.parametrize("text", LOADS_NOT)
def test_links_and_names_are_no_resources(text, tmp_path):
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    assert outside_resources(tmp_path) == []


def test_style_sheets_are_read_too(tmp_path):
    text = '@import "https://cdn.example/a.css"; a {background: url(b.png)} b {src: url("//cdn.example/c.woff")}'
    (tmp_path / "a.css").write_text(text, encoding="utf-8")
    found = outside_resources(tmp_path)
    assert found == [("a.css", "https://cdn.example/a.css"), ("a.css", "//cdn.example/c.woff")]
