"""Test processes that run side by side don't hear each other."""

from __future__ import annotations

import os
import tempfile

import pytest


@pytest.fixture
def conftest(pytestconfig, request, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    return pytestconfig.pluginmanager.getplugin(str(request.path.with_name('conftest.py')))


def test_no_domain_id_is_claimed_twice(conftest):
    claims = [conftest.claim_domain_id() for _ in conftest.DOMAIN_IDS]
    assert sorted(domain_id for domain_id, _ in claims) == list(conftest.DOMAIN_IDS)
    with pytest.raises(pytest.UsageError, match='every ROS domain id from 1 to 101 is taken'):
        conftest.claim_domain_id()
    for _, lock in claims:
        lock.close()


def test_a_domain_id_is_free_again_when_its_process_is_gone(conftest):
    first, lock = conftest.claim_domain_id()
    lock.close()
    assert conftest.claim_domain_id()[0] == first


def test_this_process_has_one(conftest):
    if not conftest.HAS_ROS:
        pytest.skip('no ROS here')
    assert int(os.environ['ROS_DOMAIN_ID']) in conftest.DOMAIN_IDS
