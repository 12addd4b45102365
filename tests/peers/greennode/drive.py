"""Drives the vendor's Python SDK, unchanged, against the emulator of GreenNode AgentBase.

    drive.py MANUAL APPROVE DENY

Each argument is a file with the first line of `identity-emulator serve --json` under that `--human`.
The last line of the output is `N passed, N failed`; the exit status is 0 only if none failed.
"""

import asyncio
import logging
import sys
from functools import partial

from greennode_agentbase.core.loader import load_spec
from greennode_agentbase.identity import auth

import consent_steps
import decorators
import management
import refusals
from harness import Tally, require
from peer import Emulator, Twin

SECONDS_A_CHECK = 60


async def every_operation_was_driven():
    operations = set(load_spec("identity")["operations"])
    require(len(operations) == 52, "the SDK has another number of operations than the contract's 26 in two twins")
    missing = operations - Twin.driven
    require(not missing, f"never called: {', '.join(sorted(missing))}")


def checks_of(manual, approve, deny):
    """Name, emulator and coroutine function of each check, in order."""
    for module in (management, consent_steps, refusals):
        for check in module.BOTH_TWINS:
            for kind in ("async", "sync"):
                yield f"{module.__name__}.{check.__name__} ({kind})", manual, partial(check, manual, kind)
    for emulator, checks in (
        (approve, decorators.WITH_HUMAN_WHO_APPROVES),
        (deny, decorators.WITH_HUMAN_WHO_DENIES),
    ):
        for check in checks:
            yield f"decorators.{check.__name__}", emulator, partial(check, emulator)
    yield "every operation was driven in both twins", manual, every_operation_was_driven


async def drive(manual, approve, deny):
    tally = Tally()
    for name, emulator, check in checks_of(manual, approve, deny):
        emulator.use()
        with tally.check(name):
            await asyncio.wait_for(check(), SECONDS_A_CHECK)
    return tally


def main():
    # At INFO the SDK logs consent links.
    logging.disable(logging.WARNING)
    # The SDK polls every 5 s for 10 minutes and has no argument for either.
    auth.DEFAULT_POLLING_INTERVAL_SECONDS = 0.05
    auth.DEFAULT_POLLING_TIMEOUT_SECONDS = 10
    emulators = [Emulator.announced_in(file) for file in sys.argv[1:]]
    if len(emulators) != 3:
        sys.exit(__doc__)
    asyncio.run(drive(*emulators)).exit()


main()
