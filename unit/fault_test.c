// SPDX-License-Identifier: GPL-2.0
/*
 * A VM's life, in which each call fails: every ioctl, mapping, allocation, file,
 * lock, file descriptor and thread that is asked for, by the VM and by what is made
 * for it before, its initramfs and its share of the host. The linker puts the
 * functions of fault_wrap.h between the modules and the libraries.
 *
 * First a life without faults is recorded. Then in each life the n-th call of a kind
 * fails: once only, or with all of that kind after it, because what is tried again
 * or done in another way has to fail in the end.
 */
#include <errno.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fault_wrap.h"
#include "held.h"
#include "host.h"
#include "host_lock.h"
#include "initramfs_cache.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "tiny_guest.h"
#include "virtio_blk.h"
#include "virtio_net.h"

/* With more calls of a kind than this, those of a guest's 64 CPUs are alike. */
#define EACH		60

asm("	.pushsection .rodata\n"
"spin:	jmp spin\n"
"spin_end:\n"
"	.popsection\n"
);

#define GUEST(name)	extern const u8 name[]
GUEST(spin);
GUEST(spin_end);

/* What else there is than a VM without devices that needs none */
enum segment {
	NO_INITRAMFS,
	NEW_SEGMENT,		/* the first of its kind: it is compressed and shared */
	OLD_SEGMENT,		/* found */
	NO_SEGMENT,		/* there is no place to share it */
};

FIXTURE(fault) {
	struct ktstr_vm_config cfg;
	struct tiny_guest guest;
	char path[64];
	int fd;
	/* What a guest's session makes besides */
	enum segment segment;
	bool performance;
	struct disk_config disk;
	struct net_config net;
	char root[64];
	char disk_path[64];
	int disk_fd;
	struct initramfs ir;
	struct initramfs_segment seg;
	struct host_share *share;
	/* How the last life ended */
	int ret;
	struct errmsg err;
	enum ktstr_vm_state state;
	char reason[VCPU_END_TEXT_SIZE];
	bool registers;
	bool waits;
	bool tsc_jumps;
	char told[SZ_16K];
	/* ... what was told of the one without faults */
	char usual[SZ_16K];
	/* ... and what none should have left */
	struct held before;
	unsigned int lives;
	unsigned int struck;
};

/* calls: which have to be among those that fail; NULL for no others than ever */
FIXTURE_VARIANT(fault) {
	const char *topology;
	enum ktstr_irqchip irqchip;
	int error;
	enum segment segment;
	bool performance;
	const char *calls;
};

FIXTURE_VARIANT_ADD(fault, contention) {
	.topology = "1n1l2c1t",
	.error = ENOMEM,
};

FIXTURE_VARIANT_ADD(fault, contention_split) {
	.topology = "2n2l1c1t",
	.irqchip = KTSTR_IRQCHIP_SPLIT,
	.error = EMFILE,
};

/* Enough CPUs for threads that create them */
FIXTURE_VARIANT_ADD(fault, threads) {
	.topology = "1n1l64c1t",
	.error = EAGAIN,
};

#define WHOLE_CALLS								\
	"timerfd_create lseek openat mkdir flock write ftruncate fchmod tsearch "	\
	"realpath strdup reallocarray elf_getdata_rawchunk read mbind madvise "		\
	"pthread_setaffinity_np"

/* With all that a session makes */
FIXTURE_VARIANT_ADD(fault, whole) {
	.topology = "1n1l2c1t",
	.error = ENOMEM,
	.segment = NEW_SEGMENT,
	.calls = WHOLE_CALLS,
};

FIXTURE_VARIANT_ADD(fault, broken) {
	.topology = "1n1l2c1t",
	.error = EIO,
	.segment = NEW_SEGMENT,
	.calls = WHOLE_CALLS,
};

FIXTURE_VARIANT_ADD(fault, private) {
	.topology = "2n2l1c1t",
	.irqchip = KTSTR_IRQCHIP_SPLIT,
	.error = EMFILE,
	.segment = NO_SEGMENT,
	.calls = "memfd_create write timerfd_create fopen",
};

