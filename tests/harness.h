/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tests' harness for C: each TEST…() below is a test that its program runs, and whose result is
 * a line of KTAP (Documentation/dev-tools/ktap.rst). Exit status as in tools/testing/selftests
 * (kselftest.h): 0 passed, 1 failed, 4 all skipped. harness.c has main():
 *
 *   PROGRAM [-l] [TEXT]…     runs (-l: lists) the tests whose name contains one of the texts
 *
 * Where tests of several files are linked into one program (tests/vm), each name begins with its
 * file's.
 *
 * A test says what must be true with CHECK…(), which print place, expectation and finding when it
 * is not, and go on; their value is whether it was true:
 *
 *   if (!CHECK(ptr != NULL))
 *           return;
 *
 *   TEST(name) { … }                        one test
 *   TEST_F(fx, name) { self->… }            with a fixture: struct fx, made by fx_setup(self) from
 *                                           zeroes, ended by fx_teardown(self), also after a
 *                                           set-up that failed (then the test is not run)
 *   TEST_EACH(name, rows) { row->… }        once for each row of an array; rows begin with
 *                                           `const char *name`
 *   TEST_EACH_F(fx, name, rows)             both
 *   TEST_46(name) { … family … }            each of the four once with family 4 and once with 6:
 *   TEST_46_F, TEST_46_EACH, TEST_46_EACH_F
 */
#ifndef ROAM_TESTS_HARNESS_H
#define ROAM_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KSFT_PASS 0
#define KSFT_FAIL 1
#define KSFT_SKIP 4

/* ---- what a test says ---- */

#define CHECK(cond) harness_check((cond), HARNESS_HERE, #cond)

