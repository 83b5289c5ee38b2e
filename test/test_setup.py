"""tools/setup.sh: its steps and when they are repeated, and where it and tools/env.sh are."""

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 30


SETUP = (ROOT / 'tools' / 'setup.sh').read_text()


def part(begin, end):
    """What is in the script from one text to the end of another."""
    at = SETUP.index(begin)
    return SETUP[at : SETUP.index(end, at) + len(end)]


def function(name):
    """A function of the script."""
    return part(f'\n{name}() {{', '\n}\n')


def step_of(folder, command, **options):
    """The script's own function `step`, called with a command of bash, as a process."""
    step = function('step')
    script = f"""
        set -euo pipefail
        root={folder}; log={folder}/setup.log; quiet=yes
        stop() {{ echo "setup: $*" >&2; exit 1; }}
        {step}
        work() {{ {command}; }}
        step 'some work' work
        echo ready
    """
    return subprocess.Popen(['bash', '-c', script], **options)


def output_of(folder, command):
    """Exit code, stdout and stderr."""
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    with step_of(folder, command, **pipes) as process:
        told = process.communicate(timeout=DEADLINE_S)
    return process.returncode, *told


@pytest.mark.parametrize('command', ['false', 'false; echo went on', 'false | cat; echo went on'])
def test_a_step_that_fails_on_its_way_has_failed(tmp_path, command):
    code, out, err = output_of(tmp_path, f'echo what it says; {command}')
    assert (code, out) == (1, '  some work … failed\n\n')
    assert err == (
        'what it says\nsetup: the step above failed; all of its output is in setup.log\n'
    )


def test_a_step_that_succeeds_says_how_long_it_took(tmp_path):
    assert output_of(tmp_path, 'echo what it says') == (0, '  some work … 0 s\nready\n', '')
    assert (tmp_path / 'setup.log').read_text() == 'what it says\n'


def test_on_a_terminal_a_step_says_how_long_it_has_taken_so_far(tmp_path):
    os.mkfifo(tmp_path / 'may_end')
    ours, theirs = pty.openpty()
    with step_of(tmp_path, f'read _ <{tmp_path}/may_end', stdout=theirs) as process:
        os.close(theirs)
        shown = ''
        while ' 1 s' not in shown:
            shown += os.read(ours, 4096).decode()
        (tmp_path / 'may_end').write_text('\n')
        shown = ''
        while 'ready' not in shown:
            shown += os.read(ours, 4096).decode()
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    assert re.search('\r  some work … [1-9][0-9]* s\r\n', shown)


@pytest.fixture
def checkout(tmp_path):
    """A folder with all that the build depends on."""
    for folder in ('jetson_perception', 'scenes/jetson_perception_scenes', 'config', 'launch'):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ('models', 'srv', 'resource', 'install'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'interfaces/vision_msgs/msg').mkdir(parents=True)
    (tmp_path / 'msg').mkdir()
    files = ('interfaces/vision_msgs/CMakeLists.txt', 'interfaces/vision_msgs/package.xml')
    names = ('CMakeLists.txt', 'package.xml', 'scenes/entry_points.txt', *files)
    messages = ('msg/Ba.msg', 'msg/ab.msg', 'interfaces/vision_msgs/msg/A.msg')
    for name in (*names, *messages, 'srv/A.srv', 'resource/jetson_perception'):
        (tmp_path / name).write_text(name)
    return tmp_path


WHEN_TO_BUILD = part('built_for=$(', '\nfi\n')


def built(checkout, build, **environment):
    """What the script's build prints, where a command of bash stands for colcon's."""
    script = f"""
        set -euo pipefail
        wanted=wanted packages=(.) scenes=ON
        has_vision_msgs() {{ return 0; }}
        step() {{ build; }}
        build() {{ {build}; }}
        {function('digest')}
        {WHEN_TO_BUILD}
        echo ready
    """
    done = subprocess.run(
        ['bash', '-c', script],
        cwd=checkout,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
    )
    return done.stdout.split()


def test_an_interrupted_build_is_repeated(checkout):
    """Also where the change that it was for has been taken back."""
    message = checkout / 'msg' / 'Ba.msg'
    before = message.read_text()
    assert built(checkout, 'echo built') == ['built', 'ready']
    assert built(checkout, 'echo built') == ['ready']
    message.write_text('another')
    assert built(checkout, 'echo half; exit 130') == ['half']
    message.write_text(before)
    assert built(checkout, 'echo built') == ['built', 'ready']


