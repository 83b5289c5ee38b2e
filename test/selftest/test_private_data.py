"""What tells who wrote a report is left out of it, and what is of use is not."""

import getpass
import platform

import pytest

from jetson_perception.doctor import Finding
from jetson_perception.selftest.claims import FAIL, Result
from jetson_perception.selftest.private_data import Identity, without_private_data
from jetson_perception.selftest.report import read_report, write_report

JOSE = Identity(
    ('josé', 'José Núñez', 'José', 'Núñez'), ('josés-orin.lan', 'josés-orin'), ('/home/josé',)
)


def cleaned(text, identity=JOSE):
    return without_private_data(text, identity)


@pytest.mark.parametrize(
    ('text', 'left'),
    [
        pytest.param('', '', id='empty'),
        pytest.param('/home/josé', '~', id='home'),
        pytest.param('/home/josé/', '~', id='home_slash'),
        pytest.param('/home/josé/acme corp/plans/x.onnx fails', '~/… fails', id='spaces'),
        pytest.param('"/home/josé/acme/x.onnx", 5', '"~/…", 5', id='quoted'),
        pytest.param("['/home/josé/acme/x.py']", "['~/…']", id='list'),
        pytest.param('file:///home/josé/acme.mp4', 'file://~/…', id='uri'),
        pytest.param('/home/josé2/x', '~/…', id='another_home'),
        pytest.param('/home/anna/acme/x: no', '~/…: no', id='a_colleague'),
        pytest.param('/media/anna/DISK 1/acme/x', '~/…', id='a_stick'),
        pytest.param('/mnt/josé/x', '/mnt/<user>/x', id='a_name_elsewhere'),
        pytest.param(
            'File "/home/josé/acme/.venv/lib/python3.10/site-packages/onnxruntime/a.py", line 3',
            'File "~/…/site-packages/onnxruntime/a.py", line 3',
            id='traceback',
        ),
        pytest.param('/home/josé/acme/bin/python', '~/…/bin/python', id='program'),
        pytest.param('/usr/lib/python3/dist-packages/tensorrt', None, id='not_below_home'),
        pytest.param('JOSÉ was here', '<user> was here', id='case'),
        pytest.param('of José Núñez', 'of <user>', id='full_name'),
        pytest.param('disk_josé-1', 'disk_<user>-1', id='joined'),
        pytest.param('joséphine', None, id='longer_word'),
        pytest.param('on josés-orin.lan:', 'on <host>:', id='host'),
        pytest.param('josés-orin', '<host>', id='short_host'),
        pytest.param('jetson-perception on an Orin, nvidia', None, id='words_of_everybody'),
    ],
)
def test_names_and_paths(text, left):
    assert cleaned(text) == (text if left is None else left)


@pytest.mark.parametrize(
    ('text', 'left'),
    [
        ('rtsp://admin:s3cret@192.168.1.7:554/1', 'rtsp://<user>@<address>:554/1'),
        ('rtsp://10.3.0.30/1', 'rtsp://<address>/1'),
        ('peers 10.0.0.2;10.0.0.3', 'peers <address>;<address>'),
        ('192.168.0.1, refused', '<address>, refused'),
        ('84.12.3.4:7400 refused', '<address>:7400 refused'),
        ('inet6 fe80::1ff:fe23:4567:890a', 'inet6 <address>'),
        ('2001:db8::1', '<address>'),
        ('[2001:db8::1]:80', '[<address>]:80'),
        ('link 48:b0:2d:1a:2b:3c', 'link <address>'),
        ('to josé.nunez@acme.com', 'to <contact>'),
        ('ssh josé@josés-orin', 'ssh <contact>'),
        ('GPU-8f2d1c4a-0b1c-2d3e-4f50-61728394a5b6', '<uuid>'),
    ],
)  # fmt: skip
def test_addresses(text, left):
    assert cleaned(text) == left


@pytest.mark.parametrize(
    'text',
    [
        '10.13.3.9, /usr/lib/python3.12/dist-packages/tensorrt',
        '10.3.0.30',
        '1.7.1.116 (tensorrt_rtx)',
        'TensorRT 10.3.0.30, engine',
        '{"version": "10.3.0.30"}',
        'libnvinfer10 10.3.0.30-1+cuda12.5',
        'L4T 36.4.3, JetPack 6.2',
        'tensorrt==10.3.0.30',
        '999.1.2.3',
        '1.2.3.4.5',
        'listening on 127.0.0.1:8080 and ::1',
        'at 12:34:56, std::bad_alloc',
        'took 1:02:03.5',
    ],
)
def test_versions_and_times_stay(text):
    assert cleaned(text) == text


@pytest.mark.parametrize('name', ['', 'a', 'al', 'nvidia', 'cuda', '.*', '('])
def test_a_name_that_says_nothing_does_no_harm(name):
    identity = Identity((name,), (name,), (f'/home/{name}', '/', ''))
    text = 'a CUDA engine of al nvidia in /opt/a, (of 5)'
    assert cleaned(text, identity) == text
    if name not in ('', '.*', '('):
        assert name + '/' not in cleaned(f'/home/{name}/secret', identity)


def test_the_shape_stays():
    value = {'josé': [1, 2.5, None, True, {'x': '/home/josé/a'}]}
    assert cleaned(value) == {'<user>': [1, 2.5, None, True, {'x': '~/…'}]}


def test_who_runs_this_is_known(monkeypatch):
    monkeypatch.setenv('SUDO_USER', 'daemon')
    identity = Identity.of_this_process()
    assert platform.node() in identity.hosts
    assert {getpass.getuser(), 'daemon'} <= set(identity.users)


def test_a_report_has_none_of_it(tmp_path, monkeypatch):
    """Not even escaped, as JSON writes letters that are not ASCII."""
    monkeypatch.setattr(Identity, 'of_this_process', lambda: JOSE)
    path = tmp_path / 'report.txt'
    findings = [Finding('ros', 'peers', '192.168.7.9', advice='ask josé@acme.com')]
    log = 'File "/home/josé/acme corp/x/y.py"\nconnecting to josés-orin.lan'
    results = [
        Result('agrees', 'oranges', FAIL, 'José said no', {'/home/josé/e': '10.0.0.7:1'}, log)
    ]
    write_report(path, findings, results, '1.2.3')
    text = path.read_text()
    for private in ('jos', 'Jos', 'acme', '192.168', '10.0.0.7', 'lan'):
        assert private not in text
    assert 'left out; read it before you send it' in text
    assert read_report(path)['results'][0]['figures'] == {'~/…': '<address>:1'}
