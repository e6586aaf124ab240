#!/usr/bin/env bash
# Measures a cluster of three beside three etcd and three nats-server on this machine, the same work in alternating rounds.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

packages+=(etcd-server etcd-client nats-server)
case "${1:-}" in
    -h | --help)
        echo "usage: scripts/bench-peers.sh [--binary PATH] [--rounds N] [--seconds S] [--clients N] [--only KEYS] [--dir DIR] [--json FILE]"
        echo "  builds symbi-node (unless --binary names one) and the clients of the others with --release, installs etcd and nats-server"
        echo "  from Debian, measures all three in N rounds (default 3), and prints medians and ratios; FILE (bench-peers.json) gets them all"
        exit 0
        ;;
esac

# Debian would start both as services, which are not what is measured and would hold the ports and the disk.
policy=/usr/sbin/policy-rc.d
if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
install_packages
check_toolchain

targets=(-p symbi-benches --bin peer-client)
named=no
for word in "$@"; do [ "$word" = --binary ] && named=yes; done
if [ $named = no ]; then
    check_room
    targets+=(-p symbi-node --bin symbi-node)
    set -- --binary "$CARGO_TARGET_DIR/release/symbi-node" "$@"
fi
(cd "$root" && cargo build --locked --release "${targets[@]}")
python3 "$root/scripts/bench_peers.py" --client "$CARGO_TARGET_DIR/release/peer-client" "$@"
