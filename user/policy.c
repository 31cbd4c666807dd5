// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam policy`: VMs, and the host's sets and services, as files say they are. */
#include <stdio.h>
#include <string.h>
#include "cmd.h"
#include "effect.h"
#include "lb_policy.h"
#include "policy.h"
#include "policy_diff.h"
#include "policy_read.h"
#include "policy_tree.h"
#include "set.h"
#include "vm.h"

/* All files are read and found good before the host is looked at. */
static int read_files(struct cmd *cmd, struct policies *policies)
{
	const char *file = words_next(&cmd->words);
	int err = 0;

	if (!file)
		return usage("the file is missing");
	for (; file && !err; file = words_next(&cmd->words))
		err = policy_read_file(file, policies);
	return err ? err : cmd_host(cmd);
}

static void ignore_change(const struct policy_change *change, void *arg)
{
	(void)change;
	(void)arg;
}

/* What the host has for the VM of this name: NULL if there is none. */
static int get_tree(struct host *host, const char *name, struct policy *ret_now, json_t **ret_tree)
{
	uint32_t slot;
	int err = vm_find(host, name, &slot);

	*ret_tree = NULL;
	if (err == -ENOENT)
		return 0;
	if (!err)
		err = policy_get(host, slot, ret_now);
	if (!err)
		*ret_tree = policy_tree(ret_now);
	return err;
}

/* What an uuid is when the file leaves it open. */
static void keep_uuid(struct policy *policy, const struct policy *now)
{
	if (policy->has_uuid)
		return;
	policy->has_uuid = now->has_uuid;
	memcpy(policy->vm.uuid, now->vm.uuid, sizeof(now->vm.uuid));
}

/* How many differences there are; or -errno. */
static int compare(struct host *host, struct policy *policy, policy_change_fn *fn, void *arg)
{
	_cleanup_policy_ struct policy now = {};
	json_t *was, *is;
	int err = get_tree(host, policy->vm.name, &now, &was);
	unsigned int count;

	if (err)
		return err;
	keep_uuid(policy, &now);
	is = policy_tree(policy);
	count = policy_diff(was, is, fn, arg);
	json_decref(was);
	json_decref(is);
	return count;
}

static int compare_services(struct host *host, const struct lb_policy *services,
			    policy_change_fn *fn, void *arg)
{
	_cleanup_lb_policy_ struct lb_policy now = {};
	int err = lb_policy_get(host, &now);
	unsigned int count;
	json_t *was, *is;

	if (err)
		return err;
	was = policy_services_tree(&now);
	is = policy_services_tree(services);
	count = policy_services_diff(was, is, fn, arg);
	json_decref(was);
	json_decref(is);
	return count;
}

static int compare_sets(struct host *host, const struct sets *sets, policy_change_fn *fn, void *arg)
{
	_cleanup_sets_ struct sets now = {};
	int err = sets_get_all(host, &now);
	unsigned int count;
	json_t *was, *is;

	if (err)
		return err;
	was = policy_sets_tree(&now);
	is = policy_sets_tree(sets);
	count = policy_sets_diff(was, is, fn, arg);
	json_decref(was);
	json_decref(is);
	return count;
}

/* With the host's lock. */
static int apply_services(struct host *host, const struct lb_policy *services)
{
	int changes = compare_services(host, services, ignore_change, NULL);

	return changes > 0 ? lb_policy_apply(host, services) : changes;
}

/* With the host's lock. */
static int apply_one(struct cmd *cmd, struct policy *policy)
{
	int changes = compare(cmd->host, policy, ignore_change, NULL), err;
	uint32_t slot;

	if (changes <= 0)
		return changes;
	err = policy_apply(cmd->host, policy);
	if (!err && !vm_find(cmd->host, policy->vm.name, &slot))
		effect_show(cmd, slot);
	return err;
}

static int say_which(int err, const struct policy *policy)
{
	_cleanup_free_ char *why = strdup(fail_line());

	return fail(err, "policy: vm '%s': %s", policy->vm.name, why ? why : "out of memory");
}

static int say_what(int err, const char *what)
{
	_cleanup_free_ char *why = strdup(fail_line());

	return fail(err, "policy: %s: %s", what, why ? why : "out of memory");
}

static int apply_vms(struct cmd *cmd, struct policies *policies)
{
	int err = 0;

	for (uint32_t i = 0; i < policies->count && !err; i++) {
		struct policy *policy = &policies->all[i];

		err = host_lock(cmd->host);
		if (err)
			break;
		err = apply_one(cmd, policy);
		host_unlock(cmd->host);
		if (err)
			err = say_which(err, policy);
	}
	return err;
}

static int lock_and_apply_sets(struct cmd *cmd, const struct sets *sets, bool keep_others)
{
	static struct sets_users users;
	int err = host_lock(cmd->host);

	if (err)
		return err;
	err = sets_apply(cmd->host, sets, keep_others, &users);
	for (uint32_t i = 0; i < users.count && !err; i++)
		effect_show(cmd, users.slots[i]);
	host_unlock(cmd->host);
	return err ? say_what(err, "sets") : 0;
}

static int lock_and_apply_services(struct host *host, const struct lb_policy *services)
{
	int err = host_lock(host);

	if (err)
		return err;
	err = apply_services(host, services);
	host_unlock(host);
	return err ? say_what(err, "services") : 0;
}

