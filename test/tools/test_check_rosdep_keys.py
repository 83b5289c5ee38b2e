"""tools/check_rosdep_keys.py with a small copy of rosdistro's files."""

import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip('catkin_pkg')  # comes with ROS
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')  # catkin_pkg's, of pyparsing
sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))

from check_rosdep_keys import main  # noqa: E402

RELEASED = {'repositories': {
    'common': {'release': {'packages': ['std_msgs', 'rclpy'], 'version': '1.0.0-1'}},
    'alone': {'release': {'version': '1.0.0-1'}},
    'source_only': {'source': {'type': 'git'}},
    'never': {'release': {'packages': ['never'], 'tags': {}}},
}}  # fmt: skip
KEYS = {
    'python3-numpy': {'ubuntu': ['python3-numpy'], 'fedora': ['python3-numpy']},
    'python3-rich': {'ubuntu': {'*': ['python3-rich'], 'focal': {'pip': {'packages': ['rich']}}}},
    'apt-words': {'ubuntu': {'apt': {'packages': ['one', 'two']}}},
    'nothing-to-install': {'ubuntu': []},
    'only-noble': {'ubuntu': {'noble': ['it']}},
    'not-on-noble': {'ubuntu': {'*': ['it'], 'noble': None}},
    'from-pip': {'ubuntu': {'pip': {'packages': ['it']}}},
    'fedora-alone': {'fedora': ['it']},
}


@pytest.fixture
def rosdistro(tmp_path):
    files = {
        'rosdep/base.yaml': KEYS,
        'rosdep/python.yaml': {'python3-yaml': {'ubuntu': ['python3-yaml']}},
        'humble/distribution.yaml': RELEASED,
        'jazzy/distribution.yaml': RELEASED,
    }
    for name, content in files.items():
        path = tmp_path / 'rosdistro' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return tmp_path / 'rosdistro'


@pytest.fixture
def check(rosdistro, tmp_path, monkeypatch):
    """Checks a package with these dependencies; returns the exit code."""

    def run(*depends):
        package = tmp_path / 'package.xml'
        package.write_text(
            '<package format="3"><name>mine</name><version>1.0.0</version>'
            '<description>a</description><maintainer email="a@example.com">A</maintainer>'
            '<license>MIT</license>' + ''.join(depends) + '</package>'
        )
        monkeypatch.setattr(sys, 'argv', ['check', str(rosdistro), str(package)])
        return main()

    return run


def needs(*names):
    return [f'<exec_depend>{name}</exec_depend>' for name in names]


def test_all_are_there(check, capsys):
    names = ['std_msgs', 'alone', 'python3-numpy', 'python3-rich', 'python3-yaml', 'apt-words']
    assert check(*needs(*names, 'nothing-to-install')) == 0
    assert capsys.readouterr().out.splitlines() == [
        'humble on jammy: 7 of 7 are there',
        'jazzy on noble: 7 of 7 are there',
    ]


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        ('no-such-key', 'neither a released package nor a key of rosdep'),
        ('never', 'neither a released package nor a key of rosdep'),
        ('source_only', 'neither a released package nor a key of rosdep'),
        ('from-pip', 'rosdep has it from pip alone, not from apt'),
        ('fedora-alone', 'rosdep has no package of it for noble'),
        ('not-on-noble', 'rosdep has no package of it for noble'),
    ],
)
def test_one_is_missing(check, capsys, name, told):
    assert check(*needs('std_msgs', name)) == 1
    said = capsys.readouterr()
    assert f'jazzy on noble: {name} (mine): {told}' in said.err
    assert 'jazzy on noble: 1 of 2 are there' in said.out


def test_one_distribution_lacks_it(check, capsys):
    assert check(*needs('only-noble')) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('humble on jammy: only-noble (mine): ')


def test_a_condition_leaves_it_out(check):
    depend = '<exec_depend condition="$ROS_DISTRO == jazzy">only-noble</exec_depend>'
    assert check(depend) == 0


@pytest.mark.parametrize('content', [None, '- a list', '{'])
def test_no_copy_of_rosdistro(rosdistro, check, content):
    path = rosdistro / 'rosdep/base.yaml'
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(SystemExit, match='expected a copy of rosdistro'):
        check()