def test_another_language_is_no_reason_to_build(checkout):
    """Languages sort names of files differently."""
    made = ['localedef', '-i', 'en_US', '-f', 'UTF-8', str(checkout / 'en_US.UTF-8')]
    if shutil.which('localedef') is None or subprocess.run(made, check=False).returncode:
        pytest.skip('no locale can be made')
    english = {'LOCPATH': str(checkout), 'LC_ALL': 'en_US.UTF-8'}
    shown = subprocess.run(
        ['bash', '-c', 'echo msg/*'],
        cwd=checkout,
        env=os.environ | english,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert shown.split() == ['msg/ab.msg', 'msg/Ba.msg']  # in C the other way round
    assert built(checkout, 'echo built', LC_ALL='C') == ['built', 'ready']
    assert built(checkout, 'echo built', **english) == ['ready']


def test_a_python_that_is_not_there_is_named():
    script = f"""
        stop() {{ echo "setup: $*"; exit 1; }}
        {function('choose_python')}
        choose_python python3 python3.10
    """
    done = subprocess.run(
        ['bash', '-c', script],
        env=os.environ | {'PYTHON': 'python3.99'},
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 1
    assert 'CPython 3.10 to 3.13 is needed; there is no python3.99. Install' in done.stdout


@pytest.mark.parametrize('shell', ['bash', 'zsh'])
def test_cdpath_leads_nowhere_else(tmp_path, shell):
    """With CDPATH, cd looks there first, and prints where it went."""
    if shutil.which(shell) is None:
        pytest.skip(f'{shell} is not installed')
    for folder in ('here/tools', 'elsewhere/tools', 'here/.ci', 'elsewhere/.ci'):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / 'tools/env.sh', tmp_path / 'here/tools')
    done = subprocess.run(
        [shell, '-c', 'source tools/env.sh'],
        cwd=tmp_path / 'here',
        env=os.environ | {'CDPATH': str(tmp_path / 'elsewhere')},
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
    )
    assert f'run `make setup` in {tmp_path.resolve()}/here first' in done.stderr


@pytest.mark.parametrize('path', ['tools/setup.sh', '.ci/run'])
def test_cdpath_leads_no_script_elsewhere(tmp_path, path):
    (line,) = re.findall(r'^(.*\bcd .*BASH_SOURCE.*)$', (ROOT / path).read_text(), re.MULTILINE)
    for folder in ('here', 'elsewhere'):
        (tmp_path / folder / path).parent.mkdir(parents=True)
    (tmp_path / 'here' / path).write_text(f'{line}\necho "${{root-$PWD}}"\n')
    done = subprocess.run(
        ['bash', path],
        cwd=tmp_path / 'here',
        env=os.environ | {'CDPATH': str(tmp_path / 'elsewhere')},
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.stdout == f'{tmp_path.resolve()}/here\n'


@pytest.fixture(params=['bash', 'zsh'])
def env_of(tmp_path, request):
    """A function that sources tools/env.sh of a checkout whose environment has a distribution."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f'{shell} is not installed')
    here = tmp_path / 'here'
    libraries = 'here/.venv/lib/python3.12/site-packages/ros_rclpy.libs'
    for folder in ('here/tools', 'here/install', 'here/.venv/share/rclpy', libraries):
        (tmp_path / folder).mkdir(parents=True)
    for name in ('env.sh', 'find_distribution.sh'):
        shutil.copy(ROOT / 'tools' / name, here / 'tools')
    for name in ('share/rclpy/package.xml', 'pyvenv.cfg'):
        (here / '.venv' / name).touch()
    for folder in ('ros', 'other'):
        (tmp_path / folder / 'share/rclpy').mkdir(parents=True)
        (tmp_path / folder / 'share/rclpy/package.xml').touch()
    prefix = f'export AMENT_PREFIX_PATH={tmp_path}/ros ROS_DISTRO=jazzy'
    (tmp_path / f'ros/setup.{shell}').write_text(prefix)
    (here / f'install/local_setup.{shell}').touch()

    def source(distribution, sourced=''):
        (here / '.venv/distribution').write_text(f'{distribution}\n')
        there = {'AMENT_PREFIX_PATH': sourced, 'ROS_DISTRO': 'jazzy' if sourced else ''}
        done = subprocess.run(
            [shell, '-c', 'source tools/env.sh; echo "$?" "$AMENT_PREFIX_PATH"'],
            cwd=here,
            env=os.environ | there | {'PYTHONPATH': ''},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        return (*done.stdout.rstrip('\n').split(' '), done.stderr)

    return source


def test_a_distribution_that_is_gone_is_an_error(env_of, tmp_path):
    code, prefixes, told = env_of(tmp_path / 'gone')
    assert (code, prefixes) == ('1', '')
    (line,) = told.splitlines()
    assert f'{tmp_path}/gone, whose ROS 2' in line
    assert f'run `make setup` in {tmp_path}/here' in line


@pytest.mark.parametrize('distribution', ['', 'ros'])
def test_a_shell_that_has_sourced_another_distribution_is_an_error(env_of, tmp_path, distribution):
    """Its modules would be found first."""
    ours = distribution and tmp_path / distribution
    code, prefixes, told = env_of(ours, f'{tmp_path}/other')
    assert (code, prefixes) == ('1', f'{tmp_path}/other')
    (line,) = told.splitlines()
    assert f'sourced ROS 2 of {tmp_path}/other, and' in line
    assert f'that of {ours or "PyPI"}; use a shell' in line


@pytest.mark.parametrize('sourced', ['', 'ros', 'other:ros'])
def test_the_distribution_of_the_environment(env_of, tmp_path, sourced):
    before = ':'.join(f'{tmp_path}/{name}' for name in filter(None, sourced.split(':')))
    code, prefixes, told = env_of(tmp_path / 'ros', before)
    assert (code, prefixes, told) == ('0', before or f'{tmp_path}/ros', '')


def test_an_environment_with_ros_from_pypi_may_be_sourced_again(env_of, tmp_path):
    venv = str(tmp_path / 'here/.venv')
    for sourced in ('', venv):
        assert env_of('', sourced) == ('0', venv, '')
