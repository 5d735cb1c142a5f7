// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_deps.h"
#include "kvm_caps.h"

#define LD_CACHE_PATH		"/etc/ld.so.cache"
#define LD_CACHE_MAX_SIZE	SZ_16M

#define GLIBC			"libc.so.6"
#define UNWINDER		"libgcc_s.so.1"

/* The kernel reads this much of a script, and follows scripts this deep. */
#define SCRIPT_LINE_SIZE	256
#define SCRIPT_MAX_DEPTH	5

/* Where the loaders of the common distributions look after all else */
static const char * const default_dirs[] = {
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
};

/*
 * A program or library. What it has of strings is owned by @elf; @name is
 * owned by @loader's. NULL where the file says nothing.
 */
struct object {
	struct list_head list;
	const struct object *loader;	/* the first that asked for this one */
	const char *name;		/* the name by which it was asked for */
	char *host;
	char *guest;
	Elf *elf;
	Elf_Data *dynamic;
	Elf_Data *strings;
	const char *interp;
	const char *soname;
	const char *rpath;
	const char *runpath;
};

/* One elf_deps_find(). */
struct walk {
	struct list_head objects;	/* breadth first; the program is first */
	char libdir[PATH_MAX];		/* where the loader's own libraries are */
	void *cache;
	size_t cache_size;
};

/* The file of /sbin/ldconfig, glibc's elf/cache.c and sysdeps/generic/dl-cache.h */
#define LD_CACHE_MAGIC		"glibc-ld.so.cache1.1"
#define LD_CACHE_X86_64_LIBC6	0x0303	/* FLAG_X8664_LIB64 | FLAG_ELF_LIBC6 */

struct ld_cache_entry {
	u32 flags;
	u32 key;			/* offset of the name */
	u32 value;			/* offset of the path */
	u32 osversion;
	u64 hwcap;			/* not 0: only for some CPUs */
};

struct ld_cache {
	char magic[sizeof(LD_CACHE_MAGIC) - 1];
	u32 nr_entries;
	u32 strings_size;
	u8 flags;			/* byte order: 0 unknown, 2 little endian */
	u8 unused[3];
	u32 extension;
	u32 unused2[3];
	struct ld_cache_entry entries[];
};

/* The string at @offset, if it ends inside of @size bytes */
static const char *string_at(const void *base, size_t size, u64 offset)
{
	const char *s;

	if (offset >= size)
		return NULL;
	s = (const char *)base + offset;
	return memchr(s, '\0', size - offset) ? s : NULL;
}

const char *ld_cache_lookup(const void *cache, size_t size, const char *name)
{
	const struct ld_cache *header = cache;
	const char *key;
	u32 i;

	if (size < sizeof(*header) ||
	    memcmp(header->magic, LD_CACHE_MAGIC, sizeof(header->magic)) ||
	    (header->flags & 3 && (header->flags & 3) != 2) ||
	    header->nr_entries > (size - sizeof(*header)) / sizeof(header->entries[0]))
		return NULL;

	for (i = 0; i < header->nr_entries; i++) {
		const struct ld_cache_entry *entry = &header->entries[i];

		if (entry->flags != LD_CACHE_X86_64_LIBC6 || entry->hwcap)
			continue;
		key = string_at(cache, size, entry->key);
		if (key && !strcmp(key, name))
			return string_at(cache, size, entry->value);
	}
	return NULL;
}

static int no_memory(struct errmsg *err)
{
	return errmsg_set(err, ERRMSG_HOST, ENOMEM, "looking for shared libraries");
}

static bool is_shortage(int errnum)
{
	return kvm_errno_kind(errnum) == ERRMSG_HOST;
}

/* Whoever named a program that cannot be had is to blame, unless the host is short. */
static int no_program(struct errmsg *err, const char *host, const char *what)
{
	return errmsg_set(err, is_shortage(errno) ? ERRMSG_HOST : ERRMSG_INPUT, errno,
			  "%s program %s", what, host);
}

/*
 * A host without a usable cache has just the default directories; one that is short
 * of something has its libraries where they are.
 */
