"""Datagrams that fit into packets, for the publishers of a topic.

What of them a network carries is in test/nodes/test_several_hosts.py.
"""

import os
import subprocess
import sys

import pytest
import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from jetson_perception.dds import fast_dds, small_datagrams, transports

needs_the_release = pytest.mark.skipif(
    fast_dds.fast_dds() != small_datagrams.TRIED, reason='tried with Fast DDS 2.14 alone'
)


@pytest.fixture
def participant():
    """A participant, with which Fast DDS is loaded."""
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('small_datagrams', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(autouse=True)
def nothing_set(participant, monkeypatch, tmp_path):
    """A process whose user has set nothing, once Fast DDS has read what is set here."""
    monkeypatch.setattr(transports, '_taken', None)
    monkeypatch.chdir(tmp_path)
    for name in (*fast_dds.PROFILE_VARIABLES, fast_dds.TRANSPORTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        pytest.param('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4', id='transports_of_the_user'),
        pytest.param('FASTRTPS_DEFAULT_PROFILES_FILE', '/x.xml', id='a_profile_of_the_user'),
        pytest.param('JETSON_PERCEPTION_TRANSPORT', 'system', id='left_to_the_system'),
        pytest.param('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp', id='another_dds'),
    ],
)
def test_are_not_used_against_what_is_set(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert not small_datagrams.can_be_used()
    assert not small_datagrams.use_for('/set/compressed')
    assert not small_datagrams.are_used_for('/set/compressed')


@needs_the_release
@pytest.mark.parametrize(
    ('environment', 'usable'),
    [
        pytest.param({transports.TRANSPORTS_VARIABLE: 'DEFAULT'}, True, id='chosen_here'),
        pytest.param({}, False, id='not_chosen_here'),
    ],
)
def test_go_by_what_the_process_took(monkeypatch, environment, usable):
    taken = transports.Transports(environment, {}, '')
    monkeypatch.setattr(transports, '_taken', taken)
    # As it is in the process from then on.
    monkeypatch.setenv(transports.TRANSPORTS_VARIABLE, 'DEFAULT')
    assert small_datagrams.can_be_used() is usable


def test_are_not_used_with_a_release_that_was_not_tried(monkeypatch):
    monkeypatch.setattr(small_datagrams, 'fast_dds', lambda: fast_dds.FastDds(2, 6))
    assert not small_datagrams.can_be_used()


@needs_the_release
def test_are_used_from_then_on_and_fast_dds_complains_of_nothing(capfd):
    name = '/test_small_datagrams/compressed'
    assert not small_datagrams.are_used_for(name)
    assert small_datagrams.use_for(name)
    assert small_datagrams.are_used_for(name)
    assert small_datagrams.use_for(name)  # again
    assert not small_datagrams.are_used_for('/test_small_datagrams')
    assert capfd.readouterr() == ('', '')


@needs_the_release
def test_are_not_used_where_fast_dds_is_not_loaded():
    code = (
        'from jetson_perception.dds import small_datagrams as s; '
        "print(s.can_be_used(), s.use_for('/a'), s.are_used_for('/a'))"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split() == ['True', 'False', 'False']
