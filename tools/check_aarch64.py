#!/usr/bin/env python3
"""Run the library on aarch64 without such a machine: in a Debian root that QEMU emulates.

    sudo apt-get install mmdebstrap qemu-user-static binfmt-support
    sudo .venv/bin/python tools/check_aarch64.py --folder /var/tmp/aarch64

This makes a root of Debian 12 for arm64 in that folder, unless it is there, copies this checkout
into it, and installs the package in two ways:

wheels   `pip install .` with that architecture's wheels
debian   `pip install --no-deps .` beside Debian's own NumPy and OpenCV, as on a robot; ONNX
         Runtime comes by `pip install onnxruntime 'numpy<2'`

With each it runs `jetson-perception doctor`, `info` and `run`; compares ONNX Runtime's outputs,
preprocessing and results with this machine's; and runs the library's tests, as many of them as
--slice says. It prints every figure, writes all to a JSON file, and exits with 1 if a claim is
false, or with 2 if this machine cannot try it. Emulation is 10 to 20 times slower than a
processor, so no figure speaks of speed; there is no GPU and no ROS.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(ROOT / 'scenes')]

from aarch64_checks import parity  # noqa: E402
from aarch64_checks.emulated_root import EmulatedRoot, RootError, what_is_missing  # noqa: E402
from gpu_checks.checks import Checks  # noqa: E402

from jetson_perception.evaluation.scenes import open_scene  # noqa: E402
from jetson_perception.images.picture_files import write_picture  # noqa: E402

INSTALLATIONS = ('wheels', 'debian')
PARTS = ('commands', 'parity', 'tests')
MODELS = {
    'oranges': 'models/oranges.onnx',
    'people_detect': 'scenes/jetson_perception_scenes/models/people_detect.onnx',
    'people_pose': 'scenes/jetson_perception_scenes/models/people_pose.onnx',
}
SCENES = ('scene://oranges?count=2', 'scene://people?count=2')

#: Debian's packages in the root: what a shell needs, Python, and what the package needs.
PACKAGES = [
    *('bash', 'coreutils', 'dash', 'findutils', 'grep', 'libc-bin', 'procps', 'sed'),
    *('ca-certificates', 'git', 'libgomp1', 'python3', 'python3-pip', 'python3-venv'),
    *('python3-numpy', 'python3-opencv', 'python3-pil', 'python3-rich', 'python3-scipy'),
    'python3-yaml',
]
#: What the tests import beside the package's dependencies, with what those need in turn.
TEST_PACKAGES = (
    *('execnet', 'hypothesis', 'iniconfig', 'ml_dtypes', 'onnx', 'packaging', 'pluggy'),
    *('av', 'contourpy', 'cycler', 'fonttools', 'kiwisolver', 'matplotlib', 'protobuf'),
    *('Pygments', 'pyparsing', 'pytest', 'pytest-xdist', 'python-dateutil', 'scipy'),
    *('simplejpeg', 'six', 'sortedcontainers', 'typing_extensions', 'nudenet'),
    *('rosbags', 'apsw', 'backports.zstd', 'lz4', 'ruamel.yaml'),
)

#: Of these, what is left out beside Debian's NumPy: it has them too, or they are for newer ones.
NOT_BESIDE_DEBIAN = ('contourpy', 'matplotlib', 'scipy')
#: The last that takes Debian's NumPy.
ML_DTYPES_OF_DEBIAN = 'ml_dtypes==0.5.1'

#: The tests that need neither ROS nor a GPU, nor a process to be quick.
TESTS = (
    *('camera', 'commands', 'depth', 'drawing', 'engines', 'evaluation', 'exports', 'images'),
    *('models', 'parity', 'pipeline', 'tasks', 'tracking'),
)

#: Largest differences that may be; docs/tested.md says what was found.
TENSOR_BAR = 1.01 / 255  # one level of a picture
# Of an output's largest value, for equal tensors. Of the pose model, keypoints of some of its 6300
# cells were up to 17 px off, boxes 0.0007 px.
OUTPUT_BARS = {'oranges': 1e-4, 'people_detect': 1e-4, 'people_pose': 0.05}
RESULT_BARS = {'score': 0.02, 'xyxy': 4, 'x': 4, 'y': 4, 'ratio': 0.001, 'pixels': 1000}
MASK_BAR = 0.999  # share of equal pixels

_SOURCE = 'jetson_perception'  # in the root
_VERSIONS = """
import platform, cv2, numpy, onnxruntime
print(platform.machine(), 'CPython', platform.python_version(), 'NumPy', numpy.__version__,
      'OpenCV', cv2.__version__, 'ONNX Runtime', onnxruntime.__version__)
