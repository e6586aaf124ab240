#!/usr/bin/env bash
# Everything that must hold: format, tests, lints, and the short main job with the binary that was tested.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

case "${1:-}" in
    "") ;;
    -h | --help)
        echo "usage: scripts/test.sh    formats checked, all tests (nextest), clippy, then scripts/demo.sh --short"
        exit 0
        ;;
    *) die "unknown argument $1" "see scripts/test.sh --help" ;;
esac

install_packages
check_toolchain
check_room
command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest

step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

step "format"
cargo fmt --all --check
step "build the tests; a first build takes about 40 minutes on two cores"
cargo nextest run --locked --workspace --no-run
cargo build --locked --workspace --bins
step "tests"
skipped=$CARGO_TARGET_DIR/debug/skipped-tests
rm -f "$skipped"
cargo nextest run --locked --workspace --no-fail-fast
step "tests of the example agents"
python3 -m unittest discover -q -s scripts/agents -t scripts/agents
step "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings
step "the main job, short"
scripts/demo.sh --short --binary "$CARGO_TARGET_DIR/debug/symbi-node"
if [ -s "$skipped" ]; then
    step "all passed, but for $(wc -l <"$skipped") tests that cannot run here"
    cat "$skipped"
else
    step "all passed"
fi
