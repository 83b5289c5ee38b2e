import asyncio


def failing():
    raise ValueError('as it should')


def test_a_call_that_fails_holds_up_none_after_it(thread):
    async def answer():
        for _ in range(100):  # of which several wait for the thread at once
            thread.soon(failing)
        return await asyncio.wait_for(thread.ask(lambda: 3), 5.0)

    assert asyncio.run(answer()) == 3