FIXTURE_VARIANT_ADD(fault, performance) {
	.topology = "1n1l1c1t",
	.error = ENOMEM,
	.segment = OLD_SEGMENT,
	.performance = true,
	.calls = "flock pthread_setaffinity_np pthread_setschedparam mbind",
};

/* Room for all that is allocated, so that what is mapped later and stays is a leak */
static void fix_heap(void)
{
	void *room[64];
	size_t i;

	mallopt(M_MMAP_THRESHOLD, SZ_64K);
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, SZ_1G);
	for (i = 0; i < ARRAY_SIZE(room); i++)
		room[i] = malloc(SZ_32K);
	for (i = 0; i < ARRAY_SIZE(room); i++)
		free(room[i]);
}

static int prepare(struct _test_data_fault *self, const char *topology,
		   enum ktstr_irqchip irqchip)
{
	fix_heap();
	memset(self, 0, sizeof(*self));
	self->fd = tiny_guest_open(self->path, sizeof(self->path));
	tiny_guest_init(&self->guest);
	tiny_guest_set(&self->guest, spin, spin_end);
	if (pwrite(self->fd, &self->guest, sizeof(self->guest), 0) != sizeof(self->guest))
		return -errno;
	self->cfg = (struct ktstr_vm_config) {
		.memory = SZ_16M,
		.kernel = self->path,
		.irqchip = irqchip,
	};
	return topology_parse(topology, &self->cfg.topo, &self->err);
}

/* All devices, an initramfs, nudges, bound memory that is there at once, a share of the host */
static int prepare_more(struct _test_data_fault *self, enum segment segment, bool performance)
{
	char locks[96];

	self->segment = segment;
	self->performance = performance;
	snprintf(self->root, sizeof(self->root), "%s/fault_test.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(self->root))
		return -errno;
	snprintf(locks, sizeof(locks), "%s/locks", self->root);
	setenv(ENV_LOCK_DIR, locks, 1);

	self->disk_fd = tiny_guest_open(self->disk_path, sizeof(self->disk_path));
	if (ftruncate(self->disk_fd, SZ_64K))
		return -errno;
	self->disk.path = self->disk_path;
	self->net = (struct net_config) {
		.peer = NET_PEER_SOURCE, .frames_per_sec = 1, .frame_size = NET_MIN_FRAME,
	};
	self->cfg.disk = &self->disk;
	self->cfg.net = &self->net;
	self->cfg.nudge_vector = 0xfd;
	self->cfg.backing.bind = true;
	self->cfg.backing.populate = true;
	if (!performance)
		return 0;
	self->cfg.backing.pages = NUMA_MEM_HUGETLB;
	hold_huge_pages();
	return 0;
}

FIXTURE_SETUP(fault)
{
	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	ASSERT_EQ(0, prepare(self, variant->topology, variant->irqchip));
	if (variant->segment != NO_INITRAMFS)
		ASSERT_EQ(0, prepare_more(self, variant->segment, variant->performance));
}

FIXTURE_TEARDOWN(fault)
{
	close(self->fd);
	if (!self->root[0])
		return;
	close(self->disk_fd);
	EXPECT_EQ(0, sh("rm -rf %s", self->root));
}

static void stage(const char *name)
{
	faults.stage = name;
}

/* As a session does it */
static int make_initramfs(struct _test_data_fault *self)
{
	const char *root = self->segment == NO_SEGMENT ? "/nonexistent" : self->root;
	int ret;

	stage("initramfs");
	initramfs_init(&self->ir);
	ret = initramfs_add_chardev(&self->ir, "/dev/console", 0600, 5, 1, &self->err) ?:
	      initramfs_add_program(&self->ir, "/bin/true", "/bin/true", &self->err);
	stage("segment");
	ret = ret ?: initramfs_cache_get(&self->seg, root, &self->ir, &self->err);
	initramfs_destroy(&self->ir);
	self->cfg.initramfs.base_fd = self->seg.fd;
	self->cfg.initramfs.base_size = self->seg.size;
	return ret;
}

static int take_share(struct _test_data_fault *self)
{
	const struct host_share_config cfg = {
		.root = "",
		.topo = &self->cfg.topo,
		.performance = self->performance,
	};
	int ret;

	stage("share");
	ret = host_share_take(&self->share, &cfg, &self->err);
	self->cfg.share = self->share;
	return ret;
}

static void see_vcpus(struct _test_data_fault *self, const struct vcpu_state *vcpus,
		      unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		self->registers &= vcpus[i].valid;
		self->waits &= vcpus[i].waits;
	}
}

