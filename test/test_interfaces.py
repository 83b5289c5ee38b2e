"""The built vision_msgs talk to everybody else's: their type hashes are the published ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

PUBLISHED = json.loads(
    Path(__file__).with_name('data').joinpath('vision_msgs_4.1.1.json').read_text()
)


def share_of(package: str) -> Path | None:
    prefixes = [
        Path(entry) for entry in os.environ.get('AMENT_PREFIX_PATH', '').split(':') if entry
    ]
    return next(
        (p / 'share' / package for p in prefixes if (p / 'share' / package).is_dir()), None
    )


def built_hashes(description: Path) -> dict[str, str]:
    """Type hashes that rosidl writes beside a message from Jazzy on."""
    return {
        entry['type_name']: entry['hash_string']
        for entry in json.loads(description.read_text())['type_hashes']
    }


def test_the_published_list_is_whole():
    assert len(PUBLISHED) == 16


@pytest.mark.parametrize('type_name', [pytest.param(name, id=name) for name in PUBLISHED])
def test_hash_of(type_name):
    share = share_of('vision_msgs')
    if share is None:
        pytest.skip('no vision_msgs here')
    _, kind, name = type_name.split('/')
    description = share / kind / f'{name}.json'
    if not description.is_file():
        pytest.skip('this distribution has no type hashes')
    assert built_hashes(description)[type_name] == PUBLISHED[type_name]['hash']
