"""What the doctor says about many kinds of machines."""

from __future__ import annotations

import fcntl
import os
import subprocess

import pytest
from doctor.captured import FOLDER, CapturedMachine

from jetson_perception.doctor import VERDICTS, can_do_main_job, examine

MACHINES = sorted(path.stem for path in FOLDER.glob('*.yaml'))

# For each machine and line: the verdict, words from the finding, words from the advice.
EXPECTED = {
    'orin_nano_jetpack6': {
        'board': ('ok', 'NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super', ''),
        'JetPack': ('ok', 'JetPack 6.2, L4T 36.4.3', ''),
        'power mode': ('ok', 'MAXN_SUPER', ''),
        'clocks': ('ok', 'GPU 306 to 1020 MHz, CPU 730 to 1728 MHz', 'sudo jetson_clocks'),
        'memory': ('ok', '5.0 of 7.4 GiB', ''),
        'swap': ('ok', '3.7 of 3.7 GiB free', ''),
        'GPU and driver': ('ok', 'Orin, compute capability 8.7, 7.4 GiB shared', ''),
        'CUDA toolkit': (
            'warning',
            '12.6.68, /usr/local/cuda/bin/nvcc, not on PATH',
            'export PATH=/usr/local/cuda/bin:$PATH',
        ),
        'TensorRT': ('ok', '10.3.0, /usr/lib/python3.10', ''),
        'pycuda': ('ok', '2026.1', ''),
        'ONNX Runtime': ('ok', '1.23.0, for CUDA, CPU', ''),
        'Python': ('ok', '3.10.12, NumPy 1.26.4; /usr/bin/python3', ''),
        'OpenCV': ('ok', '4.5.4, with GStreamer', ''),
        'GStreamer': ('ok', '1.20.3, /usr/bin/gst-launch-1.0', ''),
        'av': ('warning', '12.3.0; some uses need 17', 'video topics, and annotated videos'),
        'simplejpeg': ('ok', 'there', ''),
        'rosbags': ('ok', '0.10.4', ''),
        'onnx': ('ok', '1.16.0', ''),
        'pycocotools': ('missing', 'not installed', 'for evaluate of detectors: pip install'),
        'matplotlib': ('ok', '3.5.1', ''),
        'foxglove_msgs': ('missing', 'not installed', 'install ros-$ROS_DISTRO-foxglove-msgs'),
        'distribution': ('ok', 'humble', ''),
        'messages': ('ok', 'sensor_msgs, vision_msgs, jetson_perception', ''),
        'middleware': ('ok', 'rmw_fastrtps_cpp', ''),
        'Fast DDS profile': ('ok', 'segment of 67 MB', ''),
        '/dev/shm': ('ok', 'half the memory', ''),
        'net.core.rmem_max': ('warning', '0.20 MiB', 'sysctl -w net.core.rmem_max='),
        '/dev/video1': (
            'ok',
            'C920: YUYV 640×480 30 Hz; MJPG 1920×1080 30 Hz; MJPG 1280×720 30 Hz; '
            'MJPG 640×480 30 Hz, and 1 more',
            '',
        ),
        'CSI': ('ok', 'sensors: vi-output, imx219 9-0010; nvargus-daemon runs', ''),
        'oranges': ('ok', '21.3 ms', ''),
        'scene://': ('ok', 'oranges, people', ''),
    },
    'orin_nx_jetpack5': {
        'board': ('ok', 'NVIDIA Orin NX Developer Kit; Ubuntu 20.04.6 LTS', ''),
        'JetPack': ('warning', 'JetPack 5, without the package', 'take JetPack 6 or 7'),
        'power mode': ('warning', '15W', 'MAXN is faster, where power supply and cooling allow'),
        'clocks': ('ok', 'fixed: GPU 918 MHz, CPU 1984 MHz', ''),
        'memory': ('warning', '0.7 of 7.0 GiB', 'multi-user.target'),
        'swap': ('warning', 'none', 'fallocate'),
        'GPU and driver': ('missing', 'cuInit gives 999', 'usermod -aG video'),
        'CUDA toolkit': ('warning', '11.4.315, /usr/local/cuda-11.4/bin/nvcc', 'export PATH='),
        'TensorRT': ('missing', 'libraries 8.5.2; the module', '--system-site-packages'),
        'pycuda': ('missing', 'libcurand.so.10', 'built for another CUDA'),
        'ONNX Runtime': ('ok', '1.19.2, for CPU', ''),
        'Python': ('ok', 'NumPy 2.1.0; /home/user/venv/bin/python, a virtual environment', ''),
        'OpenCV': ('missing', 'installed, but: ended by SIGSEGV', 'NumPy'),
        'GStreamer': ('missing', 'no gst-launch-1.0', 'apt-get install gstreamer1.0-tools'),
        'av': ('missing', 'not installed', "pip install 'av>=17'"),
        'rosbags': ('missing', 'not installed', 'bag://'),
        'onnx': ('missing', 'installed, but: AttributeError: _ARRAY_API', 'pip install onnx'),
        'pycocotools': ('missing', 'installed, but: ended by SIGSEGV', 'pip install'),
        'distribution': ('warning', 'humble, not sourced', 'source /opt/ros/humble/setup.bash'),
        'Fast DDS profile': ('warning', '/etc/gone.xml cannot be read', 'variable'),
        '/dev/shm': ('ok', '64 MiB', ''),  # Docker's own
        'net.core.rmem_max': ('ok', 'not to be seen', ''),
        'V4L2': ('warning', 'not examined: ImportError', ''),
        'CSI': ('missing', 'no nvarguscamerasrc', 'nvidia-l4t-gstreamer'),
        'models': ('missing', 'numpy.core.multiarray', 'see the lines above'),
    },
    'thor_jetpack7': {
        'board': ('ok', 'Thor', ''),
        'JetPack': ('ok', 'JetPack 7, without the package nvidia-jetpack, L4T 38.2.0', ''),
        'power mode': ('warning', '120W', 'sudo nvpmodel -m 0'),
        'clocks': ('warning', 'unknown', ''),
        'memory': ('ok', '114.4 of 122.8 GiB', ''),
        'swap': ('ok', 'none', ''),
        'GPU and driver': ('ok', 'capability 11.0', ''),
        'CUDA toolkit': ('warning', 'no answer within 10 s, /usr/local/cuda/bin/nvcc', ''),
        'TensorRT': ('ok', '10.13.3.9', ''),
        'pycuda': ('missing', 'not installed', 'pip install pycuda'),
        'ONNX Runtime': ('warning', '1.24.1, for CPU', 'built for this JetPack'),
        'GStreamer': ('missing', 'no gst-launch-1.0', ''),
        'messages': ('missing', 'lacking: vision_msgs, jetson_perception', 'colcon'),
        'middleware': ('ok', 'rmw_cyclonedds_cpp', ''),
        'Fast DDS profile': ('ok', 'not used by rmw_cyclonedds_cpp', ''),
        '/dev/shm': ('ok', '8192 MiB', ''),
        'net.core.rmem_max': ('warning', '0.20 MiB', 'sysctl'),
        'CSI': ('ok', 'no sensor; nvargus-daemon does not run', 'docker run -v /tmp/argus_socket'),
        'V4L2': ('ok', 'no camera', ''),
        'oranges': ('missing', 'damaged', 'install the package anew'),
        'people_detect': ('ok', '9.0 ms', ''),
    },
    'x86': {
        'board': ('ok', 'Debian GNU/Linux 12 (bookworm), Linux on x86_64; no Jetson', ''),
        'swap': ('ok', 'none', ''),
        'GPU and driver': ('missing', 'no NVIDIA driver', 'networks run on the CPU'),
        'CUDA toolkit': ('missing', 'no nvcc', 'needs an NVIDIA GPU'),
        'TensorRT': ('missing', 'not installed', 'needs an NVIDIA GPU'),
        'TensorRT-RTX': ('ok', '1.7.1.116 (tensorrt_rtx_bindings)', ''),
        'pycuda': ('missing', 'not installed', 'needs an NVIDIA GPU'),
        'ONNX Runtime': ('ok', '1.31.1, for CPU', ''),
        'OpenCV': ('ok', '5.0.0, without GStreamer (not needed', ''),
        'distribution': ('missing', 'none', 'Jazzy (Ubuntu 24.04)'),
        '/dev/video0': ('warning', 'cannot be used', 'sudo usermod -aG video'),
        'oranges': ('ok', '9.8 ms', ''),
        'scene://': ('warning', 'no scenes', 'pip install ./scenes'),
    },
}
CASES = [
    pytest.param(machine, line, *expected, id=f'{machine}-{line}')
    for machine, lines in EXPECTED.items()
    for line, expected in lines.items()
]


