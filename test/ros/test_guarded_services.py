"""Requests that a callback cannot handle."""

import pytest
from rcl_interfaces.msg import Parameter
from rcl_interfaces.srv import GetParameters, SetParameters
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import Trigger

from jetson_perception.ros.guarded_services import guarded

REASON = 'the request cannot be handled: KeyError: '


def fail(request, response):
    raise KeyError('no such thing')


def answer(peer, kind, request=None):
    return guarded(peer.node, 'service', fail)(request or kind.Request(), kind.Response())


@pytest.mark.parametrize(
    ('kind', 'field'), [(Trigger, 'message'), (SetCameraInfo, 'status_message')]
)
def test_a_reason_is_told(peer, kind, field):
    told = answer(peer, kind)
    assert not told.success
    assert getattr(told, field).startswith(REASON)


def test_an_answer_without_a_place_for_it_is_empty(peer):
    assert answer(peer, GetParameters) == GetParameters.Response()


def test_each_parameter_is_refused(peer):
    told = answer(peer, SetParameters, SetParameters.Request(parameters=[Parameter()] * 2))
    assert [each.successful for each in told.results] == [False, False]
    assert all(each.reason.startswith(REASON) for each in told.results)
