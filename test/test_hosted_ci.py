"""What a hosted CI and pre-commit run is what people run."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def jobs(name='test'):
    return yaml.safe_load((ROOT / f'.github/workflows/{name}.yaml').read_text())['jobs']


def scripts(job):
    return '\n'.join(step.get('run', '') for step in job['steps'])


def test_pythons_are_those_of_the_package():
    declared = re.findall(
        r'Programming Language :: Python :: (3\.\d+)', (ROOT / 'pyproject.toml').read_text()
    )
    tested = jobs()['python']['strategy']['matrix']['python']
    assert all(isinstance(version, str) for version in tested)  # 3.10 is no 3.1
    assert {tested[0], tested[-1]} == {declared[0], declared[-1]}
    assert set(tested) <= set(declared)


def test_distributions_are_those_of_the_package():
    job = jobs()['ros']
    assert job['strategy']['matrix']['distribution'] == ['humble', 'jazzy']
    assert job['container'] == 'ros:${{ matrix.distribution }}-ros-base'


def test_they_run_what_people_run():
    for name in ('python', 'ros'):
        assert scripts(jobs()[name]).splitlines()[-1].strip() == '.ci/run'
    assert 'pre-commit run --all-files' in scripts(jobs()['lint'])


def test_it_builds_the_site():
    (job,) = jobs('docs').values()
    assert scripts(job).split() == ['make', 'docs']


def test_ruff_is_the_same_everywhere():
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    revisions = {repo['repo'].rpartition('/')[2]: repo['rev'] for repo in hooks}
    pinned = re.search(
        r'^ruff==(\S+)$', (ROOT / 'tools/requirements-test.txt').read_text(), re.MULTILINE
    )
    assert revisions['ruff-pre-commit'] == f'v{pinned[1]}'