@pytest.fixture(scope='module')
def findings(tmp_path_factory):
    """Findings of every machine by line; each machine is examined once."""
    return {
        name: {
            each.name: each
            for each in examine(CapturedMachine(name, tmp_path_factory.mktemp(name)))
        }
        for name in MACHINES
    }


def test_every_machine_is_expected_something_of():
    assert set(EXPECTED) == set(MACHINES)
    assert all(len(lines) >= 10 for lines in EXPECTED.values())


@pytest.mark.parametrize(('machine', 'line', 'verdict', 'found', 'advice'), CASES)
def test_a_line(findings, machine, line, verdict, found, advice):
    finding = findings[machine][line]
    assert finding.verdict == verdict
    assert found in finding.found
    assert advice in finding.advice
    assert bool(advice) <= bool(finding.advice)


@pytest.mark.parametrize('name', MACHINES)
def test_everything_captured_is_examined_and_gives_one_line(name, tmp_path):
    machine = CapturedMachine(name, tmp_path)
    found = list(examine(machine))
    assert machine.unused == set()
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert each.verdict in VERDICTS
        assert each.found
        assert each.advice or each.verdict != 'missing'


@pytest.mark.parametrize(
    ('name', 'works'),
    [
        ('orin_nano_jetpack6', True),
        ('orin_nx_jetpack5', False),
        ('thor_jetpack7', False),  # one of its models is damaged
        ('x86', True),
    ],
)
def test_whether_the_main_job_can_be_done(findings, name, works):
    assert can_do_main_job(findings[name].values()) is works


