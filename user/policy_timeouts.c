// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A VM's timeouts by state, in seconds, in a policy file: see policy_keys.h. */
#include <string.h>
#include "policy.h"
#include "policy_keys.h"
#include "text.h"

static int read_timeout(const char *name, const char *text, uint32_t *ret_timeout)
{
	uint32_t value;
	int err = text_u32_parse(name, text, &value);

	if (!err && value > ROAM_CT_TIMEOUT_MAX)
		err = fail(-ERANGE, "%s %u is not from 0 to %u", name, value, ROAM_CT_TIMEOUT_MAX);
	if (!err)
		*ret_timeout = value;
	return err;
}

/* In the order in which `vm show` has them. */
#define TIMEOUTS(X)                                                                                \
	X(unacked)                                                                                 \
	X(syn_sent)                                                                                \
	X(syn_recv)                                                                                \
	X(established)                                                                             \
	X(fin_wait)                                                                                \
	X(close_wait)                                                                              \
	X(last_ack)                                                                                \
	X(time_wait)                                                                               \
	X(close)                                                                                   \
	X(udp_new)                                                                                 \
	X(udp_replied)                                                                             \
	X(udp_stream)                                                                              \
	X(icmp_new)                                                                                \
	X(icmp_replied)                                                                            \
	X(other_new)                                                                               \
	X(other_replied)                                                                           \
	X(sctp_cookie_wait)                                                                        \
	X(sctp_cookie_echoed)                                                                      \
	X(sctp_heartbeat_sent)                                                                     \
	X(sctp_established)                                                                        \
	X(sctp_shutdown_sent)                                                                      \
	X(sctp_shutdown_recd)                                                                      \
	X(sctp_shutdown_ack_sent)                                                                  \
	X(sctp_closed)

#define X(name)                                                                                    \
	static int read_##name(void *object, const char *text)                                     \
	{                                                                                          \
		return read_timeout(#name, text, &((struct roam_ct_timeouts *)object)->name);      \
	}                                                                                          \
                                                                                                   \
	static bool show_##name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])        \
	{                                                                                          \
		uint32_t timeout = ((const struct roam_ct_timeouts *)object)->name;                \
                                                                                                   \
		(void)i;                                                                           \
		return timeout && policy_say_number(text, timeout);                                \
	}
TIMEOUTS(X)
#undef X

static const struct policy_key timeout_keys[] = {
#define X(name) { #name, POLICY_VALUE, .read = read_##name, .show = show_##name },
	TIMEOUTS(X)
#undef X
};

_Static_assert(ARRAY_SIZE(timeout_keys) == ROAM_CT_STATE_COUNT, "a timeout without a key");

const struct policy_map policy_timeouts = { "timeouts", timeout_keys, ARRAY_SIZE(timeout_keys),
					    NULL };

/* There is a mapping where anything is not as usual. */
void *policy_timeouts_at(void *object, uint32_t i)
{
	static const struct roam_ct_timeouts usual;
	struct policy *policy = object;

	return !i && memcmp(&policy->vm.timeouts, &usual, sizeof(usual)) != 0 ? &policy->vm.timeouts
									      : NULL;
}

int policy_timeouts_add(void *object, void **ret_object)
{
	*ret_object = &((struct policy *)object)->vm.timeouts;
	return 0;
}
