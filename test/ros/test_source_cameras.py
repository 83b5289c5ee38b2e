"""Names of several sources, what each takes, and what is refused."""

import pytest
from ros.test_camera_topics import node

from jetson_perception.errors import ParameterError
from jetson_perception.ros.camera_parameters import OwnSourceParams
from jetson_perception.ros.source_cameras import of_camera, source_cameras


@pytest.mark.parametrize(
    ('sources', 'found'),
    [
        pytest.param((), [], id='none'),
        pytest.param(('front=0',), [('0', '/yolo/front/')], id='relative'),
        pytest.param(('/rig/front=csi://0',), [('csi://0', '/rig/front/')], id='absolute'),
        pytest.param((' front = csi://0 ',), [('csi://0', '/yolo/front/')], id='spaces'),
        pytest.param(('~/a=csi://0',), [('csi://0', '/yolo/perception/a/')], id='private'),
        pytest.param(
            ('a=gst://x pattern=1 ! y', 'b=csi://0'),
            [('gst://x pattern=1 ! y', '/yolo/a/'), ('csi://0', '/yolo/b/')],
            id='more_equal_signs',
        ),
    ],
)
def test_each_has_a_namespace(sources, found):
    with node() as made:
        cameras = source_cameras(made, OwnSourceParams(sources=sources))
    assert [(each.uri, each.prefix) for each in cameras] == found


@pytest.mark.parametrize(
    ('sources', 'told'),
    [
        pytest.param(('',), "has '', which does not begin with the name", id='empty'),
        pytest.param(('front=',), 'does not begin with the name', id='no_source'),
        pytest.param(('=csi://0',), 'does not begin with the name', id='no_name'),
        pytest.param(('csi://0',), 'has csi://0, which does not begin with the name', id='bare'),
        pytest.param(
            ('rtsp://me:s3cret@h/a?b=c',), r'has rtsp://h/a/…, which does not', id='password'
        ),
        pytest.param(('1st=csi://0',), "a camera '1st', which cannot be", id='digit'),
        pytest.param(('/=csi://0',), "a camera '/', which cannot be", id='root'),
        pytest.param(('a=csi://0', 'a=csi://0'), 'one camera, /yolo/a;', id='twice'),
        pytest.param(('a=csi://0', '/yolo/a=csi://1'), 'one camera, /yolo/a;', id='in_full'),
    ],
)
def test_what_is_refused(sources, told):
    with node() as made, pytest.raises(ParameterError, match=told) as caught:
        source_cameras(made, OwnSourceParams(sources=sources))
    assert caught.value.parameter == 'sources'
    assert 's3cret' not in str(caught.value)


@pytest.mark.parametrize('field', ['frame_id', 'calibration', 'calibration_output'])
def test_what_each_has_of_its_own_holds_the_name(field):
    two = ('front=csi://0', '/rig/rear=csi://1')
    with node() as made:
        with pytest.raises(ParameterError, match=rf'^{field} is same .* write \$\{{NAME\}}'):
            source_cameras(made, OwnSourceParams(sources=two, **{field: 'same'}))
        params = OwnSourceParams(sources=two, width=8, height=6, **{field: '${NAME}_x'})
        own = [of_camera(params, each) for each in source_cameras(made, params)]
        one = OwnSourceParams(sources=two[:1], **{field: 'same'})
        assert len(source_cameras(made, one)) == 1
    assert [getattr(each, field) for each in own] == ['front_x', 'rig_rear_x']
    assert [each.source for each in own] == ['csi://0', 'csi://1']
    assert own[0].width == 8


@pytest.mark.parametrize('field', ['frame_id', 'calibration', 'calibration_output'])
def test_no_two_share_what_each_has_of_its_own(field):
    sources = ('/rig/front=csi://0', 'rig_front=csi://1')
    with node() as made:
        assert len(source_cameras(made, OwnSourceParams(sources=sources))) == 2
        told = rf"^{field} has .* is 'rig_front' for /rig/front and for /yolo/rig_front; give"
        with pytest.raises(ParameterError, match=told) as caught:
            source_cameras(made, OwnSourceParams(sources=sources, **{field: '${NAME}'}))
    assert caught.value.parameter == field


def test_there_may_not_be_any_number():
    many = tuple(f'camera_{index}=csi://0' for index in range(33))
    assert OwnSourceParams(sources=many[:32]).problem() == ''
    assert 'has 33 cameras; at most 32' in OwnSourceParams(sources=many).problem()
