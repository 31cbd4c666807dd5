// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rates and marks of VMs: see qos.h. */
#include <inttypes.h>
#include <string.h>
#include "journal.h"
#include "qos.h"
#include "vm.h"

int qos_validate(const char *what, const struct roam_qos *conf)
{
	if (conf->is_set > 1 || conf->has_dscp > 1 || conf->dscp > ROAM_DSCP_MASK)
		return fail(-EINVAL, "%s: a profile with an absurd mark", what);
	if (!conf->rate_Bps)
		return conf->burst ? fail(-EINVAL, "%s: a burst without a rate", what) : 0;
	if (conf->rate_Bps < ROAM_QOS_RATE_MIN || conf->rate_Bps > ROAM_QOS_RATE_MAX)
		return fail(-ERANGE, "%s: a rate of %" PRIu64 " bytes a second is absurd", what,
			    (uint64_t)conf->rate_Bps);
	if (conf->burst < ROAM_QOS_BURST_MIN || conf->burst > ROAM_QOS_BURST_MAX)
		return fail(-ERANGE, "%s: burst %u is not from %u to %u bytes", what, conf->burst,
			    ROAM_QOS_BURST_MIN, ROAM_QOS_BURST_MAX);
	return 0;
}

void qos_fill_burst(struct roam_qos *conf)
{
	uint64_t burst = conf->rate_Bps / ROAM_QOS_BURST_DIVISOR;

	if (!conf->rate_Bps || conf->burst)
		return;
	if (burst < ROAM_QOS_BURST_DEFAULT_MIN)
		burst = ROAM_QOS_BURST_DEFAULT_MIN;
	conf->burst = burst < ROAM_QOS_BURST_MAX ? burst : ROAM_QOS_BURST_MAX;
}

/* What the stage reads, from what was written. */
static struct roam_qos compile(const struct roam_qos *conf)
{
	struct roam_qos row = *conf;

	row.burst_ns = conf->rate_Bps ? conf->burst * NS_PER_S / conf->rate_Bps : 0;
	return row;
}

int qos_get(struct host *host, uint32_t slot, enum roam_dir dir, struct roam_qos_rec *ret_rec)
{
	uint32_t index = ROAM_QOS(slot, dir);
	struct roam_qos_rec rec = { .dir = dir };
	int err = host_get(host, HOST_MAP_qos_conf, &index, &rec.conf);

	if (!err)
		err = host_get(host, HOST_MAP_qos_state, &index, &rec.state);
	if (!err)
		*ret_rec = rec;
	return err;
}

int qos_store(struct host *host, uint32_t slot, const struct roam_qos_rec *rec)
{
	uint32_t index = ROAM_QOS(slot, rec->dir);
	struct roam_qos row = compile(&rec->conf);
	int err = host_put(host, HOST_MAP_qos_state, &index, &rec->state);

	return err ? err : host_put(host, HOST_MAP_qos_conf, &index, &row);
}

/* Bucket and counters begin anew where there was no profile, or is none any more. */
static int put_profile(struct host *host, uint32_t slot, const struct roam_qos_rec *rec)
{
	uint32_t index = ROAM_QOS(slot, rec->dir);
	struct roam_qos_rec before;
	struct roam_qos row = compile(&rec->conf);
	int err = qos_get(host, slot, rec->dir, &before);

	if (!err && !before.conf.is_set)
		err = host_put(host, HOST_MAP_qos_state, &index, &rec->state);
	if (!err)
		err = host_put(host, HOST_MAP_qos_conf, &index, &row);
	if (!err && !row.is_set)
		err = host_put(host, HOST_MAP_qos_state, &index, &rec->state);
	return err;
}

/* The profile's row is the change; what follows from it, recovery would do as well. */
static int set_locked(struct host *host, uint32_t slot, const struct roam_qos_rec *rec)
{
	int entry, err = journal_begin(host, slot, &entry);

	if (err)
		return err;
	err = put_profile(host, slot, rec);
	if (!err)
		err = vm_sync_features(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

int qos_set(struct host *host, uint32_t slot, enum roam_dir dir, const struct roam_qos *conf)
{
	struct roam_qos_rec rec = { .conf = *conf, .dir = dir };
	int err = qos_validate("qos", conf);

	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return set_locked(locked, slot, &rec);
}

int qos_take(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_qos_rec now, rec;
	int err = 0;

	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		err = qos_get(host, from, dir, &rec);
		if (!err)
			err = qos_get(host, slot, dir, &now);
		rec.state = (struct roam_qos_state){};
		if (!err && (!now.conf.is_set || memcmp(&now.conf, &rec.conf, sizeof(now.conf))))
			err = put_profile(host, slot, &rec);
	}
	return err;
}

bool qos_is_used(struct host *host, uint32_t slot)
{
	struct roam_qos_rec rec;

	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		if (!qos_get(host, slot, dir, &rec) && rec.conf.is_set)
			return true;
	}
	return false;
}

void qos_clear(struct host *host, uint32_t slot)
{
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		qos_store(host, slot, &(struct roam_qos_rec){ .dir = dir });
}
