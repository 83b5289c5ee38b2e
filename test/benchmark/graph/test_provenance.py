"""Which code ran, and what the middleware was told."""

import re
import subprocess
from pathlib import Path

import pytest

from jetson_perception.benchmark.graph.provenance import commit, surroundings, variables

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not (ROOT / '.git').exists(), reason='no checkout')
def test_commit_of_the_checkout():
    head = subprocess.run(
        ['git', '-C', str(ROOT), 'rev-parse', 'HEAD'], capture_output=True, text=True, check=True
    ).stdout
    assert re.fullmatch(r'[0-9a-f]{12}\+?', commit())
    assert head.startswith(commit().rstrip('+'))


def test_commit_without_git(monkeypatch):
    monkeypatch.setenv('PATH', '')
    assert commit() == ''


def test_variables_of_ros_alone():
    environ = {
        'HOME': '/root', 'ROS_DOMAIN_ID': '5', 'RMW_IMPLEMENTATION': 'a\nb', 'ROS_LOG_DIR': '/x'
    }  # fmt: skip
    assert variables(environ) == {'RMW_IMPLEMENTATION': 'a\\nb', 'ROS_DOMAIN_ID': '5'}


def test_what_the_machine_allows():
    found = surroundings()
    assert found['load'] >= 0
    assert found['net.core.rmem_max'] is None or found['net.core.rmem_max'] > 1000
    assert found['shared_memory_free_mb'] >= 0
