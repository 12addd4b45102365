#!/usr/bin/env bash
# The vendor's Python SDK against our emulator of GreenNode AgentBase. Needs cargo, python3 with venv, and the package
# index for the pinned packages of requirements.txt. Closes with the line `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../python.sh"

cargo build --quiet --manifest-path "$root/Cargo.toml" --package identity-emulator
prepare_packages requirements.txt
for human in manual approve deny; do
    start_emulator "$human"
done
run drive.py manual.json approve.json deny.json
