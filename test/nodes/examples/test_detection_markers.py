"""Markers for objects in space, and none for what is no number."""

import math

import pytest
from detection_markers.markers import SMALLEST_M, color_of, markers_of
from detection_markers.node import DetectionMarkers
from nodes.support import unique_header
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose
from visualization_msgs.msg import Marker, MarkerArray


def detection(name='cup', score=0.5, identity='', position=(1.0, 2.0, 3.0), size=(0.1, 0.2, 0.3)):
    made = Detection3D(id=identity, results=[ObjectHypothesisWithPose()])
    made.results[0].hypothesis.class_id = name
    made.results[0].hypothesis.score = score
    center = made.bbox.center.position
    center.x, center.y, center.z = position
    made.bbox.size.x, made.bbox.size.y, made.bbox.size.z = size
    return made


def made_of(*detections):
    msg = Detection3DArray(header=unique_header(), detections=list(detections))
    markers = markers_of(msg, 1.25, 0.1).markers
    assert markers[0].action == Marker.DELETEALL
    assert all(marker.header == msg.header for marker in markers)
    return markers[1:]


def test_an_empty_message_removes_all():
    assert made_of() == []


def test_a_box_and_a_text():
    box, text = made_of(detection(identity='7'))
    assert (box.type, text.type) == (Marker.CUBE, Marker.TEXT_VIEW_FACING)
    assert (box.scale.x, box.scale.y, box.scale.z) == (0.1, 0.2, 0.3)
    assert (box.pose.position.z, text.pose.position.z) == (3.0, 3.0)
    assert box.pose.orientation.w == 1.0
    assert text.text == 'cup 50% #7'
    assert (box.lifetime.sec, box.lifetime.nanosec) == (1, 250_000_000)
    assert box.color.a < text.color.a


def test_each_has_its_own_id_and_each_class_its_color():
    markers = made_of(detection(), detection('person'), detection())
    assert len({(marker.ns, marker.id) for marker in markers}) == 6
    assert markers[0].color == markers[4].color != markers[2].color
    assert color_of('cup', 0.4) == markers[0].color


def test_a_flat_object_has_an_extent():
    box, _ = made_of(detection(size=(0.0, -1.0, 1.0)))
    assert (box.scale.x, box.scale.y, box.scale.z) == (SMALLEST_M, SMALLEST_M, 1.0)


def test_an_object_without_a_class():
    _, text = made_of(Detection3D(id='3'))
    assert text.text == '3'


@pytest.mark.parametrize(
    'broken',
    [
        pytest.param({'position': (math.nan, 0.0, 0.0)}, id='nowhere'),
        pytest.param({'position': (0.0, math.inf, 0.0)}, id='far'),
        pytest.param({'size': (0.0, 0.0, math.nan)}, id='no_size'),
    ],
)
def test_what_is_no_number_is_left_out(broken):
    assert len(made_of(detection(**broken), detection())) == 2


def test_the_node(peer):
    node = DetectionMarkers(context=peer.node.context, namespace=peer.namespace)
    peer.add(node)
    markers = peer.collect('markers', MarkerArray)
    publisher = peer.node.create_publisher(Detection3DArray, 'detections_3d', 1)
    msg = Detection3DArray(header=unique_header('camera'), detections=[detection()])
    try:
        peer.send_until(publisher, lambda: msg, lambda: markers, 'the markers')
        assert [marker.header for marker in markers[0].markers] == [msg.header] * 3
    finally:
        peer.remove(node)
        node.destroy_node()
