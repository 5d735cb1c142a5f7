// SPDX-License-Identifier: GPL-2.0
/*
 * The tree's own sched_ext selftests (../runner), test by test and result by
 * result, in guests of several topologies.
 *
 * The tests of one topology share a guest, which a process beside theirs keeps
 * (keeper.h). A guest in which a test has failed is not used again.
 */
#include <errno.h>
#include <linux/kernel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cpu_times.h"
#include "emulated.h"
#include "keeper.h"
#include "kernel_log.h"
#include "ktstr_test.h"
#include "own_path.h"
#include "rerun.h"
#include "result_file.h"
#include "scx_runner.h"

#define ENV_FULL	"KTSTR_FULL"
#define RUNNER		"scx_runner"

/* On an emulated host the longest takes 40 s, more with many CPUs. */
#define RUN_TIMEOUT	180	/* seconds */
#define RUN_TIMEOUT_NS	(RUN_TIMEOUT * NSEC_PER_SEC)

/*
 * Many tests sleep for a second and believe that the kernel has done by then what it
 * has to. Where a guest was denied as much of the time, it had half of a second.
 */
#define MAX_DENIED_PERCENT	50

/* How often "not ok" of such a guest is tried again, in a new one */
#define TRIES_AGAIN	2

/* Seconds for all tries: a guest of 8 CPUs may boot for 108 s, its log take 60 s. */
#define TEST_TIMEOUT	((1 + TRIES_AGAIN) * (RUN_TIMEOUT + 170))

/* No test of the runner's has this in its name. */
#define NO_TEST		"/"

/* In the guest, what is run in the place of the runner to test this suite itself */
#define SCRIPT		"/script"

/* select_task_rq() asks the scheduling class only if there is a choice of CPUs. */
#define NO_SELECT_CPU	"ops.select_cpu(), which it waits for, is never called with one CPU"

/*
 * What these tests need a guest with so few CPUs has not got, so that they skip
 * themselves, without a reason, or fail. Any other way to fail is a failure.
 */
static const struct {
	const char *test;
	unsigned int max_cpus;
	const char *reason;
} unfit[] = {
	{ "hotplug", 1, "it takes CPU 1 offline, and there is none" },
	{ "ddsp_bogus_dsq_fail", 1, NO_SELECT_CPU },
	{ "ddsp_vtimelocal_fail", 1, NO_SELECT_CPU },
	{ "select_cpu_dfl_nodispatch", 1, NO_SELECT_CPU },
	{ "select_cpu_dispatch_bad_dsq", 1, NO_SELECT_CPU },
	{ "select_cpu_dispatch_dbl_dsp", 1, NO_SELECT_CPU },
	{ "select_cpu_vtime", 1, NO_SELECT_CPU },
};

/**
 * struct request - from a test to the keeper, which was forked: what it points to
 * is there, too
 * @topology: of the guest
 * @test: which one, or NO_TEST: is the list of them complete?
 * @script: what is run in the place of the runner, or NULL
 * @timeout_ns: how long the test may take
 * @max_denied: percent of the time that a guest may be denied, and is believed
 */
struct request {
	const char *topology;
	const char *test;
	const char *script;
	u64 timeout_ns;
	unsigned int max_denied;
};

/**
 * struct answer - of the keeper
 * @verdict: of the test; INCONCLUSIVE if the guest may be what failed
 * @reason: why
 * @denied: percent of the time that was denied to the guest, if all that failed is
 *	what the test itself has compared
 */
struct answer {
	enum verdict verdict;
	char reason[ERRMSG_SIZE];
	unsigned int denied;
};

/* The list that was made from the tests' sources, as the runner would print it */
#define SELFTEST(name) "TEST: " #name "\n"
static const char known_tests[] = ""
#include "scx_runner_tests.h"
;
#undef SELFTEST

/**
 * struct guest - what the keeper has
 * @topology: of the guest, or of the one that could not be had
 * @script: see struct request
 * @s: the guest; @s.vm is NULL if there is none
 * @refused: why there is none
 * @spoiled: nothing more is to be run in it
 * @fresh: it was booted for the request that is being served
 */
struct guest {
	const char *topology;
	const char *script;
	struct session s;
	struct errmsg refused;
	bool spoiled;
	bool fresh;
};

static void drop_guest(void *ctx)
{
	struct guest *g = ctx;

	if (g->s.vm)
		session_end(&g->s);
	g->spoiled = false;
}

