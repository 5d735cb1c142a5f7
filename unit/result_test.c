// SPDX-License-Identifier: GPL-2.0
/*
 * Result files: what was given is what an independent reader (Python's json) finds,
 * the schema agrees, whatever the guest has said it is JSON, and no file is half.
 */
#include <errno.h>
#include <limits.h>
#include <linux/kernel.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_text.h"
#include "harness.h"
#include "result_file.h"
#include "results_dir.h"
#include "testutil.h"

#define NO_PYTHON	"python3 is not installed"

EMBED(schema_text, "Documentation/result.schema.json");
EMBED(claims_text, "unit/result_claims.py");

/* They are part of names. */
static void forget_kernel(void)
{
	unsetenv(ENV_KERNEL);
	unsetenv(ENV_CMDLINE);
}

static bool have_python(void)
{
	return !sh("command -v python3 >/dev/null");
}

static int python(const char *path, const char *arg1, const char *arg2)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		execlp("python3", "python3", "-c", claims_text, path, arg1, arg2, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/**
 * struct shown - all that a result points to, and its file
 * @dir: a directory for it
 * @path: the file, once it is written
 */
struct shown {
	char dir[32];
	char path[PATH_MAX];
	struct scenario sc;
	struct play play;
	struct topology topo;
	struct cpu_set affinity[2];
	struct check_group groups[2];
	struct load_stats stats[2];
	struct control_report reports[3];
	struct cpu_times before;
	struct cpu_times after;
	struct control_sched left;
	struct check_program programs[2];
	struct check_run run;
	struct ktstr_vm_result vm;
	struct findings findings;
	struct result result;
};

FIXTURE(result)
{
	struct shown *s;
};

static void set_scenario(struct shown *s)
{
	s->sc = (struct scenario){
		.suite = "cpuset",
		.name = "swap",
		.bug = "who forgets \"half\" of the tasks\\CPUs",
		.cgroups = {
			{ .name = "a", .cpus = LLC(1), .weight = 300 },
			{ .name = "a/b", .cpus = EXACT("0,2"), .quota = 150, .mems = NUMA(0),
			  .later = true },
		},
		.workers = {
			{ .name = "w", .comm = "kworker/7:1-w", .cgroup = "a", .count = 2,
			  .priority = 5, .runtime_us = 6, .period_us = 7,
			  .memory = MEMORY_INTERLEAVE,
			  .phases = { { .work = WIRE_WORK_TIMER, .run_ns = 1000, .arg = "x" } } },
			{ .name = "v", .count = 1 },
		},
		.steps = {
			HOLD(50), SWAP("a", "a/b"), SET_CPUS("a", OVERLAP(0, 2, 50)),
			NICE("w", -3), RUN("stress"), REPEAT(2, 20),
			REPLACE("scx_ktstr", "--policy fifo"),
		},
		.programs = { {
			.name = "stress", .command = "stress -c 1", .cgroup = "a",
			.numbers = {
				{ "time", .max = 2.5, .unit = "s" },
				{ "ops", .min = 1e6, .unit = "" },
			},
		} },
	};
	s->play = (struct play){
		.sc = &s->sc,
		.topology = "2n2l2c1t",
		.scheduler = "/opt/bin/scx_foo -v 1",
		.rerun = "./catalogue -r cpuset.env.swap",
	};
}

static void set_group(struct shown *s)
{
	s->affinity[1].bits[0] = 0xc;
	s->groups[0] = (struct check_group){
		.name = "w", .cgroup = "a", .cpus = { { 0xd } }, .affinity = s->affinity,
		.nr_affinity = 2, .mems = 2, .workers = 2, .work = WIRE_WORK_TIMER,
		.policy = POLICY_IDLE, .nice = -3, .changed = CHECK_CPUS | CHECK_PRESENCE,
		.settled = true, .settled_cpus = { { 4 } },
		.stats = &s->stats[0],
	};
	s->groups[1] = (struct check_group){
		.name = "v", .workers = 1, .background = true, .always_runnable = true,
		.stats = &s->stats[1],
	};
	s->stats[0] = (struct load_stats){
		.workers = 2, .stuck = 3, .corrupt = 4, .cpu_ns = 5, .available_ns = 6,
		.mean_rate = 7, .min_rate = 8, .min_worker = 9, .max_rate = 10,
		.max_worker = 11, .gap = { 12, 13, 14, 15, 16, 17, 18, 19 },
		.gap_worker = 20, .raw_gap_ns = 21, .run_delay_ns = 22, .steal_ns = 23,
		.migrations = { 24, 25, 26 }, .raw_wake_ns = 27, .pages = { 28, 29 },
		.units = ~0ULL, .unit_ns = 31, .errors = 32, .off_cpus = 33, .off_worker = 34,
		.cpus = { { 0xf } },
	};
	hist_add(&s->stats[0].wake, 5, 3);
	hist_add(&s->stats[0].wake, 1000000, 1);
}

static void set_report(struct shown *s)
{
	size_t i;

	s->reports[0].r = (struct wire_report){
		.index = 1, .pid = 2, .flags = WIRE_REPORT_DIED | WIRE_REPORT_ERROR, .units = 3,
		.cpu_ns = 4, .wall_ns = 5, .nvcsw = 6, .nivcsw = 7, .run_delay_ns = 8,
		.timeslices = 9, .steal_ns = 10, .migrations = { 11, 12, 13 }, .unit_ns = 14,
		.measure_ns = 15, .max_raw_gap_ns = 16, .max_raw_wake_ns = 17,
		.gap = { .sched_ns = 18 }, .cpus = { 1 }, .pages = { 19, 20 },
		.on_node = { 21, 22 },
	};
	hist_add(&s->reports[0].r.wake, 7, 2);
	s->reports[0].r.cpus[WIRE_MAX_CPUS / 64 - 1] = 1ULL << 63;
	for (i = 0; i < ARRAY_SIZE(s->reports); i++)
		s->reports[i].group[0] = "wwv"[i];
}

static void set_run(struct shown *s)
{
	s->before = (struct cpu_times){ .online = { { 0xf } }, .total_ns = { 1, 2, 3, 4 } };
	s->after = (struct cpu_times){
		.online = { { 0x7 } }, .total_ns = { 11 }, .idle_ns = { 0, 5 },
		.steal_ns = { 0, 0, 6 },
	};
	s->left = (struct control_sched){
		.valid = true, .state = "disabled", .ops = "foo", .reason = "stalled\nfor 30 s",
		.pid = 7, .ended = true, .wait_status = 256, .when_ns = 8, .output = "bye\n",
	};
	s->programs[0] = (struct check_program){
		.program = &s->sc.programs[0], .wait_status = 256, .killed = true,
		.output = "time: 1.25 s\nops 123456789\n\033[m",
	};
	s->programs[1] = (struct check_program){ .program = &s->sc.programs[0], .late = true };
	s->run = (struct check_run){
		.topo = &s->topo, .duration_ns = 3000, .overcommit = 4, .host_is_tcg = true,
		.cgroups = s->sc.cgroups, .nr_cgroups = 2,
		.groups = s->groups, .nr_groups = 2, .reports = s->reports, .nr_reports = 3,
		.programs = s->programs, .nr_programs = 2,
		.before = &s->before, .settled = &s->before, .after = &s->after, .hotplug = true,
		.sched = {
			.ops = "foo", .end_state = "disabled", .end_ops = "", .exit = &s->left,
			.reloaded = true, .events_before = "SCX_EV_A 1\nSCX_EV_B 2\n",
			.events_after = "SCX_EV_A 18446744073709551615\nnonsense\n",
			.lacks = " nice  cpu.weight", .lacks_reason = "FIFO",
			.defects = "gap", .defects_reason = "known",
		},
		.kernel_log = "[    0.000008] boot\n[    0.000009] hello\n",
		.log_since_ns = 9000,
	};
	s->vm = (struct ktstr_vm_result){
		.state = KTSTR_VM_PANIC, .reason = "vCPU 1", .image = "bzImage",
		.image_version = "6.12.1 #1", .broken = "", .irq_failures = 2,
		.warnings = "no\n",
	};
}

static void set_findings(struct shown *s)
{
	struct finding f = {
		.check = "gap", .group = "w", .verdict = VERDICT_FAIL, .seen = 700, .limit = 500,
		.unit = "ms", .cpu = 0, .at_ns = 0,
	};

	check_add(&s->findings, &f, "waited");
	f = (struct finding){
		.check = "floor", .verdict = VERDICT_PASS, .at_least = true, .unit = "%",
		.cpu = CHECK_NO_CPU, .at_ns = CHECK_NO_TIME,
	};
	check_add(&s->findings, &f, "enough");
	f = (struct finding){
		.check = "alive", .verdict = VERDICT_INCONCLUSIVE, .cpu = CHECK_NO_CPU,
		.at_ns = CHECK_NO_TIME,
	};
	check_add(&s->findings, &f, "nobody knows");
}

FIXTURE_SETUP(result)
{
	struct shown *s = calloc(1, sizeof(*s));
	struct errmsg err;

	ASSERT_NE(NULL, s);
	self->s = s;
	forget_kernel();
	snprintf(s->dir, sizeof(s->dir), "/tmp/ktstr-result-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(s->dir));
	set_scenario(s);
	ASSERT_EQ(0, topology_parse(s->play.topology, &s->topo, &err));
	set_group(s);
	set_report(s);
	set_run(s);
	set_findings(s);
	s->result = (struct result){
		.play = &s->play, .findings = &s->findings, .limits = check_defaults,
		.run = &s->run, .vm = &s->vm,
		.kernel = "/boot/vmlinux", .release = "6.12.1", .cmdline = "quiet",
		.boot_ns = 100, .total_ns = 5000,
	};
}

FIXTURE_TEARDOWN(result)
{
	sh("rm -rf %s", self->s->dir);
	free(self->s);
	EXPECT_EQ(false, leaks());
}

/* Writes the result, and removes earlier ones; the path of its file is in s->path. */
static void write_result(struct __test_metadata *_metadata, struct shown *s)
{
	char name[NAME_MAX + 1];
	struct errmsg err = {};

	sh("rm -f %s/*.json", s->dir);
	ASSERT_EQ(0, result_file_write(&s->result, s->dir, &err)) {
		TH_LOG("%s", err.text);
	}
	snprintf(s->path, sizeof(s->path), "%s/%s", s->dir,
		 result_file_name(&s->play, 1, name));
}

/* Is what was written what this function of result_claims.py expects? */
static void expect(struct __test_metadata *_metadata, struct shown *s,
		   const char *claim)
{
	write_result(_metadata, s);
	EXPECT_EQ(0, python(s->path, claim, NULL)) {
		TH_LOG("%s", claim);
	}
}

TEST_F(result, content)
{
	if (!have_python())
		SKIP(return, NO_PYTHON);
	expect(_metadata, self->s, "what_was_tested");
	expect(_metadata, self->s, "the_scenario");
	expect(_metadata, self->s, "verdict_and_findings");
	expect(_metadata, self->s, "groups");
	expect(_metadata, self->s, "workers");
	expect(_metadata, self->s, "programs");
	expect(_metadata, self->s, "machine");
	EXPECT_EQ(1, python(self->s->path, "wrong", NULL));
}

/* Each by its own name; what is not demanded, in either way to say so, is null. */
TEST_F(result, limits)
{
	if (!have_python())
		SKIP(return, NO_PYTHON);
	self->s->result.limits = (struct limits){
		.starved = 1, .spread = 2, .gap_ms = 3, .weight_error = 4, .quota_error = 5,
		.idle = 6, .wake_p50_us = 7, .wake_p99_us = 8, .wake_p999_us = 9,
		.migrations = UNLIMITED, .llc_migrations = 11, .node_migrations = 12,
		.remote_pages = 13, .slow_pages = 16, .floor = 14, .rounds = 15,
	};
	expect(_metadata, self->s, "limits");
	self->s->result.limits = (struct limits){};
	expect(_metadata, self->s, "no_limits");
}

TEST_F(result, nothing_ran)
{
	struct shown *s = self->s;

	if (!have_python())
		SKIP(return, NO_PYTHON);
	s->play.topology = "2n1l/../x";
	s->play.scheduler = "/opt/scx_simple";
	s->play.rerun = NULL;
	s->findings.nr = 0;
	s->result = (struct result){ .play = &s->play, .findings = &s->findings };
	expect(_metadata, self->s, "nothing_ran");
}

/* Words for all that there is, and none for what there is not */
TEST_F(result, words)
{
	static const struct cpus sets[] = {
		{}, LLC(0), NUMA(1), RANGE(0, 2), DISJOINT(1, 2), OVERLAP(1, 2, 50), EXACT("3"),
	};
	struct shown *s = self->s;
	unsigned int i;

	if (!have_python())
		SKIP(return, NO_PYTHON);
	s->groups[1].name = "sixteen_letters_";
	s->groups[0].changed = ~0U;
	s->reports[0].r.flags = ~0U;
	for (i = 0; i < ARRAY_SIZE(sets); i++)
		s->sc.steps[i] = (struct scenario_step)SET_CPUS("a", sets[i]);
	expect(_metadata, self->s, "words");
	for (i = 0; i < SCENARIO_MAX_STEPS; i++)
		s->sc.steps[i].op = i + 1;
	expect(_metadata, self->s, "all_steps");
	for (i = 0; i < 8; i++) {
		s->groups[0].policy = i;
		s->findings.list[0].verdict = i % 4;
		expect(_metadata, self->s, i < 4 ? "policies" : "more_policies");
	}
}

/* What comes from a guest may be anything, of any length. */
TEST_F(result, guests_words)
{
	static char endless[4 * JSON_TEXT_MAX];
	struct shown *s = self->s;
	struct stat st;

	if (!have_python())
		SKIP(return, NO_PYTHON);
	memset(endless, '\xff', sizeof(endless) - 1);
	memcpy(endless + sizeof(endless) - 10, "\nthe end\n", 10);
	s->reports[0] = (struct control_report){
		.group = "\"},\n\t\x01\x7f\xc3(\xc3\xa4\xed\xa0\x80",
	};
	s->left = (struct control_sched){
		.valid = true,
		.state = "\xf4\x90\x80\x80\xf0\x9f\x98\x80",
		.ops = "\xc0\x80\xe0\x80\x80\xe2\x82",
		.reason = endless,
		.output = endless,
	};
	s->vm = (struct ktstr_vm_result){ .reason = "\\u0000\b\r" };
	s->run.kernel_log = endless;
	s->run.log_since_ns = 0;
	s->run.sched.events_after = "\"\xff 3\n\n 4\nx\n";
	expect(_metadata, self->s, "guests_words");
	ASSERT_EQ(0, stat(self->s->path, &st));
	EXPECT_LT(st.st_size, 100000);
}

/* The largest that there can be: all of its CPUs are there. */
TEST_F(result, large_machine)
{
	struct shown *s = self->s;
	struct errmsg err;
	unsigned int cpu;

	if (!have_python())
		SKIP(return, NO_PYTHON);
	s->play.topology = "64n64l64c1t";
	ASSERT_EQ(0, topology_parse(s->play.topology, &s->topo, &err));
	memset(&s->stats[0].cpus, 0, sizeof(s->stats[0].cpus));
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu += 2)
		cpu_set_add(&s->stats[0].cpus, cpu);
	s->after.steal_ns[TOPOLOGY_MAX_CPUS - 1] = 77;
	s->stats[0].pages[63] = 63;
	s->reports[0].r.pages[63] = 64;
	expect(_metadata, self->s, "large_machine");
}

/* What is written is what the schema says, and the schema can say no. */
TEST_F(result, schema)
{
	static const char changes[] =
		"del r['verdict']\n"
		"r['verdict'] = 'OK'\n"
		"r['schema'] = 2\n"
		"r['more'] = 1\n"
		"r['limits']['gap_ms'] = -1\n"
		"del r['workers'][0]['wake']['buckets']\n"
		"r['groups'][0]['stats']['cpu_ns'] = '1'\n"
		"r['findings'][0]['cpu'] = 'x'\n"
		"r['workers'][2]['gap']['more'] = 1\n"
		"r['written_at'] = 'now'\n"
		"del r['steps'][0]['args']\n"
		"r['groups'][1]['comm'] = 'x' * 16\n"
		"r['groups'][0]['stats']['wake']['buckets'][0].pop()\n";
	char schema[PATH_MAX];
	FILE *f;

	if (!have_python())
		SKIP(return, NO_PYTHON);
	if (sh("python3 -c 'import jsonschema' 2>/dev/null"))
		SKIP(return, "the package python3-jsonschema is not installed");
	snprintf(schema, sizeof(schema), "%s/schema", self->s->dir);
	f = fopen(schema, "w");
	ASSERT_NE(NULL, f);
	fputs(schema_text, f);
	ASSERT_EQ(0, fclose(f));
	write_result(_metadata, self->s);
	EXPECT_EQ(0, python(self->s->path, schema, changes));
	/* That line is all right. */
	EXPECT_EQ(1, python(self->s->path, schema, "r['bug'] = 'x'"));
	self->s->play.topology = "nonsense";
	self->s->play.scheduler = NULL;
	self->s->result = (struct result){
		.play = &self->s->play,
		.findings = &self->s->findings,
	};
	write_result(_metadata, self->s);
	EXPECT_EQ(0, python(self->s->path, schema, ""));
}

/* A test that is no scenario has no limits; what to call is all that there is of it. */
TEST_F(result, no_scenario)
{
	const struct finding f = {
		.check = "selftest", .verdict = VERDICT_FAIL, .cpu = CHECK_NO_CPU,
		.at_ns = CHECK_NO_TIME,
	};
	const struct scenario sc = { .suite = "selftests", .name = "hotplug" };
	struct shown *s = self->s;

	if (!have_python())
		SKIP(return, NO_PYTHON);
	s->play = (struct play){
		.sc = &sc, .topology = "1n1l2c1t", .scheduler = "scx_runner",
	};
	s->result = (struct result){ .play = &s->play, .findings = &s->findings };
	s->findings.nr = 0;
	check_add(&s->findings, &f, "not ok");
	unsetenv(ENV_RESULTS);
	result_file_keep(&s->result, NULL);
	EXPECT_EQ(0, sh("[ -z \"$(ls -A %s)\" ]", s->dir));
	setenv(ENV_RESULTS, s->dir, 1);
	/* A file that is there will do. */
	setenv(ENV_KERNEL, "/bin/sh", 1);
	result_file_keep(&s->result, NULL);
	EXPECT_EQ(0, sh("mv %s/selftests.hotplug.1n1l2c1t.scx_runner~k*.json %s/one", s->dir,
			s->dir));
	snprintf(s->path, sizeof(s->path), "%s/one", s->dir);
	EXPECT_EQ(0, python(s->path, "no_scenario", NULL));
	/* It is said, and that is all. */
	setenv(ENV_RESULTS, "/proc/self/exe", 1);
	result_file_keep(&s->result, NULL);
}

static const char *nth_name_of(const char *topology, const char *scheduler, unsigned int nr)
{
	static const struct scenario sc = { .suite = "cpuset", .name = "swap" };
	static char name[NAME_MAX + 1];
	const struct play play = { .sc = &sc, .topology = topology, .scheduler = scheduler };

	memset(name, 'x', sizeof(name));
	return result_file_name(&play, nr, name);
}

static const char *name_of(const char *topology, const char *scheduler)
{
	return nth_name_of(topology, scheduler, 1);
}

TEST(names)
{
	char topology[TOPOLOGY_STR_SIZE] = {}, sched[300] = {}, first[NAME_MAX + 1];

	forget_kernel();
	EXPECT_STREQ("cpuset.swap.1n2l4c2t.EEVDF.json", name_of("1n2l4c2t", NULL));
	EXPECT_STREQ("cpuset.swap.1n1l1c1t,mem=1G_2G.scx_a-1.0_-v_x_y.json",
		     name_of("1n1l1c1t,mem=1G:2G", "/opt/b.in/scx_a-1.0 -v x/y"));
	EXPECT_STREQ("cpuset.swap.___etc.__.json", name_of("../etc", "b/\n'"));
	EXPECT_STREQ("cpuset.swap.1n1l1c1t.a_2~2.json", nth_name_of("1n1l1c1t", "a~2", 2));
	memset(topology, '1', sizeof(topology) - 1);
	snprintf(first, sizeof(first), "%s", name_of(topology, "scx_a"));
	EXPECT_GE(NAME_MAX, strlen(first));
	EXPECT_STREQ(".json", first + strlen(first) - 5);
	EXPECT_STRNE(first, name_of(topology, "scx_b"));
	EXPECT_NE(NULL, strchr(first, '~'));
	memset(sched, 'a', sizeof(sched) - 1);
	setenv(ENV_KERNEL, "/boot/vmlinux", 1);
	EXPECT_EQ(NAME_MAX, strlen(nth_name_of("1n1l1c1t", sched, ~0U)));
}

/* What differs in its kernel is another play; what does not has the same name each time. */
TEST(names_by_kernel)
{
	static const struct {
		const char *kernel;
		const char *cmdline;
	} cases[] = {
		{ "/a/vmlinux", NULL }, { "/b/vmlinux", NULL }, { NULL, "quiet" },
		{ NULL, "/a/vmlinux" }, { "/a/vmlinux", "quiet" },
	};
	char names[ARRAY_SIZE(cases)][NAME_MAX + 1];
	bool same = false;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		forget_kernel();
		if (cases[i].kernel)
			setenv(ENV_KERNEL, cases[i].kernel, 1);
		if (cases[i].cmdline)
			setenv(ENV_CMDLINE, cases[i].cmdline, 1);
		snprintf(names[i], sizeof(names[i]), "%s", name_of("1n1l1c1t", NULL));
		EXPECT_STREQ(names[i], name_of("1n1l1c1t", NULL));
		EXPECT_EQ(0, strncmp("cpuset.swap.1n1l1c1t.EEVDF~k", names[i], 28));
		EXPECT_EQ(28 + strlen("12345678.json"), strlen(names[i]));
		for (j = 0; j < i; j++)
			same |= !strcmp(names[j], names[i]);
	}
	EXPECT_EQ(false, same);
	/* crc32 of "/a/vmlinux\0\0", as others compute it */
	EXPECT_STREQ("cpuset.swap.1n1l1c1t.EEVDF~kb5c7441f.json", names[0]);
	setenv(ENV_KERNEL, "", 1);
	setenv(ENV_CMDLINE, "", 1);
	EXPECT_STREQ("cpuset.swap.1n1l1c1t.EEVDF.json", name_of("1n1l1c1t", NULL));
}

