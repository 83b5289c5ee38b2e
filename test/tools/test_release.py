"""Versions and files of a release, in small repositories of git."""

import hashlib
import subprocess
import sys
import tarfile
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tools'))

from make_release import checkout_problems  # noqa: E402
from release.archives import ROS_FILES, make_ros_archive, write_checksums  # noqa: E402
from release.versions import contact_problems, set_version, version_of, version_problems  # noqa: E402

CHANGELOG = 'Changelog\n\nForthcoming\n-----------\n* News.\n\n0.1.0 (2026-01-02)\n---\n* Old.\n'
FILES = {
    'package.xml': '<version>0.1.0</version><maintainer email="me@robots.org"/>',
    'pyproject.toml': 'authors = [{email = "me@robots.org"}]\nversion = "9"\n',
    'scenes/pyproject.toml': '[project]\nversion = "0.1.0"  # as\n',
    'examples/one/package.xml': '<version>0.1.0</version>',
    'examples/one/setup.py': "setup(version='0.1.0')",
    'CHANGELOG.rst': CHANGELOG,
}
DAY = date(2026, 12, 24)


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / 'checkout'
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


class TestVersions:
    def test_are_set_in_every_file(self, checkout):
        assert set_version(checkout, '0.2.0', DAY) == [
            'package.xml',
            'scenes/pyproject.toml',
            'examples/one/package.xml',
            'examples/one/setup.py',
            'CHANGELOG.rst',
        ]
        assert version_of(checkout) == '0.2.0'
        assert version_problems(checkout, '0.2.0') == []
        changelog = (checkout / 'CHANGELOG.rst').read_text()
        assert '0.2.0 (2026-12-24)\n------------------\n* News.\n' in changelog
        assert 'version = "9"' in (checkout / 'pyproject.toml').read_text()

    @pytest.mark.parametrize(
        'version', ['', '1', '1.2', 'v1.2.3', '1.2.3rc1', '01.2.3', '1.2.3\n']
    )
    def test_one_that_is_none_changes_nothing(self, checkout, version):
        with pytest.raises(SystemExit, match='is no version; expected three numbers'):
            set_version(checkout, version, DAY)
        assert version_of(checkout) == '0.1.0'

    def test_without_news_there_is_no_release(self, checkout):
        (checkout / 'CHANGELOG.rst').write_text(CHANGELOG.replace('* News.\n', ''))
        with pytest.raises(SystemExit, match='nothing under Forthcoming'):
            set_version(checkout, '0.2.0', DAY)

    def test_each_file_that_says_another_is_named(self, checkout):
        set_version(checkout, '0.2.0', DAY)
        for name in FILES:
            path = checkout / name
            path.write_text(path.read_text().replace('0.2.0', '0.3.0'))
        assert version_problems(checkout, '0.2.0') == [
            'package.xml has version 0.3.0; expected 0.2.0',
            'scenes/pyproject.toml has version 0.3.0; expected 0.2.0',
            'examples/one/package.xml has version 0.3.0; expected 0.2.0',
            'examples/one/setup.py has version 0.3.0; expected 0.2.0',
            'CHANGELOG.rst has no section "0.2.0 (YYYY-MM-DD)"; see tools/set_version.py',
        ]

    def test_entries_that_were_forgotten(self, checkout):
        assert version_problems(checkout, '0.1.0') == [
            'CHANGELOG.rst still has entries under Forthcoming'
        ]

    def test_somebody_has_to_be_there(self, checkout):
        assert contact_problems(checkout) == []
        (checkout / 'package.xml').write_text('<maintainer email="dev@example.com"/>')
        (problem,) = contact_problems(checkout)
        assert problem.startswith('package.xml has the address of nobody')

    def test_those_of_this_checkout_agree(self):
        problems = version_problems(ROOT, version_of(ROOT))
        assert all(problem.startswith('CHANGELOG.rst') for problem in problems)