static int read_cache(struct walk *walk, struct errmsg *err)
{
	struct stat st;
	ssize_t n = -1;
	int fd;

	errno = 0;
	fd = open(LD_CACHE_PATH, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st) && st.st_size > 0 && st.st_size <= LD_CACHE_MAX_SIZE)
		walk->cache = malloc(st.st_size);
	if (walk->cache)
		n = read(fd, walk->cache, st.st_size);
	walk->cache_size = max_t(ssize_t, n, 0);
	if (fd >= 0)
		close(fd);
	if (n < 0 && is_shortage(errno))
		return errmsg_set(err, ERRMSG_HOST, errno, "reading %s", LD_CACHE_PATH);
	return 0;
}

static void object_free(struct object *obj)
{
	elf_end(obj->elf);
	free(obj->guest);
	free(obj->host);
	free(obj);
}

/* The part of the file that is mapped at @vaddr, as far as @size allows */
static Elf_Data *data_at(Elf *elf, u64 vaddr, u64 size, Elf_Type type)
{
	GElf_Phdr ph;
	int i;

	for (i = 0; gelf_getphdr(elf, i, &ph); i++) {
		if (ph.p_type != PT_LOAD || vaddr < ph.p_vaddr ||
		    vaddr - ph.p_vaddr >= ph.p_filesz)
			continue;
		vaddr -= ph.p_vaddr;
		if (vaddr > INT64_MAX - ph.p_offset)
			return NULL;
		return elf_getdata_rawchunk(elf, ph.p_offset + vaddr,
					    min(size, ph.p_filesz - vaddr), type);
	}
	return NULL;
}

static const char *object_string(const struct object *obj, u64 offset)
{
	if (!obj->strings)
		return NULL;
	return string_at(obj->strings->d_buf, obj->strings->d_size, offset);
}

/* Steps through the dynamic section; false at its end. */
static bool next_dynamic(const struct object *obj, int *i, GElf_Dyn *dyn)
{
	return obj->dynamic && gelf_getdyn(obj->dynamic, (*i)++, dyn) &&
	       dyn->d_tag != DT_NULL;
}

static void read_dynamic(struct object *obj)
{
	u64 strings = 0, strings_size = 0;
	GElf_Dyn dyn;
	int i;

	for (i = 0; next_dynamic(obj, &i, &dyn);) {
		if (dyn.d_tag == DT_STRTAB)
			strings = dyn.d_un.d_ptr;
		else if (dyn.d_tag == DT_STRSZ)
			strings_size = dyn.d_un.d_val;
	}
	obj->strings = data_at(obj->elf, strings, strings_size, ELF_T_BYTE);

	for (i = 0; next_dynamic(obj, &i, &dyn);) {
		if (dyn.d_tag == DT_SONAME)
			obj->soname = object_string(obj, dyn.d_un.d_val);
		else if (dyn.d_tag == DT_RPATH)
			obj->rpath = object_string(obj, dyn.d_un.d_val);
		else if (dyn.d_tag == DT_RUNPATH)
			obj->runpath = object_string(obj, dyn.d_un.d_val);
	}
	/* gABI, "Shared Object Dependencies": DT_RUNPATH replaces DT_RPATH. */
	if (obj->runpath)
		obj->rpath = NULL;
}

/* Reads what matters of obj->elf. Return: 0 or a negative errno. */
static int read_elf(struct object *obj)
{
	GElf_Ehdr eh;
	GElf_Phdr ph;
	int i;

	if (!gelf_getehdr(obj->elf, &eh) || gelf_getclass(obj->elf) != ELFCLASS64 ||
	    eh.e_machine != EM_X86_64 || (eh.e_type != ET_EXEC && eh.e_type != ET_DYN))
		return -ENOEXEC;

	for (i = 0; gelf_getphdr(obj->elf, i, &ph); i++) {
		if (ph.p_offset > INT64_MAX)
			return -ENOEXEC;
		if (ph.p_type == PT_DYNAMIC) {
			obj->dynamic = elf_getdata_rawchunk(obj->elf, ph.p_offset,
							    ph.p_filesz, ELF_T_DYN);
			if (!obj->dynamic)
				return -ENOEXEC;
		} else if (ph.p_type == PT_INTERP) {
			Elf_Data *data = elf_getdata_rawchunk(obj->elf, ph.p_offset,
							      ph.p_filesz, ELF_T_BYTE);

			if (!data)
				return -ENOEXEC;
			obj->interp = string_at(data->d_buf, data->d_size, 0);
			if (!obj->interp)
				return -ENOEXEC;
		}
	}
	read_dynamic(obj);
	return 0;
}

