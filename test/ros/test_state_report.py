"""The line of diagnostics about a node's condition."""

from dataclasses import replace

import pytest
import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from jetson_perception.ros import diagnostics
from jetson_perception.ros.state_report import Condition, StateReport

IDLE = Condition(
    state='inactive',
    active=False,
    hang='',
    problem='',
    busy='',
    busy_values={'progress': 5},
    facts={'image topic': '/image'},
    parameter_problems=(),
)


@pytest.fixture(scope='module')
def report():
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('told', context=context)
    yield StateReport(node)
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ('changes', 'level', 'message', 'with_progress'),
    [
        pytest.param({}, diagnostics.STALE, 'inactive', False, id='idle'),
        pytest.param({'active': True}, diagnostics.OK, 'active', False, id='active'),
        pytest.param({'busy': 'builds'}, diagnostics.WARN, 'builds', True, id='busy'),
        pytest.param(
            {'busy': 'builds', 'problem': 'no model'},
            *(diagnostics.ERROR, 'no model', False),
            id='problem_before_busy',
        ),
        pytest.param(
            {'hang': 'it hangs', 'problem': 'no model'},
            *(diagnostics.ERROR, 'it hangs', True),
            id='hang_before_problem',
        ),
        pytest.param(
            {'active': True, 'parameter_problems': ('a is wrong', 'b too')},
            *(diagnostics.WARN, 'a is wrong; b too', False),
            id='wrong_parameters',
        ),
        pytest.param(
            {'problem': 'no model', 'parameter_problems': ('a is wrong',)},
            *(diagnostics.ERROR, 'no model', False),
            id='problem_before_wrong_parameters',
        ),
    ],
)
def test_says_what_matters_most(report, changes, level, message, with_progress):
    status = report.status(replace(IDLE, **changes))
    values = {pair.key: pair.value for pair in status.values}
    assert (status.level, status.name, status.message) == (level, '/told', message)
    assert values['image topic'] == '/image'
    assert ('progress' in values) is with_progress


def test_systemd_hears_of_it_and_restarts_what_hangs(report, systemd):
    report.status(replace(IDLE, problem='no model'))  # which a restart does not mend
    report.status(replace(IDLE, active=True, hang='it hangs'))
    assert systemd.recv(1000) == b'READY=1\nSTATUS=no model\nWATCHDOG=1\n'
    assert systemd.recv(1000) == b'READY=1\nSTATUS=it hangs\n'


def test_what_a_callback_raised_is_a_warning(report):
    report.callback_errors.add(ZeroDivisionError('of a test'))
    status = report.status(replace(IDLE, active=True))
    assert status.level == diagnostics.WARN
    assert status.message == 'a callback failed: unexpected ZeroDivisionError: of a test'
