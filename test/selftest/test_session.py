"""What is checked on which machine, and that a check that crashes or hangs is one that fails."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import pytest
from int8_twins import pretend_made

from jetson_perception.commands.main import main
from jetson_perception.doctor import Answer, Finding, Machine
from jetson_perception.doctor.optional_packages import OPTIONAL_MODULES
from jetson_perception.errors import ParameterError
from jetson_perception.resources import has_int8_twin
from jetson_perception.selftest.claims import CLAIMS, FAIL, NOT_HERE, PASS, Result
from jetson_perception.selftest.report import read_report, summary, write_report
from jetson_perception.selftest.session import Settings, plan, run_session, why_not_here

GPU = {'devices': [{'name': 'Orin'}], 'driver': '12.6'}
ABSENT = {'installed': False}
CUDA_PROVIDER = {'providers': ['CUDAExecutionProvider', 'CPUExecutionProvider'], 'version': '1'}


class StandInMachine(Machine):
    """Stands for a machine with what its probes say; strict about probes that it does not know."""

    def __init__(self, answer=None, **probes):
        super().__init__(environ={})
        self.answer = answer
        self.tasks = []
        self.probes = {
            'cuda': ABSENT | {'error': 'libcuda.so.1: not found'},
            'tensorrt': ABSENT,
            'tensorrt_rtx': ABSENT,
            'tensorrt_rtx_bindings': ABSENT,
            'pycuda.driver': ABSENT,
            'onnxruntime': {'providers': ['CPUExecutionProvider'], 'version': '1'},
            'python': {'error': 'not asked'},
            'opencv': {'error': 'not asked'},
            'ros': ABSENT,
            'cameras': {'devices': []},
            'models': {'folder': '/m', 'models': {'oranges': {'runtime': 'CPU', 'ms': 1.0}}},
            **dict.fromkeys(OPTIONAL_MODULES, ABSENT),
        } | {name.replace('__', '.'): probe for name, probe in probes.items()}

    def probe(self, name, *arguments, timeout_s=30.0):
        return self.probes[arguments[0] if name == 'module' else name]

    def run(self, *command, timeout_s=10.0):
        return Answer(problem='not installed')

    def run_main(self, module, *arguments, timeout_s):
        self.tasks.append(json.loads(arguments[0]))
        return self.answer


JETSON = {
    'cuda': GPU,
    'tensorrt': {'installed': True, 'version': '10.3.0'},
    'pycuda__driver': {'installed': True, 'version': '2026.1'},
    'onnxruntime': CUDA_PROVIDER,
}


class TestWhatIsHere:
    @pytest.mark.parametrize(
        ('runtime', 'lacks', 'reason'),
        [
            pytest.param('tensorrt', {}, '', id='tensorrt'),
            pytest.param('onnxruntime_cuda', {}, '', id='cuda'),
            pytest.param('onnxruntime_cpu', {'cuda': ABSENT}, '', id='cpu'),
            pytest.param('tensorrt', {'cuda': {'error': 'no such file'}}, 'no GPU: no such file'),
            pytest.param('tensorrt', {'cuda': {'devices': []}}, 'no GPU: the driver finds none'),
            pytest.param('tensorrt', {'pycuda__driver': ABSENT}, 'pycuda: not installed'),
            pytest.param('tensorrt', {'tensorrt': ABSENT}, 'TensorRT: not installed'),
            pytest.param(
                'tensorrt',
                {'tensorrt': {'installed': True, 'error': 'ImportError: libnvinfer.so.10'}},
                'TensorRT: ImportError: libnvinfer.so.10',
            ),
            pytest.param(
                'onnxruntime_cuda',
                {'onnxruntime': {'providers': ['CPUExecutionProvider']}},
                'ONNX Runtime was built without CUDA',
            ),
            pytest.param('onnxruntime_cuda', {'pycuda__driver': ABSENT}, 'pycuda: not installed'),
        ],
    )
    def test_an_engine(self, runtime, lacks, reason):
        assert why_not_here(runtime, StandInMachine(**JETSON | lacks)) == reason


class TestPlan:
    def test_of_a_jetson_checks_every_claim(self, tmp_path):
        tasks = [task for task, lacking in plan(Settings(), StandInMachine(**JETSON), tmp_path)
                 if not lacking]  # fmt: skip
        assert {task.claim for task in tasks} == set(CLAIMS) - {'machine'}
        built = {task.precision for task in tasks if task.runtime == 'tensorrt'}
        assert {'fp32', 'fp16'} <= built
        assert not [t for t in tasks if t.claim == 'agrees' and t.runtime == 'onnxruntime_cpu']
        folders = [task.folder for task in tasks if task.folder]
        assert len(set(folders)) == len(folders) == 3

    def test_a_pc_without_a_gpu_lists_what_is_missing(self, tmp_path):
        planned = list(plan(Settings(), StandInMachine(), tmp_path))
        lacking = [(task.claim, task.runtime) for task, reason in planned if 'no GPU' in reason]
        assert lacking == [
            *((claim, 'tensorrt') for claim in ('agrees', 'pipeline', 'together')),
            *((claim, 'tensorrt') for claim in ('cache', 'refusals', 'cancel')),
            *((claim, 'onnxruntime_cuda') for claim in ('agrees', 'pipeline', 'together')),
        ]
        runs = [task for task, reason in planned if not reason]
        assert {task.runtime for task in runs} == {'', 'onnxruntime_cpu'}


class TestInt8Twins:
    """INT8 models are the user's, who has them made."""

    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def pipelines(self, folder):
        settings = Settings(runtimes=('onnxruntime_cpu',))
        planned = plan(settings, StandInMachine(), folder)
        return {
            task.models[0]: reason
            for task, reason in planned
            if (task.claim, task.precision) == ('pipeline', 'int8')
        }

    def test_those_that_are_not_made_are_named(self, tmp_path):
        lacking = self.pipelines(tmp_path)
        assert lacking['oranges'] == 'it has no INT8 twin'
        assert 'make it once: ros2 run' in lacking['people_detect']

    def test_those_that_are_made_are_checked(self, tmp_path):
        pretend_made('people_pose_int8')
        assert self.pipelines(tmp_path)['people_pose_int8'] == ''

    def test_they_are_brought_to_the_cache_of_the_checks(self, tmp_path, monkeypatch):
        pretend_made('people_pose_int8')
        settings = replace(ONE, cache=tmp_path / 'of_checks')
        next(run_session(settings, machine=StandInMachine(Answer('{}'))))
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'of_checks'))
        assert has_int8_twin('people_pose_int8')
        assert not has_int8_twin('people_detect_int8')


