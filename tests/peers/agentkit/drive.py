"""Drives the vendor's Python packages, unchanged, against the emulator of Volcengine Agent Identity.

    drive.py MANUAL APPROVE

Each argument is a file with the first line of `identity-emulator serve --json` under that `--human`.
The last line of the output is `N passed, N failed`; the exit status is 0 only if none failed.
"""

import logging
import os
import sys
import traceback

import checks
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
    passed = failed = 0
    for emulator, group in ((manual, checks.MANUAL), (approve, checks.APPROVING)):
        for check in group:
            monkey = Monkey()
            try:
                check(emulator, monkey)
            except Exception:  # whatever it is, it is this check's failure and the others still run
                failed += 1
                # Whole, for whoever has to find the fault: every secret in it ends with the emulator.
                print(f"FAILED {check.__name__}\n{traceback.format_exc()}", flush=True)
            else:
                passed += 1
                print(f"ok     {check.__name__}", flush=True)
            finally:
                monkey.undo()
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def main():
    # The client logs names of users and links.
    logging.disable(logging.CRITICAL)
    # Read by veadk's client when it is made; everything else of the environment is not ours.
    os.environ["IDENTITY_OPENAPI_SCHEME"] = "http"
    emulators = [Emulator.announced_in(file) for file in sys.argv[1:]]
    if len(emulators) != 2:
        sys.exit(__doc__)
    sys.exit(0 if drive(*emulators) else 1)


main()
