# shellcheck shell=bash
# What the scripts share. Sourced, never run: each script sets -euo pipefail itself.

# The repository, whatever the directory a script is called from.
WAXSEAL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Where dependencies built from source are kept, outside of the tree: shared by all checkouts.
# CMake (scripts/cmake/Dependencies.cmake) computes the same path.
WAXSEAL_CACHE=${WAXSEAL_PREFIX:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/waxseal}
export WAXSEAL_ROOT WAXSEAL_CACHE
# Another checkout of the same code finds what this one has compiled.
export CCACHE_BASEDIR=$WAXSEAL_ROOT CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

usage_error() {
    say "${0##*/}: $* (see ${0##*/} --help)"
    exit 64
}

# Prints the comment block at the top of the calling script: its --help.
print_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif have sudo; then
        sudo -- "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

# step TEXT COMMAND...: hides what the command prints unless it fails (or WAXSEAL_VERBOSE=1), and
# says one line when it takes longer than a moment.
step() {
    local text=$1 log status=0 start=$SECONDS announcer
    shift
    if [[ ${WAXSEAL_VERBOSE:-0} == 1 ]]; then
        say "== $text"
        "$@" >&2
        return
    fi
    log=$(mktemp)
    (
        sleep 1 >/dev/null 2>&1 # so that who reads our output need not wait for it
        printf '%s ...\n' "$text" >&2
    ) </dev/null 9>&- &
    announcer=$!
    # Not in an || list: errexit has to hold inside. In the foreground: so that ^C reaches it.
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    kill "$announcer" 2>/dev/null || true
    wait "$announcer" 2>/dev/null || true
    if ((status != 0)); then
        cat "$log" >&2
        say "FAILED: $text"
    elif ((SECONDS - start >= 5)); then
        say "... done in $((SECONDS - start)) s"
    fi
    rm -f "$log"
    return "$status"
}

# How many compilers at once: by processors and by memory, about 1 GiB each.
jobs_count() {
    local cpus memory
    cpus=$(nproc)
    memory=$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
    ((memory < 1)) && memory=1
    echo $((cpus < memory ? cpus : memory))
}

# configure_build PRESET [TARGET...]: quiet; CMake itself runs again only when its files changed.
configure_build() {
    local preset=$1 dir=$WAXSEAL_ROOT/build/$1
    shift
    # The cache root is part of the question whether to configure again.
    if [[ ! -f $dir/build.ninja || $(cat "$dir/.configured" 2>/dev/null) != "$WAXSEAL_CACHE" ]]; then
        step "configuring $preset" cmake --preset "$preset" -S "$WAXSEAL_ROOT" -B "$dir"
        printf '%s\n' "$WAXSEAL_CACHE" >"$dir/.configured"
    fi
    step "building $preset" ninja -C "$dir" -j "$(jobs_count)" "$@"
}

# run_ctest PRESET [ARGUMENT...]
run_ctest() {
    local dir=$WAXSEAL_ROOT/build/$1
    shift
    # A sanitizer report is a failure, and says where.
    ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0} \
        UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} \
        TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1} \
        ctest --test-dir "$dir" -j "$(nproc)" --output-on-failure --no-tests=error "$@" </dev/null
}

# run_pytest PRESET [ARGUMENT...]: tests/integration against the binary of that preset.
run_pytest() {
    local preset=$1
    shift
    WAXSEAL_BINARY=$WAXSEAL_ROOT/build/$preset/waxseal \
        PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q \
        "$WAXSEAL_ROOT/tests/integration" "$@" </dev/null
}
