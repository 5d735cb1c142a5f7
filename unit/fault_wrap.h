/* SPDX-License-Identifier: GPL-2.0 */
/* What the linker's --wrap makes of the calls that unit_fault_LDFLAGS names. */
#ifndef KTSTR_FAULT_WRAP_H
#define KTSTR_FAULT_WRAP_H

#include <elf.h>
#include <gelf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
int __real_eventfd(unsigned int value, int flags);
int __wrap_eventfd(unsigned int value, int flags);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
ssize_t __real_pread(int fd, void *buf, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t offset);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			  void *arg);
int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __real_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
Elf *__real_elf_begin(int fd, Elf_Cmd cmd, Elf *ref);
Elf *__wrap_elf_begin(int fd, Elf_Cmd cmd, Elf *ref);
GElf_Ehdr *__real_gelf_getehdr(Elf *elf, GElf_Ehdr *ehdr);
GElf_Ehdr *__wrap_gelf_getehdr(Elf *elf, GElf_Ehdr *ehdr);
int __real_elf_getphdrnum(Elf *elf, size_t *nr);
int __wrap_elf_getphdrnum(Elf *elf, size_t *nr);
GElf_Phdr *__real_gelf_getphdr(Elf *elf, int i, GElf_Phdr *phdr);
GElf_Phdr *__wrap_gelf_getphdr(Elf *elf, int i, GElf_Phdr *phdr);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_asprintf(char **text, const char *fmt, ...);

#endif /* KTSTR_FAULT_WRAP_H */
