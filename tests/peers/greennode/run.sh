#!/usr/bin/env bash
# The vendor's Python SDK against our emulator of GreenNode AgentBase. Needs cargo, python3 with venv, and the package
# index for the pinned packages of requirements.txt. Closes with the line `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
umask 077 # the first line of an emulator holds its client secret
scratch=$(mktemp -d)
emulators=()

finish() {
    # Only what was started here, each by its id.
    for pid in "${emulators[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

start_emulator() { # HUMAN
    timeout --kill-after=5 600 "$target/debug/identity-emulator" serve --json --human "$1" \
        </dev/null >"$scratch/$1.json" 2>"$scratch/$1.log" &
    emulators+=($!)
    for _ in $(seq 100); do
        [[ $(wc -l <"$scratch/$1.json") -ge 1 ]] && return
        kill -0 "${emulators[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the emulator (--human $1) did not come up:" >&2
    cat "$scratch/$1.log" >&2
    exit 1
}

cargo build --quiet --manifest-path "$root/Cargo.toml" --package identity-emulator
python=$("$here/prepare.sh")
for human in manual approve deny; do
    start_emulator "$human"
done

# The SDK reads and writes files in its working directory, and httpx reads proxies from the environment: neither is ours.
cd "$scratch"
env -i PATH="$PATH" HOME="$scratch" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    timeout --kill-after=10 300 "$python" "$here/drive.py" manual.json approve.json deny.json