/* A FAIL of one attempt is still there after the next one has passed. */
TEST_F(result, files_are_kept)
{
	struct errmsg err = {};
	struct stat st;

	umask(077);
	write_result(_metadata, self->s);
	self->s->findings.nr = 0;
	ASSERT_EQ(0, result_file_write(&self->s->result, self->s->dir, &err));
	ASSERT_EQ(0, result_file_write(&self->s->result, self->s->dir, &err));
	EXPECT_EQ(0, stat(self->s->path, &st));
	EXPECT_EQ(S_IFREG | 0644, st.st_mode);
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(0, sh("cd %s && [ \"$(echo $(LC_ALL=C ls -A))\" = \"%s %s %s\" ]", self->s->dir,
			"cpuset.swap.2n2l2c1t.scx_foo_-v_1.json",
			"cpuset.swap.2n2l2c1t.scx_foo_-v_1~2.json",
			"cpuset.swap.2n2l2c1t.scx_foo_-v_1~3.json"));
	EXPECT_EQ(0, sh("grep -q '\"verdict\": *\"FAIL\"' %s", self->s->path));
	EXPECT_NE(0, sh("grep -q '\"verdict\": *\"FAIL\"' %s/*~?.json", self->s->dir));
}

/* Many at a time: each has a name for itself. */
TEST_F(result, written_side_by_side)
{
	struct errmsg err;
	int status, i, j;

	for (i = 0; i < 4; i++) {
		if (fork())
			continue;
		for (j = 0; j < 10; j++)
			if (result_file_write(&self->s->result, self->s->dir, &err))
				_exit(1);
		_exit(0);
	}
	for (i = 0; i < 4; i++) {
		wait(&status);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, sh("[ $(ls -A %s | wc -l) = 40 ]", self->s->dir));
}

