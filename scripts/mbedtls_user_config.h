// How waxseal wants mbedTLS 3.6: included by mbedTLS after its own mbedtls_config.h, both while the
// library is built and by everything that uses it (structure layouts depend on it).
// Changing this file gives the build another cached prefix: see scripts/mbedtls.sh.

#ifndef WAXSEAL_MBEDTLS_USER_CONFIG_H
#define WAXSEAL_MBEDTLS_USER_CONFIG_H

// Workers share one CA chain and the PSA key store.
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD

// X25519 by the verified Everest code: the one option that matters for handshake time.
#define MBEDTLS_ECDH_VARIANT_EVEREST_ENABLED

// SMTP needs neither; what is not there cannot be attacked.
#undef MBEDTLS_SSL_RENEGOTIATION
#undef MBEDTLS_SSL_PROTO_DTLS
#undef MBEDTLS_SSL_DTLS_ANTI_REPLAY
#undef MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT
#undef MBEDTLS_SSL_DTLS_HELLO_VERIFY
#undef MBEDTLS_SSL_DTLS_SRTP
#undef MBEDTLS_SELF_TEST

// Kept as mbedTLS has them: MBEDTLS_PSA_KEY_STORE_DYNAMIC on (a fixed store runs out of slots with
// many TLS 1.3 connections), MBEDTLS_USE_PSA_CRYPTO off (handshakes are 1.4 times slower with it).

#endif
