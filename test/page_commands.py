"""The commands in the blocks of pages, one a line as a shell takes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob('docs/*.md'), ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'],
    key=lambda path: path.name,
)
#: What a line of a block begins with if it is a command. In a block that begins with one, every
#: line has to be one.
PROGRAMS = re.compile(
    r'(\$ )?([A-Za-z_]+=\S* )*'
    r'(make|ros2|jetson-perception|python3?|pip|sudo|colcon|rosdep|git|cp|cd|source|export|ssh'
    r'|docker|pytest|systemctl|journalctl|fast-discovery-server|~/\S+|install/\S+|models=\S+)'
    r'( .*|$)'
)
_BLOCK = re.compile(r'(?:\A|(?<=\n\n))((?: {4,}.*(?:\n|\Z))+)')
_FENCE = re.compile(r'^```(\w*)\n(.*?)^```', re.MULTILINE | re.DOTALL)


def commands_in_blocks(text: str) -> list[str]:
    """Commands of a page's indented and fenced blocks, without comments.

    Raises
    ------
    ValueError
        When a block that begins with a command has a line that is none.
    """
    found: list[str] = []
    blocks = [block for language, block in _FENCE.findall(text) if language in ('', 'bash')]
    blocks += _BLOCK.findall(_FENCE.sub('', text))
    for block in blocks:
        lines = list(_whole_lines(block))
        has_prompts = any(line.startswith('$ ') for line in lines)
        if not lines or not (has_prompts or PROGRAMS.fullmatch(lines[0])):
            continue
        for line in lines:
            if has_prompts and not line.startswith('$ '):
                continue
            if not PROGRAMS.fullmatch(line):
                raise ValueError(f'{line} is in a block of commands, and is none that is known')
            line = line.removeprefix('$ ')
            # Not in the command of another shell.
            found += [line] if 'bash -c' in line else re.split(r'\s*(?:&&|;)\s+', line)
    return found


def _whole_lines(block: str) -> Iterator[str]:
    """Lines with those that go on joined; without comments, and what a here-document holds."""
    ending, begun = '', ''
    for line in block.splitlines():
        line = begun + line.strip()
        begun = ''
        if ending:
            ending = '' if line == ending else ending
            continue
        if line.endswith('\\'):
            begun = line[:-1].rstrip() + ' '
            continue
        line = re.sub(r'(^|\s+)#(\s.*)?$', '', line)
        here = re.search(r"<<'?(\w+)'?", line)
        ending = here[1] if here else ''
        if line:
            yield line


def all_commands() -> dict[str, str]:
    """Every command of every page, with a page that has it."""
    return {
        command: page.name
        for page in reversed(PAGES)
        for command in commands_in_blocks(page.read_text('utf-8'))
    }
