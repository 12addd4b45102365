#!/usr/bin/env bash
# The vendor's Python packages against our emulator of Alibaba Cloud IDaaS, over TLS with a certificate authority of our own. Needs cargo,
# python3 with venv, and the package index for the pinned packages of requirements.txt. Closes with the line `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../python.sh"

cargo build --quiet --manifest-path "$root/Cargo.toml" --package identity-emulator
prepare_packages requirements.txt
run prepare.py "$scratch"

# The packages speak https only: the proxy takes a free port, of which the issuer is made.
timeout --kill-after=5 600 "$venv/bin/python" "$here/tls.py" "$scratch" </dev/null >"$scratch/port" 2>"$scratch/tls.log" &
emulators+=($!)
for _ in $(seq 100); do
    [[ -s $scratch/port ]] && break
    sleep 0.1
done
read -r port <"$scratch/port"

start_emulator approve --seed "$scratch/seed.json" --idaas-user alice --idaas-user bob \
    --idaas-issuer "https://127.0.0.1:$port/idaas/idaas_peer/api/v2/iauths_system/oauth2"
run drive.py "$scratch" "$port"
