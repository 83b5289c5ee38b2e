"""What tools/break_faults.py finds in a small checkout with one fault, and the test of it."""

import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tools'))

import break_faults  # noqa: E402
from break_faults import Outcome, Verdict, exit_code, main, run_test  # noqa: E402

HANDLING = 'def share(a, b):\n    return a / b if b else 0\n'
BROKEN = ['jetson_perception/shares.py', 'a / b if b else 0', 'a / b']
TEST = 'from jetson_perception.shares import share\n\ndef test_of_nothing():\n    '


@pytest.fixture
def checkout(tmp_path):
    """Makes a checkout whose test is as given; gives its folder."""

    def made(test, broken=BROKEN, name='test_of_nothing', handling=HANDLING):
        package = tmp_path / 'jetson_perception'
        package.mkdir()
        (package / '__init__.py').touch()
        (package / 'shares.py').write_text(handling)
        (tmp_path / 'test').mkdir()
        (tmp_path / 'test' / 'test_shares.py').write_text(textwrap.dedent(test))
        row = {'fault': 'there is nothing', 'says': '', 'goes_on': '', 'recovers': ''}
        row |= {'test': f'test_shares.py::{name}', 'broken': broken}
        (tmp_path / 'test' / 'faults.yaml').write_text(yaml.safe_dump({'disk': [row]}))
        return tmp_path

    return made


def test_one_that_fails(checkout, capsys):
    root = checkout(f'{TEST}assert share(1, 0) == 0')
    assert main([], root) == 0
    told = capsys.readouterr().out
    assert told.startswith('fails in ')
    assert 'there is nothing (test_shares.py::test_of_nothing): ZeroDivisionError' in told
    assert '1 of 1 tests fail when the handling is taken out' in told
    assert (root / 'jetson_perception' / 'shares.py').read_text() == HANDLING


def test_one_that_passes_all_the_same(checkout, capsys):
    assert main([], checkout(f'{TEST}assert share(1, 2) == 0.5')) == 1
    told = capsys.readouterr().out
    assert told.startswith('PASSES in ')
    assert '0 of 1 tests fail' in told


@pytest.mark.parametrize(
    'test',
    [
        pytest.param(f"import pytest\n{TEST}pytest.skip('no GPU')", id='itself'),
        # pytest then finds no test of that name.
        pytest.param(
            f"import pytest\npytest.skip('no GPU', allow_module_level=True)\n{TEST}pass", id='file'
        ),
    ],
)
def test_one_that_is_skipped_is_no_proof(checkout, capsys, test):
    assert main([], checkout(test)) == break_faults.SOME_SKIPPED
    told = capsys.readouterr().out
    assert told.startswith('skipped here in ')
    assert 'test_of_nothing): no GPU\n' in told
    assert '0 of 1 tests fail when the handling is taken out' in told
    assert '1 skipped here, so nothing is known of them' in told


def test_of_several_cases_some_may_be_skipped(checkout):
    test = """
        import pytest
        from jetson_perception.shares import share

        @pytest.mark.parametrize('gpu', [True, False])
        def test_of_nothing(gpu):
            if gpu:
                pytest.skip('no GPU')
            assert share(1, 0) == 0
        """
    assert main([], checkout(test)) == 0


def test_one_that_fails_with_the_handling_too_is_no_proof(checkout, capsys):
    assert main([], checkout(f'{TEST}assert share(1, 0) == 7')) == 1
    assert capsys.readouterr().out.startswith('FAILS WITH THE HANDLING TOO in ')


def test_handling_may_keep_the_process_from_crashing(checkout, capsys):
    handling = 'import os\n\ndef share(a, b):\n    return 0 if b == 0 else os.abort()\n'
    broken = [BROKEN[0], 'b == 0', 'b']
    test = f'{TEST}assert share(1, 0) == 0'
    assert main([], checkout(test, broken, handling=handling)) == 0
    assert 'pytest was ended by SIGABRT' in capsys.readouterr().out


def test_one_that_hangs_is_ended(checkout, monkeypatch):
    monkeypatch.setattr(break_faults, 'TEST_S', 0.5)
    root = checkout(f'import threading\n{TEST}threading.Event().wait()')
    assert run_test('test_shares.py::test_of_nothing', root, root, {}).outcome is Outcome.HANGS


def test_a_test_that_is_not_there(checkout):
    root = checkout(f'{TEST}assert share(1, 0) == 0', name='test_of_something')
    with pytest.raises(SystemExit, match='test_of_something was not run'):
        main([], root)


def test_a_place_that_is_not_there(checkout):
    root = checkout(f'{TEST}assert share(1, 0) == 0', [BROKEN[0], 'a // b', 'a'])
    with pytest.raises(SystemExit, match=r"shares\.py has 'a // b' 0 times; expected once"):
        main([], root)


def test_no_row_is_no_proof(checkout, capsys):
    assert main(['--only', 'camera'], checkout(TEST)) == 1
    assert '0 of 0 tests fail' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('verdicts', 'code'),
    [
        ({Verdict.FAILS: 2}, 0),
        ({Verdict.FAILS: 2, Verdict.SKIPPED: 1}, break_faults.SOME_SKIPPED),
        ({Verdict.FAILS: 2, Verdict.SKIPPED: 1, Verdict.PASSES: 1}, 1),
        ({Verdict.FAILS: 2, Verdict.HANGS: 1}, 1),
        ({Verdict.FAILS: 2, Verdict.FAILS_ANYWAY: 1}, 1),
    ],
)
def test_the_exit_code_is_of_the_worst(verdicts, code):
    assert exit_code(Counter(verdicts)) == code
