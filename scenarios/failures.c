// SPDX-License-Identifier: GPL-2.0
/*
 * What a user is told when it goes wrong: guests that do not come up, each in
 * its own way, and schedulers that cannot be had.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "cpuid.h"
#include "ktstr_test.h"
#include "results_dir.h"
#include "stage.h"

#define HANG_TIMEOUT_NS	(30 * NSEC_PER_SEC)

FIXTURE(failures)
{
	char dir[32];
	char path[64];
};

FIXTURE_SETUP(failures)
{
	/* A file system that is writable on every kind of host */
	snprintf(self->dir, sizeof(self->dir), "/dev/shm/ktstr-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->path, sizeof(self->path), "%s/scheduler", self->dir);
}

FIXTURE_TEARDOWN(failures)
{
	unlink(self->path);
	rmdir(self->dir);
}

/*
 * Start a session that has to fail, with @text in what it says. A host that
 * cannot run it at all says something else.
 */
static void expect_failure(struct __test_metadata *_metadata, const struct session_config *cfg,
			   enum errmsg_kind kind, const char *text)
{
	struct errmsg err = {};
	struct session s;
	int ret;

	ret = session_start(&s, cfg, &err);
	ASSERT_NE(0, ret) {
		TH_LOG("the session started");
		session_end(&s);
	}
	if (err.kind == ERRMSG_HOST && !strstr(err.text, text))
		SKIP(return, "%s", err.text);
	EXPECT_EQ(kind, err.kind);
	EXPECT_NE(NULL, strstr(err.text, text)) {
		TH_LOG("the message has no \"%s\"", text);
	}
}

static void write_program(struct __test_metadata *_metadata, const char *path,
			  const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	ASSERT_NE(NULL, f);
	fputs(text, f);
	fclose(f);
	ASSERT_EQ(0, chmod(path, mode));
}

/* PID 1 that ends makes the kernel panic; that is told from other panics. */
TEST_F_TIMEOUT(failures, agent_exits, KTSTR_TEST_TIMEOUT)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.programs = { "false" },
		.cmdline = "rdinit=/bin/false",
	};

	expect_failure(_metadata, &cfg, ERRMSG_FAILED, "agent exit");
}

TEST_F_TIMEOUT(failures, kernel_panics, KTSTR_TEST_TIMEOUT)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.cmdline = "rdinit=/nowhere",
	};

	expect_failure(_metadata, &cfg, ERRMSG_FAILED, "kernel panic");
}

TEST_F_TIMEOUT(failures, guest_hangs, KTSTR_TEST_TIMEOUT)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.programs = { "sleep" },
		.cmdline = "rdinit=/bin/sleep -- 1000",
		.boot_timeout_ns = HANG_TIMEOUT_NS,
	};

	expect_failure(_metadata, &cfg, ERRMSG_FAILED, "timeout");
}

TEST_F_TIMEOUT(failures, memory_too_small, KTSTR_TEST_TIMEOUT)
{
	struct session_config cfg = {
		.topology = "1n1l1c1t",
		.memory = SZ_8M,
	};

	expect_failure(_metadata, &cfg, ERRMSG_INPUT, "more memory");
	cfg.memory = SZ_1M;
	expect_failure(_metadata, &cfg, ERRMSG_INPUT, "more memory");
}

TEST_F(failures, scheduler_missing)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.scheduler = "/nowhere/scx_none",
	};

	expect_failure(_metadata, &cfg, ERRMSG_INPUT, "/nowhere/scx_none");
}

TEST_F(failures, scheduler_not_executable)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.scheduler = self->path,
	};

	write_program(_metadata, self->path, "not a program", 0644);
	expect_failure(_metadata, &cfg, ERRMSG_INPUT, "EACCES");
}

/* What the scheduler printed, such as its verifier log, is what helps. */
TEST_F_TIMEOUT(failures, scheduler_does_not_load, KTSTR_TEST_TIMEOUT)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.scheduler = self->path,
		.programs = { "sh" },
	};

	write_program(_metadata, self->path,
		      "#!/bin/sh\necho 'R1 invalid mem access: the verifier log'\nexit 1\n", 0755);
	expect_failure(_metadata, &cfg, ERRMSG_FAILED, "R1 invalid mem access: the verifier log");
}

