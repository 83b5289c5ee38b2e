"""What rviz2 needs of its views that it does not tell when it is missing.

Read in rviz_common 14.1.5 (`VisualizationFrame::loadWindowGeometry`) and Qt 5.15, and seen
there once (docs/tested.md); rviz2 itself is not run here.
"""

from pathlib import Path

import pytest
import yaml

VIEWS = sorted((Path(__file__).resolve().parent.parent / 'config').glob('*.rviz'))


def test_there_are_views():
    assert len(VIEWS) == 2


@pytest.fixture(params=VIEWS, ids=lambda path: path.stem)
def view(request):
    return yaml.safe_load(request.param.read_text())


def docks(view):
    """Names of what has a window part of its own: images and panels."""
    displays = view['Visualization Manager']['Displays']
    images = [each['Name'] for each in displays if each['Class'] == 'rviz_default_plugins/Image']
    return [*images, *(each['Name'] for each in view['Panels'])]


def test_no_side_is_hidden_by_chance(view):
    geometry = view['Window Geometry']
    assert geometry['Hide Left Dock'] is geometry['Hide Right Dock'] is False


def test_the_window_has_a_place_for_every_image_and_panel(view):
    state = bytes.fromhex(view['Window Geometry']['QMainWindow State'])
    for name in docks(view):
        assert name.encode('utf-16-be') in state  # as Qt writes a dock's name
        assert view['Window Geometry'][name] == {'collapsed': False}


def test_names_differ(view):
    """Qt finds a dock by its name."""
    assert len(set(docks(view))) == len(docks(view))
