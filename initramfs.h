/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Builds an initramfs in memory: a cpio archive, format "newc"
 * (Documentation/driver-api/early-userspace/buffer-format.rst), as it is or
 * in the LZ4 legacy frame that lib/decompress_unlz4.c reads.
 *
 * A guest can be given two of them, one behind the other: a large one that many
 * guests share, and a small one of its own.
 *
 * The output depends on the files' contents and on the order of calls, on
 * nothing else of the host: owners and times are 0, inodes are numbered in
 * order.
 *
 * Paths in the guest are absolute. ".", ".." and repeated slashes are resolved
 * in the text. Missing parents are made, with mode 0755, also those that a ".."
 * leaves again. A symlink in the archive is not followed: nothing can be put
 * below one.
 *
 * Adding the same thing twice is fine, adding something else at a path that is
 * taken is an error (EEXIST). After an error the builder is as before, but for
 * parents that were made already.
 */
#ifndef KTSTR_INITRAMFS_H
#define KTSTR_INITRAMFS_H

#include <stddef.h>
#include <sys/types.h>

#include "errmsg.h"

/**
 * struct initramfs - an archive in the making; all fields are private
 * @archive: what was written so far, and room to grow
 * @size: bytes written
 * @room: bytes allocated
 * @paths: search tree of all entries, by path
 * @files: search tree of those that came from host files, by host inode
 * @nr_inodes: inode numbers given out
 */
struct initramfs {
	char *archive;
	size_t size;
	size_t room;
	void *paths;
	void *files;
	unsigned int nr_inodes;
};

/* A base, with zeros at its end, is as long as a multiple of this. */
#define INITRAMFS_ALIGN		4096UL

/**
 * struct initramfs_image - what a guest unpacks
 * @base_fd: file with an archive, whose pages all guests share until they write
 *	to them
 * @base_size: bytes of it, a multiple of INITRAMFS_ALIGN; 0 for no base
 * @suffix: a plain archive for this guest alone, unpacked after the base, whose
 *	files it may replace
 * @suffix_size: bytes of it; 0 for no suffix
 */
struct initramfs_image {
	int base_fd;
	size_t base_size;
	const void *suffix;
	size_t suffix_size;
};

/**
 * initramfs_init() - start an empty archive
 * @ir: the builder; end it with initramfs_destroy()
 */
void initramfs_init(struct initramfs *ir);

/**
 * initramfs_destroy() - give everything back, the image too
 * @ir: the builder, in any state; may be zeroed or destroyed already
 */
void initramfs_destroy(struct initramfs *ir);

/**
 * initramfs_add_dir() - add a directory
 * @ir: the builder
 * @path: in the guest; one that was only made as a parent gets @mode now
 * @mode: permission bits
 * @err: what is wrong
 *
 * Return: 0 or a negative errno.
 */
int initramfs_add_dir(struct initramfs *ir, const char *path, mode_t mode,
		      struct errmsg *err);

/**
 * initramfs_add_file() - add a regular file from memory
 * @ir: the builder
 * @path: in the guest
 * @mode: permission bits
 * @data: its contents, copied
 * @len: bytes at @data, less than 4 GiB
 * @err: what is wrong
 *
 * Return: 0 or a negative errno.
 */
int initramfs_add_file(struct initramfs *ir, const char *path, mode_t mode,
		       const void *data, size_t len, struct errmsg *err);

/**
 * initramfs_add_host_file() - add a regular file from the host
 * @ir: the builder
 * @path: in the guest
 * @host: path on the host; symlinks are followed
 * @mode: permission bits
 * @err: what is wrong
 *
 * A host file is read once, however often it is added: its second path with
 * the same mode becomes a hard link.
 *
 * Return: 0 or a negative errno.
 */
int initramfs_add_host_file(struct initramfs *ir, const char *path,
			    const char *host, mode_t mode, struct errmsg *err);

/**
 * initramfs_add_symlink() - add a symbolic link
 * @ir: the builder
 * @path: in the guest
 * @target: what it contains; not checked for existence
 * @err: what is wrong
 *
 * Return: 0 or a negative errno.
 */
int initramfs_add_symlink(struct initramfs *ir, const char *path,
			  const char *target, struct errmsg *err);

/**
 * initramfs_add_chardev() - add a character device node
 * @ir: the builder
 * @path: in the guest, for example "/dev/console"
 * @mode: permission bits
 * @major: for example 5
 * @minor: for example 1
 * @err: what is wrong
 *
 * Return: 0 or a negative errno.
 */
int initramfs_add_chardev(struct initramfs *ir, const char *path, mode_t mode,
			  unsigned int major, unsigned int minor,
			  struct errmsg *err);

/**
 * initramfs_add_program() - add an executable and all that it needs to start
 * @ir: the builder
 * @path: in the guest
 * @host: path on the host: an executable or a script
 * @err: what is wrong or missing
 *
 * Interpreter and shared libraries go where the guest's loader looks for them
 * (elf_deps.h); what several programs share is there once.
 *
 * Return: 0 or a negative errno. After an error some of the libraries may have
 * been added.
 */
int initramfs_add_program(struct initramfs *ir, const char *path,
			  const char *host, struct errmsg *err);

/**
 * initramfs_finish() - end the archive
 * @ir: the builder; nothing but initramfs_compress() and initramfs_destroy()
 *	may follow
 * @image: the plain archive, valid until either is called
 * @size: bytes at @image
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int initramfs_finish(struct initramfs *ir, const void **image, size_t *size,
		     struct errmsg *err);

/**
 * initramfs_compress() - compress the archive, with LZ4 at its fastest
 * @ir: a builder after initramfs_finish()
 * @image: the compressed archive, valid until initramfs_destroy()
 * @size: bytes at @image: a multiple of INITRAMFS_ALIGN
 * @err: what failed
 *
 * The format does not say where it ends: for the kernel, four zeros do. They
 * are there, and another archive may follow.
 *
 * Return: 0 or a negative errno.
 */
int initramfs_compress(struct initramfs *ir, const void **image, size_t *size,
		       struct errmsg *err);

#endif /* KTSTR_INITRAMFS_H */
