# What the scripts share: where builds go, and what must be installed. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/symbi/target}"
# RocksDB's C++ is the longest part of a build: Debian's ccache stands before the compilers by their own names, so that both
# profiles and every clone share it, and a plain `cargo build` sees the same compilers and builds nothing anew.
export PATH="/usr/lib/ccache:$PATH"

# Debian packages: what RocksDB's binding is generated and compiled with, and what the tests call.
packages=(build-essential libclang-dev ccache util-linux openssl python3 faketime)

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# Installs the Debian packages that are missing; without the right to, prints the one line that does.
install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local install="apt-get install -y --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null || die "this is not a Debian system" "install the equivalents of ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then
        echo "installing ${missing[*]}" >&2
        { apt-get update -qq && $install; } >&2 || die "apt-get failed" "run: apt-get update && $install"
    elif sudo -n true 2>/dev/null; then
        echo "installing ${missing[*]}" >&2
        { sudo apt-get update -qq && sudo $install; } >&2 || die "apt-get failed" "run: sudo $install"
    else
        die "packages are missing and this user may not install them" "run: sudo $install"
    fi
}

# The toolchain: new enough for the workspace.
check_toolchain() {
    command -v cargo >/dev/null || die "cargo is not installed" "install Rust from https://rustup.rs"
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    have=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ] ||
        die "rustc $have is older than $wanted" "run: rustup update"
}

# A first build needs room: RocksDB's and libp2p's objects.
check_room() {
    local dir=$CARGO_TARGET_DIR gib
    mkdir -p "$dir"
    gib=$(($(df -Pk "$dir" | awk 'NR == 2 { print $4 }') / 1024 / 1024))
    [ -e "$dir/debug/symbi-node" ] || [ -e "$dir/release/symbi-node" ] || [ "$gib" -ge 15 ] ||
        die "$dir has $gib GiB free, and a first build needs 15" "free up some space, or set CARGO_TARGET_DIR"
}
