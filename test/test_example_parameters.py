"""Parameters in examples/ that other packages read: topics that there are, and costs that fit."""

from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parent.parent / 'examples'


@pytest.fixture
def layer():
    file = EXAMPLES / 'nav2_semantic_layer' / 'costmap.yaml'
    costmap = yaml.safe_load(file.read_text())['local_costmap']['local_costmap']
    parameters = costmap['ros__parameters']
    (name,) = (each for each in parameters['plugins'] if each in parameters)
    return parameters[name]


def test_the_layer_of_nav2_listens_to_what_seg_node_publishes(layer):
    source = layer[layer['observation_sources']]
    assert source['segmentation_topic'] == '/seg/mask'
    assert source['labels_topic'] == '/seg/label_info'
    assert source['confidence_topic'] == '/seg/confidence'


def test_each_of_its_classes_has_costs_once(layer):
    source = layer[layer['observation_sources']]
    settings = {'classes', 'base_cost', 'max_cost', 'mark_confidence', 'samples_to_max_cost'}
    classes = []
    for kind in source['class_types']:
        assert set(source[kind]) == settings | {'dominant_priority'}
        assert 0 <= source[kind]['base_cost'] <= source[kind]['max_cost'] <= 254
        classes += source[kind]['classes']
    assert len(set(classes)) == len(classes)
