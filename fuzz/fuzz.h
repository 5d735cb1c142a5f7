/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers share. Each is one file here, and feeds one part of ktstr
 * with what somebody else decides: a guest, or a file. libFuzzer makes the
 * inputs (https://llvm.org/docs/LibFuzzer.html), the sanitizers find what goes
 * wrong unseen, and fuzz_assert() says what must be true besides.
 */
#ifndef KTSTR_FUZZ_H
#define KTSTR_FUZZ_H

#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define fuzz_assert(cond)							\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__,	\
				__LINE__, #cond);				\
			abort();						\
		}								\
	} while (0)

/**
 * LLVMFuzzerTestOneInput() - what libFuzzer calls
 * @data: the input
 * @size: bytes at @data
 *
 * Return: 0.
 */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/**
 * struct fuzz_input - an input that is used up from its beginning
 * @data: what is left
 * @size: bytes at @data
 */
struct fuzz_input {
	const u8 *data;
	size_t size;
};

/* A number of @len bytes; what is missing reads as 0. */
static inline u64 fuzz_number(struct fuzz_input *in, size_t len)
{
	u64 val = 0;

	len = min(len, in->size);
	memcpy(&val, in->data, len);
	in->data += len;
	in->size -= len;
	return val;
}

/* At most @max bytes of the input. Return: a copy, with a NUL behind it, to be freed */
static inline char *fuzz_bytes(struct fuzz_input *in, size_t max, size_t *len)
{
	char *copy;

	*len = min(max, in->size);
	/* The sanitizers see what is read beyond it. */
	copy = calloc(1, *len + 1);
	fuzz_assert(copy);
	memcpy(copy, in->data, *len);
	in->data += *len;
	in->size -= *len;
	return copy;
}

/* A string of at most @max bytes, up to a NUL or newline in the input; to be freed */
static inline char *fuzz_string(struct fuzz_input *in, size_t max)
{
	size_t len = 0;
	char *text;

	while (len < min(max, in->size) && in->data[len] && in->data[len] != '\n')
		len++;
	text = fuzz_bytes(in, len, &len);
	fuzz_number(in, 1);
	return text;
}

static char fuzz_path[32];

static inline void fuzz_unlink(void)
{
	unlink(fuzz_path);
}

/**
 * fuzz_file() - a file in memory that holds the input
 * @data: its content
 * @size: bytes at @data
 *
 * It is the same one for all inputs, and goes when the fuzzer ends well. It has
 * a name, unlike one of memfd_create(), as realpath() wants to find it.
 *
 * Return: where it can be opened
 */
static inline const char *fuzz_file(const void *data, size_t size)
{
	static int fd = -1;

	if (fd < 0) {
		snprintf(fuzz_path, sizeof(fuzz_path), "/dev/shm/ktstr-fuzz-%d", getpid());
		fd = open(fuzz_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		fuzz_assert(fd >= 0);
		atexit(fuzz_unlink);
	}
	/* In this order the file keeps the memory that it has. */
	fuzz_assert(pwrite(fd, data, size, 0) == (ssize_t)size);
	fuzz_assert(!ftruncate(fd, size));
	return fuzz_path;
}

#endif /* KTSTR_FUZZ_H */
