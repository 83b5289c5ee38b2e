import pytest

from jetson_perception.ros.viewing.topics import recorded_topics, sorted_out

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'


@pytest.mark.parametrize(
    ('graph', 'pictures'),
    [
        pytest.param([], {}, id='nothing'),
        pytest.param([('/a/annotated', [IMAGE])], {'/a/annotated': '/a/annotated'}, id='raw'),
        pytest.param(
            [('/a/annotated/compressed', [COMPRESSED]), ('/a/annotated', [IMAGE])],
            {'/a/annotated': '/a/annotated/compressed'},
            id='compressed_where_it_is',
        ),
        pytest.param(
            [('/a/annotated/compressed', [COMPRESSED])],
            {'/a/annotated': '/a/annotated/compressed'},
            id='compressed_alone',
        ),
        pytest.param([('/a b/annotated', [IMAGE])], {}, id='name_that_ros_has_not'),
        pytest.param([('/<b>/annotated', [IMAGE])], {}, id='name_that_html_has'),
        pytest.param([(f'/{"a" * 250}/annotated', [IMAGE])], {}, id='long_name'),
        pytest.param([('/a/image_raw', [IMAGE])], {}, id='not_drawn'),
        pytest.param([('/a/annotated', ['std_msgs/msg/String'])], {}, id='no_image'),
        pytest.param([('/a/annotated', [COMPRESSED])], {}, id='other_type_than_its_name_says'),
        pytest.param([('/wanted', [IMAGE])], {'/wanted': '/wanted'}, id='wanted'),
        pytest.param(
            [('/wanted', [IMAGE]), ('/wanted/compressed', [COMPRESSED])],
            {'/wanted': '/wanted/compressed'},
            id='wanted_and_compressed',
        ),
    ],
)
def test_streams_of_pictures(graph, pictures):
    assert sorted_out(graph, frozenset(['/wanted'])).pictures == pictures


def test_what_nobody_publishes_is_no_stream():
    """Who only listens keeps a topic in the graph, and would hide one that is published."""
    graph = [(f'/{name}/annotated', [IMAGE]) for name in 'ab'] + [
        (f'/{name}/annotated/compressed', [COMPRESSED]) for name in 'bc'
    ]
    published = {'/a/annotated', '/b/annotated'}
    found = sorted_out(graph, is_published=published.__contains__).pictures
    assert found == {'/a/annotated': '/a/annotated', '/b/annotated': '/b/annotated'}


def test_topics_of_facts_are_known_by_type_and_name():
    graph = [
        ('/yolo/det/detections', [DETECTIONS]),
        ('/yolo/camera/ground_truth/detections', [DETECTIONS]),
        ('/others/boxes', [DETECTIONS]),
        ('/x/detections', [IMAGE]),
        ('/diagnostics', ['diagnostic_msgs/msg/DiagnosticArray']),
    ]
    assert set(sorted_out(graph).facts) == {'/yolo/det/detections', '/diagnostics'}


def test_results_are_recorded_of_all_kinds():
    graph = [
        ('/yolo/det/detections', [DETECTIONS]),
        ('/yolo/pose/keypoints', ['jetson_perception/msg/KeypointDetection2DArray']),
        ('/seg/summary', ['jetson_perception/msg/SegmentationSummary']),
        ('/cls/classification', ['vision_msgs/msg/Classification']),
        ('/yolo/camera/ground_truth/detections', [DETECTIONS]),
        ('/a b/detections', [DETECTIONS]),
        ('/seg/annotated', [IMAGE]),
    ]
    assert recorded_topics(graph) == {name: kinds[0] for name, kinds in graph[:4]}


def test_a_graph_without_measure_is_cut():
    assert len(sorted_out((f'/robot{i}/annotated', [IMAGE]) for i in range(5000)).pictures) == 100