static int find_runner(struct errmsg *err)
{
	char path[PATH_MAX], reason[256] = "";
	FILE *f;
	int ret;

	ret = own_path_beside(path, RUNNER, err);
	if (ret || !access(path, X_OK))
		return ret;
	f = fopen(path, "re");
	if (!f)
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "%s was not built with the suite: that takes clang 16 or later, and the kernel's vmlinux with BTF",
				  RUNNER);
	/* Where it could not be built, its file says so. */
	if (fgets(reason, sizeof(reason), f))
		reason[strcspn(reason, "\n")] = '\0';
	fclose(f);
	return errmsg_set(err, ERRMSG_HOST, 0, "%s", reason);
}

static int check_kernel(struct session *s, struct errmsg *err)
{
	const char * const state = "/sys/kernel/sched_ext/state";
	struct control_reply reply;
	int ret;

	ret = control_read(&s->control, &state, 1, &reply, err);
	if (ret)
		session_print(s, ret, err);
	else if (!reply.nr_files)
		ret = errmsg_set(err, ERRMSG_HOST, 0, "the guest's kernel needs %s",
				 "CONFIG_SCHED_CLASS_EXT=y (see the suite's config)");
	control_reply_free(&reply);
	return ret;
}

static int boot_guest(struct guest *g, struct errmsg *err)
{
	const struct session_config cfg = {
		.topology = g->topology,
		.programs = { g->script ? "sh" : RUNNER },
		.files = { { g->script ? SCRIPT : NULL, g->script } },
	};
	int ret;

	ret = (g->script ? 0 : find_runner(err)) ?: session_start(&g->s, &cfg, err);
	if (ret)
		return ret;
	ret = check_kernel(&g->s, err);
	if (ret)
		drop_guest(g);
	g->fresh = !ret;
	return ret;
}

/* Where there was no guest for one test, there is none for the others. */
static int take_guest(struct guest *g, const struct request *rq, struct errmsg *err)
{
	int ret;

	if (g->spoiled)
		drop_guest(g);
	if (g->topology != rq->topology || g->script != rq->script) {
		drop_guest(g);
		g->topology = rq->topology;
		g->script = rq->script;
		g->refused.text[0] = '\0';
	}
	if (g->s.vm)
		return 0;
	if (g->refused.text[0]) {
		*err = g->refused;
		return -ENODEV;
	}
	ret = boot_guest(g, err);
	if (ret)
		g->refused = *err;
	return ret;
}

static void __printf(3, 4)
set_answer(struct answer *a, enum verdict of_test, const char *fmt, ...)
{
	va_list ap;

	*a = (struct answer){ .verdict = of_test };
	va_start(ap, fmt);
	vsnprintf(a->reason, sizeof(a->reason), fmt, ap);
	va_end(ap);
}

/* What the test has said, without the frame that the runner puts around it */
static void print_output(const char *output)
{
	const char *start = strstr(output, "\nOUTPUT:\n");
	int len;

	if (start)
		output = start + strlen("\nOUTPUT:\n");
	for (; *output && strncmp(output, "=====", 5); output += len + !!output[len]) {
		len = strcspn(output, "\n");
		ksft_print_msg("| %.*s\n", len, output);
	}
}

/* Why there is nothing to be had from a test in this guest, or NULL */
static const char *why_unfit(const struct guest *g, const char *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unfit); i++) {
		if (!strcmp(unfit[i].test, test) && topology_cpus(&g->s.topo) <= unfit[i].max_cpus)
			return unfit[i].reason;
	}
	return NULL;
}

/* What a guest was denied since its boot, and when that was */
struct moment {
	u64 at_ns;
	u64 below_ns;		/* by the machine below an emulated host */
	struct cpu_times times;
};

static void look(struct guest *g, struct moment *m)
{
	char *text;

	*m = (struct moment){ .at_ns = clock_ns(), .below_ns = emulated_denied_ns() };
	text = control_read_text(&g->s.control, "/proc/stat");
	if (text)
		cpu_times_parse(text, &m->times);
	free(text);
}

