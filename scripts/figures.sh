#!/usr/bin/env bash
# Measures a cluster of three on this machine: what it costs when idle, and how fast it starts, joins, and recovers from a killed node.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

case "${1:-}" in
    -h | --help)
        echo "usage: scripts/figures.sh [--binary PATH] [--kills N]    builds symbi-node and symbi-audit with --release, measures them, prints a table (about 5 minutes)"
        exit 0
        ;;
    --binary) ;;
    *)
        install_packages
        check_toolchain
        check_room
        (cd "$root" && cargo build --locked --release -p symbi-node -p symbi-audit-cli)
        set -- --binary "$CARGO_TARGET_DIR/release/symbi-node" "$@"
        ;;
esac
exec python3 "$root/scripts/figures.py" "$@"
