"""Drives the vendor's Python packages, unchanged, against the emulator of Volcengine Agent Identity.

    drive.py MANUAL APPROVE

Each argument is a file with the first line of `identity-emulator serve --json` under that `--human`.
The last line of the output is `N passed, N failed`; the exit status is 0 only if none failed.
"""

import logging
import os
import sys

import checks
from harness import Tally
from peer import Emulator


class Monkey:
    """Changes members of modules, and puts them back."""

    def __init__(self):
        self.before = []

    def __call__(self, owner, name, value):
        self.before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def undo(self):
        while self.before:
            setattr(*self.before.pop())


def drive(manual, approve):
    tally = Tally()
    for emulator, group in ((manual, checks.MANUAL), (approve, checks.APPROVING)):
        for check in group:
            monkey = Monkey()
            with tally.check(check.__name__):
                try:
                    check(emulator, monkey)
                finally:
                    monkey.undo()
    tally.exit()


def main():
    # The client logs names of users and links.
    logging.disable(logging.CRITICAL)
    # Read by veadk's client when it is made; everything else of the environment is not ours.
    os.environ["IDENTITY_OPENAPI_SCHEME"] = "http"
    emulators = [Emulator.announced_in(file) for file in sys.argv[1:]]
    if len(emulators) != 2:
        sys.exit(__doc__)
    drive(*emulators)


main()
