/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages of the handover's protocol: between JSON bodies and one struct, of which each type uses
 * the fields that docs/handover.md says. Pure. Every field is checked for its kind, its length and
 * its range; a field that is not known is left alone, so that a newer peer can say more.
 */
#ifndef ROAM_MESSAGE_H
#define ROAM_MESSAGE_H

#include <roam/types.h>
#include "handover_id.h"
#include "text.h"
#include "util.h"

/*
 * The versions that this build speaks: two hosts use the newest that both do. Tests build roamd
 * once more with other ones (tests/e2e/handover_skew.sh).
 */
#ifndef MESSAGE_VERSION
#define MESSAGE_VERSION        1
#define MESSAGE_VERSION_OLDEST 1
#endif

#define MESSAGE_TYPES(X)                                                                           \
	X(NONE, "none")                                                                            \
	X(HELLO, "hello")                                                                          \
	X(OFFER, "offer")                                                                          \
	X(ACCEPT, "accept")                                                                        \
	X(REFUSE, "refuse")                                                                        \
	X(BEGIN, "begin")                                                                          \
	X(DATA, "data")                                                                            \
	X(END, "end")                                                                              \
	X(ACK, "ack")                                                                              \
	X(LAST, "last")                                                                            \
	X(READY, "ready")                                                                          \
	X(CLAIM, "claim")                                                                          \
	X(RELEASE, "release")                                                                      \
	X(DONE, "done")                                                                            \
	X(ABORT, "abort")                                                                          \
	X(ABORTED, "aborted")                                                                      \
	X(RESUME, "resume")                                                                        \
	X(STALE, "stale")                                                                          \
	X(PING, "ping")

enum message_type {
#define X(id, text) MESSAGE_##id,
	MESSAGE_TYPES(X)
#undef X
		MESSAGE_TYPE_COUNT
};

/* Why a handover was refused or aborted. Names are ABI: VM managers act on them. */
#define HANDOVER_REASONS(X)                                                                        \
	X(NONE, "none")                                                                            \
	X(NOT_EXPECTED, "not_expected")     /* nobody at the destination announced the VM */       \
	X(NOT_AUTHORISED, "not_authorised") /* the peer is not on the list */                      \
	X(VERSION, "version")               /* no version of the protocol that both speak */       \
	X(SCHEMA, "schema")                 /* a verdict depends on a field not known there */     \
	X(STALE_EPOCH, "stale_epoch")       /* the destination knows a newer state of the VM */    \
	X(ACTIVE_HERE, "active_here")       /* the VM is active at the destination */              \
	X(UUID_DIFFERS, "uuid_differs")     /* another VM of that name is there */                 \
	X(NO_ROOM_FLOWS, "no_room_flows")                                                          \
	X(NO_ROOM_VMS, "no_room_vms")                                                              \
	X(NO_ROOM_JOURNAL, "no_room_journal") /* no disk for it, at either host */                 \
	X(NO_MEMORY, "no_memory")                                                                  \
	X(NO_DEVICE, "no_device") /* a port of the VM has no device there */                       \
	X(POLICY_DIFFERS, "policy_differs")                                                        \
	X(UNKNOWN_SERVICE, "unknown_service")                                                      \
	X(UNKNOWN_SET, "unknown_set")                                                              \
	X(MTU, "mtu")                       /* late packets do not fit, and are asked to */        \
	X(BUSY, "busy")                     /* another handover of the VM, or too many at once */  \
	X(CORRUPT, "corrupt")               /* what came cannot be understood */                   \
	X(SEQUENCE_GAP, "sequence_gap")     /* a delta is missing */                               \
	X(NOT_CONVERGING, "not_converging") /* rounds do not get short within the time */          \
	X(PEER_TIMEOUT, "peer_timeout")     /* the peer is there, and does not answer */           \
	X(PEER_LOST, "peer_lost")           /* no connection to the peer */                        \
	X(FENCE_TIMEOUT, "fence_timeout")   /* frozen, and not ready within the watchdog's time */ \
	X(THAWED, "thawed")                 /* the VM sent a frame at the source while frozen */   \
	X(TWO_SENDERS, "two_senders")       /* the VM sent at both hosts */                        \
	X(OPERATOR, "operator")             /* roam handover abort */                              \
	X(VM_MANAGER, "vm_manager")         /* the migration failed or was cancelled */            \
	X(RESTARTED, "restarted")           /* roamd was restarted on the way */                   \
	X(STALE, "stale")                   /* the peer does not know this handover */             \
	X(INTERNAL, "internal")

