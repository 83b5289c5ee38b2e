"""The cache of engines: real files, real processes, real signals."""

import json
import logging
import os
import re
import select
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from jetson_perception.engines.tensorrt.cache import (
    CachedPlan,
    EngineCache,
    EngineKey,
    plans_in_memory,
)
from jetson_perception.errors import BuildCanceled, ModelError
from jetson_perception.files import lock as lock_module
from jetson_perception.files.lock import locked

PLAN = bytes(range(256)) * 40
KEY = EngineKey(
    model_sha256='ab' * 32,
    runtime='TensorRT 10.3.0',
    gpu='Orin',
    compute_capability='8.7',
    options={'precision': 'fp16', 'shape': (1, 3, 640, 640)},
    model='/models/my.onnx',
)


@pytest.fixture(autouse=True)
def nothing_in_memory():
    yield
    plans_in_memory.clear()


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / 'engines')


class Builder:
    """Counts how often it builds."""

    def __init__(self, plan=PLAN):
        self.plan = plan
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.plan


def refuse():
    raise AssertionError('built although it is there')


def file(cache, suffix, key=KEY):
    return cache.folder / f'{key.digest}.{suffix}'


def names(cache):
    return sorted(path.name for path in cache.folder.iterdir())


class TestFolder:
    def test_is_in_the_users_cache(self, monkeypatch, tmp_path):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        assert EngineCache().folder == tmp_path / 'jetson_perception' / 'engines'

    def test_is_made_private_with_any_umask(self, cache):
        before = os.umask(0)
        try:
            cache.get_or_build(KEY, Builder())
        finally:
            os.umask(before)
        assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
        for path in cache.folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize('mode', [0o720, 0o702, 0o777])
    def test_that_others_may_write_is_refused(self, cache, mode):
        cache.get_or_build(KEY, Builder())
        cache.folder.chmod(mode)
        for call in (lambda: cache.get_or_build(KEY, refuse), cache.entries, cache.clear):
            with pytest.raises(
                ModelError,
                match=rf'may be written by others \(mode {mode:o}\).*chmod go-w {cache.folder}`',
            ):
                call()

    def test_that_others_may_exchange_is_refused(self, cache):
        cache.folder.parent.chmod(0o777)
        with pytest.raises(ModelError, match=rf'`chmod o-w {cache.folder.parent}`, or set XDG'):
            cache.get_or_build(KEY, refuse)
        cache.folder.parent.chmod(0o1777)  # as /tmp is: only owners may rename
        cache.get_or_build(KEY, Builder())

    @pytest.mark.parametrize('suffix', ['plan', 'json'])
    def test_file_that_others_may_write_is_refused(self, cache, suffix):
        cache.get_or_build(KEY, Builder())
        file(cache, suffix).chmod(0o620)
        with pytest.raises(ModelError, match=rf'{suffix} may be written by others \(mode 620\)'):
            cache.get_or_build(KEY, refuse)
        # Not in the way of other engines.
        assert cache.get_or_build(replace(KEY, gpu='Thor'), Builder()).built

    @pytest.mark.parametrize('suffix', ['plan', 'json'])
    def test_links_and_folders_are_not_engines(self, cache, tmp_path, suffix):
        cache.get_or_build(KEY, Builder())
        path = file(cache, suffix)
        path.rename(tmp_path / 'elsewhere')
        path.symlink_to(tmp_path / 'elsewhere')
        with pytest.raises(ModelError, match=r'cannot be read: .*; remove it'):
            cache.get_or_build(KEY, refuse)
        path.unlink()
        path.mkdir(mode=0o700)
        with pytest.raises(ModelError, match='is not a file; remove it'):
            cache.get_or_build(KEY, refuse)