"""


def main() -> int:
    """Run the checks. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--folder', type=Path, required=True, help='1.5 GB, kept for the next run')
    parser.add_argument('--installations', nargs='+', choices=INSTALLATIONS, default=INSTALLATIONS)
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--suite', default='bookworm', help='Debian release (%(default)s)')
    parser.add_argument(
        '--tests', nargs='+', metavar='FOLDER', default=TESTS, help='folders of test/'
    )
    parser.add_argument(
        '--slice', default='1/8', metavar='I/N', help='every Nth test, from the Ith (%(default)s)'
    )
    parser.add_argument(
        '--test-minutes', type=float, default=60, metavar='M', help='time limit (%(default)g)'
    )
    parser.add_argument('--json', type=Path, default=Path('check_aarch64.json'), metavar='FILE')
    arguments = parser.parse_args()
    problem = what_is_missing()
    if problem:
        print(f'check_aarch64: {problem}', file=sys.stderr)
        return 2
    # Ended like this, it takes along what runs in the root.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks = Checks(arguments.json)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    root = EmulatedRoot(arguments.folder / arguments.suite)
    try:
        root.make(arguments.suite, PACKAGES)
    except RootError as error:
        print(f'check_aarch64: {error}', file=sys.stderr)
        return 2
    root.copy_checkout(ROOT, _SOURCE)
    for name in arguments.installations:
        installed = Installation(name, root, arguments.folder, checks)
        if installed.install():
            for part in PARTS:
                if part in arguments.parts:
                    getattr(installed, part)(arguments)
    missed = [check.name for check in checks.checks if check.kept is False]
    print(f'\n{"MISSED: " + "; ".join(missed) if missed else "every claim holds"}')
    return 1 if missed else 0


