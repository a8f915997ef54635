# shellcheck shell=bash
# How scripts/setup obtains mbedTLS >= 3.6.6 where the system has an older one. Sourced by setup.
#
# The source package is Debian's own of a newer suite, from the archive this machine is already
# configured for: a private sources entry with only the suite replaced, in a private apt state
# directory, so that the system's package lists stay as they are. apt checks the signed index (one
# that has expired is refused, and the next suite tried) and the .dsc, dpkg-source the tar files.
# The result goes to a prefix named after the version and a hash of this file and of
# mbedtls_user_config.h; CMake computes the same hash.

MBEDTLS_WANTED=3.6.6 # older ones have known holes
MBEDTLS_SUITES=(forky sid trixie)

mbedtls_hash() {
    local file hashes=
    for file in mbedtls_user_config.h mbedtls.sh; do
        hashes+=$(sha256sum <"$WAXSEAL_ROOT/scripts/$file" | cut -d' ' -f1)
    done
    printf '%s' "$hashes" | sha256sum | cut -c1-12
}

# The system's own is good enough when its headers are 3.6.6 <= version < 4.
mbedtls_of_system() {
    local version
    version=$(dpkg-query -W -f '${db:Status-Status} ${Version}' libmbedtls-dev 2>/dev/null) || return 1
    [[ $version == "installed "* ]] || return 1
    version=${version#installed }
    dpkg --compare-versions "$version" ge "$MBEDTLS_WANTED" && dpkg --compare-versions "$version" lt 4
}

# libmbedtls-dev of the configured archive, when that is new enough (Debian 13 and later).
mbedtls_in_archive() {
    local version
    version=$(apt-cache policy libmbedtls-dev 2>/dev/null | awk '/Candidate:/ { print $2 }')
    [[ -n $version && $version != "(none)" ]] || return 1
    dpkg --compare-versions "$version" ge "$MBEDTLS_WANTED" && dpkg --compare-versions "$version" lt 4
}

mbedtls_prefix() {
    local hash prefix
    hash=$(mbedtls_hash)
    for prefix in "$WAXSEAL_CACHE"/mbedtls-*-"$hash"; do
        if [[ -f $prefix/complete ]]; then
            printf '%s\n' "$prefix"
            return 0
        fi
    done
    return 1
}

# The URI this machine gets its release's main component from.
mbedtls_archive() {
    # shellcheck disable=SC2016  # apt's variables, not ours
    apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' \
        'Created-By: Packages' 'Component: main' | awk '$1 !~ /-/ && !seen++ { print $2 }'
}

mbedtls_apt() {
    local state=$1 lists=()
    shift
    lists=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$state/sources"
        -o "Dir::Etc::preferencesparts=/dev/null" -o "Dir::Etc::preferences=/dev/null"
        -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache")
    # _apt cannot write below a home directory; nothing is run from what is downloaded here.
    lists+=(-o "APT::Sandbox::User=$(id -un)" -o "Acquire::Languages=none" -o "Acquire::Retries=3")
    apt-get -q "${lists[@]}" "$@"
}

# Downloads the source package of the first suite that has a good version into $1/source.
mbedtls_download() {
    local state=$1 uri suite version keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(mbedtls_archive)
    [[ -n $uri ]] || die "apt knows no archive of this release: run apt-get update"
    for suite in "${MBEDTLS_SUITES[@]}"; do
        rm -rf "$state"
        mkdir -p "$state"/{sources,lists/partial,cache/archives/partial,source}
        printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
            "$uri" "$suite" "$keyring" >"$state/sources/newer.sources"
        mbedtls_apt "$state" -o APT::Update::Error-Mode=any update || continue
        version=$(mbedtls_apt "$state" source --print-uris --download-only mbedtls |
            sed -n 's/^.* mbedtls_\(.*\)\.dsc .*$/\1/p')
        if [[ -n $version ]] && dpkg --compare-versions "$version" ge "$MBEDTLS_WANTED" &&
            dpkg --compare-versions "$version" lt 4; then
            (cd "$state/source" && mbedtls_apt "$state" source --download-only "mbedtls=$version")
            return
        fi
    done
    die "no suite among ${MBEDTLS_SUITES[*]} has mbedTLS >= $MBEDTLS_WANTED and < 4"
}

# Debian's own patches, for the fixes among them; but not the one that takes Everest out.
mbedtls_patch() {
    local series=$1/debian/patches/series name
    [[ -f $series ]] || return 0
    while read -r name _; do
        case $name in
        "" | "#"* | *3rdparty*) ;;
        *) patch --directory "$1" --strip 1 --forward --input "$1/debian/patches/$name" ;;
        esac
    done <"$series"
}

# As Flags.cmake has it: each compiler refuses the other machine's flag.
mbedtls_branch_protection() {
    case $1 in
    x86_64 | amd64) printf '%s\n' -fcf-protection ;;
    aarch64 | arm64) printf '%s\n' -mbranch-protection=standard ;;
    esac
}

mbedtls_build() {
    local work=$WAXSEAL_CACHE/work.$$ state version prefix
    mkdir -p "$work"
    # shellcheck disable=SC2064  # the value of now is meant
    trap "rm -rf '$work'" EXIT
    state=$work/apt
    mbedtls_download "$state"
    dpkg-source --skip-patches -x "$state"/source/mbedtls_*.dsc "$work/mbedtls"
    mbedtls_patch "$work/mbedtls"
    version=$(sed -n 's/^#define MBEDTLS_VERSION_STRING *"\(.*\)"/\1/p' "$work/mbedtls/include/mbedtls/build_info.h")
    prefix=$WAXSEAL_CACHE/mbedtls-$version-$(mbedtls_hash)
    rm -rf "$prefix"
    mkdir -p "$prefix/include"
    # mbedTLS exports the path it was built with: so it must be the installed copy.
    cp "$WAXSEAL_ROOT/scripts/mbedtls_user_config.h" "$prefix/include/"
    cmake -S "$work/mbedtls" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_C_FLAGS="-O2 -g1 -fPIC -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection $(mbedtls_branch_protection "$(uname -m)")" \
        -DENABLE_TESTING=OFF -DENABLE_PROGRAMS=OFF -DUSE_SHARED_MBEDTLS_LIBRARY=OFF -DGEN_FILES=OFF \
        -DMBEDTLS_FATAL_WARNINGS=OFF -DMBEDTLS_USER_CONFIG_FILE="$prefix/include/mbedtls_user_config.h"
    cmake --build "$work/build" --parallel "$(jobs_count)"
    cmake --install "$work/build"
    touch "$prefix/complete"
}
