"""Hooks of mkdocs, so that one text serves on GitHub and on the site.

README.md and other pages outside docs/ become pages of the site. Links lead to the same place in
both, with the anchors that GitHub makes; a file of the repository that a page links to is copied
into the site, so that the site needs nothing from elsewhere. Lists are indented as Python-Markdown
needs it. mkdocs.yml names this file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
#: Pages outside docs/, and their place on the site.
OTHER_PAGES = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'scenes/README.md': 'scenes.md',
    'examples/README.md': 'examples.md',
} | {
    f'examples/{path.parent.name}/README.md': f'example_{path.parent.name}.md'
    for path in sorted(ROOT.glob('examples/*/README.md'))
}
_FILES = 'files'
_LINK = re.compile(r'(\]\()([^()\s#]*)(#[^()\s]*)?(\))')
_ITEM = re.compile(r'( *)([-*]|\d+\.)( +)')


def anchor(heading: str, separator: str = '-') -> str:
    """As GitHub makes it of a heading; Python-Markdown's toc calls it."""
    kept = ''.join(c for c in heading.lower() if c.isalnum() or c in ' -_')
    return kept.replace(' ', separator)


def on_config(config: Any) -> Any:
    """Have headings get GitHub's anchors."""
    config.mdx_configs.setdefault('toc', {})['slugify'] = anchor
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages outside docs/, and the files of the repository that pages link to."""
    from mkdocs.structure.files import File

    for source, place in OTHER_PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for path in sorted(linked_files()):
        place = site_place(path)
        if path not in OTHER_PAGES and not path.startswith('docs/'):
            files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page as Python-Markdown reads it."""
    place = page.file.src_uri
    sources = {there: here for here, there in OTHER_PAGES.items()}
    return with_site_links(with_wide_lists(markdown), sources.get(place, f'docs/{place}'))


def with_site_links(markdown: str, source: str) -> str:
    """A page whose links are right for the site.

    Parameters
    ----------
    markdown : str
        The page as it is in the repository.
    source : str
        Its path there, such as docs/view.md.
    """
    here = posixpath.dirname(site_place(source))

    def replaced(link: re.Match[str]) -> str:
        begin, target, fragment, end = link.groups()
        path = repository_path(target, source)
        if path is None:
            return link[0]
        return f'{begin}{posixpath.relpath(site_place(path), here or ".")}{fragment or ""}{end}'

    return _LINK.sub(replaced, markdown)


def site_place(path: str) -> str:
    """Where a file of the repository is on the site."""
    if path in OTHER_PAGES:
        return OTHER_PAGES[path]
    return path.removeprefix('docs/') if path.startswith('docs/') else f'{_FILES}/{path}'


def repository_path(target: str, source: str) -> str | None:
    """The path in the repository that a link of a page means; None if it is no file there."""
    if not target or re.match(r'[a-z]+:|/', target):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    is_there = not path.startswith('..') and (ROOT / path).is_file()
    return path if is_there else None


def linked_files() -> set[str]:
    """Files of the repository that any page links to."""
    pages = [str(path.relative_to(ROOT)) for path in ROOT.glob('docs/*.md')]
    found = set()
    for source in [*pages, *OTHER_PAGES]:
        for link in _LINK.finditer((ROOT / source).read_text('utf-8')):
            found.add(repository_path(link[2], source))
    return {path for path in found if path}


def with_wide_lists(markdown: str) -> str:
    """A page in which what belongs to an item of a list is indented by 4 a level.

    GitHub takes what begins where the item's text begins; Python-Markdown needs four spaces.
    """
    return '\n'.join(_widened(markdown.split('\n')))


def _widened(lines: list[str]) -> Iterator[str]:
    columns: list[int] = []  # where the text of each open item begins
    is_code = is_after_blank = False
    for line in lines:
        indent = len(line) - len(line.lstrip(' '))
        if not line.strip():
            is_after_blank = True
            yield ''
            continue
        if not is_code:
            lasts = [column for column in columns if column <= indent]
            item = _ITEM.match(line)
            # A line that is not indented goes on with the item's paragraph, until a blank one.
            if is_after_blank or item or lasts == columns:
                columns = lasts
        depth = len(columns)
        rest = line[columns[-1] :] if columns and indent >= columns[-1] else line.lstrip(' ')
        rest = rest if columns else line
        yield '    ' * depth + rest
        item = _ITEM.match(rest)
        # Four spaces more are code, which holds no items.
        if not is_code and item and len(item[1]) < 4:
            columns.append((columns[-1] if columns else 0) + item.end())
        if rest.lstrip().startswith('```'):
            is_code = not is_code
        is_after_blank = False
