"""What tools/measure_transport.py counts, judges, changes and puts back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tools'))

from transport.kernel_buffers import NAMES, kernel_buffers  # noqa: E402
from transport.network import run, what_is_missing  # noqa: E402
from transport.notes import Note, Notes  # noqa: E402
from transport.outcomes import Outcome, save  # noqa: E402
from transport.private_folders import opening_script  # noqa: E402
from transport.rates import (  # noqa: E402
    SECOND_NS,
    answered,
    fewest_answered,
    latencies_ms,
    percentile,
    rate_answered,
    rate_heard,
)
from transport.situations import SITUATIONS  # noqa: E402
from transport.verdicts import Told, verdict  # noqa: E402

BEFORE = {'rmem_max': 4194304, 'wmem_max': 1000000}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason='becomes another user, which root may')


def notes(*late_and_stamp_ms):
    """Notes of messages: how late each was heard, and its stamp."""
    return [Note((late + stamp) * 10**6, stamp * 10**6) for late, stamp in late_and_stamp_ms]


class TestRates:
    def test_nothing_heard_is_a_rate_of_zero(self):
        found = rate_answered([], 0, 3)
        assert found.by_second == (0, 0, 0)
        assert (found.least, found.median) == (0, 0)

    def test_no_second_at_all(self):
        found = rate_heard([], 0, 0)
        assert (found.least, found.median, str(found)) == (0, 0.0, 'min 0, median 0 Hz')

    def test_a_message_counts_in_the_second_of_its_stamp(self):
        found = rate_answered(notes((300, 900), (10, 1000), (10, 1999)), 0, 2)
        assert found.by_second == (1, 2)

    def test_what_a_viewer_hears_counts_when_it_hears_it(self):
        assert rate_heard(notes((300, 900), (1500, 1000)), 0, 3).by_second == (0, 1, 1)

    @pytest.mark.parametrize(
        'heard',
        [
            pytest.param(notes((1001, 500)), id='after_more_than_a_second'),
            pytest.param(notes((10, 2000)), id='after_the_end'),
            pytest.param(notes((10, -1)), id='before_the_begin'),
        ],
    )
    def test_what_does_not_count(self, heard):
        assert rate_answered(heard, 0, 2).by_second == (0, 0)

    def test_a_stamp_heard_twice_counts_once(self):
        assert rate_answered(notes((10, 500), (20, 500)), 0, 1).by_second == (1,)

    def test_the_worst_second_is_the_least(self):
        found = rate_answered(notes((1, 0), (1, 100), (1, 1500), (1, 2000), (1, 2500)), 0, 3)
        assert (found.least, found.median) == (1, 2)


class TestAnswered:
    def test_of_nothing_nothing(self):
        assert answered([], [], 0, SECOND_NS) == (0, 0)

    def test_of_what_was_sent_in_time(self):
        sent = notes((0, 100), (0, 200), (0, 300), (0, 1000))
        assert answered(sent, notes((5, 100), (5, 300), (5, 1000)), 0, SECOND_NS) == (2, 3)

    def test_an_answer_says_that_its_image_was_sent(self):
        assert answered([], notes((5, 100)), 0, SECOND_NS) == (1, 1)


class TestFewestAnswered:
    def test_of_one_node_as_of_itself(self):
        sent = notes((0, 100), (0, 200))
        assert fewest_answered(sent, [notes((5, 100))], 0, SECOND_NS) == (1, 2)

    def test_the_node_that_answers_fewer_counts(self):
        sent = notes((0, 100), (0, 200))
        heard_by = [notes((5, 100), (5, 200)), notes((5, 200))]
        assert fewest_answered(sent, heard_by, 0, SECOND_NS) == (1, 2)

    def test_what_another_node_answered_was_sent(self):
        heard_by = [notes((5, 100), (5, 200)), notes((5, 200))]
        assert fewest_answered([], heard_by, 0, SECOND_NS) == (1, 2)


@pytest.mark.parametrize(
    ('values', 'percent', 'expected'),
    [
        pytest.param([], 50, 0.0, id='of_none'),
        pytest.param([3.0], 99, 3.0, id='of_one'),
        pytest.param([1.0, 2.0, 3.0, 4.0], 50, 3.0, id='median'),
        pytest.param(list(map(float, range(100))), 99, 99.0, id='almost_the_largest'),
    ],
)
def test_percentiles(values, percent, expected):
    assert percentile(values, percent) == expected


def test_latencies_are_sorted_and_of_the_time_asked_for():
    heard = notes((7, 100), (3, 200), (5, 3000))
    assert latencies_ms(heard, 0, SECOND_NS) == [3.0, 7.0]


class TestNotes:
    def test_of_a_file_that_is_not_there_yet(self, tmp_path):
        assert Notes(tmp_path / 'none').of('sent') == []

    def test_a_line_counts_when_all_of_it_is_there(self, tmp_path):
        file = tmp_path / 'notes'
        read = Notes(file)
        file.write_text('sent 5 4\nsent 7')
        assert read.of('sent') == [Note(5, 4)]
        file.write_text('sent 5 4\nsent 77 66\n/mask 9 8\n')
        assert read.of('sent') == [Note(5, 4), Note(77, 66)]
        assert read.of('/mask') == [Note(9, 8)]


class TestVerdict:
    def test_a_bar_that_is_kept(self):
        assert verdict(True, Told(None), stock=False) == (True, '')

    def test_to_be_told_the_cause_is_not_enough_with_large_buffers(self):
        assert verdict(False, Told(1.0), stock=False)[0] is False

    @pytest.mark.parametrize(
        ('told_s', 'kept'),
        [
            pytest.param(None, False, id='never'),
            pytest.param(-2.0, True, id='before_the_first_image'),
            pytest.param(5.0, True, id='in_time'),
            pytest.param(5.1, False, id='too_late'),
        ],
    )
    def test_with_stock_buffers_the_cause_is_enough_if_told_in_time(self, told_s, kept):
        assert verdict(False, Told(told_s), stock=True)[0] is kept


class TestKernelBuffers:
    @pytest.fixture
    def settings(self, tmp_path):
        folder = tmp_path / 'core'
        folder.mkdir()
        for name, value in BEFORE.items():
            (folder / name).write_text(f'{value}\n')
        return folder

    def values(self, settings):
        return {name: int((settings / name).read_text()) for name in NAMES}

    def test_are_changed_for_a_while(self, settings, tmp_path):
        with kernel_buffers(212992, settings, tmp_path / 'lock'):
            assert self.values(settings) == dict.fromkeys(NAMES, 212992)
        assert self.values(settings) == BEFORE

    @pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit, ValueError])
    def test_are_put_back_whatever_happens(self, settings, tmp_path, error):
        with (
            pytest.raises(error),
            kernel_buffers(212992, settings, tmp_path / 'lock'),
        ):
            raise error
        assert self.values(settings) == BEFORE

    def test_are_put_back_by_the_next_one_where_a_process_was_killed(self, settings, tmp_path):
        code = (
            'import os, sys; from pathlib import Path\n'
            'from transport.kernel_buffers import kernel_buffers\n'
            f'with kernel_buffers(1, Path({str(settings)!r}), Path({str(tmp_path)!r}, "lock")):\n'
            '    os.kill(os.getpid(), 9)'
        )
        subprocess.run([sys.executable, '-c', code], cwd=ROOT / 'tools', check=False)
        assert self.values(settings) == dict.fromkeys(NAMES, 1)
        with kernel_buffers(2, settings, tmp_path / 'lock'):
            assert self.values(settings) == dict.fromkeys(NAMES, 2)
        assert self.values(settings) == BEFORE

    def test_another_one_waits_meanwhile(self, settings, tmp_path):
        lock = tmp_path / 'lock'
        with kernel_buffers(1, settings, lock):
            tried = subprocess.run(['flock', '--nonblock', lock, 'true'], check=False)
            assert tried.returncode == 1
        assert subprocess.run(['flock', '--nonblock', lock, 'true'], check=False).returncode == 0

    def test_nothing_is_written_where_they_are_as_wanted(self, settings, tmp_path):
        for name in NAMES:
            (settings / name).write_text('7\n')
            (settings / name).chmod(0o400)
        with kernel_buffers(7, settings, tmp_path / 'lock'):
            assert (tmp_path / 'lock').read_text() == ''

    def test_a_link_is_no_lock(self, settings, tmp_path):
        (tmp_path / 'other').write_text('')
        (tmp_path / 'lock').symlink_to(tmp_path / 'other')
        with pytest.raises(OSError, match='lock'), kernel_buffers(1, settings, tmp_path / 'lock'):
            pass
        assert self.values(settings) == BEFORE

    @as_root
    def test_nor_is_a_file_of_somebody_else(self, settings, tmp_path):
        (tmp_path / 'lock').write_text('{"rmem_max": 1, "wmem_max": 1}')
        os.chown(tmp_path / 'lock', 1234, 1234)
        with (
            pytest.raises(PermissionError, match='belongs to another user'),
            kernel_buffers(5, settings, tmp_path / 'lock'),
        ):
            pass
        assert self.values(settings) == BEFORE


@as_root
class TestPrivateFolders:
    def test_what_is_open_needs_nothing(self):
        assert opening_script((Path('/usr/bin'),)) == 'true'

    def test_only_what_is_needed_is_there_for_others(self, tmp_path):
        if missing := what_is_missing():
            pytest.skip(missing)
        home = tmp_path / 'home'
        for name in ('needed', 'secret'):
            (home / name).mkdir(parents=True)
            (home / name / 'file').write_text(name)
        for folder in (tmp_path, *tmp_path.parents[:-2]):
            folder.chmod(0o755)
        home.chmod(0o700)
        script = opening_script((home / 'needed',))
        look = 'setpriv --reuid 1234 --regid 1234 --clear-groups cat'
        shown = run('unshare', '-m', 'sh', '-c', f'{script} && {look} {home}/needed/file')
        assert shown == 'needed'
        hidden = f'{script} && ! {look} {home}/secret/file 2>/dev/null'
        run('unshare', '-m', 'sh', '-c', hidden)


class TestTable:
    def test_a_line_says_whether_the_bar_is_kept(self):
        outcome = Outcome('2', 'a driver', '≥ 29 Hz', 'min 5, median 9 Hz', False)
        assert outcome.line() == '| 2 | a driver | ≥ 29 Hz | min 5, median 9 Hz | **missed** |'

    def test_everything_is_in_the_file(self, tmp_path):
        save([Outcome('6', 'a', 'b', 'c', None, {'sent': 3})], tmp_path / 'new/found.json')
        content = json.loads((tmp_path / 'new/found.json').read_text())
        assert content['outcomes'][0]['record'] == {'sent': 3}
        assert content['machine']
        assert content['commit']

    def test_every_row_but_the_first_has_situations_with_a_bar(self):
        assert {each.row for each in SITUATIONS} == set('23456789')
        assert len({each.name for each in SITUATIONS}) == len(SITUATIONS)


def command(*arguments, before=()):
    return subprocess.run(
        [*before, sys.executable, str(ROOT / 'tools/measure_transport.py'), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestCommand:
    def test_a_row_that_is_not_there(self):
        done = command('--rows', '2,12')
        assert done.returncode == 2
        assert 'there is no row 12; there are 1, 2' in done.stderr

    def test_without_root_it_says_so(self):
        user = ('setpriv', '--reuid', '1234', '--regid', '1234', '--clear-groups', '--')
        python = Path(sys.executable).resolve()
        if os.geteuid() == 0:
            inside = subprocess.run([*user, python, '-c', ''], check=False, capture_output=True)
            if inside.returncode:
                pytest.skip(f"another user cannot run this test's Python, {python}")
        done = command(before=() if os.geteuid() else user)
        assert done.returncode == 2
        assert 'need root' in done.stderr

    @as_root
    def test_without_iproute2_it_says_what_to_install(self, tmp_path):
        done = command('--rows', '2', before=('env', f'PATH={tmp_path}'))
        assert done.returncode == 2
        assert 'sudo apt-get install iproute2 util-linux' in done.stderr
