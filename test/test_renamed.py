"""Old names of parameters, launch arguments and options, and the new names that they lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from jetson_perception.renamed import (
    RENAMED,
    launch_argument_problem,
    new_parameter,
    old_options,
)

NAMES_PAGE = Path(__file__).resolve().parent.parent / 'docs' / 'names.md'


@pytest.mark.parametrize(
    ('name', 'known', 'new'),
    [
        pytest.param('', ['runtime'], '', id='empty'),
        pytest.param('engine', [], '', id='node_without_parameters'),
        pytest.param('engine', ['source'], '', id='node_without_the_new_one'),
        pytest.param('engine', ['runtime'], 'runtime', id='alone'),
        pytest.param('det.engine', ['det.runtime'], 'det.runtime', id='prefix'),
        pytest.param('pose.engine', ['det.runtime'], '', id='prefix_of_nobody'),
        pytest.param('engine', ['det.runtime'], '', id='prefix_missing'),
        pytest.param('engine', ['engine', 'runtime'], '', id='still_a_name'),
        pytest.param('engine.det', ['engine.runtime'], '', id='old_name_as_prefix'),
        pytest.param('runtime', ['runtime'], '', id='new_name'),
    ],
)
def test_new_parameter(name, known, new):
    assert new_parameter(name, known) == new


@pytest.mark.parametrize(
    ('given', 'new'),
    [
        pytest.param({}, '', id='nothing_given'),
        pytest.param({'runtime': 'tensorrt'}, '', id='new_name'),
        pytest.param({'engine': 'tensorrt', 'runtime': ''}, 'runtime', id='old_name'),
        pytest.param({'engine': ''}, 'runtime', id='old_name_empty'),
        pytest.param({'engine': 'v8', 'runtime': 'auto'}, '', id='both'),
        pytest.param({'engine_name': 'det'}, '', id='longer_name'),
    ],
)
def test_launch_argument_problem(given, new):
    found, text = launch_argument_problem(given, ['model', 'runtime', 'engine_name'])
    assert found == new
    assert (f'is now called {new}; give {new}:=' in text) == bool(new)


def test_a_launch_file_without_the_new_argument_has_no_problem_with_the_old():
    assert launch_argument_problem({'engine': 'x'}, ['source']) == ('', '')


def test_the_value_of_a_launch_argument_is_shown_on_one_line():
    _, text = launch_argument_problem({'engine': 'a\x1b[2J\nb'}, ['runtime'])
    assert text.isprintable()


@pytest.mark.parametrize(
    ('option', 'old'),
    [
        pytest.param('--runtime', ['--engine'], id='one_word'),
        pytest.param('--runtime-a', ['--engine-a'], id='hyphen'),
        pytest.param('--images', [], id='never_renamed'),
        pytest.param('--run', [], id='beginning_of_one'),
    ],
)
def test_old_options(option, old):
    assert old_options(option) == old


def test_no_new_name_is_an_old_one():
    assert not set(RENAMED) & set(RENAMED.values())


@pytest.mark.parametrize('old', RENAMED)
def test_the_page_of_names_lists_every_renaming(old):
    row = f'| `{old}` | `{RENAMED[old]}` |'
    assert row in NAMES_PAGE.read_text()
