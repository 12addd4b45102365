#!/usr/bin/env bash
# The vendor's Python packages against our emulator of Alibaba Cloud Agent Identity. Needs cargo, python3 with venv, and the package
# index for the pinned packages of requirements.txt. Closes with the line `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../python.sh"

cargo build --quiet --manifest-path "$root/Cargo.toml" --package identity-emulator
prepare_packages requirements.txt
cat >"$scratch/seed.json" <<'SEED'
{"agentkit": {"user_pools": [{"name": "users", "clients": [
  {"name": "web", "client_id": "web-client", "client_secret": "synthetic-secret", "callback_urls": ["http://127.0.0.1:8082/callback"]}
]}]}}
SEED
for human in manual approve; do
    start_emulator "$human" --seed "$scratch/seed.json"
done
run drive.py manual.json approve.json