class TestCheckout:
    @pytest.fixture
    def git(self, checkout, monkeypatch):
        for who in ('AUTHOR', 'COMMITTER'):
            monkeypatch.setenv(f'GIT_{who}_NAME', 'me')
            monkeypatch.setenv(f'GIT_{who}_EMAIL', 'me@robots.org')

        def run(*arguments):
            subprocess.run(
                ['git', '-C', str(checkout), *arguments], check=True, capture_output=True
            )

        set_version(checkout, '0.2.0', DAY)
        run('init', '--initial-branch=main')
        run('add', '--all')
        run('commit', '--message', 'a release')
        return run

    def test_a_tag_of_its_version(self, git, checkout):
        git('tag', '0.2.0')
        assert checkout_problems(checkout, '0.2.0') == []
        git('tag', '--delete', '0.2.0')
        git('tag', '--annotate', '0.2.0', '--message', 'x')
        assert checkout_problems(checkout, '0.2.0') == []

    def test_no_such_tag(self, git, checkout):
        (problem,) = checkout_problems(checkout, '0.2.0')
        assert problem == 'there is no tag 0.2.0; git tag 0.2.0'

    def test_a_tag_of_another_version(self, git, checkout):
        git('tag', '0.3.0')
        problems = checkout_problems(checkout, '0.3.0')
        assert 'package.xml has version 0.2.0; expected 0.3.0' in problems

    def test_a_tag_elsewhere(self, git, checkout):
        git('tag', '0.2.0')
        git('commit', '--allow-empty', '--message', 'more')
        (problem,) = checkout_problems(checkout, '0.2.0')
        assert 'is another commit' in problem

    @pytest.mark.parametrize('name', ['package.xml', 'new file'])
    def test_changes(self, git, checkout, name):
        git('tag', '0.2.0')
        with (checkout / name).open('a') as file:
            file.write('\n')
        assert name in checkout_problems(checkout, '0.2.0')[0]
        assert name in checkout_problems(checkout, None)[0]

    def test_a_trial_needs_no_tag(self, git, checkout):
        assert checkout_problems(checkout, None) == []


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    return make_ros_archive(ROOT, '1.2.3', tmp_path_factory.mktemp('one'), 5)


class TestArchives:
    def test_ros_gets_the_package_and_nothing_else(self, archive):
        with tarfile.open(archive) as tar:
            names = {name.removeprefix('ros-jetson-perception-1.2.3/') for name in tar.getnames()}
            assert {each.mtime for each in tar} == {5}
        assert {name.partition('/')[0] for name in names} == set(ROS_FILES)
        assert 'jetson_perception/drawing/fonts/LICENSE.txt' in names
        # What CMake reads must be there, or be left out where it is not.
        assert not any(name.startswith(('scenes', 'interfaces', 'test')) for name in names)

    def test_it_is_the_same_each_time(self, archive, tmp_path):
        other = make_ros_archive(ROOT, '1.2.3', tmp_path, 5)
        assert other.read_bytes() == archive.read_bytes()

    def test_checksums(self, tmp_path):
        (tmp_path / 'a.whl').write_bytes(b'a')
        path = write_checksums(tmp_path)
        digest = hashlib.sha256(b'a').hexdigest()
        assert write_checksums(tmp_path).read_text() == f'{digest}  a.whl\n'
        assert path.name == 'SHA256SUMS'


@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # catkin_pkg's, of docutils
def test_bloom_and_ros_can_read_the_changelog(tmp_path):
    """Once the section has a version."""
    changelog = pytest.importorskip('catkin_pkg.changelog')
    pytest.importorskip('docutils')
    text = (ROOT / 'CHANGELOG.rst').read_text('utf-8')
    title = '1.2.3 (2026-12-24)'
    path = tmp_path / 'CHANGELOG.rst'
    path.write_text(text.replace(f'Forthcoming\n{"-" * 11}', f'{title}\n{"-" * len(title)}'))
    entries = changelog.get_changelog_from_path(str(path), 'jetson_perception')
    version, _, content = next(entries.foreach_version())
    assert version == '1.2.3'
    assert len(content) > 20


@pytest.mark.slow
def test_a_tag_is_needed_or_a_trial():
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/make_release.py'), '--output', '/nowhere'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert 'give a tag, or --trial' in done.stderr