class TestHit:
    def test_is_built_once(self, cache):
        build = Builder()
        assert cache.get_or_build(KEY, build) == CachedPlan(PLAN, built=True)
        assert cache.get_or_build(KEY, build) == CachedPlan(PLAN, built=False)
        assert EngineCache(cache.folder).get_or_build(KEY, refuse).data == PLAN
        assert build.calls == 1
        assert names(cache) == [f'{KEY.digest}.json', f'{KEY.digest}.plan']

    def test_json_says_what_it_is(self, cache):
        cache.get_or_build(KEY, Builder())
        record = json.loads(file(cache, 'json').read_text())
        assert record['key'] == KEY.content()
        assert record['model'] == '/models/my.onnx'
        assert record['plan']['size'] == len(PLAN)

    def test_takes_any_buffer(self, cache):
        plan = cache.get_or_build(KEY, Builder(memoryview(PLAN))).data
        assert type(plan) is bytes
        assert plan == PLAN

    def test_a_failed_build_leaves_nothing(self, cache):
        def fail():
            raise ModelError('no such operator')

        with pytest.raises(ModelError, match='no such operator'):
            cache.get_or_build(KEY, fail)
        assert names(cache) == []
        assert cache.get_or_build(KEY, Builder()).built


# As version 0.1 wrote it.
KEPT_JSON = """{
 "format": 1,
 "key": {
  "compute_capability": "8.7",
  "gpu": "Orin",
  "model_sha256": "%s",
  "options": {
   "precision": "fp16",
   "shape": [
    1,
    3,
    640,
    640
   ]
  },
  "runtime": "TensorRT 10.3.0"
 },
 "model": "/models/my.onnx",
 "plan": {
  "size": 10240,
  "sha256": "e96760a87768717bcebcfd25ddc7d46b4dbc95a4b0014def080c08539f7d90d0"
 },
 "built": "2026-11-20T08:00:00+00:00",
 "build_seconds": 12.3
}""" % ('ab' * 32)
KEPT_DIGEST = '99aada48812921888e27e0cd85bf461f'


