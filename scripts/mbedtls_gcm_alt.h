/* Installed as mbedtls/gcm_alt.h in the builds of scripts/mbedtls.sh that have mbedtls_gcm.c: the
 * context that mbedTLS's gcm.h leaves to an alternative implementation (MBEDTLS_GCM_ALT). */
#ifndef WAXSEAL_MBEDTLS_GCM_ALT_H
#define WAXSEAL_MBEDTLS_GCM_ALT_H

#ifdef __cplusplus
extern "C" {
#endif

struct waxseal_gcm;

typedef struct mbedtls_gcm_context {
    struct waxseal_gcm *state; /* null until a key is set */
} mbedtls_gcm_context;

enum waxseal_gcm_level {
    WAXSEAL_GCM_OWN, /* mbedTLS's own code, for any processor */
    WAXSEAL_GCM_SSE, /* AES-NI and PCLMULQDQ: since 2010 */
    WAXSEAL_GCM_AVX2,
    WAXSEAL_GCM_VAES /* with AVX-512: since 2019 */
};

/* What AES keys that are set from now on use: the best that the processor has, or less. */
enum waxseal_gcm_level waxseal_gcm_level(void);
/* For tests: no better than this, for the keys that any thread sets from now on. */
void waxseal_gcm_limit(enum waxseal_gcm_level level);

#ifdef __cplusplus
}
#endif

#endif
