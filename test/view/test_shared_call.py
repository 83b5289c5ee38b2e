import asyncio

from jetson_perception.view.shared_call import SharedCall


def test_who_asks_while_it_runs_gets_what_is_so_by_then():
    """Once for all of them, and not what was so when the one before began."""
    calls = []

    async def call():
        number = len(calls) + 1
        release = asyncio.Event()
        calls.append(release)
        await release.wait()
        return number

    async def ask():
        shared = SharedCall(call)
        first = [asyncio.ensure_future(shared.answer()) for _ in range(3)]
        while not calls:
            await asyncio.sleep(0)
        second = [asyncio.ensure_future(shared.answer()) for _ in range(3)]
        second[0].cancel()  # who leaves ends it for nobody else
        for number in range(2):
            while len(calls) <= number:
                await asyncio.sleep(0)
            calls[number].set()
        return await asyncio.gather(*first), await asyncio.gather(*second[1:])

    assert asyncio.run(asyncio.wait_for(ask(), 10.0)) == ([1, 1, 1], [2, 2])


def test_what_fails_fails_for_all_who_asked_and_for_nobody_else():
    outcomes = iter([ValueError('no'), None])

    async def call():
        if (outcome := next(outcomes)) is not None:
            raise outcome
        return 'yes'

    async def ask():
        shared = SharedCall(call)
        asked = [shared.answer(), shared.answer()]
        failed = await asyncio.gather(*asked, return_exceptions=True)
        return [type(each) for each in failed], await shared.answer()

    assert asyncio.run(ask()) == ([ValueError, ValueError], 'yes')
