/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that can be made to fail: what the linker's --wrap makes of those that
 * unit_fault_LDFLAGS names. To be included by one file of a program.
 */
#ifndef KTSTR_FAULT_WRAP_H
#define KTSTR_FAULT_WRAP_H

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <linux/kvm.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* The calls as the libraries have them */
int __real_open(const char *path, int flags, mode_t mode);
int __real_openat(int dir, const char *path, int flags, mode_t mode);
FILE *__real_fopen(const char *path, const char *mode);
DIR *__real_fdopendir(int fd);
int __real_mkdir(const char *path, mode_t mode);
int __real_memfd_create(const char *name, unsigned int flags);
int __real_eventfd(unsigned int value, int flags);
int __real_timerfd_create(clockid_t clock, int flags);
int __real_fstat(int fd, struct stat *st);
int __real_fstatat(int dir, const char *path, struct stat *st, int flags);
char *__real_realpath(const char *path, char *resolved);
ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __real_pread(int fd, void *buf, size_t len, off_t pos);
ssize_t __real_write(int fd, const void *buf, size_t len);
off_t __real_lseek(int fd, off_t pos, int whence);
int __real_flock(int fd, int operation);
int __real_ftruncate(int fd, off_t len);
int __real_fchmod(int fd, mode_t mode);
int __real_futimens(int fd, const struct timespec times[2]);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t pos);
int __real_madvise(void *addr, size_t len, int advice);
long __real_mbind(void *addr, unsigned long len, int mode, const unsigned long *nodes,
		  unsigned long max, unsigned int flags);
void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t nr, size_t size);
char *__real_strdup(const char *text);
void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			  void *arg);
int __real_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set);
int __real_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param);
int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __real_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
Elf *__real_elf_begin(int fd, Elf_Cmd cmd, Elf *ref);
int __real_elf_getphdrnum(Elf *elf, size_t *nr);
Elf_Data *__real_elf_getdata_rawchunk(Elf *elf, s64 pos, size_t size, Elf_Type type);
GElf_Ehdr *__real_gelf_getehdr(Elf *elf, GElf_Ehdr *ehdr);
GElf_Phdr *__real_gelf_getphdr(Elf *elf, int i, GElf_Phdr *phdr);
int __real_ioctl(int fd, unsigned long request, void *arg);

#define MAX_KINDS	192

/* They fail in one way only. */
#define MEMORY_CALLS	"malloc calloc realloc reallocarray strdup tsearch asprintf"

/* Calls with the same name and, for an ioctl, the same request */
struct kind {
	const char *name;
	unsigned long request;
	unsigned long arg;	/* the capability of KVM_CHECK_EXTENSION and KVM_ENABLE_CAP */
	unsigned int calls;
};

static struct {
	pthread_mutex_t lock;
	bool on;
	struct kind kinds[MAX_KINDS];
	unsigned int nr_kinds;
	struct kind fault;	/* calls: the one that fails */
	bool once;		/* and not all of its kind after it, too */
	int error;		/* with this errno; 0: none fails */
	const char *stage;	/* what is being done */
	bool running;		/* the guest does: devices wake up and stop */
	const char *struck;	/* the stage that was hit, or NULL */
} faults = { .lock = PTHREAD_MUTEX_INITIALIZER, .stage = "" };

static bool same_kind(const struct kind *a, const struct kind *b)
{
	return !strcmp(a->name, b->name) && a->request == b->request && a->arg == b->arg;
}

/* Is @name one of @names, which have blanks between them? */
static bool is_one_of(const char *name, const char *names)
{
	const size_t len = strlen(name);
	const char *found = names;

	while ((found = strstr(found, name))) {
		if ((found == names || found[-1] == ' ') && (!found[len] || found[len] == ' '))
			return true;
		found += len;
	}
	return false;
}