enum handover_reason {
#define X(id, text) HANDOVER_REASON_##id,
	HANDOVER_REASONS(X)
#undef X
		HANDOVER_REASON_COUNT
};

/*
 * Where a handover is, on either host. The source: offered, base, rounds, frozen, ready, moved; the
 * destination: prepared, staged, ready, open; both: aborting, and then done or aborted.
 */
#define HANDOVER_STATES(X)                                                                         \
	X(NONE, "none")                                                                            \
	X(OFFERED, "offered")                                                                      \
	X(BASE, "base")                                                                            \
	X(ROUNDS, "rounds")                                                                        \
	X(FROZEN, "frozen")                                                                        \
	X(PREPARED, "prepared")                                                                    \
	X(STAGED, "staged")                                                                        \
	X(READY, "ready")                                                                          \
	X(MOVED, "moved")                                                                          \
	X(OPEN, "open")                                                                            \
	X(ABORTING, "aborting")                                                                    \
	X(ABORTED, "aborted")                                                                      \
	X(DONE, "done")

enum handover_state {
#define X(id, text) HANDOVER_##id,
	HANDOVER_STATES(X)
#undef X
		HANDOVER_STATE_COUNT
};

/* Whether the VM manager waits for the source (held) or goes on by itself (free). */
enum handover_fence { HANDOVER_FENCE_HELD, HANDOVER_FENCE_FREE, HANDOVER_FENCE_COUNT };

extern const struct text_enum text_handover_reason;
extern const struct text_enum text_handover_state;
extern const struct text_enum text_handover_fence;

#define HANDOVER_TEXT_LEN 200

/* What OFFER says of the VM. */
struct handover_vm {
	char name[ROAM_NAME_LEN];
	uint8_t uuid[16];
	uint64_t incarnation;
	uint64_t epoch;  /* that the destination will have */
	uint64_t digest; /* of policy */
	uint32_t flows;  /* the quotas, and how many rules there are */
	uint32_t half;
	uint32_t rules;
	uint8_t midstream; /* enum roam_midstream: the override of this handover */
	uint8_t fence;     /* enum handover_fence */
	uint32_t mtu;      /* that the largest late packets need of their way; 0: there are none */
	char late_from[TEXT_ADDR_LEN]; /* where late packets would come from; empty: none do */
};

struct message {
	enum message_type type;
	uint8_t id[HANDOVER_ID_LEN];
	struct handover_vm vm;
	bool check; /* OFFER: pre-flight alone */
	char host[ROAM_NAME_LEN];
	uint32_t version;
	uint32_t oldest;
	uint64_t sequence;
	uint64_t epoch;
	uint8_t reason;
	uint8_t state;
	char late[TEXT_ADDR_LEN]; /* ACCEPT: where late packets are to go; empty: nowhere */
	uint32_t late_mtu;        /* and the MTU of that way there; 0: not known */
	char text[HANDOVER_TEXT_LEN];
};

const char *message_type_name(unsigned int type);

/* The body of a message, for the caller to free. NULL: out of memory. */
char *message_write(const struct message *message);
/* Understands a body. */
int message_read(enum message_type type, const char *body, size_t size,
		 struct message *ret_message);

/* Copies text that is shown to people: printable ASCII, cut where it is too long. */
void handover_text_set(char to[HANDOVER_TEXT_LEN], const char *text);

#endif
