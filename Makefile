# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Builds everything into build/; `make help` lists what else there is. Sources are found by
# wildcard, so a new file needs no line here.
#
#   bpf/*.bpf.c        one object a stage and front end, linked into build/bpf/roam.bpf.o
#   user/lib/*.c       build/libroam.a
#   user/*.c           build/roam, the CLI
#   user/agent/*.c     build/roamd
#   tools/bench/*.c    build/bench/NAME; tools/bench/*.bpf.c: build/bench/NAME.skel.h
#   tests/             tests/build.mk
#
# User space is built three times: plain (build/obj, what is installed), with ASan and UBSan
# (build/asan, what the tests run), and for libFuzzer (build/fuzz).

BUILD   := build
CLANG   ?= clang-19
BPFTOOL ?= bpftool
CC      := gcc
PREFIX  ?= /usr/local
UNITS   := $(PREFIX)/lib/systemd/system

ARCH    := $(shell $(CC) -print-multiarch 2>/dev/null)
WARN    := -Wall -Wextra -Werror
DEPS    := -MMD -MP
BPF_CFLAGS := --target=bpf -mcpu=v3 -O2 -g $(WARN) $(DEPS) -Iinclude -Ibpf -I/usr/include/$(ARCH)
CFLAGS  := -std=gnu17 -O2 -g $(WARN) $(DEPS) -D_GNU_SOURCE \
	   -Iinclude -Iuser/lib -Iuser -Iuser/agent -I$(BUILD)/gen
PKGS    := libbpf libelf zlib jansson libzstd libxxhash yaml-0.1 libnetfilter_conntrack libsystemd
LIBS    := $(or $(shell pkg-config --libs $(PKGS) 2>/dev/null), \
		-lbpf -lelf -lz -ljansson -lzstd -lxxhash -lyaml -lnetfilter_conntrack -lsystemd)
AGENT_PKGS := libevent libevent_openssl openssl
AGENT_LIBS := $(or $(shell pkg-config --libs $(AGENT_PKGS) 2>/dev/null), \
		-levent -levent_openssl -lssl -lcrypto) -lpthread
# The sanitizers' own code makes gcc see variables without a value; the plain build looks for them.
ASAN    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	   -Wno-maybe-uninitialized

