# SPDX-License-Identifier: GPL-2.0
# In a kernel tree this is a kselftest; see Documentation/dev-tools/kselftest.rst.
# Anywhere else it is the front door only: "make help" says what there is.

.PHONY: help run check check-large detect bench fuzz

ifeq ($(wildcard ../../lib.mk),)
.DEFAULT_GOAL := help
.PHONY: clean
# Nothing is ever built in a clone outside of a tree.
clean:
	@echo "nothing to clean here; the cache of \"make run\" is $${KTSTR_CACHE:-~/.cache/ktstr}"
else

# The guests are x86 ones: elsewhere there is nothing to build or run.
ARCH ?= $(shell uname -m)
ifneq ($(filter x86 x86_64,$(ARCH)),)

# Topology first: what it checks is what the others build on.
SCENARIOS := $(patsubst scenarios/%.c,%,$(wildcard scenarios/topology.c) \
	       $(filter-out scenarios/topology.c,$(wildcard scenarios/*.c)))
UNITS := $(patsubst unit/%_test.c,unit_%,$(wildcard unit/*_test.c))
BENCHES := $(patsubst bench/%.c,bench_%,$(wildcard bench/*.c))
PAYLOADS := $(patsubst payload/%.c,payload_%,$(wildcard payload/*.c))

# What the schedulers are compiled against: the kernel that will run them.
VMLINUX_BTF ?= $(abspath $(firstword $(wildcard $(if $(O),$(O)/vmlinux) \
		$(if $(KBUILD_OUTPUT),$(KBUILD_OUTPUT)/vmlinux) ../../../../../vmlinux)))

# clang 16 is the first that compiles sched_ext programs.
BPF_CLANG := $(shell for c in $(CLANG) $(if $(filter -%,$(LLVM)),clang$(LLVM)) \
		$(if $(filter %/,$(LLVM)),$(LLVM)clang) clang \
		$$(seq -f 'clang-%.0f' 40 -1 16); do \
	v=$$($$c -dM -E - </dev/null 2>/dev/null | sed -n 's/.*__clang_major__ //p'); \
	if [ "$${v:-0}" -ge 16 ]; then echo $$c; break; fi; done)

# bpftool's build wants its strip, which is in a package of its own, and works
# as well with an unstripped object.
BPF_STRIP := $(or $(shell command -v $(patsubst %clang,%llvm-strip,$(subst \
		clang-,llvm-strip-,$(BPF_CLANG)))),true)

ifeq ($(BPF_CLANG),)
NO_SCX := no clang of version 16 or later
else ifeq ($(wildcard $(VMLINUX_BTF)),)
NO_SCX := no vmlinux: build the kernel first, or set VMLINUX_BTF
else ifeq ($(shell grep -q sched_ext_ops $(VMLINUX_BTF) && echo y),)
NO_SCX := $(VMLINUX_BTF) is without CONFIG_SCHED_CLASS_EXT or CONFIG_DEBUG_INFO_BTF
else ifeq ($(shell grep -q cgroup_prep_move $(VMLINUX_BTF) && echo y),)
NO_SCX := $(VMLINUX_BTF) is without CONFIG_EXT_GROUP_SCHED
endif

TEST_GEN_PROGS := $(SCENARIOS) $(UNITS)
TEST_GEN_PROGS_EXTENDED := $(BENCHES)
# The tree's schedulers, and those that are to be found wrong.
SCX_TREE := scx_simple scx_qmap scx_central scx_flatcg
# The tree's own tests of sched_ext: one program.
SCX_RUNNER := $(if $(wildcard ../runner.c),scx_runner)
BPF_PROGS := $(SCX_TREE) scx_ktstr $(SCX_RUNNER)
TEST_GEN_FILES := ktstr_agent ktstr_probe ktstr_host_init ktstr_emulated ktstr_locks \
		  ktstr_detect emulated-host.sh $(PAYLOADS) $(if $(NO_SCX),,$(BPF_PROGS))
endif

# SAN=1: the same with ASan and UBSan, beside the normal build.
ifeq ($(SAN),1)
OUTPUT ?= $(CURDIR)
override OUTPUT := $(OUTPUT)/san
endif

# FUZZ=1 with clang: the target "fuzzers" only, in a directory of its own.
ifeq ($(FUZZ),1)
OUTPUT ?= $(CURDIR)
override OUTPUT := $(OUTPUT)/obj/fuzz
endif

# topology.c is a module, scenarios/topology.c the program: lib.mk cannot guess.
OVERRIDE_TARGETS := 1
.SUFFIXES:
include ../../lib.mk

.DELETE_ON_ERROR:
.SECONDARY:

AR ?= ar
OBJ := $(OUTPUT)/obj
TOOLS := $(top_srcdir)/tools
EXTRA_CLEAN := $(OBJ) $(OUTPUT)/san $(BPF_PROGS:%=$(OUTPUT)/%)

# Built where tools/sched_ext looks for it, so that it is built once.
SCX_BUILD := $(OBJ)/scx/build
LIBBPF := $(SCX_BUILD)/obj/libbpf/libbpf.a

# The headers that "make headers" makes come first; what it has not made (it is
# a step that one forgets) comes from the copies in tools/.
CFLAGS += -std=gnu11 -O2 -g -pthread -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror) \
	  -I. -I$(TOOLS)/include -I$(TOOLS)/arch/x86/include $(KHDR_INCLUDES) \
	  -isystem $(TOOLS)/include/uapi -isystem $(TOOLS)/arch/x86/include/uapi \
	  -isystem $(TOOLS)/testing/selftests -isystem $(SCX_BUILD)/include
# What "make check" builds in several ways, each in an OUTPUT of its own.
.PHONY: programs
programs: $(TEST_GEN_PROGS) $(TEST_GEN_PROGS_EXTENDED) \
	  $(filter-out $(BPF_PROGS:%=$(OUTPUT)/%),$(TEST_GEN_FILES))

# TEST() declares what few tests use, and clang sees through the macro.
$(OBJ)/unit/%.o $(OBJ)/scenarios/%.o: private CFLAGS += -Wno-unused-parameter
# What a test takes in by .incbin, gcc -MMD does not see.
$(addprefix $(OBJ)/unit/,host_topology_test.o placement_test.o host_share_test.o): \
		$(wildcard unit/trees/*.txt)
$(OBJ)/unit/program_output_test.o: $(wildcard fuzz/corpus/program_output/*)
$(OBJ)/unit/result_test.o: Documentation/result.schema.json unit/result_claims.py
ifeq ($(SAN),1)
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifeq ($(FUZZ),1)
SAN_FLAGS = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif
LDLIBS := -llz4 -lnuma -lelf -lz -ljansson -lpthread

FUZZERS := $(patsubst fuzz/%.c,$(OUTPUT)/fuzz_%,$(wildcard fuzz/*.c))
.PHONY: fuzzers
fuzzers: $(FUZZERS)

LIBKTSTR := $(OBJ)/libktstr.a
LIB_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard *.c catalogue/*.c)) $(OBJ)/json_writer.o
# The guest's PID 1 has no libraries to find; some modules it shares with the host.
AGENT_OBJS := $(patsubst %.c,$(OBJ)/static/%.o,wire.c hist.c cpulist.c \
		$(filter-out guest/host_init.c guest/probe.c,$(wildcard guest/*.c)))
PROBE_OBJS := $(patsubst %.c,$(OBJ)/static/%.o,wire.c guest/probe.c)
HOST_INIT_OBJS := $(OBJ)/static/guest/host_init.o

$(SCENARIOS:%=$(OUTPUT)/%): $(OUTPUT)/%: $(OBJ)/scenarios/%.o
$(UNITS:%=$(OUTPUT)/%): $(OUTPUT)/unit_%: $(OBJ)/unit/%_test.o
$(BENCHES:%=$(OUTPUT)/%): $(OUTPUT)/bench_%: $(OBJ)/bench/%.o
$(OUTPUT)/ktstr_emulated: $(OBJ)/tools/ktstr_host_run.o
$(OUTPUT)/ktstr_locks: $(OBJ)/tools/ktstr_locks.o
$(OUTPUT)/ktstr_detect: $(OBJ)/tools/ktstr_detect.o

# What building a VM calls outside of itself: the test makes each call fail.
comma := ,
unit_fault_LDFLAGS := $(patsubst %,-Wl$(comma)--wrap=%, \
		      open openat fopen fdopendir mkdir memfd_create eventfd timerfd_create \
		      fstat fstatat realpath read pread write lseek flock ftruncate fchmod \
		      futimens mmap madvise mbind malloc calloc realloc reallocarray strdup \
		      tsearch pthread_create pthread_setaffinity_np pthread_setschedparam \
		      sched_getaffinity sigaction elf_begin elf_getphdrnum \
		      elf_getdata_rawchunk gelf_getehdr gelf_getphdr ioctl asprintf \
		      numa_max_node)
# The host's memory, which the test has none of to count on.
unit_performance_LDFLAGS := $(patsubst %,-Wl$(comma)--wrap=%,numa_mem_map \
			    numa_mem_free_huge_pages)

DYNAMIC_PROGS := $(addprefix $(OUTPUT)/,$(SCENARIOS) $(UNITS) $(BENCHES) \
		   ktstr_emulated ktstr_locks ktstr_detect)
$(DYNAMIC_PROGS): $(LIBKTSTR) $(LIBBPF)
	$(call msg,LINK,,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) $($(@F)_LDFLAGS) $(filter %.o,$^) \
		$(LIBKTSTR) $(LIBBPF) $(LDLIBS) -o $@

$(FUZZERS): $(OUTPUT)/fuzz_%: $(OBJ)/fuzz/%.o $(LIBKTSTR) $(LIBBPF)
	$(call msg,LINK,fuzzer,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) -fsanitize=fuzzer $(LDFLAGS) $< $(LIBKTSTR) $(LIBBPF) \
		$(LDLIBS) -o $@

$(OUTPUT)/ktstr_agent: $(AGENT_OBJS)
$(OUTPUT)/ktstr_probe: $(PROBE_OBJS)
$(OUTPUT)/ktstr_host_init: $(HOST_INIT_OBJS)
$(OUTPUT)/ktstr_agent $(OUTPUT)/ktstr_probe $(OUTPUT)/ktstr_host_init:
	$(call msg,LINK,static,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -s $^ -o $@

# Bare payloads are loaded as kernels are, and built much like them: no libraries,
# no registers but integer ones, no help from the compiler that needs either.
PAYLOAD_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror) \
		  -Wno-main -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
		  -fno-asynchronous-unwind-tables -fno-strict-aliasing \
		  -m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
		  -I. -Ipayload -I$(TOOLS)/include $(KHDR_INCLUDES) \
		  -isystem $(TOOLS)/include/uapi -isystem $(TOOLS)/arch/x86/include/uapi
PAYLOAD_LIB := $(patsubst payload/%,$(OBJ)/payload/%.o, \
		 $(basename $(wildcard payload/lib/*.c payload/lib/*.S)))

$(PAYLOADS:%=$(OUTPUT)/%): $(OUTPUT)/payload_%: $(OBJ)/payload/%.o $(PAYLOAD_LIB) \
			   payload/payload.lds
	$(call msg,LINK,payload,$@)
	$(Q)$(CC) $(PAYLOAD_CFLAGS) -nostdlib -static -Wl,--build-id=none \
		-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
		-T payload/payload.lds $(filter %.o,$^) -o $@

$(OBJ)/payload/%.o: payload/%.c $(OBJ)/.flags | $(OBJ)/.checked
	$(call msg,CC,payload,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(PAYLOAD_CFLAGS) -MMD -MP -c $< -o $@

$(OBJ)/payload/%.o: payload/%.S $(OBJ)/.flags | $(OBJ)/.checked
	$(call msg,AS,payload,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(PAYLOAD_CFLAGS) -MMD -MP -c $< -o $@

$(OUTPUT)/%.sh: tools/%.sh
	$(call msg,COPY,,$@)
	$(Q)install -D -m 755 $< $@

# A module that was removed must leave the archive, too: it is made anew.
$(LIBKTSTR): $(LIB_OBJS) $(OBJ)/.sources
	$(call msg,AR,,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJS)

$(OBJ)/static/%.o: %.c $(OBJ)/.flags | $(OBJ)/.checked
	$(call msg,CC,static,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(OBJ)/%.o: %.c $(OBJ)/.flags | $(OBJ)/.checked $(LIBBPF)
	$(call msg,CC,,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SAN_FLAGS) -MMD -MP -c $< -o $@

# The tree's JSON writer, which has no library.
$(OBJ)/json_writer.o: $(TOOLS)/bpf/bpftool/json_writer.c $(OBJ)/.flags | $(OBJ)/.checked
	$(call msg,CC,,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SAN_FLAGS) -MMD -MP -c $< -o $@

$(addprefix $(OBJ)/,result.o json_text.o unit/result_test.o): \
		private CFLAGS += -I$(TOOLS)/bpf/bpftool

-include $(wildcard $(addprefix $(OBJ)/,*.d */*.d */*/*.d static/*/*.d))

# The tree's own makefiles must not take our command line's variables for theirs.
MAKEOVERRIDES =

$(LIBBPF): $(wildcard $(TOOLS)/lib/bpf/*.[ch] $(TOOLS)/lib/bpf/Makefile) \
	   $(TOOLS)/include/uapi/linux/bpf.h | $(OBJ)/.checked
	$(call msg,MAKE,,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(MAKE) -s -C $(TOOLS)/lib/bpf OUTPUT=$(@D)/ O= CC="$(CC)" EXTRA_CFLAGS='-g -O2 -fPIC' \
		DESTDIR=$(SCX_BUILD) prefix= $@ install_headers

SCX_ARGS = -s -C $(TOOLS)/sched_ext O=$(patsubst %/build,%,$(SCX_BUILD)) \
	   LLVM_STRIP=$(BPF_STRIP) VMLINUX_BTF=$(abspath $(VMLINUX_BTF))

# One make for all: they share the tools and headers that it makes first.
$(OBJ)/.scx_tree: $(wildcard $(SCX_TREE:%=$(TOOLS)/sched_ext/%*) \
		  $(TOOLS)/sched_ext/include/scx/*) $(VMLINUX_BTF) $(LIBBPF)
	$(call msg,MAKE,,$(SCX_TREE))
	$(Q)$(MAKE) $(SCX_ARGS) CLANG=$(BPF_CLANG) $(SCX_TREE)
	$(Q)touch $@

# Stripped, as guests have to unpack them: three quarters are for debuggers.
$(SCX_TREE:%=$(OUTPUT)/%): $(OUTPUT)/%: $(OBJ)/.scx_tree
	$(Q)install -s $(SCX_BUILD)/bin/$* $@

# The tree's own rules, but for the link: "-t =NAME" is ours, and the libraries that
# they add are for a static libelf. If a tree's tests do not compile, that is no
# reason not to test its schedulers: a text says so then in the runner's place, and
# is older than all that it depends on.
SCX_BASE := $(patsubst %/build,%,$(SCX_BUILD))
SCX_RUNNER_ARGS = -s -C .. OUTPUT=$(SCX_BASE) CLANG=$(BPF_CLANG) LLVM_STRIP=$(BPF_STRIP) \
		  BPFTOOL=$(SCX_BUILD)/sbin/bpftool VMLINUX_BTF=$(abspath $(VMLINUX_BTF)) \
		  LDFLAGS='-Wl,--wrap=scx_test_register $(abspath $<) -lelf -lz -lpthread'

$(OUTPUT)/scx_runner: $(OBJ)/bpf/scx_runner_exact.o $(wildcard ../*.[ch] ../Makefile) \
		      $(OBJ)/.scx_tree
	$(call msg,MAKE,,$@)
	$(Q)rm -f $@ $(SCX_BASE)/runner
	$(Q)if $(MAKE) $(SCX_RUNNER_ARGS) $(SCX_BASE)/runner >$(OBJ)/scx_runner.log 2>&1; then \
		install -s $(SCX_BASE)/runner $@; \
	else \
		echo "the tree's sched_ext selftests do not compile" >$@; touch -d @1 $@; \
		echo "ktstr: NOTE: $$(cat $@), and will SKIP: see $(OBJ)/scx_runner.log"; \
	fi

$(OBJ)/bpf/scx_runner_exact.o: private CFLAGS += -isystem .. -isystem $(TOOLS)/sched_ext/include
$(OBJ)/bpf/scx_runner_exact.o: private SAN_FLAGS :=

# Which tests there are is known without them.
$(OBJ)/scx_runner_tests.h: $(filter-out %.bpf.c,$(wildcard ../*.c))
	$(Q)mkdir -p $(@D)
	$(Q)sed -n 's/^\t\.name[ \t]*= "\([A-Za-z0-9_]*\)".*/SELFTEST(\1)/p' $^ /dev/null >$@

$(OBJ)/scenarios/selftests.o: private CFLAGS += -I$(OBJ)
$(OBJ)/scenarios/selftests.o: $(OBJ)/scx_runner_tests.h

# Functions that came after 6.12: has this tree's header a way to call them?
BPF_HAVE := $(foreach f,scx_bpf_dsq_insert scx_bpf_task_set_dsq_vtime, \
	      $(if $(shell grep -rlw $(f) $(TOOLS)/sched_ext/include/scx),-DHAVE_$(f))) \
	    $(if $(shell grep -rl 'scx_bpf_dsq_move_to_local([^)]*,' \
	      $(TOOLS)/sched_ext/include/scx),-DHAVE_scx_bpf_dsq_move_to_local_flags)

# The tree's rules make the skeleton. They do not know about our header.
SCX_KTSTR_SKEL := $(SCX_BUILD)/include/scx_ktstr.bpf.skel.h
$(SCX_KTSTR_SKEL): bpf/scx_ktstr.bpf.c bpf/scx_ktstr.h $(OBJ)/.scx_tree
	$(call msg,SKEL,,$@)
	$(Q)rm -f $@ $(SCX_BUILD)/obj/sched_ext/scx_ktstr.bpf.o
	$(Q)$(MAKE) $(SCX_ARGS) CLANG='$(strip $(BPF_CLANG) $(BPF_HAVE))' VPATH=$(CURDIR)/bpf $@

$(OBJ)/bpf/scx_ktstr.o: private CFLAGS += -isystem $(TOOLS)/sched_ext/include
$(OBJ)/bpf/scx_ktstr.o: $(SCX_KTSTR_SKEL)

# Guests have to carry its libraries: only those that it needs.
$(OUTPUT)/scx_ktstr: $(OBJ)/bpf/scx_ktstr.o $(LIBKTSTR) $(LIBBPF)
	$(call msg,LINK,,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) -Wl,--as-needed -s $^ $(LDLIBS) -o $@

ifneq ($(NO_SCX),)
all: no_scx
.PHONY: no_scx
no_scx:
	@echo "ktstr: NOTE: no BPF scheduler is built, their tests will SKIP: $(NO_SCX)"
endif

# Files whose time stamp says when their one line last changed.
$(OBJ)/.flags: LINE = $(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) $(PAYLOAD_CFLAGS)
$(OBJ)/.sources: LINE = $(LIB_OBJS)
$(OBJ)/.flags $(OBJ)/.sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(LINE)' | cmp -s - $@ || printf '%s\n' '$(LINE)' >$@

# Say once, and by its package, what would otherwise be an obscure error later.
NEEDED := lz4.h:liblz4-dev:lz4-devel xxhash.h:libxxhash-dev:xxhash-devel \
	  numa.h:libnuma-dev:numactl-devel \
	  gelf.h:libelf-dev:elfutils-libelf-devel zlib.h:zlib1g-dev:zlib-devel \
	  jansson.h:libjansson-dev:jansson-devel
$(OBJ)/.checked:
	@mkdir -p $(@D)
	@bad=0; for need in $(NEEDED); do \
		hdr=$${need%%:*}; pkgs=$${need#*:}; \
		echo "#include <$$hdr>" | $(CC) -E -x c - >/dev/null 2>&1 && continue; \
		echo "ktstr: <$$hdr> is missing: install $${pkgs%%:*} (Debian)" \
		     "or $${pkgs#*:} (Fedora)" >&2; bad=1; \
	done; \
	printf '#include <sys/syscall.h>\nint nr = SYS_sched_setattr;\n' | \
	$(CC) $(CFLAGS) -fsyntax-only -x c - 2>/dev/null || { \
		echo "ktstr: the kernel's headers are missing: run \"make headers\" in the" \
		     "kernel tree first, with the same O= if any" >&2; bad=1; \
	}; \
	echo 'int main(void) { return 0; }' | \
	$(CC) -static -x c - -o $@ 2>/dev/null || { \
		echo "ktstr: cannot link statically: install libc6-dev (Debian)" \
		     "or glibc-static (Fedora)" >&2; bad=1; \
	}; exit $$bad

.PHONY: FORCE
FORCE:
endif # in a kernel tree

help:
	@echo "ktstr: boots a kernel in guests of exact topologies and judges its schedulers."
	@echo
	@echo "  make run             build a kernel and the suite, and run the suite"
	@echo "  make run KDIR=DIR    the same in the kernel tree DIR"
	@echo "  make run FULL=1      the same with all scenarios, for hours"
	@echo "  make check           every test that there is, unit tests included"
	@echo "  make check-large     guests of 4 to 252 CPUs, whose topologies are checked"
	@echo "  make detect          are broken schedulers found, and healthy ones never blamed?"
	@echo "  make detect FULL=1   the same with all schedulers in all scenarios, for a day"
	@echo "  make bench           boot time, set-up time and memory, against peers"
	@echo "  make fuzz            feed what guests and files decide with anything, for long"
	@echo
	@echo "KTSTR_CACHE (~/.cache/ktstr) is where trees and builds are kept. In a kernel tree:"
	@echo "  make -C tools/testing/selftests TARGETS=sched_ext/ktstr run_tests"

run check check-large detect bench fuzz:
	@tools/run.sh $@
