// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A full table of half-open flows: which of them goes for a new one, who is refused, and what
 * becomes of a handshake in a flood. e2e/flood.sh does it at full speed.
 */
#include <arpa/inet.h>
#include "cast.h"
#include "harness.h"

#define QUOTA  64
#define SECOND 1000000000ULL

enum { SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK };
static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

struct half_test {
	struct fixture fixture;
	struct fixture_vm vm;
};

static void half_test_setup(struct half_test *self)
{
	self->vm = cast_vm();
	self->vm.quota_half = QUOTA;
	self->vm.conf.default_action[IN] = ROAM_ACTION_ALLOW;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
}

static void half_test_teardown(struct half_test *self)
{
	fixture_close(&self->fixture);
}

/* A packet of the connection between the VM's port 443 and that port of the peer. */
static enum roam_reason visitor(struct half_test *self, int family, uint16_t port, uint8_t flags)
{
	enum roam_dir dir = flags == (SYN | ACK) ? OUT : IN;
	struct packet_spec spec = cast_tcp(family, dir, flags);
	struct packet packet;

	*(dir == OUT ? &spec.sport : &spec.dport) = 443;
	*(dir == OUT ? &spec.dport : &spec.sport) = port;
	packet_build(&spec, &packet);
	fixture_run(&self->fixture, FRONT_TC, dir, &packet);
	return fixture_reason(&self->fixture, CAST_SLOT, dir);
}

/* The same of one that the VM opens from that port. */
static enum roam_reason own(struct half_test *self, int family, uint16_t port, uint8_t flags)
{
	enum roam_dir dir = flags == (SYN | ACK) ? IN : OUT;
	struct packet_spec spec = cast_tcp(family, dir, flags);
	struct packet packet;

	*(dir == OUT ? &spec.sport : &spec.dport) = port;
	packet_build(&spec, &packet);
	fixture_run(&self->fixture, FRONT_TC, dir, &packet);
	return fixture_reason(&self->fixture, CAST_SLOT, dir);
}

/* Openings from outside, each of another port; the VM answers them, or not. How many came in. */
static uint32_t flood(struct half_test *self, int family, uint16_t first, uint32_t count,
		      bool answered)
{
	uint32_t came = 0;

	for (uint32_t i = 0; i < count && !harness_stopped(); i++) {
		enum roam_reason reason = visitor(self, family, first + i, SYN);

		if (reason != ROAM_REASON_OPENED && reason != ROAM_REASON_CT_REPLACED) {
			CHECK_EQ(reason, ROAM_REASON_CT_HALF_FULL);
			continue;
		}
		came++;
		if (answered)
			CHECK_EQ(visitor(self, family, first + i, SYN | ACK),
				 ROAM_REASON_ESTABLISHED);
	}
	return came;
}

static uint32_t rows(struct half_test *self)
{
	return fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF);
}

/* Whether the flow of visitor() is there. */
static bool is_there(struct half_test *self, int family, uint16_t port)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	key.lport = htons(443);
	key.rport = htons(port);
	return fixture_flow(&self->fixture, CAST_SLOT, &key, &flow) >= 0;
}

TEST_46_F(half_test, oldest_unanswered_goes_first)
{
	CHECK_EQ(flood(self, family, 1000, 2 * QUOTA, false), 2 * QUOTA);
	for (uint16_t i = 2 * QUOTA; i < 5 * QUOTA; i++) {
		CHECK_EQ(visitor(self, family, 1000 + i, SYN), ROAM_REASON_CT_REPLACED);
		CHECK_EQ(rows(self), QUOTA);
		CHECK(!is_there(self, family, 1000 + i - QUOTA));
		CHECK(is_there(self, family, 1000 + i - QUOTA + 1));
	}
}

TEST_46_F(half_test, answered_ones_are_spared_once)
{
	uint32_t left = 0;

	for (uint16_t i = 0; i < QUOTA; i++)
		flood(self, family, 1000 + i, 1, i % 2);
	flood(self, family, 2000, QUOTA / 2, false);
	for (uint16_t i = 0; i < QUOTA; i++)
		CHECK_EQ(is_there(self, family, 1000 + i), i % 2);
	flood(self, family, 3000, QUOTA, false);
	for (uint16_t i = 0; i < QUOTA; i++)
		left += is_there(self, family, 1000 + i);
	CHECK_EQ(left, 0);
	CHECK_EQ(rows(self), QUOTA);
}