/* In percent of the time; of the guest's CPUs, the one counts that lacked most. */
static unsigned int denied_between(const struct guest *g, const struct moment *from,
				   const struct moment *to)
{
	u64 passed_ns = max_t(u64, to->at_ns - from->at_ns, 1), most_ns = 0, denied_ns;
	unsigned int cpu;

	for (cpu = 0; cpu < topology_cpus(&g->s.topo); cpu++)
		if (to->times.steal_ns[cpu] > from->times.steal_ns[cpu])
			most_ns = max(most_ns,
				      to->times.steal_ns[cpu] - from->times.steal_ns[cpu]);
	denied_ns = most_ns + to->below_ns - min(to->below_ns, from->below_ns);
	return min_t(u64, denied_ns * 100 / passed_ns, 100);
}

static void judge_output(const struct guest *g, const struct request *rq,
			 const struct control_reply *reply, unsigned int denied,
			 struct answer *a)
{
	const char *why = why_unfit(g, rq->test);
	int status = reply->wait_status;

	switch (scx_runner_result(reply->output, rq->test)) {
	case SCX_RUNNER_PASS:
		set_answer(a, VERDICT_PASS, "ok");
		return;
	case SCX_RUNNER_SKIP:
		set_answer(a, VERDICT_SKIP, "%s", why ?: "the runner does not say why");
		return;
	case SCX_RUNNER_FAIL:
		set_answer(a, why ? VERDICT_SKIP : VERDICT_FAIL, "%s", why ?: "not ok");
		a->denied = why ? 0 : denied;
		return;
	case SCX_RUNNER_NONE:
		break;
	}
	if (WIFSIGNALED(status))
		set_answer(a, VERDICT_FAIL, "the runner was killed by signal %d",
			   WTERMSIG(status));
	else
		set_answer(a, VERDICT_FAIL, "the runner ended with status %d and no result",
			   WEXITSTATUS(status));
}

/*
 * A test may well pass while the kernel complains. That something has taken too
 * long is not held against it, but later tests would find it in the log, too.
 */
static void judge_kernel_log(struct guest *g, struct answer *a)
{
	const struct answer said = *a;
	struct kernel_log_trouble found;
	struct control_reply reply;
	struct errmsg err = {};
	bool is_fault, complains;
	int ret;

	ret = control_kmsg(&g->s.control, &reply, &err);
	if (ret) {
		session_print(&g->s, ret, &err);
		set_answer(a, VERDICT_FAIL, "%s, but then: %s", said.reason, err.text);
		goto out;
	}
	is_fault = kernel_log_find_fault(reply.output, 0, &found);
	complains = is_fault || kernel_log_find(reply.output, 0, &found);
	if (complains)
		ksft_print_msg("%.*s\n", (int)found.len, found.line);
	if (is_fault)
		set_answer(a, VERDICT_FAIL, "%s, but the kernel said: %.*s", said.reason,
			   (int)found.len, found.line);
	if (a->verdict == VERDICT_FAIL)
		print_output(reply.reason);
	g->spoiled |= complains;
out:
	control_reply_free(&reply);
}

static void run_test(struct guest *g, const struct request *rq, struct answer *a)
{
	char exact[NAME_MAX];
	const char * const runner[] = { RUNNER, "-t", exact, NULL };
	const char * const script[] = { "sh", SCRIPT, exact, NULL };
	static struct moment before, after;
	struct control_reply reply;
	struct errmsg err = {};
	int ret;

	snprintf(exact, sizeof(exact), "=%s", rq->test);
	look(g, &before);
	ret = control_run(&g->s.control, rq->script ? script : runner, rq->timeout_ns, &reply,
			  &err);
	if (ret) {
		session_print(&g->s, ret, &err);
		set_answer(a, VERDICT_FAIL, "no result: %s", err.text);
	} else {
		look(g, &after);
		judge_output(g, rq, &reply, denied_between(g, &before, &after), a);
		judge_kernel_log(g, a);
	}
	ksft_print_msg("%s: %s, after %llu ms\n", rq->test, a->reason,
		       (unsigned long long)(clock_ns() - before.at_ns) / NSEC_PER_MSEC);
	if (a->verdict != VERDICT_PASS && reply.output)
		print_output(reply.output);
	control_reply_free(&reply);
}

/* The first name in a list that another list has not got; 0 if it has them all */
static size_t find_missing(const char *list, const char *other, const char **name)
{
	const char *rest, *its;
	size_t len, its_len;

	while ((len = scx_runner_next_test(&list, name))) {
		rest = other;
		do {
			its_len = scx_runner_next_test(&rest, &its);
		} while (its_len && (its_len != len || strncmp(its, *name, len)));
		if (!its_len)
			return len;
	}
	return 0;
}