class TestCache:
    @pytest.mark.parametrize(
        ('name', 'reason'),
        [
            pytest.param('file', 'File exists', id='a_file'),
            pytest.param('file/below', 'Not a directory', id='below_a_file'),
            pytest.param('nul\0', 'embedded null byte', id='no_name'),
            pytest.param('/proc/selftest', 'No such file or directory', id='cannot_be_made'),
            pytest.param('/proc/self', 'No such file or directory', id='cannot_be_written'),
        ],
    )
    def test_that_cannot_be_written_to_is_refused(self, name, reason, tmp_path):
        (tmp_path / 'file').touch()
        settings = replace(ONE, cache=tmp_path / name)
        with pytest.raises(ParameterError, match=f'--cache .* cannot be used: {reason}; expected'):
            next(run_session(settings, machine=StandInMachine(Answer('{}'))))

    @pytest.mark.parametrize('below', ['', '/below'])
    def test_a_file_in_place_of_the_users_cache_does_no_harm(self, below, tmp_path, monkeypatch):
        (tmp_path / 'file').touch()
        monkeypatch.setenv('XDG_CACHE_HOME', f'{tmp_path}/file{below}')
        result = next(run_session(ONE, machine=StandInMachine(Answer('{}'))))
        assert result.claim == 'machine'


ONE = Settings(runtimes=('onnxruntime_cpu',), models=('oranges',), pictures=1)


