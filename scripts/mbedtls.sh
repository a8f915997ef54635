# shellcheck shell=bash
# How scripts/setup obtains mbedTLS >= 3.6.6 where the system has an older one. Sourced by setup.
#
# The source package is Debian's own of a newer suite, from the archive this machine is already
# configured for: a private sources entry with only the suite replaced, in a private apt state
# directory, so that the system's package lists stay as they are. apt checks the signed index (one
# that has expired is refused, and the next suite tried) and the .dsc, dpkg-source the tar files.
# The result goes to a prefix named after the version and a hash of the files in mbedtls_hash, with
# -gcm behind it when it has the fast AES-GCM; CMake computes the same hash.
#
# The fast AES-GCM (mbedtls_gcm.c) is built on x86-64 where libipsec-mb-dev can be had. What is
# taken from that library becomes a part of libmbedcrypto.a, so the prefix needs nothing else.
#   WAXSEAL_FAST_GCM=0  without it, though it could be built
#   WAXSEAL_FAST_GCM=1  with it, or fail

MBEDTLS_WANTED=3.6.6 # older ones have known holes
MBEDTLS_SUITES=(forky sid trixie)

mbedtls_hash() {
    local file hashes=
    for file in mbedtls_user_config.h mbedtls.sh mbedtls_gcm.c mbedtls_gcm_alt.h; do
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

# What there is already, and is what WAXSEAL_FAST_GCM asks for.
mbedtls_prefix() {
    local hash prefix endings=(-gcm "") ending
    hash=$(mbedtls_hash)
    case ${WAXSEAL_FAST_GCM:-} in
    0) endings=("") ;;
    1) endings=(-gcm) ;;
    esac
    for ending in "${endings[@]}"; do
        for prefix in "$WAXSEAL_CACHE"/mbedtls-*-"$hash$ending"; do
            if [[ -f $prefix/complete ]]; then
                printf '%s\n' "$prefix"
                return 0
            fi
        done
    done
    return 1
}

mbedtls_wants_gcm() { [[ ${WAXSEAL_FAST_GCM:-} != 0 && $(uname -m) == x86_64 ]]; }

# Whether apt could install what the fast AES-GCM is made of; needs package lists.
mbedtls_gcm_in_archive() {
    local version
    version=$(apt-cache policy libipsec-mb-dev 2>/dev/null | awk '/Candidate:/ { print $2 }')
    [[ -n $version && $version != "(none)" ]]
}

# The functions of Intel's library that mbedtls_gcm.c names, and what they need, as one object $1.
# Fails when another version of the library has other names, or needs more than the C library.
# Its structures are those of its header, which is known to fit up to the next great version.
mbedtls_gcm_object() {
    local archive size set wanted=() arguments=() needs
    archive=$(cc -print-file-name=libIPSec_MB.a)
    [[ -f $archive ]] && grep -q '^#define IMB_VERSION_NUM 0x1[0-9a-f]\{4\}$' /usr/include/intel-ipsec-mb.h || return 1
    for size in 128 256; do
        wanted+=("aes_keyexp_${size}_enc_sse")
        for set in sse avx_gen4 vaes_avx512; do
            wanted+=("aes_gcm_precomp_${size}_$set" "aes_gcm_enc_${size}_$set" "aes_gcm_dec_${size}_$set")
        done
    done
    mapfile -t arguments < <(printf -- '--undefined=%s\n' "${wanted[@]}")
    ld -r --strip-debug "${arguments[@]}" -o "$1" "$archive" || return 1
    needs=$(nm --undefined-only --format=posix "$1" | grep -vx 'strerror U.*' || true)
    [[ -z $needs ]]
}

# mbedTLS's own gcm.c goes into ours, for what ours leaves to it.
mbedtls_gcm_sources() {
    printf 'set_property(SOURCE gcm.c APPEND PROPERTY COMPILE_OPTIONS -std=gnu11)\n' >>"$1/library/CMakeLists.txt"
    mv "$1/library/gcm.c" "$1/library/gcm_own.inc"
    cp "$WAXSEAL_ROOT/scripts/mbedtls_gcm.c" "$1/library/gcm.c"
    cp "$WAXSEAL_ROOT/scripts/mbedtls_gcm_alt.h" "$1/include/mbedtls/gcm_alt.h"
}

# -O3 helps the arithmetic of public keys and hurts ciphers. The two instruction sets make mbedTLS
# take its intrinsics; they imply no more than SSE2, no compiler uses them by itself, and mbedTLS
# asks the processor first.
mbedtls_flags() {
    cat >>"$1/library/CMakeLists.txt" <<'END'
set_source_files_properties(bignum.c bignum_core.c bignum_mod.c bignum_mod_raw.c ecp.c ecp_curves.c
    PROPERTIES COMPILE_OPTIONS -O3)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    set_source_files_properties(aesni.c aes.c gcm.c PROPERTIES COMPILE_OPTIONS "-maes;-mpclmul")
endif()
END
    # shellcheck disable=SC2016  # CMake's variable
    printf 'target_compile_options(${everest_target} PRIVATE -O3)\n' >>"$1/3rdparty/everest/CMakeLists.txt"
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
    local work=$WAXSEAL_CACHE/work.$$ state version prefix ending=
    mkdir -p "$work"
    # shellcheck disable=SC2064  # the value of now is meant
    trap "rm -rf '$work'" EXIT
    state=$work/apt
    mbedtls_download "$state"
    dpkg-source --skip-patches -x "$state"/source/mbedtls_*.dsc "$work/mbedtls"
    mbedtls_patch "$work/mbedtls"
    mbedtls_flags "$work/mbedtls"
    if mbedtls_wants_gcm && mbedtls_gcm_object "$work/gcm_functions.o"; then
        ending=-gcm
        mbedtls_gcm_sources "$work/mbedtls"
    fi
    [[ -n $ending || ${WAXSEAL_FAST_GCM:-} != 1 ]] || die "libipsec-mb-dev is missing, or of another version"
    version=$(sed -n 's/^#define MBEDTLS_VERSION_STRING *"\(.*\)"/\1/p' "$work/mbedtls/include/mbedtls/build_info.h")
    prefix=$WAXSEAL_CACHE/mbedtls-$version-$(mbedtls_hash)$ending
    rm -rf "$prefix"
    mkdir -p "$prefix/include"
    # mbedTLS exports the path it was built with: so it must be the installed copy.
    cp "$WAXSEAL_ROOT/scripts/mbedtls_user_config.h" "$prefix/include/"
    [[ -z $ending ]] || printf '#define MBEDTLS_GCM_ALT\n' >>"$prefix/include/mbedtls_user_config.h"
    cmake -S "$work/mbedtls" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_C_FLAGS="-O2 -g1 -fPIC -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection $(mbedtls_branch_protection "$(uname -m)")" \
        -DENABLE_TESTING=OFF -DENABLE_PROGRAMS=OFF -DUSE_SHARED_MBEDTLS_LIBRARY=OFF -DGEN_FILES=OFF \
        -DMBEDTLS_FATAL_WARNINGS=OFF -DMBEDTLS_USER_CONFIG_FILE="$prefix/include/mbedtls_user_config.h"
    cmake --build "$work/build" --parallel "$(jobs_count)"
    [[ -z $ending ]] || ar rs "$work/build/library/libmbedcrypto.a" "$work/gcm_functions.o"
    cmake --install "$work/build"
    touch "$prefix/complete"
}