static void compare_lists(const char *output, struct answer *a)
{
	const char *name;
	size_t len;

	set_answer(a, VERDICT_PASS, "ok");
	len = find_missing(known_tests, output, &name);
	if (len)
		set_answer(a, VERDICT_FAIL, "../ has a test \"%.*s\", the runner has not",
			   (int)len, name);
	len = find_missing(output, known_tests, &name);
	if (len)
		set_answer(a, VERDICT_FAIL, "the runner has a test \"%.*s\", which is not run",
			   (int)len, name);
}

/* It names all tests that it has when it is to show which ones it skips. */
static void run_list(struct guest *g, struct answer *a)
{
	static const char * const argv[] = { RUNNER, "-q", "-s", "-t", NO_TEST, NULL };
	struct control_reply reply;
	struct errmsg err = {};
	int ret;

	ret = control_run(&g->s.control, argv, RUN_TIMEOUT_NS, &reply, &err);
	if (ret) {
		session_print(&g->s, ret, &err);
		set_answer(a, VERDICT_FAIL, "no list: %s", err.text);
	} else {
		compare_lists(reply.output, a);
	}
	control_reply_free(&reply);
}

static void run_in_guest(struct guest *g, const struct request *rq, struct answer *a)
{
	struct errmsg err = {};

	if (take_guest(g, rq, &err))
		set_answer(a, err.kind == ERRMSG_HOST ? VERDICT_SKIP : VERDICT_FAIL, "%s",
			   err.text);
	else if (!strcmp(rq->test, NO_TEST))
		run_list(g, a);
	else
		run_test(g, rq, a);
	g->spoiled |= a->verdict == VERDICT_FAIL;
}

/*
 * A test that a starved guest has failed gets other chances. Only if it takes all of
 * them, it may have been the guest; what comes and goes by itself is a failure.
 */
static void run_fairly(struct guest *g, const struct request *rq, struct answer *a)
{
	struct answer again;
	unsigned int denied, i;

	run_in_guest(g, rq, a);
	denied = a->denied;
	if (denied <= rq->max_denied)
		return;
	for (i = 0; i < TRIES_AGAIN; i++) {
		again = (struct answer){};
		run_in_guest(g, rq, &again);
		if (again.verdict != VERDICT_PASS)
			return;
	}
	set_answer(a, VERDICT_INCONCLUSIVE,
		   "not ok in a guest that was denied %u %% of the time, ok %d times in another: run nothing else beside it",
		   denied, TRIES_AGAIN);
}

/* As a play: the runner loads schedulers of its own, and no limits are in force. */
static void tell_and_keep(struct guest *g, const struct request *rq, const struct answer *a,
			  u64 since_ns)
{
	const struct scenario sc = {
		.suite = "selftests",
		.name = strcmp(rq->test, NO_TEST) ? rq->test : "complete",
		.quick = true,
	};
	const struct finding finding = {
		.check = "selftest",
		.verdict = a->verdict,
		.cpu = CHECK_NO_CPU,
		.at_ns = CHECK_NO_TIME,
	};
	struct play play = { .sc = &sc, .topology = rq->topology, .scheduler = RUNNER };
	static struct findings findings;
	const struct result result = {
		.play = &play,
		.findings = &findings,
		.boot_ns = g->fresh ? g->s.ready_ns : 0,
		.total_ns = clock_ns() - since_ns,
	};
	char program[PATH_MAX], *command = NULL;
	struct errmsg unused;

	if (!own_path(program, &unused))
		command = rerun_command(program, &sc, rq->topology, NULL);
	if (a->verdict == VERDICT_FAIL && command)
		ksft_print_msg("again: %s\n", command);
	play.rerun = command;
	findings.nr = 0;
	check_add(&findings, &finding, "%s", a->reason);
	result_file_keep(&result, g->s.vm ? &g->s : NULL);
	free(command);
}

static void serve(void *ctx, const void *request, void *answer)
{
	const struct request *rq = request;
	u64 since_ns = clock_ns();
	struct guest *g = ctx;

	g->fresh = false;
	run_fairly(g, rq, answer);
	if (!rq->script)
		tell_and_keep(g, rq, answer, since_ns);
}

static struct guest guest;

static struct keeper keeper = {
	.request_size = sizeof(struct request),
	.answer_size = sizeof(struct answer),
	.serve = serve,
	.end = drop_guest,
	.ctx = &guest,
};