TEST_46_F(half_test, nobody_outside_takes_what_the_vm_tries)
{
	for (uint16_t i = 0; i < QUOTA / 2; i++)
		CHECK_EQ(own(self, family, 1000 + i, SYN), ROAM_REASON_OPENED);
	CHECK_OP(flood(self, family, 2000, 4 * QUOTA, false), >, 3 * QUOTA);
	CHECK_OP(flood(self, family, 4000, 4 * QUOTA, true), >, 3 * QUOTA);
	for (uint16_t i = 0; i < QUOTA / 2; i++) {
		CHECK_EQ(own(self, family, 1000 + i, SYN | ACK), ROAM_REASON_ESTABLISHED);
		CHECK_EQ(own(self, family, 1000 + i, ACK), ROAM_REASON_ESTABLISHED);
	}
}

TEST_46_F(half_test, full_of_the_vms_own_refuses_those_outside)
{
	for (uint16_t i = 0; i < QUOTA; i++)
		CHECK_EQ(own(self, family, 1000 + i, SYN), ROAM_REASON_OPENED);
	CHECK_EQ(visitor(self, family, 2000, SYN), ROAM_REASON_CT_HALF_FULL);
	CHECK_EQ(own(self, family, 2000, SYN), ROAM_REASON_CT_REPLACED);
	CHECK_EQ(rows(self), QUOTA);
}

/* Of a flood that the VM answers, and of one that it does not. */
TEST_46_F(half_test, handshake_has_the_time_of_a_whole_table)
{
	for (int answered = 0; answered < 2; answered++) {
		uint16_t base = 10000 * (answered + 1);

		flood(self, family, base, 3 * QUOTA, answered);
		flood(self, family, base + 1000, 1, true);
		flood(self, family, base + 2000, QUOTA / 2, answered);
		CHECK_EQ(visitor(self, family, base + 1000, ACK), ROAM_REASON_ESTABLISHED);
		CHECK_EQ(rows(self), QUOTA - 1);
		flood(self, family, base + 3000, 3 * QUOTA, answered);
		CHECK_EQ(visitor(self, family, base + 1000, ACK), ROAM_REASON_ESTABLISHED);
	}
}

/* Its place was taken: what completes it is nobody's, and passes no more than anything else that
 * comes in the middle. */
TEST_46_F(half_test, handshake_that_was_replaced_is_not_completed)
{
	flood(self, family, 1000, 1, true);
	flood(self, family, 2000, 4 * QUOTA, false);
	CHECK_EQ(visitor(self, family, 1000, ACK), ROAM_REASON_MIDSTREAM);
	CHECK_EQ(visitor(self, family, 1000, SYN | ACK), ROAM_REASON_MIDSTREAM);
	/* Its opening again is as good as the first. */
	CHECK_EQ(visitor(self, family, 1000, SYN), ROAM_REASON_CT_REPLACED);
	CHECK_EQ(visitor(self, family, 1000, SYN | ACK), ROAM_REASON_ESTABLISHED);
	CHECK_EQ(visitor(self, family, 1000, ACK), ROAM_REASON_ESTABLISHED);
}

/* A VM that picks up connections takes it in where policy would have let it open. */
TEST_46_F(half_test, handshake_that_was_replaced_is_picked_up)
{
	self->vm.conf.midstream = ROAM_MIDSTREAM_PICKUP;
	fixture_make_vm(&self->fixture, &self->vm);
	flood(self, family, 1000, 1, true);
	flood(self, family, 2000, 4 * QUOTA, false);
	CHECK_EQ(visitor(self, family, 1000, ACK), ROAM_REASON_OPENED);
	CHECK_EQ(visitor(self, family, 1000, ACK), ROAM_REASON_ESTABLISHED);
}

/* A table that is nearly full, but not of live ones, replaces none. */
TEST_46_F(half_test, what_has_expired_goes_before_any_live_one)
{
	flood(self, family, 1000, QUOTA - 8, false);
	self->fixture.now_ns += 121 * SECOND;
	for (uint16_t i = 0; i < QUOTA; i++)
		CHECK_EQ(visitor(self, family, 2000 + i, SYN), ROAM_REASON_OPENED);
	CHECK_EQ(rows(self), QUOTA);
	CHECK_EQ(visitor(self, family, 3000, SYN), ROAM_REASON_CT_REPLACED);
}