def test_files_kept_by_users_stay_valid(monkeypatch, tmp_path):
    """Paths and format of files that are on users' disks: they are not built again."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = tmp_path / 'jetson_perception/engines'
    folder.mkdir(parents=True, mode=0o700)
    for suffix, content in (('plan', PLAN), ('json', KEPT_JSON.encode())):
        path = folder / f'{KEPT_DIGEST}.{suffix}'
        path.write_bytes(content)
        path.chmod(0o600)
    assert EngineCache().get_or_build(KEY, refuse) == CachedPlan(PLAN, built=False)
    [entry] = EngineCache().entries()
    assert (entry.digest, entry.model, entry.problem) == (KEPT_DIGEST, KEY.model, '')


def test_older_versions_can_read_what_is_written(cache, monkeypatch):
    cache.get_or_build(KEY, Builder())
    written = json.loads(file(cache, 'json').read_text())
    kept = json.loads(KEPT_JSON)
    for record in (written, kept):
        del record['built'], record['build_seconds']
    assert written == kept
    assert names(cache) == [f'{KEPT_DIGEST}.json', f'{KEPT_DIGEST}.plan']


def flip(path, index):
    data = bytearray(path.read_bytes())
    data[index] ^= 0x10
    path.write_bytes(data)


def rewrite(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


DAMAGES = {
    'plan_truncated': (
        lambda plan, _: os.truncate(plan, 100),
        r'plan is damaged: it has 100 bytes instead of 10240',
    ),
    'plan_longer': (lambda plan, _: plan.write_bytes(PLAN + b'x'), 'it has 10241 bytes'),
    'plan_first_byte': (lambda plan, _: flip(plan, 0), 'its SHA-256 has changed'),
    'plan_last_byte': (lambda plan, _: flip(plan, -1), 'its SHA-256 has changed'),
    'plan_empty': (lambda plan, _: os.truncate(plan, 0), 'it has 0 bytes'),
    'plan_missing': (lambda plan, _: plan.unlink(), r'plan is missing'),
    'json_missing': (lambda _, record: record.unlink(), r'json, which describes .* is missing'),
    'json_empty': (lambda _, record: os.truncate(record, 0), 'json is damaged'),
    'json_truncated': (lambda _, record: os.truncate(record, 60), 'json is damaged'),
    'json_first_byte': (lambda _, record: flip(record, 0), 'json is damaged'),
    'json_no_text': (lambda _, record: record.write_bytes(b'\xff\xfe\x00'), 'json is damaged'),
    'json_nested': (lambda _, record: record.write_text('[' * 100_000), 'json is damaged'),
    'json_list': (lambda _, record: record.write_text('[]'), 'json is damaged'),
    'json_no_key': (lambda _, record: rewrite(record, lambda r: r.pop('key')), 'is damaged'),
    'json_no_plan': (lambda _, record: rewrite(record, lambda r: r.pop('plan')), 'is damaged'),
    'json_plan_null': (
        lambda _, record: rewrite(record, lambda r: r.update(plan=None)),
        'is damaged',
    ),
    'json_other_format': (
        lambda _, record: rewrite(record, lambda r: r.update(format=99)),
        'was written by another version of this package',
    ),
    'other_version': (
        lambda _, record: rewrite(record, lambda r: r['key'].update(runtime='TensorRT 8.6.2')),
        'runtime was TensorRT 8.6.2, now TensorRT 10.3.0',
    ),
    'other_gpu': (
        lambda _, record: rewrite(record, lambda r: r['key'].update(gpu='Thor')),
        'gpu was Thor, now Orin',
    ),
}


class TestDamage:
    @pytest.mark.parametrize(('damage', 'reason'), DAMAGES.values(), ids=DAMAGES.keys())
    def test_is_built_again_and_says_why(self, cache, caplog, damage, reason):
        cache.get_or_build(KEY, Builder())
        damage(file(cache, 'plan'), file(cache, 'json'))
        build = Builder(b'another')
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            assert cache.get_or_build(KEY, build) == CachedPlan(b'another', built=True)
        [message] = caplog.messages
        assert message.startswith('my.onnx: building an engine: ')
        assert re.search(reason, message)
        assert cache.get_or_build(KEY, refuse).data == b'another'
        assert names(cache) == [f'{KEY.digest}.json', f'{KEY.digest}.plan']

    def test_every_flipped_byte_of_the_json_is_seen_or_harmless(self, cache, monkeypatch):
        monkeypatch.setattr(os, 'fsync', lambda descriptor: None)  # hundreds take seconds
        cache.get_or_build(KEY, Builder())
        whole = file(cache, 'json').read_bytes()
        rebuilt = 0
        for index in range(len(whole)):
            file(cache, 'json').write_bytes(whole)
            flip(file(cache, 'json'), index)
            result = cache.get_or_build(KEY, Builder())
            assert result.data == PLAN
            rebuilt += result.built
        assert rebuilt > len(whole) // 2

    @pytest.mark.parametrize(
        ('change', 'reason'),
        [
            ({'runtime': 'TensorRT 10.13.3'}, 'runtime was TensorRT 10.3.0, now TensorRT 10.13.3'),
            ({'gpu': 'Thor'}, 'gpu was Orin, now Thor'),
            ({'compute_capability': '11.0'}, 'compute capability was 8.7, now 11.0'),
            (
                {'options': {'precision': 'int8', 'shape': (1, 3, 640, 640)}},
                "precision was 'fp16', now 'int8'",
            ),
            ({'options': {}}, "precision was 'fp16', now None; shape was"),
            ({'model_sha256': 'cd' * 32}, 'the model has changed'),
        ],
    )
    def test_says_what_differs_from_an_existing_engine(self, cache, caplog, change, reason):
        cache.get_or_build(KEY, Builder())
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            assert cache.get_or_build(replace(KEY, **change), Builder()).built
        assert f'the one in {cache.folder} differs: {reason}' in caplog.text
        assert cache.get_or_build(KEY, refuse).data == PLAN  # the other one stays

    def test_says_so_when_there_is_none(self, cache, caplog):
        cache.get_or_build(replace(KEY, model_sha256='00', model='other.onnx'), Builder())
        with caplog.at_level(logging.INFO, 'jetson_perception'):
            cache.get_or_build(KEY, Builder())
        assert f'there is none in {cache.folder} yet' in caplog.text


class TestMemory:
    @pytest.mark.parametrize('full_from', ['plan', 'json'])
    def test_keeps_in_memory_what_cannot_be_stored(self, cache, caplog, monkeypatch, full_from):
        real = os.replace

        def no_space(source, target):
            if str(target).endswith(full_from):
                raise OSError(28, 'No space left on device')
            real(source, target)

        monkeypatch.setattr(os, 'replace', no_space)
        build = Builder()
        assert cache.get_or_build(KEY, build) == CachedPlan(PLAN, built=True)
        assert cache.get_or_build(KEY, build) == CachedPlan(PLAN, built=False)
        assert build.calls == 1
        assert 'kept only in memory and will be built again at the next start' in caplog.text
        assert 'cannot be written: No space left on device' in caplog.text
        assert names(cache) == []

    def test_serves_where_no_folder_can_be_made(self, tmp_path, caplog):
        (tmp_path / 'file').touch()
        cache = EngineCache(tmp_path / 'file' / 'engines')
        build = Builder()
        threads = [
            threading.Thread(target=cache.get_or_build, args=(KEY, build)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert build.calls == 1
        assert 'engines cannot be created' in caplog.text

    def test_serves_where_nothing_can_be_locked(self, cache, monkeypatch, caplog):
        def no_locks(*_):
            raise OSError(95, 'Operation not supported')

        monkeypatch.setattr(lock_module.fcntl, 'flock', no_locks)
        assert cache.get_or_build(KEY, Builder()).built
        assert not cache.get_or_build(KEY, refuse).built
        assert 'Operation not supported' in caplog.text

    def test_a_folder_that_cannot_be_written_is_read(self, cache, monkeypatch):
        cache.get_or_build(KEY, Builder())

        def read_only(*_):
            raise OSError(30, 'Read-only file system')

        monkeypatch.setattr(os, 'utime', read_only)
        monkeypatch.setattr(lock_module, 'try_lock', read_only)
        assert not cache.get_or_build(KEY, refuse).built

    def test_keeps_in_memory_what_can_be_stored_but_not_loaded(self, cache, caplog):
        cache.get_or_build(KEY, Builder())
        build = Builder(b'another')
        again = cache.replace(KEY, build, 'TensorRT cannot load it: magicTag')
        assert again == CachedPlan(b'another', built=True)
        assert 'cannot load it: magicTag' in caplog.text
        assert names(cache) == []
        assert cache.get_or_build(KEY, refuse).data == b'another'


MEGABYTE = bytes(1 << 20)


class TestSize:
    def build(self, cache, gpu, age):
        key = replace(KEY, gpu=gpu)
        cache.get_or_build(key, Builder(MEGABYTE))
        moment = 1_700_000_000 - age
        for suffix in ('json', 'plan'):
            os.utime(file(cache, suffix, key), (moment, moment))
        return key

    def test_least_recently_used_go(self, tmp_path):
        cache = EngineCache(tmp_path / 'engines', max_bytes=3 << 20)
        idle, used = self.build(cache, 'a', 30), self.build(cache, 'b', 40)
        cache.get_or_build(used, refuse)  # the older one, and the one used last
        cache.get_or_build(replace(KEY, gpu='c'), Builder(MEGABYTE))
        assert {entry.gpu for entry in cache.entries()} == {'b 8.7', 'c 8.7'}
        assert cache.get_or_build(idle, Builder()).built

    def test_the_newest_stays_even_if_it_is_too_large(self, tmp_path, caplog):
        cache = EngineCache(tmp_path / 'engines', max_bytes=1 << 19)
        first = self.build(cache, 'a', 30)
        second = self.build(cache, 'b', 20)
        assert [entry.digest for entry in cache.entries()] == [second.digest]
        assert first.digest not in str(names(cache))
        assert 'raise it with JETSON_PERCEPTION_CACHE_MB' in caplog.text

    def test_one_that_is_being_built_stays(self, tmp_path):
        cache = EngineCache(tmp_path / 'engines', max_bytes=1 << 19)
        busy = self.build(cache, 'a', 30)
        with locked(file(cache, 'lock', busy)) as held:
            assert held
            self.build(cache, 'b', 20)
        assert len(cache.entries()) == 2

    def test_limit_of_the_environment(self, monkeypatch, tmp_path):
        monkeypatch.setenv('JETSON_PERCEPTION_CACHE_MB', '7')
        assert EngineCache(tmp_path).max_bytes == 7 << 20
        for text in ('0', '-1', '2 GB'):
            monkeypatch.setenv('JETSON_PERCEPTION_CACHE_MB', text)
            with pytest.raises(ModelError, match=r'expected megabytes, such as 2048'):
                EngineCache(tmp_path)


class TestEntries:
    def test_of_nothing(self, cache):
        assert cache.entries() == []
        assert cache.clear() == ([], 0)
        assert not cache.folder.exists()

    def test_list_existing_and_damaged_engines(self, cache):
        cache.get_or_build(KEY, Builder())
        other = replace(KEY, gpu='Thor', compute_capability='11.0')
        cache.get_or_build(other, Builder())
        file(cache, 'json', other).unlink()
        by_digest = {entry.digest: entry for entry in cache.entries()}
        good, bad = by_digest[KEY.digest], by_digest[other.digest]
        assert (good.model, good.runtime, good.gpu) == (
            '/models/my.onnx',
            'TensorRT 10.3.0',
            'Orin 8.7',
        )
        assert good.options['precision'] == 'fp16'
        assert good.size_bytes > len(PLAN)
        assert good.problem == ''
        assert 'is missing' in bad.problem

    def test_a_file_that_others_may_write_is_listed_and_can_be_cleared(self, cache):
        cache.get_or_build(KEY, Builder())
        file(cache, 'plan').chmod(0o606)
        [entry] = cache.entries()
        assert 'may be written by others' in entry.problem
        assert len(cache.clear()[0]) == 1
        assert names(cache) == []

    def test_json_that_says_strange_things(self, cache):
        cache.get_or_build(KEY, Builder())
        rewrite(file(cache, 'json'), lambda r: r.update(model=[1]) or r['key'].update(options=2))
        [entry] = cache.entries()
        assert (entry.model, entry.options) == ('[1]', {})

    def test_files_of_others_are_left_alone(self, cache):
        cache.get_or_build(KEY, Builder())
        others = {'notes.json', 'my.plan', 'my.lock', 'my.plan.tmp', 'README'}
        for name in others:
            (cache.folder / name).touch()
        assert [entry.digest for entry in cache.entries()] == [KEY.digest]
        cache.clear()
        assert set(names(cache)) == others

    @pytest.mark.parametrize('model', ['my.onnx', '/models/my.onnx'])
    def test_clear_one_model(self, cache, model):
        cache.get_or_build(KEY, Builder())
        other = replace(KEY, model_sha256='cd', model='/models/other.onnx')
        cache.get_or_build(other, Builder())
        removed, busy = cache.clear(model)
        assert ([entry.digest for entry in removed], busy) == ([KEY.digest], 0)
        assert not cache.get_or_build(other, refuse).built

    def test_clear_leaves_engines_that_are_being_built(self, cache):
        cache.get_or_build(KEY, Builder())
        with locked(file(cache, 'lock')):
            assert cache.clear() == ([], 1)
        assert not cache.get_or_build(KEY, refuse).built


# --- Many at once -------------------------------------------------------------------------------

# Imports once and forks, so that fifty processes start at the same moment.
ASK_FROM_50 = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {test!r})
from jetson_perception.engines.tensorrt.cache import EngineCache
from test_engine_cache import KEY, PLAN

folder, builds = Path(sys.argv[1]), Path(sys.argv[2])
start, go = os.pipe()

def build():
    descriptor = os.open(builds, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b'built\\n')
    time.sleep(0.3)  # as long as it takes the others to queue
    return PLAN

children = []
for _ in range(50):
    child = os.fork()
    if not child:
        os.close(go)
        os.read(start, 1)  # ends for all at once, when the parent closes its end
        plan = EngineCache(folder).get_or_build(KEY, build)
        os._exit(0 if plan.data == PLAN else 1)
    children.append(child)
os.close(go)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
sys.exit(0 if codes == [0] * 50 else f'exit codes {{codes}}')
"""

