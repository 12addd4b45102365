"""Drives the vendor's Python packages, unchanged, against the emulator of Alibaba Cloud Agent Identity.

    drive.py MANUAL APPROVE

Each argument is a file with the first line of `identity-emulator serve --json` under that `--human`.
The last line of the output is `N passed, N failed`; the exit status is 0 only if none failed.
"""

import logging
import os
import sys

from harness import Tally, announced_in


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    announced = [announced_in(file) for file in sys.argv[1:]]
    # Read when the vendor's modules are imported; the two emulators get their keys by hand below.
    os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = announced[0]["agent_identity"]["access_key_id"]
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = announced[0]["agent_identity"]["access_key_secret"]
    import front

    front.make_authority()
    import checks
    from peer import Emulator

    # The SDK logs names of users, links and the beginnings of tokens.
    logging.disable(logging.CRITICAL)
    emulators = [Emulator(**one["agent_identity"], provider=one["provider"]) for one in announced]
    tally = Tally()
    for emulator, group in zip(emulators, (checks.MANUAL, checks.APPROVING)):
        for check in group:
            with tally.check(check.__name__):
                check(emulator)
    tally.exit()


main()
