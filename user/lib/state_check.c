// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Whether what an image says makes sense, as if an enemy had written it: see state.h. */
#include <string.h>
#include <netinet/in.h>
#include "ct.h"
#include "port.h"
#include "state.h"
#include "text.h"
#include "vm.h"

int state_check_vm(const struct image_header *header, struct roam_vm *vm)
{
	if (memcmp(vm->name, header->vm, sizeof(vm->name)) != 0 ||
	    memcmp(vm->uuid, header->uuid, sizeof(vm->uuid)) != 0)
		return fail(-EBADMSG, "image: the header is of another VM than the rows");
	if (vm->epoch == UINT64_MAX)
		return fail(-EBADMSG, "image: the epoch is absurd");
	vm->quota_flows = vm->quota_flows ? vm->quota_flows : ROAM_QUOTA_FLOWS_DEFAULT;
	vm->quota_half = vm->quota_half ? vm->quota_half : ROAM_QUOTA_HALF_DEFAULT;
	return vm_validate(vm);
}

static bool state_fits_proto(uint8_t state, uint8_t proto)
{
	switch (state) {
	case ROAM_CT_SYN_SENT ... ROAM_CT_CLOSE:
		return proto == IPPROTO_TCP;
	case ROAM_CT_UDP_NEW:
	case ROAM_CT_UDP_REPLIED:
	case ROAM_CT_UDP_STREAM:
		return proto == IPPROTO_UDP;
	case ROAM_CT_ICMP_NEW:
	case ROAM_CT_ICMP_REPLIED:
		return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
	case ROAM_CT_SCTP_COOKIE_WAIT ... ROAM_CT_SCTP_CLOSED:
		return proto == IPPROTO_SCTP;
	case ROAM_CT_OTHER_NEW: /* of SCTP, too: versions that knew nothing of its states */
	case ROAM_CT_OTHER_REPLIED:
		return proto != IPPROTO_TCP && proto != IPPROTO_UDP;
	default:
		return false;
	}
}

/* fe80:: with the interface identifier of the MAC, which the port stage takes for bound. */
static bool is_link_local_of(const struct roam_addr *addr, const uint8_t *mac)
{
	const uint8_t own[16] = { 0xfe,       0x80,   0,      0,    0,    0,      0,      0,
				  mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	return !memcmp(addr->bytes, own, sizeof(own));
}

bool state_is_local(const struct roam_flow_key *key, const struct roam_port *ports, int count)
{
	uint32_t zone = ROAM_ZONE_NO(key->zone);

	if (port_has_addr(ports, count, zone, &key->local))
		return true;
	for (int i = 0; i < count; i++) {
		if (ports[i].zone == zone && is_link_local_of(&key->local, ports[i].mac))
			return true;
	}
	return false;
}

static int check_key(const struct roam_flow_key *key)
{
	if (key->family != addr_family(&key->local) || key->family != addr_family(&key->remote))
		return fail(-EBADMSG, "image: a flow whose addresses are not of its family");
	if ((key->proto == IPPROTO_ICMP && key->family != ROAM_FAMILY_IPV4) ||
	    (key->proto == IPPROTO_ICMPV6 && key->family != ROAM_FAMILY_IPV6))
		return fail(-EBADMSG, "image: a flow of a protocol that its family does not have");
	return 0;
}

/* What a translation must be, whichever service it is of. */
static int check_session(const struct roam_flow_rec *rec, const struct roam_port *ports, int count)
{
	const struct roam_flow *flow = &rec->flow;
	struct roam_flow_key other = rec->key;

	if (!flow->lb_role) {
		if (flow->lb_port || flow->lb_service || addr_family(&flow->lb_addr) == 4 ||
		    flow->lb_addr.words[0] || flow->lb_addr.words[3])
			return fail(-EBADMSG, "image: a translation without a role");
		return 0;
	}
	if ((rec->key.proto != IPPROTO_TCP && rec->key.proto != IPPROTO_UDP) || !flow->lb_port ||
	    addr_family(&flow->lb_addr) != rec->key.family)
		return fail(-EBADMSG, "image: a translation that makes no sense");
	other.local = flow->lb_addr;
	if ((flow->lb_role == ROAM_LB_ROLE_HAIRPIN_CLIENT ||
	     flow->lb_role == ROAM_LB_ROLE_HAIRPIN_SERVER) &&
	    !state_is_local(&other, ports, count))
		return fail(-EBADMSG,
			    "image: a VM's own backend at an address that is not its own");
	return 0;
}

int state_check_flow(const struct roam_flow_rec *rec, const struct roam_port *ports, int count)
{
	char addr[TEXT_ADDR_LEN];
	int err = check_key(&rec->key);

	if (err)
		return err;
	if (!state_fits_proto(rec->flow.state, rec->key.proto))
		return fail(-EBADMSG, "image: a flow of protocol %u in state %s", rec->key.proto,
			    text_enum_name(&text_ct_state, rec->flow.state));
	if (rec->flow.flags & ~(ROAM_FLOW_PICKED_UP | ROAM_FLOW_LEARNED | ROAM_FLOW_EITHER_DIR |
				ROAM_FLOW_AUDITED | ROAM_FLOW_BOTH_OPEN))
		return fail(-EBADMSG, "image: a flow with unknown flags");
	if (!state_is_local(&rec->key, ports, count))
		return fail(-EBADMSG, "image: a flow of %s, which is no address of the VM",
			    text_addr(&rec->key.local, addr));
	return check_session(rec, ports, count);
}