FIXTURE(selftests)
{
};

FIXTURE_VARIANT(selftests)
{
	const char *topology;
};

FIXTURE_SETUP(selftests)
{
}

FIXTURE_TEARDOWN(selftests)
{
}

static struct answer ask_keeper(struct __test_metadata *_metadata, const struct request *rq)
{
	struct answer a = {};

	ASSERT_EQ(0, keeper_ask(&keeper, rq, &a));
	return a;
}

static void run_selftest(struct __test_metadata *_metadata, const char *topology, const char *test)
{
	const struct request rq = {
		.topology = topology,
		.test = test,
		.timeout_ns = RUN_TIMEOUT_NS,
		.max_denied = MAX_DENIED_PERCENT,
	};
	struct answer a = ask_keeper(_metadata, &rq);

	if (a.verdict == VERDICT_SKIP)
		SKIP(return, "%s", a.reason);
	if (a.verdict == VERDICT_INCONCLUSIVE)
		SKIP(return, "INCONCLUSIVE: %.900s", a.reason);
	EXPECT_EQ(VERDICT_PASS, a.verdict) {
		TH_LOG("%s", a.reason);
	}
}

#define SELFTEST(test)							\
static const char * const test##_name = #test;				\
TEST_F_TIMEOUT(selftests, test, TEST_TIMEOUT)				\
{									\
	run_selftest(_metadata, variant->topology, test##_name);	\
}

#include "scx_runner_tests.h"

/* No test of the runner's is left out. */
TEST_F_TIMEOUT(selftests, complete, KTSTR_TEST_TIMEOUT)
{
	run_selftest(_metadata, variant->topology, NO_TEST);
}

/* A runner whose tests do what tests do at their worst */
static const char bad_runner[] =
	"case $1 in\n"
	"=fresh)	[ -e /tmp/used ] || echo 'ok 1 fresh # ' ;;\n"
	"=used)		[ -e /tmp/used ] && echo 'ok 1 used # ' ;;\n"
	"=pass)		: >/tmp/used; echo 'ok 1 pass # ' ;;\n"
	"=skip)		echo 'ok 1 skip # SKIP ' ;;\n"
	"=fail)		: >/tmp/used; echo 'not ok 1 fail # ' ;;\n"
	"=flaky)	[ ! -e /tmp/used ] || printf 'not '; echo 'ok 1 flaky # ' ;;\n"
	"=starved)	[ -e /tmp/used ] || { echo 'ok 1 starved # '; exit; }\n"
	"		read n x </proc/uptime\n"
	"		while read m x </proc/uptime && [ ${m%.*} -lt $((${n%.*} + 2)) ]; do :; done\n"
	"		echo 'not ok 1 starved # ' ;;\n"
	"=hotplug)	echo 'not ok 1 hotplug # ' ;;\n"
	"=other)	echo 'ok 1 fresh # '; exit 3 ;;\n"
	"=hang)		: >/tmp/used; echo 'so far'; while :; do :; done ;;\n"
	"=warn)		echo 'ok 1 warn # '; echo '<4>WARNING: CPU: 0 PID: 1 at x.c:1' >/dev/kmsg ;;\n"
	"=slow)		: >/tmp/used; echo 'ok 1 slow # '\n"
	"		echo '<3>INFO: task sh:1 blocked for more than 120 seconds.' >/dev/kmsg ;;\n"
	"=slow_warn)	echo 'ok 1 slow_warn # '\n"
	"		echo '<3>INFO: task sh:1 blocked for more than 120 seconds.' >/dev/kmsg\n"
	"		echo '<4>WARNING: CPU: 0 PID: 1 at x.c:1' >/dev/kmsg ;;\n"
	"=panic)	echo 2 >/proc/sys/vm/panic_on_oom\n"
	"		echo 262144 >/proc/sys/vm/min_free_kbytes\n"
	"		x=xx; while :; do x=$x$x; done ;;\n"
	"esac\n";

FIXTURE(bad_runner)
{
};

FIXTURE_SETUP(bad_runner)
{
}

FIXTURE_TEARDOWN(bad_runner)
{
}

/* Take half of each CPU from whoever else wants it. */
static pid_t start_hogs(void)
{
	long i, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 1; i < cpus; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		break;
	}
	for (;;)
		__asm__ volatile("pause");
}