/* Return: whether this call is to fail; errno says how */
static bool fails(const char *name, unsigned long request, unsigned long arg)
{
	const struct kind this = { .name = name, .request = request, .arg = arg };
	bool strike = false;
	unsigned int i, nr;

	if (!faults.on)
		return false;
	pthread_mutex_lock(&faults.lock);
	for (i = 0; i < faults.nr_kinds && !same_kind(&faults.kinds[i], &this); i++)
		;
	if (i == faults.nr_kinds && i < MAX_KINDS)
		faults.kinds[faults.nr_kinds++] = this;
	if (i < MAX_KINDS && faults.error && same_kind(&this, &faults.fault)) {
		nr = faults.kinds[i].calls + 1;
		strike = faults.once ? nr == faults.fault.calls : nr >= faults.fault.calls;
	}
	if (i < MAX_KINDS)
		faults.kinds[i].calls++;
	if (strike && !faults.struck)
		faults.struck = faults.stage;
	pthread_mutex_unlock(&faults.lock);
	if (strike)
		errno = is_one_of(name, MEMORY_CALLS) ? ENOMEM : faults.error;
	return strike;
}

/* Files */
int __wrap_open(const char *path, int flags, mode_t mode)
{
	if (fails("open", 0, 0))
		return -1;
	return __real_open(path, flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
	if (fails("openat", 0, 0))
		return -1;
	return __real_openat(dir, path, flags, mode);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (fails("fopen", 0, 0))
		return NULL;
	return __real_fopen(path, mode);
}

DIR *__wrap_fdopendir(int fd)
{
	if (fails("fdopendir", 0, 0))
		return NULL;
	return __real_fdopendir(fd);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	if (fails("mkdir", 0, 0))
		return -1;
	return __real_mkdir(path, mode);
}

int __wrap_memfd_create(const char *name, unsigned int flags)
{
	if (fails("memfd_create", 0, 0))
		return -1;
	return __real_memfd_create(name, flags);
}

int __wrap_eventfd(unsigned int value, int flags)
{
	if (fails("eventfd", 0, 0))
		return -1;
	return __real_eventfd(value, flags);
}

int __wrap_timerfd_create(clockid_t clock, int flags)
{
	if (fails("timerfd_create", 0, 0))
		return -1;
	return __real_timerfd_create(clock, flags);
}

int __wrap_fstat(int fd, struct stat *st)
{
	if (fails("fstat", 0, 0))
		return -1;
	return __real_fstat(fd, st);
}

int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	if (fails("fstatat", 0, 0))
		return -1;
	return __real_fstatat(dir, path, st, flags);
}

char *__wrap_realpath(const char *path, char *resolved)
{
	if (fails("realpath", 0, 0))
		return NULL;
	return __real_realpath(path, resolved);
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	if (!faults.running && fails("read", 0, 0))
		return -1;
	return __real_read(fd, buf, len);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t pos)
{
	if (fails("pread", 0, 0))
		return -1;
	return __real_pread(fd, buf, len, pos);
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (!faults.running && fails("write", 0, 0))
		return -1;
	return __real_write(fd, buf, len);
}

off_t __wrap_lseek(int fd, off_t pos, int whence)
{
	if (fails("lseek", 0, 0))
		return -1;
	return __real_lseek(fd, pos, whence);
}

int __wrap_flock(int fd, int operation)
{
	if (fails("flock", 0, 0))
		return -1;
	return __real_flock(fd, operation);
}

int __wrap_ftruncate(int fd, off_t len)
{
	if (fails("ftruncate", 0, 0))
		return -1;
	return __real_ftruncate(fd, len);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	if (fails("fchmod", 0, 0))
		return -1;
	return __real_fchmod(fd, mode);
}

int __wrap_futimens(int fd, const struct timespec times[2])
{
	if (fails("futimens", 0, 0))
		return -1;
	return __real_futimens(fd, times);
}

/* Memory */
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t pos)
{
	if (fails("mmap", 0, 0))
		return MAP_FAILED;
	return __real_mmap(addr, len, prot, flags, fd, pos);
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	if (fails("madvise", 0, 0))
		return -1;
	return __real_madvise(addr, len, advice);
}

