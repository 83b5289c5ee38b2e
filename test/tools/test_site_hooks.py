"""What makes pages for GitHub fit the site; mkdocs itself runs in `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))

import site_hooks  # noqa: E402


@pytest.mark.parametrize(
    ('link', 'source', 'on_site'),
    [
        pytest.param('docs/view.md#in-words', 'README.md', 'view.md#in-words', id='from_readme'),
        pytest.param('../README.md#topics', 'docs/view.md', 'index.md#topics', id='to_readme'),
        pytest.param('docs/images/demo.jpg', 'README.md', 'images/demo.jpg', id='picture'),
        pytest.param('view.md', 'docs/depth.md', 'view.md', id='among_docs'),
        pytest.param('../LICENSE', 'docs/view.md', 'files/LICENSE', id='another_file'),
        pytest.param('../docs/people.md', 'scenes/README.md', 'people.md', id='from_a_folder'),
        pytest.param('#topics', 'README.md', '#topics', id='same_page'),
        pytest.param('https://a.b/docs/x', 'README.md', 'https://a.b/docs/x', id='elsewhere'),
        pytest.param('not_there.md', 'README.md', 'not_there.md', id='mkdocs_tells_of_it'),
        pytest.param('../../../etc/passwd', 'docs/a.md', '../../../etc/passwd', id='outside'),
        pytest.param('docs', 'README.md', 'docs', id='folder'),
    ],
)
def test_links(link, source, on_site):
    text = site_hooks.with_site_links(f'See [this]({link}), and ![that]({link}).', source)
    assert text == f'See [this]({on_site}), and ![that]({on_site}).'


@pytest.mark.parametrize(
    ('text', 'wide'),
    [
        pytest.param('', '', id='empty'),
        pytest.param('- a\n  b\n- c', '- a\n    b\n- c', id='goes_on'),
        pytest.param('- a\n  - b\n    c\n- d', '- a\n    - b\n        c\n- d', id='nested'),
        pytest.param('1. a\n   - b\n\n   c\n\nd', '1. a\n    - b\n\n    c\n\nd', id='numbers'),
        pytest.param('- a\n\n      code\n\nb', '- a\n\n        code\n\nb', id='code'),
        pytest.param('    - code\n    b', '    - code\n    b', id='code_alone'),
        pytest.param('```\n- a\n  b\n```', '```\n- a\n  b\n```', id='fence'),
        pytest.param('- a\nlazy\n\nb', '- a\n    lazy\n\nb', id='lazy'),
    ],
)
def test_lists(text, wide):
    assert site_hooks.with_wide_lists(text) == wide


def test_every_page_is_in_the_navigation_once():
    nav = yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav']
    listed = [place for each in nav for place in places(each)]
    pages = {path.name for path in ROOT.glob('docs/*.md')} | set(site_hooks.OTHER_PAGES.values())
    assert sorted(listed) == sorted(pages)


def places(entry):
    """Pages below an entry of the navigation."""
    (inner,) = entry.values()
    if isinstance(inner, str):
        return [inner]
    return [place for each in inner for place in places(each)]