# Says when it is in the middle of `where`, and stays there until it is killed.
STUCK = """
import os, sys
from pathlib import Path
sys.path.insert(0, {test!r})
from jetson_perception.engines.tensorrt.cache import EngineCache
from jetson_perception.files.private_files import PrivateFolder
from test_engine_cache import KEY, PLAN

def stay(*_):
    print('there', flush=True)
    sys.stdin.read()

def build():
    if where == 'build':
        stay()
    return PLAN

where = sys.argv[2]
if where == 'write':
    os.fsync = stay
elif where == 'between':
    real = PrivateFolder.write
    def write(folder, name, content, **options):
        if name.endswith('.json'):
            stay()
        real(folder, name, content, **options)
    PrivateFolder.write = write
EngineCache(Path(sys.argv[1])).get_or_build(KEY, build)
"""


def start(source, *arguments):
    source = source.format(test=os.path.dirname(__file__))
    return subprocess.Popen(
        [sys.executable, '-c', source, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_in(where, folder):
    with start(STUCK, folder, where) as process:
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready, 'the process did not come so far'
        assert process.stdout.readline() == 'there\n', process.stderr.read()
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL


class TestProcesses:
    def test_of_fifty_that_ask_one_builds(self, cache, tmp_path):
        with start(ASK_FROM_50, cache.folder, tmp_path / 'builds') as process:
            _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert (tmp_path / 'builds').read_text() == 'built\n'
        assert names(cache) == [f'{KEY.digest}.json', f'{KEY.digest}.plan']

    @pytest.mark.parametrize('where', ['build', 'write', 'between'])
    def test_a_killed_builder_blocks_nobody(self, cache, where):
        kill_in(where, cache.folder)
        assert not file(cache, 'json').exists()
        assert file(cache, 'plan').exists() == (where == 'between')
        assert cache.get_or_build(KEY, Builder()) == CachedPlan(PLAN, built=True)
        assert names(cache) == [f'{KEY.digest}.json', f'{KEY.digest}.plan']

    @pytest.mark.parametrize('where', ['build', 'write'])
    def test_leftovers_of_a_killed_builder_are_removed_with_the_next_engine(self, cache, where):
        kill_in(where, cache.folder)
        other = replace(KEY, gpu='Thor')
        cache.get_or_build(other, Builder())
        assert names(cache) == [f'{other.digest}.json', f'{other.digest}.plan']

    def test_a_waiting_process_is_informed_and_can_give_up(self, cache):
        waits, cancel = threading.Event(), threading.Event()
        with start(STUCK, cache.folder, 'build') as process:
            assert process.stdout.readline() == 'there\n', process.stderr.read()

            def on_wait():
                waits.set()
                cancel.set()

            with pytest.raises(BuildCanceled, match='while another process was building'):
                cache.get_or_build(KEY, refuse, cancel=cancel, on_wait=on_wait)
            process.kill()
        assert waits.is_set()

    def test_a_waiting_process_gets_the_engine_of_the_builder(self, cache):
        waits = threading.Event()
        with start(STUCK, cache.folder, 'build') as process:
            assert process.stdout.readline() == 'there\n', process.stderr.read()

            def on_wait():
                waits.set()
                process.stdin.close()  # the other may go on

            plan = cache.get_or_build(KEY, refuse, on_wait=on_wait)
            assert process.wait(60) == 0
        assert plan == CachedPlan(PLAN, built=False)
        assert waits.is_set()

    def test_threads_of_a_process_build_once_too(self, cache):
        build = Builder()
        together = threading.Barrier(8)

        def ask():
            together.wait()
            cache.get_or_build(KEY, build)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert build.calls == 1