/* Integers of any type; printed in decimal and hex. */
#define CHECK_EQ(got, expected)                                                                    \
	harness_check_eq((long long)(got), (long long)(expected), HARNESS_HERE, #got)
#define CHECK_NE(got, other)                                                                       \
	harness_check_ne((long long)(got), (long long)(other), HARNESS_HERE, #got)
/* CHECK_OP(stall_ms, <, 100) */
#define CHECK_OP(got, op, bound)                                                                   \
	harness_check_op((long long)(got)op(long long)(bound), (long long)(got),                   \
			 (long long)(bound), HARNESS_HERE, #got " " #op " " #bound)
#define CHECK_STR(got, expected)      harness_check_str((got), (expected), HARNESS_HERE, #got)
#define CHECK_MEM(got, expected, len) harness_check_mem((got), (expected), (len), HARNESS_HERE)
/* The text contains the part. */
#define CHECK_HAS(text, part) harness_check_has((text), (part), HARNESS_HERE, #text)
/* 0, where a negative errno says why not. */
#define CHECK_OK(err) harness_check_ok((err), HARNESS_HERE, #err)

/* This test cannot run here; the test returns after it. */
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line of diagnosis. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether the running test has failed a check or was skipped. */
bool harness_stopped(void);

/*
 * Randomized tests: the seed is printed, and set by TEST_SEED to repeat a run; rounds grow by the
 * factor of `make soak` (TEST_SOAK); one is the least.
 */
uint64_t harness_seed(void);
unsigned harness_rounds(unsigned usual);
/* Exhaustive tests: each how many-th case is tried; 1, or more where TEST_SOAK is below 1. */
unsigned harness_step(void);

/* ---- how a test is made known ---- */

#define TEST(name)               HARNESS_TEST(void, NULL, 0, name, void, NULL, 0, false)
#define TEST_46(name)            HARNESS_TEST(void, NULL, 0, name, void, NULL, 0, true)
#define TEST_EACH(name, rows)    HARNESS_EACH(void, NULL, 0, name, rows, false)
#define TEST_46_EACH(name, rows) HARNESS_EACH(void, NULL, 0, name, rows, true)

#define TEST_F(fx, name)                                                                           \
	HARNESS_FIXTURE(fx, name)                                                                  \
	HARNESS_TEST(struct fx, &fixture_of_##name, sizeof(struct fx), name, void, NULL, 0, false)
#define TEST_46_F(fx, name)                                                                        \
	HARNESS_FIXTURE(fx, name)                                                                  \
	HARNESS_TEST(struct fx, &fixture_of_##name, sizeof(struct fx), name, void, NULL, 0, true)
#define TEST_EACH_F(fx, name, rows)                                                                \
	HARNESS_FIXTURE(fx, name)                                                                  \
	HARNESS_EACH(struct fx, &fixture_of_##name, sizeof(struct fx), name, rows, false)
#define TEST_46_EACH_F(fx, name, rows)                                                             \
	HARNESS_FIXTURE(fx, name)                                                                  \
	HARNESS_EACH(struct fx, &fixture_of_##name, sizeof(struct fx), name, rows, true)

/* ---- below: how it works ---- */

#define HARNESS_HERE (&(const struct harness_place){ __FILE__, __LINE__ })

struct harness_place {
	const char *file;
	int line;
};

struct harness_fixture {
	void (*setup)(void *self);
	void (*teardown)(void *self);
};

struct harness_test {
	const char *name;
	void (*run)(void *self, const void *row, int family);
	const struct harness_fixture *fixture;
	size_t fixture_size;
	const void *rows; /* NULL: none */
	size_t row_count;
	size_t row_size;
	bool by_family;
	const char *file;
	struct harness_test *next;
};

void harness_register(struct harness_test *test);

/* One fixture object a test, so that several tests may use the same fixture. */
#define HARNESS_FIXTURE(fx, test)                                                                  \
	static void setup_of_##test(void *self)                                                    \
	{                                                                                          \
		fx##_setup(self);                                                                  \
	}                                                                                          \
	static void teardown_of_##test(void *self)                                                 \
	{                                                                                          \
		fx##_teardown(self);                                                               \
	}                                                                                          \
	static const struct harness_fixture fixture_of_##test = { setup_of_##test,                 \
								  teardown_of_##test };

#define HARNESS_EACH(self_type, fixture, size, name, rows, by_family)                              \
	HARNESS_TEST(self_type, fixture, size, name, __typeof__((rows)[0]), rows,                  \
		     sizeof(rows) / sizeof((rows)[0]), by_family)

#define HARNESS_TEST(self_type, fixture, size, name, row_type, rows, count, by_family)             \
	static void test_##name(self_type *self, const row_type *row, int family);                 \
	static void run_of_##name(void *self, const void *row, int family)                         \
	{                                                                                          \
		test_##name(self, row, family);                                                    \
	}                                                                                          \
	static struct harness_test harness_of_##name = {                                           \
		#name, run_of_##name,    fixture,   size,     rows,                                \
		count, sizeof(row_type), by_family, __FILE__, NULL                                 \
	};                                                                                         \
	static void __attribute__((constructor)) register_##name(void)                             \
	{                                                                                          \
		harness_register(&harness_of_##name);                                              \
	}                                                                                          \
	static void test_##name(self_type *self __attribute__((unused)),                           \
				const row_type *row __attribute__((unused)),                       \
				int family __attribute__((unused)))

bool harness_check(bool ok, const struct harness_place *place, const char *text);
bool harness_check_eq(long long got, long long expected, const struct harness_place *place,
		      const char *text);
bool harness_check_ne(long long got, long long other, const struct harness_place *place,
		      const char *text);
bool harness_check_op(bool ok, long long got, long long bound, const struct harness_place *place,
		      const char *text);
bool harness_check_str(const char *got, const char *expected, const struct harness_place *place,
		       const char *text);
bool harness_check_has(const char *text, const char *part, const struct harness_place *place,
		       const char *name);
bool harness_check_mem(const void *got, const void *expected, size_t len,
		       const struct harness_place *place);
bool harness_check_ok(int err, const struct harness_place *place, const char *text);

#endif