/* If libelf could not read for want of something, errno says so; it was 0 before. */
static int open_elf(struct object *obj, int fd)
{
	int ret = -ENOEXEC;

	errno = 0;
	elf_version(EV_CURRENT);
	obj->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (obj->elf)
		ret = read_elf(obj);
	/* Without its strings, a file looks damaged. */
	if ((ret || !obj->strings) && is_shortage(errno))
		ret = -errno;
	if (obj->elf)
		elf_cntl(obj->elf, ELF_C_FDDONE);
	return ret;
}

/*
 * Opens and reads @host. The file is closed again: libelf has read what is
 * needed. Return: 0 or a negative errno, -ENOEXEC if it is no x86-64 ELF file.
 */
static int object_open(struct object **objp, const char *host, const char *guest)
{
	struct object *obj;
	int fd, ret;

	fd = open(host, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	obj = calloc(1, sizeof(*obj));
	if (!obj) {
		close(fd);
		return -ENOMEM;
	}
	obj->host = strdup(host);
	obj->guest = strdup(guest);
	ret = obj->host && obj->guest ? open_elf(obj, fd) : -ENOMEM;
	close(fd);
	if (ret) {
		object_free(obj);
		return ret;
	}
	*objp = obj;
	return 0;
}

/*
 * Adds the library @name if @host is one. What the loader could not use is
 * passed over: it will not be in the guest. Return: 1 if added, 0 if not, or a
 * negative errno.
 */
static int add_object(struct walk *walk, const struct object *loader,
		      const char *name, const char *host, const char *guest,
		      struct errmsg *err)
{
	struct object *obj = NULL;
	int ret;

	ret = object_open(&obj, host, guest);
	if (is_shortage(-ret))
		return errmsg_set(err, ERRMSG_HOST, -ret, "opening %s", host);
	if (ret)
		return 0;
	obj->loader = loader;
	obj->name = name;
	list_add_tail(&obj->list, &walk->objects);
	return 1;
}

/* Length of "$NAME" or "${NAME}" at @s, or 0 if something else is there */
static size_t match_token(const char *s, const char *name)
{
	size_t n = strlen(name);
	bool curly = s[1] == '{';
	const char *p = s + 1 + curly;

	if (strncmp(p, name, n))
		return 0;
	if (curly)
		return p[n] == '}' ? n + 3 : 0;
	return isalnum((unsigned char)p[n]) || p[n] == '_' ? 0 : n + 1;
}

/*
 * Expands ld.so(8)'s tokens in the @len bytes at @in, as seen by the file
 * @path. $PLATFORM is what the kernel tells; some loaders change it for some
 * CPUs, which would not be portable to the guest. False if it gets too long.
 */
static bool expand(const struct walk *walk, const char *path, const char *in,
		   size_t len, char *out)
{
	const char *platform = (const char *)getauxval(AT_PLATFORM) ?: "x86_64";
	const char *lib = walk->libdir + 1;
	const struct {
		const char *name;
		const char *value;
		size_t len;
	} tokens[] = {
		{ "ORIGIN", path, strrchr(path, '/') - path },
		/* the libraries' directory below the prefix, "/usr" or "/" */
		{ "LIB", lib + (strncmp(lib, "usr/", 4) ? 0 : 4),
		  strlen(lib) - (strncmp(lib, "usr/", 4) ? 0 : 4) },
		{ "PLATFORM", platform, strlen(platform) },
	};
	const char *end = in + len;
	size_t done = 0;

	while (in < end) {
		const char *value = in;
		size_t n = 1, token = 0, i;

		for (i = 0; i < ARRAY_SIZE(tokens) && *in == '$' && !token; i++) {
			token = match_token(in, tokens[i].name);
			if (token) {
				value = tokens[i].value;
				n = tokens[i].len;
			}
		}
		if (n >= PATH_MAX - done)
			return false;
		memcpy(out + done, value, n);
		done += n;
		in += token ?: 1;
	}
	out[done] = '\0';
	return true;
}

/* False if the path gets too long; @path has room for PATH_MAX bytes. */
static bool join(char *path, const char *dir, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* Looks for @name in a search path that @owner contains. As add_object(). */
static int search_path(struct walk *walk, const struct object *loader,
		       const struct object *owner, const char *dirs,
		       const char *name, struct errmsg *err)
{
	char dir[PATH_MAX], host[PATH_MAX], guest[PATH_MAX];
	size_t n;
	int ret;

	for (;; dirs += n + 1) {
		n = strcspn(dirs, ":");
		if (n && expand(walk, owner->host, dirs, n, dir) &&
		    join(host, dir, name) &&
		    expand(walk, owner->guest, dirs, n, dir) &&
		    join(guest, dir, name) &&
		    *host == '/' && *guest == '/') {
			ret = add_object(walk, loader, name, host, guest, err);
			if (ret)
				return ret;
		}
		if (!dirs[n])
			return 0;
	}
}

/* Looks for @name where the system has its libraries. As add_object(). */
static int search_system(struct walk *walk, const struct object *loader,
			 const char *name, struct errmsg *err)
{
	const char *cached = ld_cache_lookup(walk->cache, walk->cache_size, name);
	char host[PATH_MAX], guest[PATH_MAX];
	size_t i;
	int ret;

	if (!join(guest, walk->libdir, name))
		return 0;
	ret = cached ? add_object(walk, loader, name, cached, guest, err) : 0;
	if (!ret)
		ret = add_object(walk, loader, name, guest, guest, err);
	for (i = 0; i < ARRAY_SIZE(default_dirs) && !ret; i++) {
		if (join(host, default_dirs[i], name))
			ret = add_object(walk, loader, name, host, guest, err);
	}
	return ret;
}

/* A name with a slash is a path. As add_object(). */
static int add_path(struct walk *walk, const struct object *loader,
		    const char *name, struct errmsg *err)
{
	char host[PATH_MAX], guest[PATH_MAX];

	if (!expand(walk, loader->host, name, strlen(name), host) ||
	    !expand(walk, loader->guest, name, strlen(name), guest) ||
	    *host != '/' || *guest != '/')
		return 0;
	return add_object(walk, loader, name, host, guest, err);
}

static int missing(const struct walk *walk, const struct object *loader,
		   const char *name, struct errmsg *err)
{
	char where[512] = "";
	const struct object *owner;
	size_t len = 0;

	if (strchr(name, '/'))
		return errmsg_set(err, ERRMSG_INPUT, ENOENT,
				  "library \"%s\", needed by %s, is no absolute path of a library",
				  name, loader->host);
	if (loader->runpath)
		snprintf(where, sizeof(where), " RUNPATH \"%s\" of %s,",
			 loader->runpath, loader->host);
	for (owner = loader; owner && !loader->runpath && len < sizeof(where);
	     owner = owner->loader)
		if (owner->rpath)
			len += snprintf(where + len, sizeof(where) - len,
					" RPATH \"%s\" of %s,", owner->rpath,
					owner->host);
	return errmsg_set(err, ERRMSG_INPUT, ENOENT,
			  "library %.128s, needed by %.128s, was not found in%s %s, %.64s and the default library directories",
			  name, loader->host, where, LD_CACHE_PATH, walk->libdir);
}

/* The order of ld.so(8), "if a shared object dependency does not contain a slash" */
static int find_library(struct walk *walk, const struct object *loader,
			const char *name, struct errmsg *err)
{
	const struct object *owner;
	int ret = 0;

	if (strchr(name, '/')) {
		ret = add_path(walk, loader, name, err);
		goto out;
	}
	for (owner = loader; owner && !loader->runpath && !ret; owner = owner->loader)
		if (owner->rpath)
			ret = search_path(walk, loader, owner, owner->rpath, name, err);
	if (!ret && loader->runpath)
		ret = search_path(walk, loader, loader, loader->runpath, name, err);
	if (!ret)
		ret = search_system(walk, loader, name, err);
out:
	if (!ret)
		return missing(walk, loader, name, err);
	return ret < 0 ? ret : 0;
}

static bool is_loaded(const struct walk *walk, const char *name)
{
	const struct object *obj;

	list_for_each_entry(obj, &walk->objects, list)
		if ((obj->name && !strcmp(obj->name, name)) ||
		    (obj->soname && !strcmp(obj->soname, name)))
			return true;
	return false;
}

/* Adds what the objects in the list need, and what that needs in turn. */
static int add_needed(struct walk *walk, struct errmsg *err)
{
	const struct object *obj;
	const char *name;
	GElf_Dyn dyn;
	int i, ret;

	list_for_each_entry(obj, &walk->objects, list) {
		for (i = 0; next_dynamic(obj, &i, &dyn);) {
			if (dyn.d_tag != DT_NEEDED)
				continue;
			name = object_string(obj, dyn.d_un.d_val);
			if (!name)
				return errmsg_set(err, ERRMSG_INPUT, ENOEXEC,
						  "reading %s: its dynamic section is damaged",
						  obj->host);
			if (is_loaded(walk, name))
				continue;
			ret = find_library(walk, obj, name, err);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/*
 * Does it name a function that unwinds a stack? It may have that name for another
 * reason, which costs the guest one library.
 */
static bool unwinds(const struct object *obj)
{
	static const char * const names[] = { "pthread_exit", "pthread_cancel" };
	size_t i;

	if (!obj->strings || (obj->soname && !strcmp(obj->soname, GLIBC)))
		return false;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (memmem(obj->strings->d_buf, obj->strings->d_size, names[i],
			   strlen(names[i]) + 1))
			return true;
	return false;
}

/*
 * glibc opens its unwinder by dlopen(), and aborts where there is none. A host that
 * has none has programs that do without.
 */
static int add_unwinder(struct walk *walk, struct errmsg *err)
{
	const struct object *obj;
	int ret = 0;

	if (!is_loaded(walk, GLIBC) || is_loaded(walk, UNWINDER))
		return 0;
	list_for_each_entry(obj, &walk->objects, list) {
		if (!unwinds(obj))
			continue;
		ret = search_system(walk, obj, UNWINDER, err);
		break;
	}
	return ret < 0 ? ret : 0;
}

static int add_interpreter(struct walk *walk, const struct object *program,
			   struct errmsg *err)
{
	const char *interp = program->interp;
	int ret = 0;

	errno = 0;
	if (*interp == '/' && realpath(interp, walk->libdir)) {
		*strrchr(walk->libdir, '/') = '\0';
		ret = add_object(walk, program, interp, interp, interp, err);
	} else if (is_shortage(errno)) {
		return no_program(err, interp, "looking for");
	}
	if (!ret)
		return errmsg_set(err, ERRMSG_INPUT, ENOENT,
				  "dynamic loader \"%.256s\", which %s asks for, is not there",
				  interp, program->host);
	return ret < 0 ? ret : 0;
}

/* Adds a file to the result; takes over the strings, also on failure. */
static int add_dep(struct elf_deps *deps, char *host, char *guest,
		   struct errmsg *err)
{
	struct elf_dep *dep = NULL;

	if (host && guest)
		dep = reallocarray(deps->dep, deps->nr + 1, sizeof(*dep));
	if (!dep) {
		free(host);
		free(guest);
		return no_memory(err);
	}
	deps->dep = dep;
	deps->dep[deps->nr++] = (struct elf_dep){ .host = host, .guest = guest };
	return 0;
}

/*
 * Puts the interpreter of a script into @line (SCRIPT_LINE_SIZE + 1 bytes). The
 * line may end with the file, but not with what the kernel reads of it.
 * Return: 1, 0 if @host is no script, or a negative errno.
 */
static int script_interpreter(const char *host, char *line, struct errmsg *err)
{
	char *name, *end;
	ssize_t n;
	int fd;

	fd = open(host, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return no_program(err, host, "opening");
	n = read(fd, line, SCRIPT_LINE_SIZE);
	if (n < 0)
		n = no_program(err, host, "reading");
	close(fd);
	if (n < 2 || memcmp(line, "#!", 2))
		return n < 0 ? n : 0;

	line[n] = '\0';
	name = line + 2 + strspn(line + 2, " \t");
	end = name + strcspn(name, " \t\n");
	if (*name != '/' || end == line + SCRIPT_LINE_SIZE)
		return errmsg_set(err, ERRMSG_INPUT, ENOEXEC,
				  "script %s: its first line names no absolute path of an interpreter",
				  host);
	*end = '\0';
	memmove(line, name, end - name + 1);
	return 1;
}

/* Opens the program, or what runs it if it is a script. */
static int add_program(struct walk *walk, struct elf_deps *deps, const char *host,
		       const char *guest, struct errmsg *err)
{
	char line[SCRIPT_LINE_SIZE + 1], resolved[PATH_MAX];
	unsigned int depth = 0;
	int ret;

	while ((ret = script_interpreter(host, line, err)) > 0) {
		if (++depth > SCRIPT_MAX_DEPTH)
			return errmsg_set(err, ERRMSG_INPUT, ELOOP,
					  "script %s: too many interpreters that are scripts",
					  line);
		ret = add_dep(deps, strdup(line), strdup(line), err);
		if (ret)
			return ret;
		host = deps->dep[deps->nr - 1].host;
		guest = host;
	}
	if (ret)
		return ret;
	/* The kernel resolves symlinks before the loader asks for $ORIGIN. */
	if (!realpath(host, resolved))
		return no_program(err, host, "opening");
	ret = add_object(walk, NULL, NULL, resolved, guest, err);
	if (!ret)
		return errmsg_set(err, ERRMSG_INPUT, ENOEXEC,
				  "program %s is no x86-64 executable, or is damaged", host);
	return ret < 0 ? ret : 0;
}

static int find_deps(struct walk *walk, struct elf_deps *deps, const char *host,
		     const char *guest, struct errmsg *err)
{
	struct object *program, *obj;
	int ret;

	ret = add_program(walk, deps, host, guest, err);
	if (ret)
		return ret;
	program = list_first_entry(&walk->objects, struct object, list);
	if (!program->interp)
		return 0;
	ret = read_cache(walk, err) ?:
	      add_interpreter(walk, program, err) ?:
	      add_needed(walk, err) ?:
	      add_unwinder(walk, err) ?:
	      add_needed(walk, err);

	list_for_each_entry(obj, &walk->objects, list) {
		if (ret)
			break;
		if (obj == program)
			continue;
		ret = add_dep(deps, obj->host, obj->guest, err);
		obj->host = NULL;
		obj->guest = NULL;
	}
	return ret;
}

int elf_deps_find(struct elf_deps *deps, const char *host, const char *guest,
		  struct errmsg *err)
{
	struct walk walk = { .objects = LIST_HEAD_INIT(walk.objects) };
	struct object *obj, *next;
	int ret;

	*deps = (struct elf_deps){ 0 };
	if (*guest != '/')
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "path in the guest \"%s\" has to start with /", guest);
	ret = find_deps(&walk, deps, host, guest, err);
	if (ret)
		elf_deps_free(deps);
	list_for_each_entry_safe(obj, next, &walk.objects, list)
		object_free(obj);
	free(walk.cache);
	return ret;
}

void elf_deps_free(struct elf_deps *deps)
{
	size_t i;

	for (i = 0; i < deps->nr; i++) {
		free(deps->dep[i].host);
		free(deps->dep[i].guest);
	}
	free(deps->dep);
	*deps = (struct elf_deps){ 0 };
}