FRONTS  := tc xdp explain explain_xdp ask
PARTS   := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
STAGES  := $(filter-out $(FRONTS),$(PARTS))
LIB_SRC := $(wildcard user/lib/*.c)
CLI_SRC := $(wildcard user/*.c)
AGENT_SRC := $(filter-out user/agent/main.c,$(wildcard user/agent/*.c))
# What of the CLI tests and fuzzers can link: everything but main().
PART_SRC := $(filter-out user/main.c,$(CLI_SRC))

.PHONY: all check bench demo demo-qemu lint soak fuzz install clean help deps needs
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/bpf/roam.bpf.o $(BUILD)/libroam.a $(if $(wildcard user/main.c),$(BUILD)/roam) \
	$(BUILD)/roamd

help:
	@echo "make            build/roam"
	@echo "make check      every tier of the tests (as root)"
	@echo "make demo       a VM moves between two hosts, live (as root)"
	@echo "make demo-qemu  the same with a real VM under QEMU, and a picture (as root)"
	@echo "make bench      the table of ratios, and build/bench.json (as root)"
	@echo "make lint       format, static analysis, licences, man pages"
	@echo "make fuzz       the fuzzers, a minute each (FUZZ_SECONDS)"
	@echo "make soak       long runs of the randomized tests (as root)"
	@echo "make tests      builds the tests and runs none; tests/run TIER runs one tier"
	@echo "make abi-update rewrites tests/abi/layout.txt"
	@echo "make deps       says what is missing and, as root, installs it"
	@echo "make install    into DESTDIR and PREFIX ($(PREFIX))"
	@echo "make clean"

# Says what is missing instead of failing at the first command that is not there.
needs:
	@test ! -x tools/deps || tools/deps --check build || { echo "make: run tools/deps build" >&2; exit 1; }

# ---- BPF ------------------------------------------------------------------------------------

$(BUILD)/bpf/%.part.o: bpf/%.bpf.c | needs
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/bpf/test_%.part.o: tests/prog/%.bpf.c | needs
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/bpf/roam.bpf.o: $(PARTS:%=$(BUILD)/bpf/%.part.o)
	$(BPFTOOL) gen object $@ $^

# The same stages behind the tests' front ends.
TEST_FRONTS := $(patsubst tests/prog/%.bpf.c,%,$(wildcard tests/prog/*.bpf.c))
$(BUILD)/bpf/roam_test.bpf.o: $(STAGES:%=$(BUILD)/bpf/%.part.o) \
		$(TEST_FRONTS:%=$(BUILD)/bpf/test_%.part.o)
	$(BPFTOOL) gen object $@ $^

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name $* > $@

# ---- the image's schema, from BTF -----------------------------------------------------------

$(BUILD)/layout.bpf.o: tools/layout.bpf.c | needs
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/schema: tools/schema.c | needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< -o $@ -lbpf -lelf -lz

$(BUILD)/gen/schema.inc: $(BUILD)/schema $(BUILD)/layout.bpf.o
	@mkdir -p $(@D)
	$(BUILD)/schema $(BUILD)/layout.bpf.o > $@

# The same layout as text, for hosts to tell what they were made with (user/lib/layout.h).
$(BUILD)/layout: tests/abi/layout.c | needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< -o $@ -lbpf -lelf -lz

$(BUILD)/gen/layout.inc: $(BUILD)/layout $(BUILD)/layout.bpf.o
	@mkdir -p $(@D)
	$(BUILD)/layout $(BUILD)/layout.bpf.o | sed 's/.*/"&\\n"/' > $@

GENERATED := $(BUILD)/gen/roam.skel.h $(BUILD)/gen/layout.inc $(if $(wildcard tools/schema.c),$(BUILD)/gen/schema.inc)

# ---- user space, in its three flavours ------------------------------------------------------

$(BUILD)/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(EXTRA) -c $< -o $@

$(BUILD)/asan/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ASAN) $(EXTRA) -c $< -o $@

# One fixed order of names, and no member of a source that is gone.
AR_FRESH = rm -f $@ && ar rcs $@ $^

$(BUILD)/libroam.a: $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
	$(AR_FRESH)

$(BUILD)/asan/libroam.a: $(LIB_SRC:%.c=$(BUILD)/asan/obj/%.o)
	$(AR_FRESH)