def test_checks_for_a_jetson_are_left_out_elsewhere(findings):
    only_jetson = {'JetPack', 'power mode', 'clocks', 'CSI'}
    assert not only_jetson & findings['x86'].keys()
    assert only_jetson <= findings['thor_jetpack7'].keys()


def test_a_csi_sensor_is_not_taken_for_a_usb_camera(findings):
    assert '/dev/video0' not in findings['orin_nano_jetpack6']
    assert '/dev/video2' not in findings['orin_nano_jetpack6'], 'metadata only'


def test_what_ros_alone_needs_is_not_asked_of_a_machine_without_it(findings):
    assert {each.name for each in findings['x86'].values() if each.group == 'ROS'} == {
        'distribution'
    }


class TestSeveralOnnxRuntimes:
    """Their files lie in one folder, so the one that was installed last wins."""

    @pytest.fixture
    def finding(self, tmp_path):
        def examined(name, distributions):
            machine = CapturedMachine(name, tmp_path)
            machine._probes['onnxruntime']['distributions'] = distributions
            return {each.name: each for each in examine(machine)}['ONNX Runtime']

        return examined

    def test_one_is_well(self, finding):
        assert finding('x86', {'onnxruntime': '1.31.1'}).verdict == 'ok'

    @pytest.mark.parametrize(
        ('name', 'advice'),
        [
            ('x86', 'pip install onnxruntime'),
            ('orin_nano_jetpack6', 'install the onnxruntime-gpu built for this JetPack'),
        ],
    )
    def test_both_are_told(self, finding, name, advice):
        found = finding(name, {'onnxruntime': '1.31.1', 'onnxruntime-gpu': '1.23.0'})
        assert found.verdict == 'warning'
        assert 'onnxruntime 1.31.1 and onnxruntime-gpu 1.23.0 are both installed' in found.found
        assert found.advice == f'pip uninstall onnxruntime onnxruntime-gpu, then {advice}'


def test_shared_memory_that_is_too_small(tmp_path):
    machine = CapturedMachine('thor_jetpack7', tmp_path)
    (tmp_path / 'proc' / 'mounts').write_text('shm /dev/shm tmpfs rw,size=16384k 0 0')
    found = {each.name: each for each in examine(machine)}['/dev/shm']
    assert (found.verdict, found.found) == ('warning', '16 MiB')
    assert '--ipc=host' in found.advice


def test_a_middleware_without_dds_is_asked_for_nothing_of_it(tmp_path):
    machine = CapturedMachine('x86', tmp_path)
    machine.environ = {'ROS_DISTRO': 'jazzy', 'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp'}
    found = {each.name: each for each in examine(machine) if each.group == 'ROS'}
    assert found['Fast DDS profile'].found == 'not used by rmw_zenoh_cpp'
    assert not {'/dev/shm', 'net.core.rmem_max'} & found.keys()


