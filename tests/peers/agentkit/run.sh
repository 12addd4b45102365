#!/usr/bin/env bash
# The vendor's Python packages against our emulator of Volcengine Agent Identity (AgentKit). Needs cargo, python3 with venv, and
# the package index for the pinned packages of requirements.txt and veadk.txt. Closes with the line `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../python.sh"

cargo build --quiet --manifest-path "$root/Cargo.toml" --package identity-emulator
prepare_packages requirements.txt veadk.txt
cat >"$scratch/seed.json" <<'SEED'
{"agentkit": {"permissions": [{"principal": "user:alice", "operation": "Action:invoke", "resource": "agent:my-agent"}]}}
SEED
for human in manual approve; do
    start_emulator "$human" --seed "$scratch/seed.json"
done
run drive.py manual.json approve.json
