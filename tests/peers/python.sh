# Sourced by the scripts that run a vendor's Python packages against our emulator: the packages, pinned by hash, and emulators
# that end with the script. Expects `here`, the folder of the script.

root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/peers/$(basename "$here")
umask 077 # the first line of an emulator holds its secrets
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

pinned() { # ARGUMENT OF PIP…
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: "$@"
}

# Installs what these files pin, unless that is what is installed already.
prepare_packages() { # FILE…
    cat "${@/#/$here/}" | cmp -s - "$venv/installed.txt" && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    local file
    for file in "$@"; do
        # Everything that is needed stands in the files.
        pinned --no-deps --requirement "$here/$file"
    done
    cat "${@/#/$here/}" >"$venv/installed.txt"
}

start_emulator() { # HUMAN ARGUMENT…
    local human=$1
    shift
    : >"$scratch/$human.json" # it may be looked at before the program has begun
    timeout --kill-after=5 600 "$target/debug/identity-emulator" serve --json --human "$human" "$@" \
        </dev/null >"$scratch/$human.json" 2>"$scratch/$human.log" &
    emulators+=($!)
    for _ in $(seq 100); do
        [[ $(wc -l <"$scratch/$human.json") -ge 1 ]] && return
        kill -0 "${emulators[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the emulator (--human $human) did not come up:" >&2
    cat "$scratch/$human.log" >&2
    exit 1
}

# The packages read and write files in their working directory, and proxies from the environment: neither is ours.
run() { # PROGRAM ARGUMENT…
    cd "$scratch"
    env -i PATH="$PATH" HOME="$scratch" PYTHONPATH="$here/../python" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
        timeout --kill-after=10 300 "$venv/bin/python" "$here/$1" "${@:2}"
}