/* Removes them. */
static unsigned int count_results(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *entry;
	unsigned int nr = 0;
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		nr += strstr(entry->d_name, ".json") && !unlink(path);
	}
	if (d)
		closedir(d);
	return nr;
}

/* Plays with a scheduler that does not load; returns how often that was done. */
static unsigned int play_refused(struct __test_metadata *_metadata, const char *dir,
				 const char *scheduler)
{
	static struct findings findings;
	struct stage stage = {};
	const struct play play = {
		.suite = catalogue_suite("basic"),
		.sc = catalogue_scenario("basic", "steady"),
		.topology = "1n2l1c1t",
		.scheduler = scheduler,
	};
	enum verdict verdict;
	unsigned int results;

	setenv(ENV_RESULTS, dir, 1);
	verdict = stage_play(&stage, &play, &findings);
	unsetenv(ENV_RESULTS);
	results = count_results(dir);
	if (verdict == VERDICT_SKIP)
		SKIP(return 0, "%s", check_find(&findings, NULL, NULL)->text);
	EXPECT_EQ(VERDICT_FAIL, verdict);
	EXPECT_NE(NULL, check_find(&findings, "load", NULL)) {
		return 0;
	}
	EXPECT_NE(NULL, strstr(check_find(&findings, "load", NULL)->text, "exit status 1"));
	EXPECT_EQ(results == 1, findings.certain || !cpuid_host_is_tcg());
	return results;
}

/* No host is to blame for it: it is said at once, and once. */
TEST_F_TIMEOUT(failures, refused_scheduler_is_played_once, KTSTR_TEST_TIMEOUT)
{
	unsigned int plays = play_refused(_metadata, self->dir, "/bin/false");

	EXPECT_GE(1, plays);
}

/* One that loads on a certain CPU only may have been on another one each time. */
TEST_F_TIMEOUT(failures, unlucky_scheduler_is_played_again, KTSTR_TEST_TIMEOUT)
{
	unsigned int plays;

	snprintf(self->path, sizeof(self->path), "%s/scx_central", self->dir);
	ASSERT_EQ(0, symlink("/bin/false", self->path));
	plays = play_refused(_metadata, self->dir, self->path);
	if (plays)
		EXPECT_EQ(cpuid_host_is_tcg() ? 2 : 1, plays);
}

TEST_F(failures, topology_malformed)
{
	static const char * const specs[] = {
		"", "0n1l1c1t", "2n3l1c1t", "1n1l1c", "1n99999l1c1t", "1n1l1c1t!",
	};
	struct session_config cfg = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		cfg.topology = specs[i];
		expect_failure(_metadata, &cfg, ERRMSG_INPUT, "topology");
	}
}

/* A reason to skip that has the numbers; no host has that many caches. */
TEST_F(failures, performance_mode_too_large)
{
	const struct session_config cfg = {
		.topology = "64n64l64c1t",
		.performance = true,
	};

	expect_failure(_metadata, &cfg, ERRMSG_HOST, "LLCs (64) with CPUs (64 each)");
}

TEST_F(failures, performance_mode_malformed)
{
	const struct session_config cfg = { .topology = "1n1l1c1t" };

	setenv(ENV_PERFORMANCE, "yes", 1);
	expect_failure(_metadata, &cfg, ERRMSG_INPUT, ENV_PERFORMANCE "=yes: must be 0 or 1");
}

/* What a program with a flag of this value ends with; 0 if it goes on */
static int flag_status(const char *value, bool expected)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(125);
		setenv("KTSTR_FLAG", value, 1);
		_exit(ktstr_env_flag("KTSTR_FLAG") == expected ? 0 : 126);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
	       WEXITSTATUS(status) : -1;
}

TEST(flags)
{
	EXPECT_EQ(0, flag_status("", false));
	EXPECT_EQ(0, flag_status("0", false));
	EXPECT_EQ(0, flag_status("1", true));
	EXPECT_EQ(KSFT_FAIL, flag_status("2", true));
	EXPECT_EQ(KSFT_FAIL, flag_status("no", true));
	EXPECT_EQ(KSFT_FAIL, flag_status("11", true));
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