TEST_F(result, directory_is_gone)
{
	int files = open_files();
	struct errmsg err = {};

	EXPECT_EQ(-ENOENT, result_file_write(&self->s->result, "/nonexistent", &err));
	EXPECT_NE(NULL, strstr(err.text, "/nonexistent/cpuset.swap.2n2l2c1t.scx_foo_-v_1.json"));
	EXPECT_EQ(ERRMSG_FAILED, err.kind);
	EXPECT_EQ(files, open_files());
}

/* The old file stays, no part of the new one is left, and it is said what to do. */
TEST_F(result, no_space)
{
	int files = open_files();
	struct errmsg err = {};

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", self->s->dir, "tmpfs", 0, "size=128k"))
		SKIP(return, "no small file system, which takes root or user namespaces");
	write_result(_metadata, self->s);
	/* One page is left, which is not enough. */
	ASSERT_EQ(0, chdir(self->s->dir));
	EXPECT_EQ(0, sh("cp '%s' old; dd if=/dev/zero of=fill bs=4k 2>/dev/null;"
			" truncate -s -4096 fill", self->s->path));
	self->s->result.total_ns++;
	EXPECT_EQ(-ENOSPC, result_file_write(&self->s->result, self->s->dir, &err));
	EXPECT_NE(NULL, strstr(err.text, "KTSTR_RESULTS"));
	EXPECT_NE(NULL, strstr(err.text, "ENOSPC"));
	EXPECT_EQ(0, sh("cmp '%s' old && [ $(ls -A | wc -l) = 3 ]", self->s->path));
	EXPECT_EQ(files, open_files());
	ASSERT_EQ(0, chdir("/"));
	EXPECT_EQ(0, umount(self->s->dir));
}

