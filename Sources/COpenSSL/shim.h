// Sources/COpenSSL/shim.h: what Swift cannot reach in OpenSSL (macros, ASN.1 times, BIO counters), one small shim each.
#pragma once
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Looks at the first bytes of the next decrypted record without taking them. Returns the count, 0 when nothing is there yet,
// -1 when the connection ended or failed.
static inline int copenssl_peek(SSL *ssl, unsigned char *bytes, int capacity) {
    ERR_clear_error();
    int count = SSL_peek(ssl, bytes, capacity);
    if (count > 0) return count;
    int error = SSL_get_error(ssl, count);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

// Bytes read from the socket since the connection began, TLS overhead included.
static inline uint64_t copenssl_bytes_read(SSL *ssl) {
    BIO *bio = SSL_get_rbio(ssl);
    return bio ? BIO_number_read(bio) : 0;
}

// Seconds since the epoch; 0 when the time cannot be read.
static inline int64_t copenssl_seconds(const ASN1_TIME *time) {
    struct tm broken;
    if (!time || ASN1_TIME_to_tm(time, &broken) != 1) return 0;
    return (int64_t)timegm(&broken);
}

static inline int copenssl_name(const X509_NAME *name, char *text, int capacity) {
    BIO *memory = BIO_new(BIO_s_mem());
    if (!memory) return 0;
    int count = 0;
    if (X509_NAME_print_ex(memory, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        count = BIO_read(memory, text, capacity - 1);
        if (count < 0) count = 0;
    }
    text[count] = 0;
    BIO_free(memory);
    return count;
}

static inline int copenssl_common_name(X509 *certificate, char *text, int capacity) {
    return X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, capacity);
}

// The index-th DNS or IP name of the certificate as text; 0 when there is none at this index, -1 for a name of another kind.
static inline int copenssl_alternative_name(X509 *certificate, int index, char *text, int capacity) {
    GENERAL_NAMES *names = (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    if (!names) return 0;
    int result = 0;
    if (index < sk_GENERAL_NAME_num(names)) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        result = -1;
        if (name->type == GEN_DNS) {
            int length = ASN1_STRING_length(name->d.dNSName);
            if (length > 0 && length < capacity) {
                memcpy(text, ASN1_STRING_get0_data(name->d.dNSName), (size_t)length);
                text[length] = 0;
                result = length;
            }
        } else if (name->type == GEN_IPADD) {
            int length = ASN1_STRING_length(name->d.iPAddress);
            int family = length == 4 ? AF_INET : AF_INET6;
            if ((length == 4 || length == 16) && inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text, (socklen_t)capacity))
                result = (int)strlen(text);
        }
    }
    GENERAL_NAMES_free(names);
    return result;
}

static inline int copenssl_sha256(X509 *certificate, unsigned char *digest) {
    unsigned int length = 32;
    return X509_digest(certificate, EVP_sha256(), digest, &length);
}

static inline int copenssl_chain_count(SSL *ssl) {
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    return chain ? sk_X509_num(chain) : 0;
}
static inline X509 *copenssl_chain_certificate(SSL *ssl, int index) {
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    return chain ? sk_X509_value(chain, index) : NULL;
}
static inline int copenssl_set_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }
static inline int copenssl_set_minimum(SSL_CTX *context) { return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION); }

// The reason text of the oldest error in this thread's queue, which is then emptied.
static inline unsigned long copenssl_error(char *text, size_t capacity) {
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    strncpy(text, reason ? reason : "", capacity - 1);
    text[capacity - 1] = 0;
    ERR_clear_error();
    return code;
}

// The anchor that the verified chain ended in, as PEM in a memory BIO that the caller frees; NULL when nothing was verified.
static inline BIO *copenssl_anchor(SSL *ssl) {
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    int count = chain ? sk_X509_num(chain) : 0;
    if (count == 0 || SSL_get_verify_result(ssl) != X509_V_OK) return NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    if (memory && PEM_write_bio_X509(memory, sk_X509_value(chain, count - 1)) != 1) {
        BIO_free(memory);
        return NULL;
    }
    return memory;
}
static inline long copenssl_memory(BIO *memory, const char **bytes) { return BIO_get_mem_data(memory, (char **)bytes); }

// Where SSL_CTX_set_default_verify_paths() looks: the same variables, the same defaults.
static inline const char *copenssl_store_file(void) {
    const char *path = getenv(X509_get_default_cert_file_env());
    return path ? path : X509_get_default_cert_file();
}
static inline const char *copenssl_store_directory(void) {
    const char *path = getenv(X509_get_default_cert_dir_env());
    return path ? path : X509_get_default_cert_dir();
}

// A place in every session for a pointer of ours. Source: SSL_get_ex_new_index(3).
static inline int copenssl_session_slot(void) { return (int)CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL, NULL); }
static inline int copenssl_set_session_minimum(SSL *ssl) { return (int)SSL_set_min_proto_version(ssl, TLS1_2_VERSION); }
static inline int copenssl_chain_length(X509_STORE_CTX *context) {
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(context);
    return chain ? sk_X509_num(chain) : 0;
}
static inline X509 *copenssl_chain_member(X509_STORE_CTX *context, int index) {
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(context);
    return chain ? sk_X509_value(chain, index) : NULL;
}
static inline SSL *copenssl_verifying_session(X509_STORE_CTX *context) {
    return (SSL *)X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
}
typedef long (*copenssl_read_check)(BIO *, int, const char *, size_t, int, long, int, size_t *);
static inline void copenssl_check_reads(SSL *ssl, copenssl_read_check check, void *argument) {
    BIO *bio = SSL_get_rbio(ssl);
    if (!bio) return;
    BIO_set_callback_arg(bio, (char *)argument);
    BIO_set_callback_ex(bio, check);
}
static inline void *copenssl_check_argument(BIO *bio) { return BIO_get_callback_arg(bio); }