/* Each result is what it should be, and no test meets what a bad one has left. */
TEST_F_TIMEOUT(bad_runner, results, KTSTR_TEST_TIMEOUT)
{
	static const struct {
		const char *test;
		enum verdict verdict;
		const char *reason;
	} cases[] = {
		{ "fresh", VERDICT_PASS, "ok" },
		{ "pass", VERDICT_PASS, "ok" },
		{ "skip", VERDICT_SKIP, "does not say why" },
		{ "hotplug", VERDICT_SKIP, "CPU 1" },
		{ "used", VERDICT_PASS, "ok" },
		{ "flaky", VERDICT_FAIL, "not ok" },
		{ "pass", VERDICT_PASS, "ok" },
		{ "starved", VERDICT_INCONCLUSIVE, "denied" },
		{ "fail", VERDICT_FAIL, "not ok" },
		{ "fresh", VERDICT_PASS, "ok" },
		{ "hang", VERDICT_FAIL, "ETIMEDOUT" },
		{ "fresh", VERDICT_PASS, "ok" },
		{ "panic", VERDICT_FAIL, "the guest has ended" },
		{ "fresh", VERDICT_PASS, "ok" },
		{ "warn", VERDICT_FAIL, "ok, but the kernel said" },
		{ "slow", VERDICT_PASS, "ok" },
		{ "fresh", VERDICT_PASS, "ok" },
		{ "slow_warn", VERDICT_FAIL, "WARNING" },
		{ "other", VERDICT_FAIL, "status 3 and no result" },
	};
	struct request rq = {
		.topology = "1n1l1c1t",
		.script = bad_runner,
	};
	struct answer a;
	bool starved;
	pid_t hogs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		rq.test = cases[i].test;
		rq.timeout_ns = (strcmp(rq.test, "hang") ? 60 : 2) * NSEC_PER_SEC;
		/* Whatever else this host does is not to matter. */
		starved = !strcmp(rq.test, "starved");
		rq.max_denied = starved ? 0 : 100;
		hogs = starved ? start_hogs() : 0;
		a = ask_keeper(_metadata, &rq);
		if (hogs > 0) {
			kill(hogs, SIGKILL);
			waitpid(hogs, NULL, 0);
		}
		ASSERT_EQ(cases[i].verdict, a.verdict) {
			TH_LOG("%s: %s", cases[i].test, a.reason);
		}
		EXPECT_NE(NULL, strstr(a.reason, cases[i].reason)) {
			TH_LOG("%s: %s", cases[i].test, a.reason);
		}
	}
}

FIXTURE_VARIANT_ADD(selftests, 1n1l4c1t) {
	.topology = "1n1l4c1t",
};

FIXTURE_VARIANT_ADD(selftests, 1n1l1c1t) {
	.topology = "1n1l1c1t",
};

FIXTURE_VARIANT_ADD(selftests, 1n2l4c1t) {
	.topology = "1n2l4c1t",
};

FIXTURE_VARIANT_ADD(selftests, 2n2l2c1t) {
	.topology = "2n2l2c1t",
};

static void __attribute__((constructor)) register_env(void)
{
	static FIXTURE_VARIANT(selftests) variant;
	static struct __fixture_variant_metadata object = { .name = "env", .data = &variant };

	variant.topology = env_get(ENV_TOPOLOGY);
	if (variant.topology)
		__register_fixture_variant(&_selftests_fixture_object, &object);
}

/*
 * What is left out unless all is asked for, or something by name: these take
 * seven minutes on an emulated host, the others half of one.
 */
static const char * const quick[] = {
	"selftests",
	"-V", "1n1l1c1t", "-V", "1n2l4c1t", "-V", "2n2l2c1t",
	/* A thousand reloads, and a thousand children each */
	"-T", "reload_loop",
	"-T", "init_enable_count",
	"-T", "select_cpu_dfl", "-T", "select_cpu_dfl_nodispatch", "-T", "select_cpu_dispatch",
	NULL
};

int main(int argc, char **argv)
{
	bool full = ktstr_env_flag(ENV_FULL);
	int status;

	if (ktstr_test_begin(argc, argv, &status))
		return status;
	status = keeper_start(&keeper);
	if (status)
		ksft_exit_fail_msg("a process to keep guests: %s\n", strerror(-status));
	if (argc == 1 && !full)
		return test_harness_run(ARRAY_SIZE(quick) - 1, (char **)quick);
	return test_harness_run(argc, argv);
}
