import asyncio
import json

from view.test_server import StandInRobot

from jetson_perception.view.state_feed import StateFeed


class NoRecorder:
    """A `view.recorder.Recorder` of a view that records nothing."""

    @staticmethod
    def state():
        return {'is_on': False}


def test_what_does_not_change_is_said_again():
    """By which a page knows that it is still connected."""

    async def heard():
        with StateFeed(StandInRobot(), NoRecorder(), again_s=0.01).looking() as slot:
            return [json.loads(await asyncio.wait_for(slot.take(), 10.0)) for _ in range(3)]

    first, second, third = asyncio.run(heard())
    assert first == second == third
    assert first['streams'] == ['/annotated']


def test_nothing_is_said_before_it_is_known():
    """Such as streams that there were when somebody looked before."""
    robot = StandInRobot()
    states = iter([None, None])
    known = robot.state
    robot.state = lambda: next(states, known())

    async def heard():
        with StateFeed(robot, NoRecorder()).looking() as slot:
            return json.loads(await asyncio.wait_for(slot.take(), 10.0))

    assert asyncio.run(heard())['streams'] == ['/annotated']
