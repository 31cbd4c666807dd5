// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Runs a program's tests and prints KTAP: see harness.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "harness.h"

/* One run of a test: with a row and a family, if it has them. */
struct run {
	const struct harness_test *test;
	const void *row;
	int family; /* 0: not by family */
};

enum outcome {
	OUTCOME_PASS,
	OUTCOME_FAIL,
	OUTCOME_SKIP,
	OUTCOME_COUNT,
};

/* What takes longer is worth a line. */
#define SLOW_S 2

static struct harness_test *tests, **last = &tests;
static bool several_files;
static enum outcome outcome;
static char why[256];

void harness_register(struct harness_test *test)
{
	several_files = several_files || (tests && strcmp(tests->file, test->file));
	*last = test;
	last = &test->next;
}

/* ---- what a test says ---- */

void note(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (outcome == OUTCOME_PASS)
		outcome = OUTCOME_SKIP;
}

bool harness_stopped(void)
{
	return outcome != OUTCOME_PASS;
}

static void __attribute__((format(printf, 2, 3))) failed(const struct harness_place *place,
							 const char *format, ...)
{
	va_list args;

	outcome = OUTCOME_FAIL;
	printf("# %s:%d: ", place->file, place->line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

bool harness_check(bool ok, const struct harness_place *place, const char *text)
{
	if (!ok)
		failed(place, "expected %s", text);
	return ok;
}

bool harness_check_eq(long long got, long long expected, const struct harness_place *place,
		      const char *text)
{
	if (got == expected)
		return true;
	failed(place, "%s: expected %lld (0x%llx), got %lld (0x%llx)", text, expected, expected,
	       got, got);
	return false;
}

bool harness_check_ne(long long got, long long other, const struct harness_place *place,
		      const char *text)
{
	if (got != other)
		return true;
	failed(place, "%s: expected anything but %lld (0x%llx)", text, other, other);
	return false;
}

bool harness_check_op(bool ok, long long got, long long bound, const struct harness_place *place,
		      const char *text)
{
	if (!ok)
		failed(place, "expected %s, got %lld and %lld", text, got, bound);
	return ok;
}

bool harness_check_str(const char *got, const char *expected, const struct harness_place *place,
		       const char *text)
{
	if (got && expected && !strcmp(got, expected))
		return true;
	failed(place, "%s: expected \"%s\", got \"%s\"", text, expected ? expected : "(null)",
	       got ? got : "(null)");
	return false;
}

bool harness_check_has(const char *text, const char *part, const struct harness_place *place,
		       const char *name)
{
	if (text && strstr(text, part))
		return true;
	failed(place, "%s: expected \"%s\" in it, got \"%s\"", name, part, text ? text : "(null)");
	return false;
}

bool harness_check_mem(const void *got, const void *expected, size_t len,
		       const struct harness_place *place)
{
	const unsigned char *a = got, *b = expected;

	for (size_t i = 0; i < len; i++) {
		if (a[i] == b[i])
			continue;
		failed(place, "byte %zu of %zu: expected 0x%02x, got 0x%02x", i, len, b[i], a[i]);
		return false;
	}
	return true;
}

bool harness_check_ok(int err, const struct harness_place *place, const char *text)
{
	if (!err)
		return true;
	failed(place, "%s: expected 0, got %d (%s)", text, err, strerror(err < 0 ? -err : err));
	return false;
}

uint64_t harness_seed(void)
{
	const char *given = getenv("TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000000007 + now.tv_nsec;
	note("TEST_SEED=%llu", (unsigned long long)seed);
	return seed;
}

unsigned harness_rounds(unsigned usual)
{
	const char *text = getenv("TEST_SOAK");
	double factor = text ? atof(text) : 1, rounds = usual * (factor > 0 ? factor : 1);

	return rounds >= 1 ? rounds : 1;
}

unsigned harness_step(void)
{
	const char *text = getenv("TEST_SOAK");
	double factor = text ? atof(text) : 1;

	return factor > 0 && factor < 1 ? 1 / factor : 1;
}

/* ---- running them ---- */

/* "acl: ", if there are tests of other files, too; else nothing. */
static int print_file(const struct harness_test *test, char *ret_name, size_t size)
{
	const char *file = strrchr(test->file, '/');

	ret_name[0] = '\0';
	if (!several_files)
		return 0;
	file = file ? file + 1 : test->file;
	return snprintf(ret_name, size, "%.*s: ", (int)strcspn(file, "."), file);
}

/* "name", "name[row]", "name[row, ipv6]" */
static void run_name(const struct run *run, char *ret_name, size_t size)
{
	const char *row = run->row ? *(const char *const *)run->row : NULL;
	const char *family = run->family == 4 ? "ipv4" : run->family == 6 ? "ipv6" : NULL;
	int begin = print_file(run->test, ret_name, size);

	ret_name += begin;
	size -= begin;

	if (row && family)
		snprintf(ret_name, size, "%s[%s, %s]", run->test->name, row, family);
	else if (row || family)
		snprintf(ret_name, size, "%s[%s]", run->test->name, row ? row : family);
	else
		snprintf(ret_name, size, "%s", run->test->name);
}

static bool wanted(const struct run *run, char **texts)
{
	char name[256];

	if (!*texts)
		return true;
	run_name(run, name, sizeof(name));
	for (; *texts; texts++) {
		if (strstr(name, *texts))
			return true;
	}
	return false;
}

static void run_body(const struct run *run)
{
	const struct harness_fixture *fixture = run->test->fixture;
	void *self = NULL;

	if (fixture) {
		self = calloc(1, run->test->fixture_size);
		if (!self)
			abort();
		fixture->setup(self);
	}
	if (!harness_stopped())
		run->test->run(self, run->row, run->family);
	if (fixture)
		fixture->teardown(self);
	free(self);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static enum outcome run_one(const struct run *run, unsigned number)
{
	double start = now_s(), took;
	char name[256];

	run_name(run, name, sizeof(name));
	outcome = OUTCOME_PASS;
	run_body(run);
	took = now_s() - start;
	if (took > SLOW_S)
		note("%s took %.1f s", name, took);
	if (outcome == OUTCOME_SKIP)
		printf("ok %u %s # SKIP %s\n", number, name, why);
	else
		printf("%s %u %s\n", outcome == OUTCOME_FAIL ? "not ok" : "ok", number, name);
	fflush(stdout);
	return outcome;
}

typedef void (*run_fn)(const struct run *run, void *arg);

static void each_run_of(const struct harness_test *test, run_fn fn, void *arg)
{
	size_t rows = test->rows ? test->row_count : 1;

	for (size_t i = 0; i < rows; i++) {
		const void *row = test->rows ? (const char *)test->rows + i * test->row_size : NULL;
		struct run run = { .test = test, .row = row };

		if (!test->by_family) {
			fn(&run, arg);
			continue;
		}
		for (run.family = 4; run.family <= 6; run.family += 2)
			fn(&run, arg);
	}
}

struct session {
	char **texts; /* of the names that are wanted */
	enum { SESSION_COUNT, SESSION_LIST, SESSION_RUN } what;
	unsigned planned;
	unsigned number;
	unsigned outcomes[OUTCOME_COUNT];
};

static void visit(const struct run *run, void *arg)
{
	struct session *session = arg;
	char name[256];

	if (!wanted(run, session->texts))
		return;
	switch (session->what) {
	case SESSION_COUNT:
		session->planned++;
		break;
	case SESSION_LIST:
		run_name(run, name, sizeof(name));
		printf("%s\n", name);
		break;
	case SESSION_RUN:
		session->outcomes[run_one(run, ++session->number)]++;
		break;
	}
}

static void visit_all(struct session *session)
{
	for (const struct harness_test *test = tests; test; test = test->next)
		each_run_of(test, visit, session);
}

/* Weak: a program that only borrows helpers of the tests (tools/bench) has a main of its own. */
__attribute__((weak)) int main(int argc, char **argv)
{
	bool list = argc > 1 && !strcmp(argv[1], "-l");
	struct session session = { .texts = argv + 1 + list };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (list) {
		session.what = SESSION_LIST;
		visit_all(&session);
		return KSFT_PASS;
	}
	visit_all(&session);
	printf("TAP version 13\n1..%u\n", session.planned);
	session.what = SESSION_RUN;
	visit_all(&session);
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n",
	       session.outcomes[OUTCOME_PASS], session.outcomes[OUTCOME_FAIL],
	       session.outcomes[OUTCOME_SKIP]);
	if (session.outcomes[OUTCOME_FAIL] || !session.planned)
		return KSFT_FAIL;
	return session.outcomes[OUTCOME_PASS] ? KSFT_PASS : KSFT_SKIP;
}