TEST_F(result, directory)
{
	char path[PATH_MAX], want[PATH_MAX];
	struct errmsg err = {};

	unsetenv(ENV_RESULTS);
	EXPECT_EQ(0, results_dir(path, &err));
	EXPECT_STREQ("", path);
	setenv(ENV_RESULTS, "", 1);
	EXPECT_EQ(0, results_dir(path, &err));
	EXPECT_STREQ("", path);
	/* Relative ones are made absolute, and the last part is made. */
	ASSERT_EQ(0, chdir(self->s->dir));
	setenv(ENV_RESULTS, "new", 1);
	snprintf(want, sizeof(want), "%s/new", self->s->dir);
	EXPECT_EQ(0, results_dir(path, &err));
	EXPECT_STREQ(want, path);
	EXPECT_EQ(0, results_dir(path, &err));
	setenv(ENV_RESULTS, "new/er/one", 1);
	EXPECT_EQ(-ENOENT, results_dir(path, &err));
	EXPECT_NE(NULL, strstr(err.text, "KTSTR_RESULTS=new/er/one"));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_STREQ("", path);
	setenv(ENV_RESULTS, "/proc/self/exe", 1);
	EXPECT_EQ(-ENOTDIR, results_dir(path, &err));
	setenv(ENV_RESULTS, "/proc/self/exe/x", 1);
	EXPECT_EQ(-ENOTDIR, results_dir(path, &err));
}

TEST_HARNESS_MAIN
