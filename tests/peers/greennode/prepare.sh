#!/usr/bin/env bash
# Installs the vendor's Python SDK, pinned by hash, below the target directory, and prints the path of its Python.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../python.sh"

prepare_packages requirements.txt
echo "$venv/bin/python"