class TestSession:
    def results(self, answer):
        machine = StandInMachine(answer)
        return [each for each in run_session(ONE, machine=machine) if each.claim == 'truth']

    def test_a_verdict(self):
        printed = 'half a line\n{"outcome": "pass", "reason": "good", "figures": {"a": 1}}'
        (result,) = self.results(Answer(printed, errors='\x1b[31mINFO\x1b[0m engine'))
        assert (result.outcome, result.reason, result.figures) == (PASS, 'good', {'a': 1})
        assert result.log == 'INFO engine'
        assert result.subject == 'oranges'

    @pytest.mark.parametrize(
        ('answer', 'reason'),
        [
            pytest.param(Answer(problem='ended by SIGSEGV'), 'ended by SIGSEGV', id='crash'),
            pytest.param(Answer(problem='no answer within 5 s'), 'no answer', id='hang'),
            pytest.param(Answer('nonsense'), "it printed 'nonsense'", id='nonsense'),
            pytest.param(Answer(''), "it printed ''", id='nothing'),
        ],
    )
    def test_no_verdict_is_a_failure(self, answer, reason):
        (result,) = self.results(answer)
        assert result.outcome == FAIL
        assert reason in result.reason

    def test_a_process_that_crashes_for_real(self):
        machine = Machine()
        answer = machine.run_main('jetson_perception.selftest.checks', '{', timeout_s=60)
        assert answer.problem.startswith('exit code 1')
        assert 'JSONDecodeError' in answer.errors


class TestReport:
    def test_is_read_by_people_and_programs(self, tmp_path, monkeypatch):
        monkeypatch.setenv('HOME', '/home/someone')
        findings = [Finding('machine', 'board', 'Orin, /home/someone/venv/bin/python')]
        results = [
            Result('machine', '', PASS, seconds=1.0),
            Result(
                'agrees', 'oranges, tensorrt, fp16', FAIL, 'drift', {'x': 1.5}, 'line 1\nline 2'
            ),
            Result('cache', 'tensorrt', NOT_HERE, 'no GPU'),
        ]
        path = tmp_path / 'report.txt'
        write_report(path, findings, results, '1.2.3')
        text = path.read_text()
        assert 'someone' not in text
        assert 'Orin, ~/…/bin/python' in text
        assert '  FAIL     oranges, tensorrt, fp16: drift\n           | line 1\n' in text
        record = read_report(path)
        assert record['version'] == '1.2.3'
        assert [result['outcome'] for result in record['results']] == [PASS, FAIL, NOT_HERE]
        assert record['results'][1]['figures'] == {'x': 1.5}
        assert summary(results) == '1 passed, 1 failed, 1 not here'


class TestCommand:
    @pytest.fixture(autouse=True)
    def _plain(self, monkeypatch, tmp_path):
        monkeypatch.setenv('COLUMNS', '200')
        monkeypatch.setenv('NO_COLOR', '1')
        monkeypatch.chdir(tmp_path)

    def arguments(self, *more):
        return ['selftest', '--model', 'oranges', '--pictures', '1', *more]

    @pytest.mark.slow
    def test_on_this_machine(self, capsys, tmp_path):
        report = tmp_path / 'r.txt'
        arguments = self.arguments('--runtime', 'onnxruntime_cpu', '--report', str(report))
        assert main(arguments) == 0
        output = capsys.readouterr().out
        assert 'pass     truth oranges: mIoU 0.9' in output
        assert 'machine:' not in output  # it has nothing to say
        assert ' 0 failed, ' in output
        assert f'the report is {report}' in output
        results = read_report(report)['results']
        assert [result['claim'] for result in results[:3]] == ['machine', 'truth', 'pipeline']
        assert results[2]['figures']['end to end (ms)'] > 0

    def test_a_failure_is_the_exit_code(self, capsys, tmp_path):
        """A check that is given no time."""
        arguments = self.arguments('--runtime', 'tensorrt', '--timeout', '0.01')
        assert main(arguments) == 1
        said = capsys.readouterr().out.splitlines()
        failed = r'FAIL     truth oranges: no answer within 0\.01 s \(took \d\.\d s\)'
        assert any(re.fullmatch(failed, line) for line in said)
        # A reason is said once, and nothing was timed that did not run.
        for before, line in itertools.pairwise(
            [line for line in said if line.startswith('not here ')]
        ):
            assert re.fullmatch(r'not here \w+ tensorrt: likewise', line), (before, line)
        (report,) = tmp_path.glob('selftest-*.txt')
        assert read_report(report)['results'][1]['outcome'] == FAIL

    def test_a_report_that_cannot_be_written(self, capsys, tmp_path):
        assert main(self.arguments('--report', str(tmp_path / 'no' / 'r.txt'))) == 1
        assert 'cannot be written' in capsys.readouterr().err
