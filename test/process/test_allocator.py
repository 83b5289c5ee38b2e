"""Settings of glibc's allocator, in a process of their own."""

import subprocess
import sys

import pytest

from jetson_perception.process.allocator import keep_memory, left_to_system

NAMES = ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'MALLOC_TOP_PAD_']
FAULTS = """
import resource, sys
from jetson_perception.process.allocator import keep_memory
if sys.argv[1] == 'keep':
    keep_memory()
bytearray(b'x') * (48 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    bytearray(b'x') * (48 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    'environ',
    [{'JETSON_PERCEPTION_TRANSPORT': 'system'}, {'GLIBC_TUNABLES': 'glibc.malloc.arena_max=2'}],
    ids=['system', 'tunables'],
)
def test_what_the_user_has_set_stays(environ):
    assert keep_memory(environ) == []


@pytest.mark.parametrize('name', NAMES)
def test_one_setting_of_the_user_stays(name):
    assert keep_memory({name: '1'}) == [each for each in NAMES if each != name]


@pytest.mark.parametrize('value', ['', 'auto', 'System'])
def test_other_values_leave_nothing_to_the_system(value):
    assert not left_to_system({'JETSON_PERCEPTION_TRANSPORT': value})


def test_memory_of_a_large_block_is_kept():
    def faults(how):
        ran = subprocess.run([sys.executable, '-c', FAULTS, how], capture_output=True, check=True)
        return int(ran.stdout)

    # 12,288 pages of 4 KiB each time, where memory is returned: from 32 MiB on, glibc maps anew.
    assert faults('keep') < faults('leave') / 4
