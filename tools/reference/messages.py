"""docs/messages.md: the package's messages and services, from the comments in their files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

OWN = 'jetson_perception'
_HEAD = """\
# Messages and services

Generated from `msg/` and `srv/` by `tools/generate_reference.py`. [Topics](topics.md) says who
publishes them; [Use the results](results.md) what fields of standard types hold. Every time is in
the unit that its name ends with.
"""


class Block(NamedTuple):
    """Fields that one comment is about.

    Attributes
    ----------
    fields : list of (type, name)
        Empty for the comment about the whole message.
    comment : list of str
        Lines without the #; those that are indented are a list or a formula.
    """

    fields: list[tuple[str, str]]
    comment: list[str]


def page(root: Path) -> str:
    """The page, for the files below a checkout."""
    lines = [_HEAD]
    for path in sorted(root.glob('msg/*.msg')):
        lines += [f'## {path.stem}', '', *_definition(path.read_text('utf-8'))]
    for path in sorted(root.glob('srv/*.srv')):
        request, _, response = path.read_text('utf-8').partition('---\n')
        lines += [f'## {path.stem}', '', 'A service; the request:', '', *_definition(request)]
        lines += ['The response:', '', *_definition(response)]
    return '\n'.join(lines).rstrip('\n') + '\n'


def blocks(text: str) -> Iterator[Block]:
    """The comments of a definition, each with the fields that follow it up to the next one."""
    for part in re.split(r'\n\s*\n', text.strip('\n')):
        comment: list[str] = []
        fields: list[tuple[str, str]] = []
        for line in part.splitlines():
            definition, _, said = line.partition('#')
            if fields and said:
                yield Block(fields, comment)
                comment, fields = [], []
            if said or not definition.strip():
                comment.append(said.removeprefix(' ').rstrip().replace('<', '&lt;'))
            if definition.strip():
                kind, name = definition.split()[:2]
                fields.append((kind, name))
        yield Block(fields, comment)


def _definition(text: str) -> list[str]:
    lines: list[str] = []
    is_listing = False
    for block in blocks(text):
        said = _paragraphs(block.comment)
        if block.fields:
            names = ', '.join(f'`{kind} {name}`' for kind, name in block.fields)
            links = [f'[{each}](#{anchor(each)})' for each in _own_types(block.fields)]
            names += f' ({", ".join(links)})' if links else ''
            first, *others = said or ['']
            lines.append(f'- {names}: {first}' if first else f'- {names}')
            for each in others:
                lines += ['', *(f'    {line}' if line else '' for line in each.splitlines())]
            is_listing = True
        else:
            lines += ['', ''] if is_listing else []
            for each in said:
                lines += [each, '']
    return [*lines, '']


def _own_types(fields: Iterable[tuple[str, str]]) -> list[str]:
    """Types of fields that are messages of this package, which are named without one."""
    kinds = [kind.removesuffix('[]') for kind, _ in fields]
    return [kind for kind in kinds if '/' not in kind and kind[0].isupper()]


def _paragraphs(comment: Iterable[str]) -> list[str]:
    """Texts in Markdown, one a paragraph; indented lines become a block of code."""
    made: list[str] = []
    for line in comment:
        if line.startswith('  '):
            if made and made[-1].startswith('```'):
                made[-1] = made[-1].removesuffix('\n```') + f'\n{line[2:]}\n```'
            else:
                made.append(f'```text\n{line[2:]}\n```')
        elif not line:
            made.append('')
        elif made and made[-1] and not made[-1].startswith('```'):
            made[-1] += f' {line}'
        elif made and not made[-1]:
            made[-1] = line
        else:
            made.append(line)
    return [each for each in made if each]


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    kept = ''.join(c for c in heading.lower() if c.isalnum() or c in ' -_')
    return kept.replace(' ', '-')


def plain(text: str) -> str:
    """A text with its white space as single spaces."""
    return re.sub(r'\s+', ' ', text).strip()
