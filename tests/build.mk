# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Builds the tests; included by the top Makefile, whose variables it uses. What is run, and how, is
# in tests/run and tests/Makefile.
#
#   tests/unit/NAME.c  build/tests/unit/NAME   harness, libroam, the CLI without main()
#   tests/prog/NAME.c  build/tests/prog/NAME   the same, and build/gen/roam_test.skel.h
#   tests/peers/NAME.c build/tests/peers/NAME  as prog, with prog's helpers: oracles
#   tests/fuzz/NAME.c  build/tests/fuzz/NAME   libFuzzer; libroam with -DROAM_FUZZ
#   tests/e2e/NAME.c   build/tests/e2e/NAME    helpers of the shell tests, plain, no libraries
#   tests/vm/NAME.c    build/tests/vm/NAME     helpers of guests: plain, libroam, prog's helpers
#   tests/vm/inguest/… build/tests/vm/inguest/… programs of a VM that is migrated: static
#                      build/tests/guest/prog  prog once more, plain, as the guests of tests/vm run it
#   tests/abi/NAME.c   build/tests/abi/NAME    helpers of the ABI test, with libbpf
#   tests/budget/…     build/tests/budget/…    plain, with the harness and libbpf
#
# A .c with a .h beside it is no test but shared by those of its folder. All but what says otherwise
# is built sanitized.

TEST_INC := -Itests -Itests/prog

