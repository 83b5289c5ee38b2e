"""The newest item wins, and closing ends whoever waits."""

import queue
import threading

import pytest
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.pipeline import LatestSlot
from jetson_perception.pipeline.frame_queue import ItemQueue


@pytest.fixture(params=['newest', 'every'])
def slot(request):
    """Both kinds of slots, for what they have in common."""
    return LatestSlot() if request.param == 'newest' else ItemQueue(5)


def taking(slot):
    """A thread that takes until the slot is closed, and the list of what it took."""
    taken = []

    def run():
        while (item := slot.take()) is not None:
            taken.append(item)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, taken


def test_an_item_not_yet_taken_is_replaced_and_returned():
    slot = LatestSlot()
    assert slot.put('first') is None
    assert slot.put('second') == 'first'
    assert slot.put('third') == 'second'
    assert slot.take() == 'third'
    assert slot.put('fourth') is None


@pytest.fixture
def by_letter():
    """A slot for the newest item of each first letter."""
    return LatestSlot(lambda item: item[0])


def test_an_item_replaces_one_of_its_key_alone_and_keeps_its_turn(by_letter):
    for item in ('a1', 'b1', 'c1'):
        assert by_letter.put(item) is None
    assert by_letter.put('a2') == 'a1'
    assert by_letter.put('b2') == 'b1'
    assert [by_letter.poll() for _ in range(4)] == ['a2', 'b2', 'c1', None]


def test_keys_take_turns_however_often_one_comes(by_letter):
    taken = []
    for number in range(30):
        for _ in range(5):  # five times as often as the others
            by_letter.put(f'a{number}')
        if number % 5 == 0:
            by_letter.put(f'b{number}')
            by_letter.put(f'c{number}')
        taken.append(by_letter.poll()[0])
    assert taken[:15] == ['a', 'b', 'c', 'a', 'a'] * 3
    assert {letter: taken.count(letter) for letter in 'abc'} == {'a': 18, 'b': 6, 'c': 6}


def test_a_few_items_of_a_key_wait_behind_each_other(by_letter):
    assert by_letter.put_behind('a1', 2) is None
    assert by_letter.put_behind('a2', 2) is None
    assert by_letter.put_behind('b1', 2) is None
    assert by_letter.put_behind('a3', 2) == 'a1'
    assert by_letter.count == 3
    assert [by_letter.poll() for _ in range(4)] == ['a2', 'b1', 'a3', None]
    assert by_letter.count == 0


def test_items_wait_behind_each_other_no_longer_than_there_is_room(by_letter):
    for item in ('a1', 'a2', 'a3'):
        assert by_letter.put_behind(item, 3) is None
    assert by_letter.put('a4') == 'a1'
    assert by_letter.poll() == 'a2'
    assert by_letter.put_behind('a5', 1) == 'a3'
    assert by_letter.poll() == 'a4'
    assert by_letter.put_behind('a6', 1) == 'a5'
    assert by_letter.close() == ['a6']
    assert by_letter.put_behind('a7', 3) == 'a7'


def never(first):
    """How long to wait, where nobody should be asked."""
    raise AssertionError(f'asked about {first}')


def test_items_are_taken_together_up_to_so_many(by_letter):
    for item in ('a1', 'b1', 'c1'):
        by_letter.put(item)
    assert by_letter.take_together(2, never) == ['a1', 'b1']
    assert by_letter.take_together(2, lambda first: (2, 0.0)) == ['c1']


@pytest.mark.parametrize(
    'patience',
    [
        pytest.param((3, 0.0), id='no_time_left'),
        pytest.param((3, -1.0), id='waited_too_long_already'),
        pytest.param((1, DEADLINE_S), id='nobody_else_to_wait_for'),
        pytest.param((3, 0.001), id='the_others_do_not_come'),
    ],
)
def test_what_is_there_is_taken_when_it_is_not_worth_waiting(by_letter, patience):
    by_letter.put('a1')
    assert by_letter.take_together(3, lambda first: patience) == ['a1']


def test_who_waits_for_others_gets_the_newest_of_each(by_letter):
    asked, taken = threading.Event(), []

    def patience(first):
        asked.set()
        return 2, DEADLINE_S

    thread = threading.Thread(target=lambda: taken.extend(by_letter.take_together(8, patience)))
    thread.start()
    by_letter.put('a1')
    assert asked.wait(DEADLINE_S)
    assert by_letter.put('a2') == 'a1'
    assert by_letter.put('b1') is None
    thread.join(DEADLINE_S)
    assert taken == ['a2', 'b1']


def test_close_ends_who_waits_for_others(by_letter):
    asked, taken = threading.Event(), []

    def patience(first):
        asked.set()
        return 2, DEADLINE_S

    thread = threading.Thread(target=lambda: taken.extend(by_letter.take_together(8, patience)))
    thread.start()
    by_letter.put('a1')
    assert asked.wait(DEADLINE_S)
    assert by_letter.close() == ['a1']
    thread.join(DEADLINE_S)
    assert taken == []
    assert by_letter.take_together(8, never) == []


