"""What became of the frames between two stops of the camera."""

import pytest
from jetson_perception.msg import PipelineStats

from jetson_perception.ros.demo.window import Window


def stats(received=0, skipped=0, failed=0, processed=0):
    return PipelineStats(
        frames_received=received,
        frames_skipped=skipped,
        frames_failed=failed,
        frames_processed=processed,
    )


@pytest.mark.parametrize(
    ('before', 'after', 'published', 'lost', 'skipped', 'failed'),
    [
        pytest.param(stats(), stats(10), 10, 0, 0, 0, id='nothing_lost'),
        pytest.param(stats(30, 2, 1), stats(40, 2, 1), 10, 0, 0, 0, id='warm_up_does_not_count'),
        pytest.param(stats(30), stats(37), 10, 3, 0, 0, id='lost_on_the_way'),
        pytest.param(stats(30, 5, 1), stats(40, 9, 3), 10, 0, 4, 2, id='skipped_and_failed'),
    ],
)
def test_counts(before, after, published, lost, skipped, failed):
    window = Window(before, after, stats(processed=published), [1.0])
    assert (window.published, window.lost) == (published, lost)
    assert (window.skipped, window.failed) == (skipped, failed)


@pytest.mark.parametrize(
    ('seconds', 'rate'),
    [
        pytest.param((5.0,), 0.0, id='one'),
        pytest.param((5.0, 5.5), 2.0, id='two'),
        pytest.param((5.0, 5.25, 6.0), 2.0, id='uneven'),
    ],
)
def test_rate_is_that_of_the_results_as_they_came(seconds, rate):
    window = Window(stats(), stats(), stats(), seconds)
    assert window.frame_rate() == pytest.approx(rate)
