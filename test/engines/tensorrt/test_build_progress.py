"""The fraction of a build, from phases within phases."""

import pytest

from jetson_perception.engines.tensorrt.build_progress import BuildProgress


@pytest.fixture
def said():
    return []


@pytest.fixture
def progress(said):
    return BuildProgress(lambda fraction, name: said.append((round(fraction, 3), name)))


def test_steps_of_one_phase(progress, said):
    progress.start('build', None, 4)
    for step in range(4):
        progress.step('build', step)
    progress.finish('build')
    assert said == [(0, 'build'), (0.25, 'build'), (0.5, 'build'), (0.75, 'build'), (1, 'build')]


def test_phases_within_a_step(progress, said):
    progress.start('build', None, 2)
    progress.start('time', 'build', 2)
    progress.step('time', 0)
    progress.step('time', 1)
    progress.finish('time')
    progress.step('build', 0)
    assert said[0] == (0, 'build')
    assert (0.25, 'build') in said  # half of the first step, until it is said to be done
    assert said[-1] == (0.5, 'build')


def test_more_phases_than_steps(progress, said):
    progress.start('build', None, 1)
    for index in range(5):
        progress.start(f'part {index}', 'build', 1)
        progress.finish(f'part {index}')
    assert 0.9 < said[-1][0] < 1
    progress.step('build', 0)
    assert said[-1] == (1, 'build')


def test_it_never_goes_back(progress, said):
    progress.start('build', None, 2)
    progress.start('first', 'build', 1)
    progress.start('second', 'build', 1)
    progress.step('second', 0)
    progress.finish('second')
    progress.finish('first')
    progress.start('third', 'build', 100)
    progress.finish('build')
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


@pytest.mark.parametrize(
    'calls',
    [
        pytest.param(lambda p: p.step('never started', 3), id='unknown_step'),
        pytest.param(lambda p: p.finish('never started'), id='unknown_end'),
        pytest.param(lambda p: p.start('a', 'never started', 3), id='unknown_parent'),
        pytest.param(lambda p: (p.start('a', None, 0), p.finish('a')), id='no_steps'),
        pytest.param(
            lambda p: (p.start('a', None, 1), p.finish('a'), p.finish('a'), p.step('a', 0)),
            id='after_its_end',
        ),
        pytest.param(lambda p: (p.start('a', None, 1), p.step('a', 99)), id='too_many_steps'),
    ],
)
def test_odd_reports(progress, said, calls):
    calls(progress)
    assert all(0 <= fraction <= 1 for fraction, _ in said)


def test_small_steps_are_not_all_reported(progress, said):
    progress.start('build', None, 1_000_000)
    for step in range(1_000_000 // 100):
        progress.step('build', step)
    assert len(said) <= 12
