/* AES-GCM for mbedTLS by the widest instructions of the processor: takes the place of mbedTLS's
 * library/gcm.c, which is compiled into this very file under other names (scripts/mbedtls.sh).
 *
 * What TLS does, a whole record at once under AES-128 or AES-256 with an IV of 12 octets, goes to
 * Intel's multi-buffer library. All else (AES-192, other IVs, pieces, Camellia, ARIA, an older
 * processor) goes to mbedTLS's own code, which has the same key; so whatever gcm.h promises holds.
 *
 * Only the functions named after an instruction set are used: the library's manager would link all
 * of its 12 MB. */
#include "common.h"

#if defined(MBEDTLS_GCM_C)

#undef MBEDTLS_GCM_ALT
#define mbedtls_gcm_context own_gcm_context
#define mbedtls_gcm_init own_gcm_init
#define mbedtls_gcm_setkey own_gcm_setkey
#define mbedtls_gcm_crypt_and_tag own_gcm_crypt_and_tag
#define mbedtls_gcm_auth_decrypt own_gcm_auth_decrypt
#define mbedtls_gcm_starts own_gcm_starts
#define mbedtls_gcm_update_ad own_gcm_update_ad
#define mbedtls_gcm_update own_gcm_update
#define mbedtls_gcm_finish own_gcm_finish
#define mbedtls_gcm_free own_gcm_free
#include "gcm_own.inc"
#undef mbedtls_gcm_context
#undef mbedtls_gcm_init
#undef mbedtls_gcm_setkey
#undef mbedtls_gcm_crypt_and_tag
#undef mbedtls_gcm_auth_decrypt
#undef mbedtls_gcm_starts
#undef mbedtls_gcm_update_ad
#undef mbedtls_gcm_update
#undef mbedtls_gcm_finish
#undef mbedtls_gcm_free

/* gcm.h once more, now with the context of gcm_alt.h. */
#undef MBEDTLS_GCM_H
#define MBEDTLS_GCM_ALT
#include "mbedtls/gcm.h"

#include <stdlib.h>
#define LINUX /* as its header wants to be told */
#include <intel-ipsec-mb.h>

typedef void (*whole)(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *out,
                      uint8_t const *in, uint64_t length, const uint8_t *iv, uint8_t const *add,
                      uint64_t add_length, uint8_t *tag, uint64_t tag_length);

/* Exported, but in no header. */
extern void aes_gcm_precomp_128_vaes_avx512(struct gcm_key_data *);
extern void aes_gcm_precomp_256_vaes_avx512(struct gcm_key_data *);
#define WHOLE(name)                                                                           \
    extern void name(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *,      \
                     uint8_t const *, uint64_t, const uint8_t *, uint8_t const *, uint64_t,  \
                     uint8_t *, uint64_t)
WHOLE(aes_gcm_enc_128_vaes_avx512);
WHOLE(aes_gcm_dec_128_vaes_avx512);
WHOLE(aes_gcm_enc_256_vaes_avx512);
WHOLE(aes_gcm_dec_256_vaes_avx512);

struct functions {
    void (*expand)(const void *key, void *rounds);
    void (*precompute)(struct gcm_key_data *);
    whole encrypt, decrypt;
};

#define FUNCTIONS(bits, set)                                      \
    {aes_keyexp_##bits##_enc_sse, aes_gcm_precomp_##bits##_##set, \
     aes_gcm_enc_##bits##_##set, aes_gcm_dec_##bits##_##set}

/* By level less one, and by whether the key has 256 bits. */
static const struct functions table[3][2] = {
    {FUNCTIONS(128, sse), FUNCTIONS(256, sse)},
    {FUNCTIONS(128, avx_gen4), FUNCTIONS(256, avx_gen4)},
    {FUNCTIONS(128, vaes_avx512), FUNCTIONS(256, vaes_avx512)},
};

struct waxseal_gcm {
    struct gcm_key_data key __attribute__((aligned(64)));
    const struct functions *fast; /* null: none for this key */
    own_gcm_context own;
};

static volatile int limit = WAXSEAL_GCM_VAES;

void waxseal_gcm_limit(enum waxseal_gcm_level level)
{
    limit = level;
}

/* GCC asks the operating system, too, whether it saves the wider registers. */
static enum waxseal_gcm_level level_of_processor(void)
{
#define HAS(feature) __builtin_cpu_supports(feature)
    if (!(HAS("aes") && HAS("pclmul") && HAS("sse4.2") && HAS("ssse3"))) {
        return WAXSEAL_GCM_OWN;
    }
    if (!(HAS("avx") && HAS("avx2") && HAS("bmi2"))) {
        return WAXSEAL_GCM_SSE;
    }
    if (!(HAS("avx512f") && HAS("avx512dq") && HAS("avx512cd") && HAS("avx512bw") &&
          HAS("avx512vl") && HAS("avx512ifma") && HAS("vaes") && HAS("vpclmulqdq") &&
          HAS("gfni"))) {
        return WAXSEAL_GCM_AVX2;
    }
    return WAXSEAL_GCM_VAES;
#undef HAS
}

enum waxseal_gcm_level waxseal_gcm_level(void)
{
    const enum waxseal_gcm_level level = level_of_processor();
    const enum waxseal_gcm_level most = (enum waxseal_gcm_level) limit;
    return level < most ? level : most;
}

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
    ctx->state = NULL;
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
    if (ctx == NULL || ctx->state == NULL) {
        return;
    }
    own_gcm_free(&ctx->state->own);
    mbedtls_platform_zeroize(ctx->state, sizeof(*ctx->state));
    free(ctx->state);
    ctx->state = NULL;
}

