// Which AES-GCM mbedTLS has: its own, or scripts/mbedtls_gcm.c on what this processor has.
#pragma once

#include <doctest/doctest.h>
#include <mbedtls/gcm.h>

namespace waxseal::tls::test {

#if defined(WAXSEAL_MBEDTLS_GCM_ALT_H)
inline bool gcm_is_fast() { return waxseal_gcm_level() != WAXSEAL_GCM_OWN; }
inline void limit_gcm(int level) { waxseal_gcm_limit(static_cast<enum waxseal_gcm_level>(level)); }
inline int gcm_level() { return waxseal_gcm_level(); }
#else
inline bool gcm_is_fast() { return false; }
inline void limit_gcm(int /*level*/) {}
inline int gcm_level() { return 0; }
#endif

// Runs `test` with each implementation that this processor can run.
template <typename Test>
void with_each_gcm(Test test) {
    const int best = gcm_level();
    for (int level = 0; level <= best; ++level) {
        CAPTURE(level);
        limit_gcm(level);
        test();
    }
    limit_gcm(best);
}

}  // namespace waxseal::tls::test
