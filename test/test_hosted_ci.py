"""What a hosted CI and pre-commit run is what people run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
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


def test_a_tag_is_released_as_people_do_it():
    """By tools that exist, and only a draft, once all of them are content."""
    release = jobs('release')
    for job in ('files', 'keys'):
        tools = re.findall(r'python (tools/\S+)', scripts(release[job]))
        assert tools
        assert all((ROOT / tool).is_file() for tool in tools)
    assert set(release['draft']['needs']) == {'files', 'keys'}
    assert release['draft']['if'] == "github.ref_type == 'tag'"
    assert '--draft' in scripts(release['draft'])


def test_ruff_is_the_same_everywhere():
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    revisions = {repo['repo'].rpartition('/')[2]: repo.get('rev') for repo in hooks}
    pinned = re.search(
        r'^ruff==(\S+)$', (ROOT / 'tools/requirements-test.txt').read_text(), re.MULTILINE
    )
    assert revisions['ruff-pre-commit'] == f'v{pinned[1]}'


def test_the_issue_form_takes_the_report_of_selftest():
    """Its command exists, and GitHub takes the form: ids are unique, every part has a label."""
    form = yaml.safe_load((ROOT / '.github/ISSUE_TEMPLATE/selftest.yaml').read_text('utf-8'))
    assert {'name', 'description', 'body'} <= set(form)
    inputs = [each for each in form['body'] if each['type'] != 'markdown']
    assert len({each['id'] for each in inputs}) == len(inputs) == 5
    assert all(each['attributes']['label'] for each in inputs)
    told = form['body'][0]['attributes']['value']
    (command,) = re.findall(r'^    (jetson-perception selftest.*)$', told, re.MULTILINE)
    options = {*re.findall(r'--\w+', command), *re.findall(r'`(--\w+)', told)}
    help_text = (ROOT / 'docs/commands.md').read_text('utf-8')
    section = help_text.partition('selftest')[2]
    assert all(option in section for option in options)
    for path in re.findall(r'`(docs/\S+?)`', told):
        assert (ROOT / path).is_file()


def test_the_soak_runs_every_night():
    text = (ROOT / '.github/workflows/soak.yaml').read_text()
    assert 'schedule' in yaml.safe_load(text)[True]  # YAML reads `on` so
    (job,) = jobs('soak').values()
    assert 'make soak MINUTES=10' in scripts(job)
    assert job['timeout-minutes'] > 20


@pytest.mark.parametrize(('code', 'expected'), [(100, 100), (0, 0)])
def test_packages_that_cannot_be_installed_are_a_failure(tmp_path, code, expected):
    """Else tests that need them are skipped, and nobody sees it."""
    programs = tmp_path / 'bin'
    for folder in ('bin', '.ci', 'tools'):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / '.ci/run', tmp_path / '.ci')
    (tmp_path / 'tools/env.sh').write_text('return 1\n')
    for name in ('bash', 'cat', 'dirname', 'env', 'grep', 'id', 'mktemp', 'rm', 'tail', 'tee'):
        (programs / name).symlink_to(shutil.which(name))
    standins = {
        'apt-get': f'[ "$1" = update ] || exit {code}',
        'make': 'echo "=== 3 passed in 1 s ==="',
        'sudo': '"$@"',
        'chromium': '',
    }
    for name, script in standins.items():
        (programs / name).write_text(f'#!{shutil.which("bash")}\n{script}\n')
        (programs / name).chmod(0o755)
    done = subprocess.run(
        [str(tmp_path / '.ci/run')],
        env=os.environ | {'PATH': str(programs)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == expected, done.stdout
    *problem, _, _, target, summary = done.stdout.splitlines()[-5:]
    assert (target, summary) == ('make test', '=== 3 passed in 1 s ===')
    wanted = 'apt-get install build-essential git .*: failed with 100'
    assert bool(re.fullmatch(wanted, problem[0])) == bool(code)