def test_a_profile_is_not_asked_for_and_one_that_loses_images_is_told(tmp_path):
    machine = CapturedMachine('orin_nano_jetpack6', tmp_path)
    machine.environ = {'ROS_DISTRO': 'humble'}
    assert {each.name: each for each in examine(machine)}['Fast DDS profile'].verdict == 'ok'
    (tmp_path / 'small.xml').write_text('<segment_size>1000000</segment_size>')
    machine.environ = {'ROS_DISTRO': 'humble', 'FASTRTPS_DEFAULT_PROFILES_FILE': '/small.xml'}
    found = {each.name: each for each in examine(machine)}['Fast DDS profile']
    assert found.verdict == 'warning'
    assert 'unset the variable' in found.advice


class TestSharedMemoryOfDeadProcesses:
    @pytest.fixture
    def finding(self, tmp_path):
        def examined(name='shared memory', uid=None, **on_path):
            machine = CapturedMachine('thor_jetpack7', tmp_path)
            machine._on_path.update(on_path)
            machine.uid = machine.uid if uid is None else uid
            return {each.name: each for each in examine(machine)}.get(name)

        return examined

    @pytest.fixture
    def segment(self, tmp_path):
        """The segment of a process of Fast DDS, and its lock, which is open."""
        folder = tmp_path / 'dev' / 'shm'
        folder.mkdir(parents=True)
        path = folder / 'fastrtps_0123456789abcdef'
        path.write_bytes(bytes(3_000_000))
        with (folder / f'{path.name}_el').open('w') as lock:
            yield lock

    def test_nothing_lies_there(self, finding):
        assert finding() is None

    def test_the_one_of_a_living_process_is_well(self, finding, segment):
        fcntl.flock(segment, fcntl.LOCK_EX)
        assert finding() is None

    def test_the_one_of_a_dead_process_is_told(self, finding, segment):
        found = finding()
        assert (found.verdict, found.found) == ('warning', '1 file (3 MB) of dead processes')
        assert found.advice.startswith('end your nodes, then: find /dev/shm -user ')
        assert finding(fastdds='/usr/bin/fastdds').advice == 'fastdds shm clean'
        assert finding('shared memory of others') is None

    @pytest.mark.usefixtures('segment')
    def test_the_one_of_another_user_is_for_them_to_remove(self, finding):
        other = os.getuid() + 1
        assert finding(uid=other) is None
        found = finding('shared memory of others', uid=other)
        assert found.verdict == 'ok'
        assert found.found == '1 file (3 MB) of dead processes of other users'
        assert 'their user, or root' in found.advice

    def test_the_advice_removes_what_is_the_users_own(self, finding, segment, tmp_path):
        kept = tmp_path / 'dev' / 'shm' / 'else'
        kept.touch()
        command = finding().advice.partition(': ')[2]
        subprocess.run(
            command.replace('/dev/shm', str(kept.parent)), shell=True, check=True, timeout=30
        )
        assert list(kept.parent.iterdir()) == [kept]
        assert finding() is None


class TestBareMachine:
    """Nothing is installed, and every probe fails: each line is still there, and says so."""

    class Bare(CapturedMachine):
        def __init__(self, root):
            super().__init__('x86', root)
            self.root = root / 'nothing'
            self.environ = {}
            self._programs = {}

        def probe(self, name, *arguments, timeout_s=30.0):
            return {'error': 'no answer within 30 s'}

    def test_is_examined_to_the_end(self, tmp_path):
        found = {each.name: each for each in examine(self.Bare(tmp_path))}
        assert not can_do_main_job(found.values())
        assert found['models'].found == 'no answer within 30 s'
        assert found['ONNX Runtime'].verdict == 'missing'
        assert found['memory'].verdict == 'warning'
        assert found['/dev/shm'].found == 'not mounted'


def test_without_a_driver_pycuda_is_not_to_be_built_again(tmp_path):
    machine = CapturedMachine('x86', tmp_path)
    machine._probes['module pycuda.driver'] = {'installed': True, 'error': 'no libcuda.so.1'}
    found = {each.name: each for each in examine(machine)}['pycuda']
    assert (found.found, found.advice) == (
        'installed, but: no libcuda.so.1',
        'needs an NVIDIA GPU',
    )