$(BUILD)/roam: $(CLI_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/libroam.a
	$(CC) -o $@ $^ $(LIBS)

$(BUILD)/asan/roam: $(CLI_SRC:%.c=$(BUILD)/asan/obj/%.o) $(BUILD)/asan/libroam.a
	$(CC) $(ASAN) -o $@ $^ $(LIBS)

$(BUILD)/roamd: $(BUILD)/obj/user/agent/main.o $(AGENT_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/libroam.a
	$(CC) -o $@ $^ $(LIBS) $(AGENT_LIBS)

$(BUILD)/asan/roamd: $(BUILD)/asan/obj/user/agent/main.o $(AGENT_SRC:%.c=$(BUILD)/asan/obj/%.o) \
		$(BUILD)/asan/libroam.a
	$(CC) $(ASAN) -o $@ $^ $(LIBS) $(AGENT_LIBS)

# ---- benches: programs that may use libroam and the helpers of tests/prog -------------------

BENCH_SRC := $(wildcard tools/bench/*.c)
BENCH_BPF := $(patsubst tools/bench/%.bpf.c,%,$(filter %.bpf.c,$(BENCH_SRC)))
BENCH_HELP := $(foreach c,$(filter-out %.bpf.c,$(BENCH_SRC)),$(if $(wildcard $(c:.c=.h)),$(c)))
BENCH     := $(patsubst tools/bench/%.c,%,$(filter-out %.bpf.c $(BENCH_HELP),$(BENCH_SRC)))
BENCH_SKEL := $(BENCH_BPF:%=$(BUILD)/bench/%.skel.h)

$(BUILD)/bench/%.bpf.o: tools/bench/%.bpf.c | needs
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/bench/%.skel.h: $(BUILD)/bench/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $* > $@

$(BUILD)/obj/tools/bench/%.o $(BUILD)/obj/tests/%.o: EXTRA := -Itests -Itests/prog -I$(BUILD)/bench
$(BENCH:%=$(BUILD)/obj/tools/bench/%.o) $(BENCH_HELP:%.c=$(BUILD)/obj/%.o): \
	| $(BENCH_SKEL) $(BUILD)/gen/roam_test.skel.h

$(BENCH:%=$(BUILD)/bench/%): $(BUILD)/bench/%: $(BUILD)/obj/tools/bench/%.o \
		$(BENCH_HELP:%.c=$(BUILD)/obj/%.o) $(BUILD)/tests/plain/prog.a $(BUILD)/libroam.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LIBS) -lm

.PHONY: bench-programs
bench-programs: all $(BENCH:%=$(BUILD)/bench/%) $(BENCH_SKEL)

# ---- tests ----------------------------------------------------------------------------------

include tests/build.mk

# ---- everything else ------------------------------------------------------------------------

deps:
	tools/deps

check:
	tools/deps test
	$(MAKE) all tests
	tests/run

demo:
	tools/deps demo
	$(MAKE) all
	tools/demo

demo-qemu:
	tools/deps test
	$(MAKE) vm-programs
	tools/demo-qemu

bench:
	tools/deps bench
	$(MAKE) bench-programs
	tools/bench/run

lint: all
	tools/lint

fuzz: fuzzers
	tests/run fuzz

soak: all tests
	tests/run --soak

install: all
	install -D -m 755 $(BUILD)/roam $(DESTDIR)$(PREFIX)/sbin/roam
	install -D -m 755 $(BUILD)/roamd $(DESTDIR)$(PREFIX)/sbin/roamd
	for page in $(wildcard user/man/*.8); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man8/$${page##*/} || exit; \
	done
	install -D -m 644 user/completion/roam.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/roam
	install -D -m 755 user/boot/roam-boot $(DESTDIR)$(PREFIX)/lib/roam/roam-boot
	install -D -m 644 user/boot/90-roam.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/90-roam.rules
	for unit in $(notdir $(wildcard user/boot/*.service.in)); do \
		install -D -m 644 user/boot/$$unit $(DESTDIR)$(UNITS)/$${unit%.in} && \
		sed -i 's,@PREFIX@,$(PREFIX),' $(DESTDIR)$(UNITS)/$${unit%.in} || exit; \
	done
	install -d -m 755 $(DESTDIR)/etc/roam/vms.d
	install -D -m 644 user/agent/roamd.yaml \
		$(DESTDIR)$(PREFIX)/share/doc/roam/examples/roamd.yaml
	test -e $(DESTDIR)/etc/roam/host || install -m 644 user/boot/host $(DESTDIR)/etc/roam/host
	install -D -m 755 user/hooks/roam-virsh-migrate $(DESTDIR)$(PREFIX)/sbin/roam-virsh-migrate
	install -D -m 755 user/hooks/release-moved $(DESTDIR)$(PREFIX)/lib/roam/release-moved
	install -D -m 755 user/hooks/libvirt-events $(DESTDIR)$(PREFIX)/lib/roam/libvirt-events
	install -D -m 755 user/hooks/proxmox $(DESTDIR)$(PREFIX)/lib/roam/proxmox
	install -D -m 755 user/hooks/libvirt $(DESTDIR)/etc/libvirt/hooks/qemu.d/roam
	install -D -m 644 user/hooks/roam-libvirt-events.service.in \
		$(DESTDIR)$(UNITS)/roam-libvirt-events.service
	sed -i 's,@PREFIX@,$(PREFIX),' $(DESTDIR)$(PREFIX)/lib/roam/proxmox \
		$(DESTDIR)/etc/libvirt/hooks/qemu.d/roam \
		$(DESTDIR)$(UNITS)/roam-libvirt-events.service
	test -e $(DESTDIR)/etc/roam/handover || \
		install -m 644 user/hooks/handover $(DESTDIR)/etc/roam/handover

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