static int run(struct _test_data_fault *self, struct ktstr_vm **vm)
{
	struct ktstr_vm_frozen frozen;
	int ret;

	stage("create");
	ret = ktstr_vm_create(vm, &self->cfg, &self->err);
	if (ret)
		return ret;
	stage("load");
	ret = ktstr_vm_load(*vm, &self->err);
	if (ret)
		return ret;
	stage("start");
	faults.running = true;
	ret = ktstr_vm_start(*vm, &self->err);
	if (ret)
		return ret;
	stage("freeze");
	ret = ktstr_vm_freeze(*vm, &frozen, &self->err);
	if (ret)
		return ret;
	see_vcpus(self, frozen.vcpus, frozen.nr_vcpus);
	return ktstr_vm_thaw(*vm, &self->err);
}

static void live(struct _test_data_fault *self)
{
	const bool whole = self->segment != NO_INITRAMFS;
	const struct ktstr_vm_result *result;
	struct ktstr_vm *vm = NULL;
	const char *warnings = "";

	if (self->segment == NEW_SEGMENT)
		sh("rm -rf %s/*", self->root);
	memset(&self->err, 0, sizeof(self->err));
	self->seg = (struct initramfs_segment){ .fd = -1 };
	self->share = NULL;
	self->registers = true;
	self->waits = true;
	self->tsc_jumps = false;
	self->state = KTSTR_VM_CREATED;
	faults.nr_kinds = 0;
	faults.struck = NULL;
	faults.running = false;
	faults.on = true;
	self->ret = whole ? make_initramfs(self) ?: take_share(self) : 0;
	self->ret = self->ret ?: run(self, &vm);
	stage("end");
	if (vm) {
		result = ktstr_vm_result(vm);
		ktstr_vm_stop(vm, KTSTR_VM_STOPPED, "enough");
		self->state = result->state;
		snprintf(self->reason, sizeof(self->reason), "%s", result->reason);
		see_vcpus(self, result->vcpus, result->nr_vcpus);
		self->tsc_jumps = result->tsc_jumps;
		warnings = result->warnings ?: "";
	}
	snprintf(self->told, sizeof(self->told), "%s%s%s", warnings,
		 self->share ? self->share->warnings.text : "", self->seg.note.text);
	ktstr_vm_destroy(vm);
	host_share_release(self->share);
	initramfs_cache_put(&self->seg);
	faults.on = false;
}

/*
 * What is done without, and there is nothing to say: more speed, how long locks are
 * held by whom, a segment that can be kept as memory instead, and is said to be.
 */
static bool is_luxury(const struct kind *kind, int error)
{
	static const struct {
		const char *stage, *calls;
	} luxury[] = {
		/* Of two paths to the same file, and of a cache to find them */
		{ "initramfs", "tsearch" },
		{ "segment", "openat fstat fstatat fdopendir calloc flock futimens mkdir" },
		{ "share", "fopen openat fstat mkdir fchmod" },
		{ "create", "madvise sched_getaffinity fopen pthread_create" },
		/* The initramfs is read, not mapped. */
		{ "load", "mmap sched_getaffinity" },
		{ "start", "sched_getaffinity fopen" },
	};
	size_t i;

	/* A file that is broken is none that the loader would use. */
	if (error == EIO && !strcmp(faults.struck, "initramfs"))
		return true;
	for (i = 0; i < ARRAY_SIZE(luxury); i++)
		if (!strcmp(faults.struck, luxury[i].stage) &&
		    is_one_of(kind->name, luxury[i].calls))
			return true;
	return false;
}

