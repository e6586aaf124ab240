#!/usr/bin/env bash
# Everything that must hold: format, tests, lints, and the short main job with the binary that was tested. With --deep the same
# tests with more seeds and for longer.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

usage() {
    cat <<'TEXT'
usage: scripts/test.sh                   what CI runs: format, all tests, lints, scripts/demo.sh --short, and a slice of the deep
                                         tests, chosen by the commit's hash
       scripts/test.sh --deep [PART...]  the deep tests, all of them or these parts; takes hours. Interrupt it whenever you like: the
                                         same command picks up where it left off. --deep --help lists the parts
TEXT
}

deep=''
case "${1:-}" in
    "") ;;
    -h | --help)
        usage
        exit 0
        ;;
    --deep)
        deep=yes
        shift
        ;;
    *) usage >&2; die "unknown argument $1" ;;
esac
case "${1:-}" in -h | --help) exec python3 scripts/deep.py --help ;; esac

install_packages
check_toolchain
check_room
command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest

step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

build() {
    step "build the tests; a first build takes about 40 minutes on two cores"
    cargo nextest run --locked --workspace --no-run
    cargo build --locked --workspace --bins
}

if [ -n "$deep" ]; then
    build
    exec python3 scripts/deep.py "$@"
fi

step "format"
cargo fmt --all --check
build
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
step "a slice of the deep tests"
python3 scripts/deep.py --slice
if [ -s "$skipped" ]; then
    step "all passed, except for $(wc -l <"$skipped") tests that cannot run here"
    cat "$skipped"
else
    step "all passed"
fi
