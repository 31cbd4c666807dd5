// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Who is a peer: see tls.h. */
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "tls.h"

#define NAME_FLAGS (X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

static int agent_index = -1;
static int peer_index = -1;

static int tls_fail(const char *what, const char *file)
{
	char why[200];

	ERR_error_string_n(ERR_peek_last_error(), why, sizeof(why));
	ERR_clear_error();
	return fail(-EINVAL, "roamd: %s %s: %s", what, file, why);
}

static const char *name_of(struct agent *agent, X509 *cert)
{
	const struct config *config = &agent->config;

	for (uint32_t i = 0; i < config->peer_count; i++) {
		const char *name = config->peers[i].name;

		if (X509_check_host(cert, name, strlen(name), NAME_FLAGS, NULL) == 1)
			return name;
	}
	return NULL;
}

/* After the chain, and before the handshake is done: who is not on the list gets nowhere. */
static int verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct agent *agent = SSL_get_ex_data(ssl, agent_index);
	const char *want = SSL_get_ex_data(ssl, peer_index), *name;

	(void)arg;
	if (X509_verify_cert(store) != 1)
		return 0;
	name = name_of(agent, X509_STORE_CTX_get0_cert(store));
	if (name && (!want || !strcmp(want, name)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static SSL_CTX *new_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_method());

	if (!context)
		return NULL;
	SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	/* Chains of a few certificates; what is longer is not read at all. */
	SSL_CTX_set_max_cert_list(context, 32 * 1024);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(context, verify, NULL);
	return context;
}

static int load(SSL_CTX *context, const struct config *config)
{
	if (SSL_CTX_use_certificate_chain_file(context, config->certificate) != 1)
		return tls_fail("certificate", config->certificate);
	if (SSL_CTX_use_PrivateKey_file(context, config->key, SSL_FILETYPE_PEM) != 1)
		return tls_fail("key", config->key);
	if (SSL_CTX_check_private_key(context) != 1)
		return tls_fail("key", config->key);
	if (SSL_CTX_load_verify_locations(context, config->ca, NULL) != 1)
		return tls_fail("ca", config->ca);
	return 0;
}

int tls_load(struct agent *agent)
{
	SSL_CTX *context;
	int err;

	if (agent_index < 0) {
		agent_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
		peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	}
	ERR_clear_error();
	context = new_context();
	if (!context)
		return tls_fail("no TLS", "");
	err = load(context, &agent->config);
	if (err) {
		SSL_CTX_free(context);
		return err;
	}
	tls_close(agent);
	agent->tls = context;
	return 0;
}

void tls_close(struct agent *agent)
{
	SSL_CTX_free(agent->tls);
	agent->tls = NULL;
}

SSL *tls_new(struct agent *agent, const char *peer)
{
	SSL *ssl = SSL_new(agent->tls);

	if (!ssl)
		return NULL;
	SSL_set_ex_data(ssl, agent_index, agent);
	SSL_set_ex_data(ssl, peer_index, (void *)peer);
	if (peer)
		SSL_set_tlsext_host_name(ssl, peer);
	return ssl;
}

const char *tls_peer(struct agent *agent, SSL *ssl)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);

	return cert ? name_of(agent, cert) : NULL;
}

const char *tls_error(SSL *ssl, unsigned long error, char *buf, size_t size)
{
	long verified = SSL_get_verify_result(ssl);

	if (verified == X509_V_ERR_HOSTNAME_MISMATCH)
		return "the peer's name is not the one that it should be";
	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	ERR_error_string_n(error, buf, size);
	return ERR_reason_error_string(error) ? ERR_reason_error_string(error) : buf;
}
