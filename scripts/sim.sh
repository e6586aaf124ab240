#!/usr/bin/env bash
# Runs the production node under simulated faults.
#
#   scripts/sim.sh --seed 7                     one seed; the last line is the hash of its trace
#   scripts/sim.sh --seed 7 --trace /tmp/trace  the same, with the trace in a file
#   scripts/sim.sh --seeds 0..100 --jobs 2      many seeds, each in a process of its own; at the end, how often what happened,
#                                               and what never did
#
# The same seed gives the same bytes of trace, every time.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"
exec cargo run --quiet --locked -p symbi-simulations --bin symbi-sim -- "$@"