/* Sets come before the rules that refer to them, and go after those that do not any more. */
static int apply_all(struct cmd *cmd, struct policies *policies, bool keep)
{
	int err = 0;

	if (policies->sets)
		err = lock_and_apply_sets(cmd, policies->sets, keep || policies->count);
	if (!err && policies->services)
		err = lock_and_apply_services(cmd->host, policies->services);
	if (!err)
		err = apply_vms(cmd, policies);
	if (!err && policies->sets && policies->count && !keep)
		err = lock_and_apply_sets(cmd, policies->sets, false);
	return err;
}

static int policy_apply_cmd(struct cmd *cmd)
{
	_cleanup_policies_ struct policies policies = {};
	bool keep = words_take(&cmd->words, "keep");
	int err = read_files(cmd, &policies);

	if (err)
		return err;
	out_list(cmd->out);
	return out_list_end(cmd->out, apply_all(cmd, &policies, keep));
}

struct show_changes {
	struct out *out;
	const char *vm; /* NULL: the host's sets or services */
};

static void show_change(const struct policy_change *change, void *arg)
{
	const struct show_changes *show = arg;

	out_item(show->out);
	if (show->vm)
		out_text(show->out, "vm", show->vm);
	out_bare(show->out, "change", !change->was ? "add" : !change->is ? "del" : "set");
	out_bare(show->out, "where", change->where);
	if (change->was)
		out_text(show->out, "was", change->was);
	if (change->is)
		out_text(show->out, "is", change->is);
	out_item_end(show->out);
}

static int diff_files(struct cmd *cmd, unsigned int *ret_count)
{
	_cleanup_policies_ struct policies policies = {};
	int err = read_files(cmd, &policies);
	unsigned int count = 0;

	if (err)
		return err;
	out_list(cmd->out);
	if (policies.sets) {
		struct show_changes show = { cmd->out, NULL };

		err = compare_sets(cmd->host, policies.sets, show_change, &show);
		count += err > 0 ? err : 0;
	}
	if (policies.services && err >= 0) {
		struct show_changes show = { cmd->out, NULL };

		err = compare_services(cmd->host, policies.services, show_change, &show);
		count += err > 0 ? err : 0;
	}
	for (uint32_t i = 0; i < policies.count && err >= 0; i++) {
		struct show_changes show = { cmd->out, policies.all[i].vm.name };

		err = compare(cmd->host, &policies.all[i], show_change, &show);
		count += err > 0 ? err : 0;
	}
	*ret_count = count;
	return out_list_end(cmd->out, err < 0 ? err : 0);
}

/* As diff(1): 0 nothing, 1 there is something, 2 it could not be found out. */
static int policy_diff_cmd(struct cmd *cmd)
{
	unsigned int count;
	int err = diff_files(cmd, &count);

	if (err)
		return CMD_USAGE;
	return count ? CMD_DIFFERS : 0;
}

struct show_policies {
	struct out *out;
	bool any;
};

/* One document; takes the tree. */
static void show_tree(struct show_policies *show, json_t *tree)
{
	if (out_is_text(show->out)) {
		if (show->any)
			puts("---");
		policy_yaml(stdout, tree);
		json_decref(tree);
	} else {
		out_tree(show->out, tree);
	}
	show->any = true;
}

static int show_policy(struct host *host, uint32_t slot, void *arg)
{
	_cleanup_policy_ struct policy policy = {};
	int err = policy_get(host, slot, &policy);

	if (!err)
		show_tree(arg, policy_tree(&policy));
	return err;
}

/* `always`: also that there are none. */
static int show_services(struct cmd *cmd, struct show_policies *show, bool always)
{
	_cleanup_lb_policy_ struct lb_policy services = {};
	int err = cmd_host(cmd);

	if (!err)
		err = lb_policy_get(cmd->host, &services);
	if (!err && (services.count || always))
		show_tree(show, policy_services_tree(&services));
	return err;
}

static int show_sets(struct cmd *cmd, struct show_policies *show, bool always)
{
	_cleanup_sets_ struct sets sets = {};
	int err = cmd_host(cmd);

	if (!err)
		err = sets_get_all(cmd->host, &sets);
	if (!err && (sets.count || always))
		show_tree(show, policy_sets_tree(&sets));
	return err;
}

static int policy_show_cmd(struct cmd *cmd)
{
	struct show_policies show = { .out = cmd->out };
	bool services = words_take(&cmd->words, "services");
	bool sets = !services && words_take(&cmd->words, "sets");
	const char *vm = NULL;
	int err = services || sets ? 0 : words_vm_maybe(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	if (err)
		return err;
	if (services)
		return show_services(cmd, &show, true);
	if (sets)
		return show_sets(cmd, &show, true);
	if (vm)
		return cmd_each_vm(cmd, vm, show_policy, &show);
	out_list(cmd->out);
	err = show_sets(cmd, &show, false);
	if (!err)
		err = show_services(cmd, &show, false);
	if (!err)
		err = cmd_each_vm(cmd, NULL, show_policy, &show);
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME|services|sets]", "what there is, as a file that apply reads",
	  policy_show_cmd },
	{ "diff", "FILE...", "what apply would change; exit status as diff(1)", policy_diff_cmd },
	{ "apply", "[keep] FILE...",
	  "makes VMs, or the host's sets or services, what the files say: what is there lives on, "
	  "with its flows; 'keep': so do sets that no file names",
	  policy_apply_cmd },
};

const struct object object_policy = { "policy", "VMs, sets and services as files say they are",
				      verbs, ARRAY_SIZE(verbs) };