def test_an_item_is_put_only_instead_of_one_that_waits():
    slot = LatestSlot()
    assert slot.put_instead('early') == 'early'
    slot.put('first')
    assert slot.put_instead('second') == 'first'
    assert slot.take() == 'second'
    assert slot.put_instead('late') == 'late'
    slot.put('last')
    slot.close()
    assert slot.put_instead('closed') == 'closed'


def test_a_queue_replaces_no_item():
    slot = ItemQueue(5)
    slot.put('first')
    assert slot.put_instead('second') == 'second'
    assert slot.take() == 'first'


@pytest.mark.parametrize('item', [0, '', (), False], ids=repr)
def test_an_item_that_is_false_is_an_item(slot, item):
    slot.put(item)
    assert slot.take() == item


def test_take_waits_for_an_item(slot):
    thread, taken = taking(slot)
    slot.put('late')
    wait_until(lambda: taken)
    slot.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert taken == ['late']


def test_close_ends_everybody_who_waits(slot):
    threads = [taking(slot)[0] for _ in range(3)]
    assert slot.close() == []
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_close_returns_the_waiting_item_and_take_then_gives_none(slot):
    slot.put('waiting')
    assert slot.close() == ['waiting']
    assert slot.take() is None
    assert slot.take() is None


def test_close_twice_does_no_harm(slot):
    slot.close()
    assert slot.close() == []


def test_put_after_close_hands_the_item_itself_back(slot):
    slot.close()
    assert slot.put('too late') == 'too late'
    assert slot.take() is None


def test_items_cross_threads_in_order_and_the_last_always_arrives():
    slot = LatestSlot()
    thread, taken = taking(slot)
    replaced = [slot.put(number) for number in range(1, 2001)]
    wait_until(lambda: taken and taken[-1] == 2000)
    slot.close()
    thread.join(DEADLINE_S)
    lost = [number for number in replaced if number is not None]
    assert taken == sorted(taken)
    assert sorted(taken + lost) == list(range(1, 2001))


def test_waiting_until_an_item_is_taken(slot):
    assert slot.wait_until_taken(0)
    slot.put('item')
    assert not slot.wait_until_taken(0)
    waiter = threading.Thread(target=slot.wait_until_taken, args=(DEADLINE_S,))
    waiter.start()
    assert slot.take() == 'item'
    waiter.join(DEADLINE_S)
    assert not waiter.is_alive()
    assert slot.wait_until_taken(0)
    slot.put('skipped')
    slot.close()
    assert slot.wait_until_taken(0)


def test_taking_within_a_time():
    slot = LatestSlot()
    assert slot.take_within(0.001) is None
    slot.put('item')
    assert slot.take_within(0.001) == 'item'
    taken = []
    taker = threading.Thread(target=lambda: taken.append(slot.take_within(DEADLINE_S)))
    taker.start()
    slot.put('later')
    taker.join(DEADLINE_S)
    assert taken == ['later']
    slot.close()
    assert slot.take_within(DEADLINE_S) is None


def test_polling_waits_for_nothing():
    slot = LatestSlot()
    assert slot.poll() is None
    slot.put('item')
    assert slot.poll() == 'item'
    assert slot.poll() is None


def test_time_passes_until_the_slot_is_closed():
    slot = LatestSlot()
    assert not slot.wait_until_closed(0.001)
    slot.put('item')
    assert not slot.wait_until_closed(0.001)
    closing = threading.Thread(target=slot.close)
    closing.start()
    assert slot.wait_until_closed(DEADLINE_S)
    closing.join(DEADLINE_S)


def test_a_queue_gives_items_in_order_and_returns_those_that_do_not_fit():
    slot = ItemQueue(3)
    assert [slot.put(item) for item in 'abcd'] == [None, None, None, 'd']
    assert [slot.take(), slot.poll()] == ['a', 'b']
    assert slot.put('e') is None
    assert slot.close() == ['c', 'e']
    assert slot.poll() is None


def test_who_waits_for_more_items_is_told_to_look_up(slot):
    wanted, waiting, taken = threading.Event(), threading.Event(), queue.Queue()

    def patience(item):
        waiting.set()
        return 2, DEADLINE_S

    slot.put('item')
    take = lambda: taken.put(slot.take_together(2, patience, wanted.is_set))  # noqa: E731
    thread = threading.Thread(target=take)
    thread.start()
    assert waiting.wait(DEADLINE_S)
    wanted.set()
    slot.nudge()
    assert taken.get(timeout=DEADLINE_S / 2) == []
    thread.join(DEADLINE_S)
    assert slot.poll() == 'item'


def test_who_takes_is_told_to_look_up(slot):
    wanted = threading.Event()
    taken = queue.Queue()
    for take in (
        lambda: slot.take(wanted.is_set),
        lambda: slot.take_together(2, lambda item: (1, 0.0), wanted.is_set),
    ):
        wanted.clear()
        thread = threading.Thread(target=lambda take=take: taken.put(take()))
        thread.start()
        slot.nudge()  # without a reason it goes on waiting
        wanted.set()
        slot.nudge()
        thread.join(DEADLINE_S)
        assert not taken.get(timeout=DEADLINE_S)
        slot.put('item')
        assert not take()  # nor is an item taken that waits
        wanted.clear()
        assert take() in ('item', ['item'])
