import asyncio

from jetson_perception.view.newest_slot import NewestSlot


def test_what_waits_is_replaced_and_counted():
    async def use():
        slot = NewestSlot()
        for value in ('a', 'b', 'c'):
            slot.put(value)
        assert await slot.take() == 'c'
        assert slot.skipped == 2
        slot.put('d')
        assert await slot.take() == 'd'
        assert slot.skipped == 2

    asyncio.run(use())


def test_who_takes_waits_for_what_comes():
    async def use():
        slot = NewestSlot()
        taking = asyncio.ensure_future(slot.take())
        await asyncio.sleep(0)
        assert not taking.done()
        slot.put('a')
        assert await taking == 'a'

    asyncio.run(use())