static struct waxseal_gcm *new_state(void)
{
    struct waxseal_gcm *state = aligned_alloc(64, sizeof(struct waxseal_gcm));
    if (state != NULL) {
        memset(state, 0, sizeof(*state));
        own_gcm_init(&state->own);
    }
    return state;
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher,
                       const unsigned char *key, unsigned int keybits)
{
    if (ctx->state == NULL && (ctx->state = new_state()) == NULL) {
        return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
    }
    ctx->state->fast = NULL;
    const int ret = own_gcm_setkey(&ctx->state->own, cipher, key, keybits);
    const enum waxseal_gcm_level level = waxseal_gcm_level();
    if (ret != 0 || cipher != MBEDTLS_CIPHER_ID_AES || keybits == 192 ||
        level == WAXSEAL_GCM_OWN) {
        return ret;
    }
    const struct functions *fast = &table[level - 1][keybits == 256];
    fast->expand(key, ctx->state->key.expanded_keys);
    fast->precompute(&ctx->state->key);
    ctx->state->fast = fast;
    return 0;
}

/* The limits that mbedTLS's own code keeps, and what the fast functions are for. */
static int is_fast(const mbedtls_gcm_context *ctx, size_t length, size_t iv_len,
                   const unsigned char *input, const unsigned char *output, size_t tag_len)
{
    return ctx->state->fast != NULL && iv_len == 12 && tag_len >= 4 && tag_len <= 16 &&
           length <= 0xFFFFFFFE0ull &&
           (input == output || (uintptr_t) input + length <= (uintptr_t) output ||
            (uintptr_t) output + length <= (uintptr_t) input);
}

/* The functions want tags of certain lengths only, so the whole of it goes to a buffer. */
static void crypt_whole(const struct waxseal_gcm *state, whole function, size_t length,
                        const unsigned char *iv, const unsigned char *add, size_t add_len,
                        const unsigned char *input, unsigned char *output,
                        unsigned char tag[16])
{
    struct gcm_context_data data __attribute__((aligned(64)));
    function(&state->key, &data, output, input, length, iv, add, add_len, tag, 16);
    mbedtls_platform_zeroize(&data, sizeof(data));
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length,
                              const unsigned char *iv, size_t iv_len, const unsigned char *add,
                              size_t add_len, const unsigned char *input, unsigned char *output,
                              size_t tag_len, unsigned char *tag)
{
    if (ctx->state == NULL) {
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    }
    if (!is_fast(ctx, length, iv_len, input, output, tag_len)) {
        return own_gcm_crypt_and_tag(&ctx->state->own, mode, length, iv, iv_len, add, add_len,
                                     input, output, tag_len, tag);
    }
    unsigned char whole_tag[16];
    const struct functions *fast = ctx->state->fast;
    crypt_whole(ctx->state, mode == MBEDTLS_GCM_ENCRYPT ? fast->encrypt : fast->decrypt, length,
                iv, add, add_len, input, output, whole_tag);
    memcpy(tag, whole_tag, tag_len);
    mbedtls_platform_zeroize(whole_tag, sizeof(whole_tag));
    return 0;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv,
                             size_t iv_len, const unsigned char *add, size_t add_len,
                             const unsigned char *tag, size_t tag_len,
                             const unsigned char *input, unsigned char *output)
{
    unsigned char expected[16];
    const int ret = mbedtls_gcm_crypt_and_tag(ctx, MBEDTLS_GCM_DECRYPT, length, iv, iv_len, add,
                                              add_len, input, output, tag_len, expected);
    if (ret != 0) {
        return ret;
    }
    const int differs = mbedtls_ct_memcmp(tag, expected, tag_len);
    mbedtls_platform_zeroize(expected, sizeof(expected));
    if (differs == 0) {
        return 0;
    }
    if (length > 0) {
        mbedtls_platform_zeroize(output, length);
    }
    return MBEDTLS_ERR_GCM_AUTH_FAILED;
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
    return ctx->state == NULL ? MBEDTLS_ERR_GCM_BAD_INPUT
                              : own_gcm_starts(&ctx->state->own, mode, iv, iv_len);
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
    return ctx->state == NULL ? MBEDTLS_ERR_GCM_BAD_INPUT
                              : own_gcm_update_ad(&ctx->state->own, add, add_len);
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length,
                       unsigned char *output, size_t output_size, size_t *output_length)
{
    return ctx->state == NULL ? MBEDTLS_ERR_GCM_BAD_INPUT
                              : own_gcm_update(&ctx->state->own, input, input_length, output,
                                               output_size, output_length);
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size,
                       size_t *output_length, unsigned char *tag, size_t tag_len)
{
    return ctx->state == NULL ? MBEDTLS_ERR_GCM_BAD_INPUT
                              : own_gcm_finish(&ctx->state->own, output, output_size,
                                               output_length, tag, tag_len);
}

#endif /* MBEDTLS_GCM_C */