# $(call test_names,FOLDER), $(call helpers,FOLDER)
helpers    = $(foreach c,$(wildcard $(1)/*.c),$(if $(wildcard $(c:.c=.h)),$(c)))
test_names = $(patsubst $(1)/%.c,%,$(filter-out %.bpf.c $(call helpers,$(1)),$(wildcard $(1)/*.c)))

UNIT  := $(call test_names,tests/unit)
PROG  := $(call test_names,tests/prog)
PEERS := $(call test_names,tests/peers)
FUZZ  := $(call test_names,tests/fuzz)
E2E_C := $(call test_names,tests/e2e)
VM_C  := $(call test_names,tests/vm) $(patsubst tests/vm/%.c,%,$(wildcard tests/vm/inguest/*.c))
GATES := $(patsubst tests/%.c,%,$(wildcard tests/abi/*.c tests/budget/*.c))
OTHER := $(BUILD)/other
# What several folders use.
SHARED := tests/harness.c tests/image_parts.c tests/rulesets.c
UNIT_HELP := $(call helpers,tests/unit)
PROG_HELP := $(call helpers,tests/prog)
# An emulated processor verifies roam's programs for ten seconds: in guests most of prog is one
# program, which loads them once. Apart from it is what runs in part, or needs much for itself; none
# of a guest is what only our own code can fail at, most slowly: images that lie.
APART := carry explain flood kill move quota upgrade
HERE_ONLY := image image_lies kill_services
PEERS_HELP := $(call helpers,tests/peers)

# roamd of the next version of the protocol, which speaks this one, too, or does not.
SKEWED := $(BUILD)/tests/skew/1-2 $(BUILD)/tests/skew/2-2

.PHONY: tests fuzzers vm-tests vm-programs abi-update
tests: bench-programs $(UNIT:%=$(BUILD)/tests/unit/%) $(PROG:%=$(BUILD)/tests/prog/%) fuzzers vm-tests \
       $(PEERS:%=$(BUILD)/tests/peers/%) \
       $(E2E_C:%=$(BUILD)/tests/e2e/%) $(GATES:%=$(BUILD)/tests/%) \
       $(BUILD)/layout.bpf.o $(if $(wildcard user/main.c),$(BUILD)/asan/roam) \
       $(BUILD)/asan/roamd $(SKEWED) $(OTHER)/build/roam
fuzzers: $(FUZZ:%=$(BUILD)/tests/fuzz/%)
vm-programs: all $(VM_C:%=$(BUILD)/tests/vm/%)
vm-tests: vm-programs $(BUILD)/tests/guest/prog/most $(APART:%=$(BUILD)/tests/guest/prog/%)

$(BUILD)/obj/tests/%.o $(BUILD)/asan/obj/tests/%.o $(BUILD)/fuzz/obj/%.o: EXTRA := $(TEST_INC)
PROG_OBJ := $(PROG:%=tests/prog/%.o) $(PROG_HELP:.c=.o) $(PEERS:%=tests/peers/%.o) $(PEERS_HELP:.c=.o)
$(PROG_OBJ:%=$(BUILD)/obj/%) $(PROG_OBJ:%=$(BUILD)/asan/obj/%): | $(BUILD)/gen/roam_test.skel.h

# ---- unit and prog, sanitized, and prog for the guests --------------------------------------

$(BUILD)/asan/cli.a: $(PART_SRC:%.c=$(BUILD)/asan/obj/%.o)
	$(AR_FRESH)

$(BUILD)/asan/agent.a: $(AGENT_SRC:%.c=$(BUILD)/asan/obj/%.o)
	$(AR_FRESH)

$(BUILD)/agent.a: $(AGENT_SRC:%.c=$(BUILD)/obj/%.o)
	$(AR_FRESH)

$(BUILD)/cli.a: $(PART_SRC:%.c=$(BUILD)/obj/%.o)
	$(AR_FRESH)

$(BUILD)/tests/unit.a: $(SHARED:%.c=$(BUILD)/asan/obj/%.o) $(UNIT_HELP:%.c=$(BUILD)/asan/obj/%.o)
	@mkdir -p $(@D)
	$(AR_FRESH)

$(BUILD)/tests/prog.a: $(SHARED:%.c=$(BUILD)/asan/obj/%.o) $(PROG_HELP:%.c=$(BUILD)/asan/obj/%.o)
	@mkdir -p $(@D)
	$(AR_FRESH)

$(BUILD)/tests/plain/prog.a: $(SHARED:%.c=$(BUILD)/obj/%.o) $(PROG_HELP:%.c=$(BUILD)/obj/%.o)
	@mkdir -p $(@D)
	$(AR_FRESH)

ASAN_LIBS  := $(BUILD)/asan/cli.a $(BUILD)/asan/agent.a $(BUILD)/asan/libroam.a
PLAIN_LIBS := $(BUILD)/cli.a $(BUILD)/agent.a $(BUILD)/libroam.a

$(BUILD)/tests/unit/%: $(BUILD)/asan/obj/tests/unit/%.o $(BUILD)/tests/unit.a $(ASAN_LIBS)
	@mkdir -p $(@D)
	$(CC) $(ASAN) -o $@ $^ $(LIBS) -lpthread

$(BUILD)/tests/prog/%: $(BUILD)/asan/obj/tests/prog/%.o $(BUILD)/tests/prog.a $(ASAN_LIBS)
	@mkdir -p $(@D)
	$(CC) $(ASAN) -o $@ $^ $(LIBS) -lpthread

$(BUILD)/tests/peers.a: $(PEERS_HELP:%.c=$(BUILD)/asan/obj/%.o)
	@mkdir -p $(@D)
	$(AR_FRESH)

$(BUILD)/tests/peers/%: $(BUILD)/asan/obj/tests/peers/%.o $(BUILD)/tests/peers.a $(BUILD)/tests/prog.a $(ASAN_LIBS)
	@mkdir -p $(@D)
	$(CC) $(ASAN) -o $@ $^ $(LIBS) -lpthread

$(BUILD)/tests/guest/prog/most: $(patsubst %,$(BUILD)/obj/tests/prog/%.o,$(filter-out $(APART) $(HERE_ONLY),$(PROG))) \
		$(BUILD)/tests/plain/prog.a $(PLAIN_LIBS)
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LIBS) -lpthread

$(APART:%=$(BUILD)/tests/guest/prog/%): $(BUILD)/tests/guest/prog/%: $(BUILD)/obj/tests/prog/%.o \
		$(BUILD)/tests/plain/prog.a $(PLAIN_LIBS)
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LIBS) -lpthread

# Its version is in link.c alone.
$(SKEWED): $(BUILD)/tests/skew/%: user/agent/link.c $(BUILD)/asan/obj/user/agent/main.o \
		$(filter-out %/link.o,$(AGENT_SRC:%.c=$(BUILD)/asan/obj/%.o)) $(BUILD)/asan/libroam.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ASAN) -DMESSAGE_VERSION=$(word 2,$(subst -, ,$*)) \
		-DMESSAGE_VERSION_OLDEST=$(word 1,$(subst -, ,$*)) -o $@ $^ $(LIBS) $(AGENT_LIBS)

# ---- helpers of shell tests and gates -------------------------------------------------------

$(BUILD)/tests/e2e/%: tests/e2e/%.c | needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TEST_INC) -o $@ $< -lpthread

$(BUILD)/tests/abi/%: $(BUILD)/obj/tests/abi/%.o
	@mkdir -p $(@D)
	$(CC) -o $@ $^ -lbpf -lelf -lz

$(BUILD)/tests/budget/%: $(BUILD)/obj/tests/budget/%.o $(BUILD)/obj/tests/harness.o
	@mkdir -p $(@D)
	$(CC) -o $@ $^ -lbpf -lelf -lz

$(BUILD)/tests/vm/%: $(BUILD)/obj/tests/vm/%.o $(BUILD)/tests/plain/prog.a $(BUILD)/libroam.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LIBS)

# What runs inside a VM that has nothing else.
$(BUILD)/tests/vm/inguest/%: tests/vm/inguest/%.c | needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static -o $@ $<

# ---- fuzzers --------------------------------------------------------------------------------

FUZZ_SAN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_SRC := $(LIB_SRC) $(PART_SRC) $(AGENT_SRC) $(call helpers,tests/fuzz) tests/image_parts.c

$(BUILD)/fuzz/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(CLANG) $(CFLAGS) $(FUZZ_SAN) -DROAM_FUZZ $(EXTRA) -c $< -o $@

$(BUILD)/fuzz/libroam.a: $(FUZZ_SRC:%.c=$(BUILD)/fuzz/obj/%.o)
	$(AR_FRESH)

$(BUILD)/tests/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/libroam.a
	@mkdir -p $(@D)
	$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

# ---- the ABI's golden file ------------------------------------------------------------------

abi-update: $(BUILD)/tests/abi/layout $(BUILD)/layout.bpf.o
	$(BUILD)/tests/abi/layout $(BUILD)/layout.bpf.o > tests/abi/layout.txt

# ---- another version ------------------------------------------------------------------------

# roam as it would be with other structs (tests/other/headers): the same sources, by links, over
# headers of its own.


$(OTHER)/build/roam: tests/other/headers $(wildcard include/roam/*.h bpf/*.[ch] user/*.h user/lib/*.h) \
		$(LIB_SRC) $(CLI_SRC) | needs
	@mkdir -p $(OTHER)
	rm -rf $(OTHER)/include
	cp -r include $(OTHER)/include
	tests/other/headers $(OTHER)/include/roam
	ln -sfn $(abspath Makefile bpf user tools tests) $(OTHER)
	$(MAKE) -C $(OTHER) BUILD=build build/roam