/* Return: whether it can be done without, or was told otherwise than by an error */
static bool expect_lived(struct __test_metadata *_metadata, struct _test_data_fault *self,
			 const struct kind *kind, int error)
{
	if (strcmp(self->told, self->usual) || is_luxury(kind, error))
		return true;
	/* The usual warning, if this host has no huge pages either */
	if (!strcmp(kind->name, "mmap") && strstr(self->told, "it gets ordinary ones"))
		return true;
	switch (kind->request) {
	case KVM_CHECK_EXTENSION:
		return kind->arg == KVM_CAP_TSC_DEADLINE_TIMER || kind->arg == KVM_CAP_MAX_VCPU_ID;
	case KVM_RUN:
		/* That asks for one more try. */
		if (error == EAGAIN)
			return self->state == KTSTR_VM_STOPPED;
		EXPECT_EQ(KTSTR_VM_KVM_ERROR, self->state);
		EXPECT_NE(NULL, strstr(self->reason, "KVM_RUN: "));
		return true;
	case KVM_SIGNAL_MSI:
		/* A nudge of a vCPU that rests; there will be another. */
		return true;
	case KVM_GET_REGS:
	case KVM_GET_SREGS:
		return !self->registers;
	case KVM_GET_LAPIC:
	case KVM_GET_MP_STATE:
	case KVM_GET_VCPU_EVENTS:
		return !self->waits;
	case KVM_ENABLE_CAP:
		/* The guest then does by itself what it is for. */
		return kind->arg == KVM_CAP_DISABLE_QUIRKS;
	case KVM_GET_MSRS:
		return self->tsc_jumps || !self->waits;
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		return self->tsc_jumps;
	}
	return false;
}

static void expect_error(struct __test_metadata *_metadata, struct _test_data_fault *self,
			 const struct kind *kind, int error)
{
	EXPECT_GT(0, self->ret);
	EXPECT_STRNE("", self->err.text);
	if (kind->request == KVM_CHECK_EXTENSION) {
		/* It has no errno: what is absent is named, and is the host's. */
		EXPECT_NE(NULL, strstr(self->err.text, "KVM_CAP_"));
		EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	} else if (error == EIO && (strstr(kind->name, "elf_") || is_luxury(kind, error))) {
		/* libelf has words of its own, and a broken library is one that is missing. */
		EXPECT_NE(0, self->ret);
	} else {
		if (is_one_of(kind->name, MEMORY_CALLS))
			error = ENOMEM;
		EXPECT_NE(NULL, strstr(self->err.text, strerrorname_np(error)));
		/* Of a file's size nothing can be short. */
		if (error != EIO && strcmp(kind->name, "lseek"))
			EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	}
}

static void strike(struct __test_metadata *_metadata, struct _test_data_fault *self,
		   const struct kind *kind, unsigned int call, int error)
{
	struct held now;
	bool lived;

	faults.fault = *kind;
	faults.fault.calls = call;
	faults.error = error;
	live(self);
	faults.error = 0;

	/* A vCPU that fails ends the guest, whatever was asked of it meanwhile. */
	lived = !self->ret || kind->request == KVM_RUN;
	if (faults.struck && !(lived && expect_lived(_metadata, self, kind, error)))
		expect_error(_metadata, self, kind, error);
	self->struck += !!faults.struck;
	/* The first one leaves what the C library keeps. */
	now = held();
	if (self->lives++) {
		EXPECT_EQ(self->before.fds, now.fds);
		EXPECT_EQ(self->before.threads, now.threads);
		EXPECT_EQ(self->before.pages, now.pages);
	}
	self->before = now;
	if (_metadata->exit_code)
		TH_LOG("%s %#lx %lu, call %u of %u%s, %s: %s: %d %s (%s)", kind->name,
		       kind->request, kind->arg, call, kind->calls, faults.once ? " once" : "",
		       faults.struck ?: "not struck", strerrorname_np(error), self->ret,
		       self->err.text, self->told);
	ASSERT_EQ(0, _metadata->exit_code);
}

static void expect_calls(struct __test_metadata *_metadata, const char *calls)
{
	char *names = strdup(calls), *rest = names, *name;
	unsigned int i;

	while ((name = strsep(&rest, " "))) {
		for (i = 0; i < faults.nr_kinds && strcmp(faults.kinds[i].name, name); i++)
			;
		EXPECT_GT(faults.nr_kinds, i) {
			TH_LOG("%s is never called", name);
		}
	}
	free(names);
}

