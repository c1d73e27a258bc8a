"""B4: one run that many follow."""

import asyncio
from time import perf_counter

from tests.bench.listeners import listeners
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import System


async def audience(system: System, sizes: Sizes) -> Figures:
    """Deliveries a second, from the run being told to begin until everybody has its last delta."""
    async with system.client() as speaker:
        paused = await speaker.start("broadcast", str(sizes.broadcasts))
        async with listeners(system, [paused["run_id"]] * sizes.followers) as followers:
            arriving = [each.expect(sizes.broadcasts) for each in followers]
            started = perf_counter()
            await speaker.approve(paused)
            seconds = max(await asyncio.gather(*arriving)) - started
    return {"B4": [sizes.broadcasts * sizes.followers / seconds]}