long __wrap_mbind(void *addr, unsigned long len, int mode, const unsigned long *nodes,
		  unsigned long max, unsigned int flags)
{
	if (fails("mbind", 0, 0))
		return -1;
	return __real_mbind(addr, len, mode, nodes, max, flags);
}

void *__wrap_malloc(size_t size)
{
	if (fails("malloc", 0, 0))
		return NULL;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	if (fails("calloc", 0, 0))
		return NULL;
	return __real_calloc(nr, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	if (fails("realloc", 0, 0))
		return NULL;
	return __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t nr, size_t size)
{
	if (fails("reallocarray", 0, 0))
		return NULL;
	return __real_reallocarray(p, nr, size);
}

char *__wrap_strdup(const char *text)
{
	if (fails("strdup", 0, 0))
		return NULL;
	return __real_strdup(text);
}

void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
	if (fails("tsearch", 0, 0))
		return NULL;
	return __real_tsearch(key, root, compare);
}

/* Threads and signals */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			  void *arg)
{
	if (fails("pthread_create", 0, 0))
		return faults.error;
	return __real_pthread_create(thread, attr, fn, arg);
}

int __wrap_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set)
{
	if (fails("pthread_setaffinity_np", 0, 0))
		return faults.error;
	return __real_pthread_setaffinity_np(thread, size, set);
}

int __wrap_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
	if (fails("pthread_setschedparam", 0, 0))
		return faults.error;
	return __real_pthread_setschedparam(thread, policy, param);
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	if (fails("sched_getaffinity", 0, 0))
		return -1;
	return __real_sched_getaffinity(pid, size, set);
}

int __wrap_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
	if (fails("sigaction", 0, 0))
		return -1;
	return __real_sigaction(sig, action, old);
}

/* Of the kernel's and programs' images */
Elf *__wrap_elf_begin(int fd, Elf_Cmd cmd, Elf *ref)
{
	if (fails("elf_begin", 0, 0))
		return NULL;
	return __real_elf_begin(fd, cmd, ref);
}

int __wrap_elf_getphdrnum(Elf *elf, size_t *nr)
{
	if (fails("elf_getphdrnum", 0, 0))
		return -1;
	return __real_elf_getphdrnum(elf, nr);
}

Elf_Data *__wrap_elf_getdata_rawchunk(Elf *elf, s64 pos, size_t size, Elf_Type type)
{
	if (fails("elf_getdata_rawchunk", 0, 0))
		return NULL;
	return __real_elf_getdata_rawchunk(elf, pos, size, type);
}

GElf_Ehdr *__wrap_gelf_getehdr(Elf *elf, GElf_Ehdr *ehdr)
{
	if (fails("gelf_getehdr", 0, 0))
		return NULL;
	return __real_gelf_getehdr(elf, ehdr);
}

/* This one also ends a loop over all headers: it fails for the kernel's only. */
GElf_Phdr *__wrap_gelf_getphdr(Elf *elf, int i, GElf_Phdr *phdr)
{
	if (!strcmp(faults.stage, "load") && fails("gelf_getphdr", 0, 0))
		return NULL;
	return __real_gelf_getphdr(elf, i, phdr);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	unsigned long cap = 0;

	if (request == KVM_CHECK_EXTENSION)
		cap = (unsigned long)arg;
	else if (request == KVM_ENABLE_CAP)
		cap = ((const struct kvm_enable_cap *)arg)->cap;
	return fails("ioctl", request, cap) ? -1 : __real_ioctl(fd, request, arg);
}

int __wrap_asprintf(char **text, const char *fmt, ...)
{
	va_list ap;
	int ret;

	if (fails("asprintf", 0, 0))
		return -1;
	va_start(ap, fmt);
	ret = vasprintf(text, fmt, ap);
	va_end(ap);
	return ret;
}

/* A host of two nodes, so that memory is bound, to the one that each host has */
int __wrap_numa_max_node(void)
{
	return 1;
}

#endif /* KTSTR_FAULT_WRAP_H */