/* Where all calls fail from one on, it is enough to begin with the first and the last. */
static bool is_chosen(unsigned int call, unsigned int calls, bool once)
{
	if (!once)
		return call == 1 || call == calls;
	return calls <= EACH || call <= 4 || call == calls / 2 || call >= calls - 1;
}

static void strike_all(struct __test_metadata *_metadata, struct _test_data_fault *self,
		       int error, bool once)
{
	const unsigned int nr = faults.nr_kinds;
	unsigned int i, call, lives = 0;
	struct kind kinds[MAX_KINDS];
	u64 start = clock_ns();

	ASSERT_GT(MAX_KINDS, nr);
	memcpy(kinds, faults.kinds, sizeof(kinds));
	faults.once = once;
	for (i = 0; i < nr; i++) {
		/* How often a vCPU leaves the guest depends on the host. */
		const unsigned int calls = kinds[i].request == KVM_RUN ? 1 : kinds[i].calls;

		/* One handler serves all vCPUs. */
		if (!strcmp(kinds[i].name, "sigaction"))
			EXPECT_EQ(1, calls);
		for (call = 1; call <= calls; call++) {
			if (!is_chosen(call, calls, once))
				continue;
			strike(_metadata, self, &kinds[i], call, error);
			lives++;
		}
	}
	/* All of it was seen: vCPUs, memory, devices, kernel, threads, clocks. */
	EXPECT_LT(40, nr);
	/* Whether a thread gets to make a call depends on how busy the host is. */
	EXPECT_LE(lives - lives / 4, self->struck);
	TH_LOG("%u kinds of calls, %u of them failed, in %llu ms", nr, self->struck,
	       (unsigned long long)(clock_ns() - start) / NSEC_PER_MSEC);
	EXPECT_EQ(false, leaks());
}

/* Return: whether there is a usual life */
static bool live_as_usual(struct __test_metadata *_metadata, struct _test_data_fault *self,
			  const char *calls)
{
	/* The first one finds no segment. */
	live(self);
	live(self);
	if (self->performance && self->ret == -ERANGE)
		return false;
	ASSERT_EQ(0, self->ret) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(KTSTR_VM_STOPPED, self->state);
	memcpy(self->usual, self->told, sizeof(self->usual));
	if (calls)
		expect_calls(_metadata, calls);
	return true;
}

TEST_F(fault, every_kind_for_good)
{
	if (!live_as_usual(_metadata, self, variant->calls))
		SKIP(return, "%s", self->err.text);
	strike_all(_metadata, self, variant->error, false);
}

TEST_F(fault, every_call)
{
	if (!live_as_usual(_metadata, self, variant->calls))
		SKIP(return, "%s", self->err.text);
	strike_all(_metadata, self, variant->error, true);
}

/*
 * For strace_test.sh, which makes the system calls fail that the second life makes
 * between the two calls of access(): how did it end?
 */
static int one_life(void)
{
	static const char * const kinds[] = {
		[ERRMSG_FAILED] = "FAILED",
		[ERRMSG_INPUT] = "INPUT",
		[ERRMSG_HOST] = "HOST",
	};
	static struct _test_data_fault data;
	struct held before, after;

	if (prepare(&data, "1n1l2c1t", KTSTR_IRQCHIP_AUTO))
		return KSFT_FAIL;
	live(&data);
	if (data.ret) {
		printf("%s\n", data.err.text);
		return KSFT_FAIL;
	}
	before = held();
	access("life", F_OK);
	live(&data);
	access("death", F_OK);
	after = held();

	if (data.ret)
		printf("%s %s\n", kinds[data.err.kind], data.err.text);
	else
		printf("LIVED %s %s\n", ktstr_vm_state_name(data.state), data.reason);
	if (before.fds == after.fds && before.threads == after.threads &&
	    before.pages == after.pages)
		return KSFT_PASS;
	printf("before: %u files, %u threads, %lu pages; after: %u, %u, %lu\n", before.fds,
	       before.threads, before.pages, after.fds, after.threads, after.pages);
	return KSFT_FAIL;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--life"))
		return one_life();
	return test_harness_run(argc, argv);
}