class Installation:
    """One way to install the package in the root, and what is checked with it.

    Parameters
    ----------
    name : str
        'wheels' or 'debian'.
    root : EmulatedRoot
        The root.
    folder : Path
        Logs and pictures are written there.
    checks : Checks
        Gets what is found.
    """

    def __init__(self, name: str, root: EmulatedRoot, folder: Path, checks: Checks) -> None:
        self.name = name
        self._root = root
        self._folder = folder.resolve()
        self._checks = checks
        self._venv = PurePosixPath(f'/venv_{name}')
        self._python = str(self._venv / 'bin/python')
        self._command = [str(self._venv / 'bin/jetson-perception')]
        self._here = [sys.executable, '-m', 'jetson_perception']

    def install(self) -> bool:
        """Make a virtual environment and install the package there. Returns whether it works."""
        print(f'\n== {self.name}', flush=True)
        venv = ['python3', '-m', 'venv', '--without-pip', str(self._venv)]
        # Compiling all that comes along would take minutes in emulation.
        pip = ['python3', '-m', 'pip', '--python', self._python, 'install', '--no-compile']
        if self.name == 'wheels':
            commands = [venv, [*pip, '.', './scenes']]
        else:
            commands = [
                [*venv, '--system-site-packages'],
                [*pip, '--no-deps', '.', './scenes'],
                [*pip, 'onnxruntime', 'numpy<2'],
            ]
        for number, command in enumerate(commands):
            done = self._run(command, 3600, f'install_{number}')
            if done.returncode:
                self._says('is installed', False, f'{" ".join(command)}: {_last(done.stdout)}')
                return False
        done = self._run([self._python, '-c', _VERSIONS], 600, 'versions')
        found = _last(done.stdout)
        self._says('is installed', not done.returncode and found.startswith('aarch64'), found)
        return done.returncode == 0

    def _add_test_packages(self) -> None:
        """Add what the tests import, by this machine's pip: it takes no emulation to unpack."""
        site = next(self._root.folder.glob(f'.{self._venv}/lib/python3.*')) / 'site-packages'
        version = site.parent.name.removeprefix('python')
        platforms = ('2_17', '2_26', '2_27', '2_28', '2_31', '2_34', '2_35')
        command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-compile']
        command += [f'--target={site}', f'--python-version={version}', '--only-binary=:all:']
        command += [f'--platform=manylinux_{each}_aarch64' for each in platforms]
        command += ['--platform=manylinux2014_aarch64']
        packages = [*TEST_PACKAGES]
        if self.name == 'wheels':
            pins = ('constraints.txt', 'requirements-test.txt')
            command += [f'--constraint={ROOT / "tools" / file}' for file in pins]
        else:
            packages = [each for each in packages if each not in NOT_BESIDE_DEBIAN]
            packages[packages.index('ml_dtypes')] = ML_DTYPES_OF_DEBIAN
        subprocess.run([*command, *packages], check=True)

    def commands(self, _arguments: argparse.Namespace) -> None:
        """Run `doctor` and, for each model, `info`."""
        done = self._run([*self._command, 'doctor'], 900, 'doctor')
        board = done.stdout.partition(';')[0]
        self._says(
            'doctor knows the machine', board.endswith('on aarch64'), ' '.join(board.split())
        )
        # It gives models 120 s, in which emulation may not run them.
        slow = 'no answer within' in done.stdout
        but = ' but that models take longer than its 120 s' if slow else ''
        self._says(f'doctor finds no fault{but}', done.returncode == 0 or slow, _last(done.stdout))
        for model in MODELS:
            done = self._run([*self._command, 'info', model], 300, f'info_{model}')
            self._says(f'info {model}', done.returncode == 0, _last(done.stdout))

    def parity(self, _arguments: argparse.Namespace) -> None:
        """Compare tensors, outputs and results with this machine's."""
        pictures = self._pictures()
        there = self._root.folder / 'compared'
        subprocess.run(['rm', '-rf', str(there)], check=True)
        (there / 'pictures').mkdir(parents=True)
        for each in pictures.iterdir():
            (there / 'pictures' / each.name).write_bytes(each.read_bytes())
        self._compare_outputs(pictures, there)
        for model in MODELS:
            self._compare_results(model, pictures, there)

    def _compare_outputs(self, pictures: Path, there: Path) -> None:
        """Compare what pictures become, and what networks make of equal tensors."""
        script = 'tools/aarch64_checks/record_outputs.py'
        here = self._folder / 'here.npz'
        models = list(MODELS.values())
        recorded = subprocess.run(
            [sys.executable, script, '--pictures', str(pictures), '--to', str(here), *models],
            cwd=ROOT,
            check=False,
        )
        (there / 'here.npz').write_bytes(here.read_bytes())
        command = [self._python, script, '--pictures', '/compared/pictures', *models]
        own = self._run([*command, '--to', '/compared/own.npz'], 1800, 'outputs')
        given = self._run(
            [*command, '--to', '/compared/given.npz', '--tensors', '/compared/here.npz'],
            1800,
            'outputs_given',
        )
        codes = [recorded.returncode, own.returncode, given.returncode]
        self._says('models run on both machines', codes == [0, 0, 0], f'exit codes {codes}')
        if any(codes):
            return
        with np.load(here) as ours, np.load(there / 'own.npz') as theirs:
            absolute, _ = parity.farthest(ours, theirs, 'tensor')
            self._checks.at_most(
                f'{self.name}: largest difference of input tensors', absolute, TENSOR_BAR
            )
            absolute, relative = parity.farthest(ours, theirs, 'output')
            self._checks.note(
                f'{self.name}: of outputs, relative, each from its own tensor', relative
            )
        with np.load(here) as ours, np.load(there / 'given.npz') as theirs:
            for model, bar in OUTPUT_BARS.items():
                one, other = (
                    {name: each[name] for name in each if name.startswith(f'{model}/')}
                    for each in (ours, theirs)
                )
                _, relative = parity.farthest(one, other, 'output')
                self._checks.at_most(
                    f'{self.name}: outputs of {model}, relative, from equal tensors', relative, bar
                )

    def _compare_results(self, model: str, pictures: Path, there: Path) -> None:
        """Compare what `run` prints and the masks that it writes."""
        options = ['run', model, '--json', '--output']
        ours = self._folder / f'run_{model}'
        here = subprocess.run(
            [*self._here, *options, str(ours), str(pictures)],
            cwd=ROOT,
            env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': f'{ROOT}:{ROOT / "scenes"}'},
            check=False,
            capture_output=True,
            text=True,
        )
        theirs = f'/compared/run_{model}'
        done = self._run(
            [*self._command, *options, theirs, '/compared/pictures'], 900, f'run_{model}'
        )
        codes = [here.returncode, done.returncode]
        self._says(f'run {model} on both machines', codes == [0, 0], f'exit codes {codes}')
        if any(codes):
            return
        lines = [
            (folder / 'results.jsonl').read_text().splitlines()
            for folder in (ours, there / f'run_{model}')
        ]
        found = parity.compare_records(*lines)
        self._says(
            f'run {model} finds the same',
            found.records == len(list(pictures.iterdir())) and not found.other,
            '; '.join(found.other) or f'{found.records} pictures',
        )
        for key, largest in found.largest.items():
            bar = RESULT_BARS.get(key)
            name = f'{self.name}: run {model}, largest difference of {key}'
            if bar is None:
                self._checks.holds(name, largest == 0, f'{largest:g}')
            else:
                self._checks.at_most(name, largest, bar)
        for name, share in parity.masks(ours, there / f'run_{model}'):
            self._checks.at_least(
                f'{self.name}: run {model}, equal pixels of {name}', share, MASK_BAR
            )

    def tests(self, arguments: argparse.Namespace) -> None:
        """Run the library's tests."""
        self._add_test_packages()
        command = [
            *('env', 'PYTEST_DISABLE_PLUGIN_AUTOLOAD=1', 'QEMU_EMULATED=1'),
            *(
                self._python,
                '-m',
                'pytest',
                '-q',
                '-p',
                'no:cacheprovider',
                '--continue-on-collection-errors',
            ),
            *('-m', 'not slow', '--slice', arguments.slice),
            *(f'test/{folder}' for folder in arguments.tests),
        ]
        begun = time.monotonic()
        done = self._run(command, arguments.test_minutes * 60, 'tests')
        minutes = (time.monotonic() - begun) / 60
        self._says(
            f'tests, slice {arguments.slice} of {", ".join(arguments.tests)}',
            done.returncode == 0,
            f'{_last(done.stdout)} ({minutes:.0f} min)' if done.returncode != 124 else 'too slow',
        )

    def _pictures(self) -> Path:
        """Pictures of the scenes, as PNG, so that both machines read the same pixels."""
        folder = self._folder / 'pictures'
        folder.mkdir(exist_ok=True)
        for scene in SCENES:
            for picture in open_scene(scene).pictures:
                write_picture(folder / f'{picture.name}.png', picture.bgr)
        return folder

    def _run(
        self, command: list[str], limit_s: float, log: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the root from the checkout, with its output kept in a file."""
        file = self._folder / f'{self.name}_{log}.log'
        done = self._root.run(command, limit_s, folder=f'/{_SOURCE}', log=file)
        done.stdout = file.read_text(encoding='utf-8', errors='replace')
        return done

    def _says(self, name: str, kept: bool, found: str) -> None:
        self._checks.holds(f'{self.name}: {name}', kept, found)


def _last(text: str) -> str:
    """The last line that says anything."""
    return ([line.strip() for line in text.splitlines() if line.strip()] or ['no output'])[-1]


if __name__ == '__main__':
    sys.exit(main())
