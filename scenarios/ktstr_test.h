/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites add to kselftest_harness.h: the emulated host, a variant
 * from the environment, and an end that leaves nothing behind.
 */
#ifndef KTSTR_TEST_H
#define KTSTR_TEST_H

#include <limits.h>
#include <linux/kernel.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "emulated.h"
#include "env.h"
#include "host.h"
#include "load.h"
#include "own_path.h"
#include "rerun.h"
#include "session.h"

/*
 * Seconds: 32 CPUs boot in 40 s on an emulated host, and then work for a few. It is
 * more with KTSTR_DURATION, see ktstr_follow_duration().
 */
#define KTSTR_TEST_TIMEOUT	600

/* What fails on an emulated host is played once more (stage_play()). */
#define KTSTR_MAX_PLAYS		2

#define KTSTR_DEFAULT_TOPOLOGY	"1n2l4c2t"

/**
 * ktstr_session_start() - boot the guest of a test, in FIXTURE_SETUP()
 * @_metadata: the harness's
 * @s: the session
 * @cfg: see struct session_config
 *
 * Return: whether there is a session; if not, the test has failed, or is to be
 * skipped because this host cannot run it.
 */
static inline bool ktstr_session_start(struct __test_metadata *_metadata,
				       struct session *s,
				       const struct session_config *cfg)
{
	struct errmsg err = {};
	int ret;

	ret = session_start(s, cfg, &err);
	if (ret && err.kind == ERRMSG_HOST)
		SKIP(return false, "%.*s", (int)strcspn(err.text, "\n"), err.text);
	EXPECT_EQ(0, ret);
	return !ret;
}

/**
 * ktstr_assert_ok() - a step of the conversation with the guest
 * @_metadata: the harness's
 * @s: the session
 * @ret: what the step returned: 0, or a negative errno
 * @err: what failed
 *
 * Shows what failed, and the guest if that is what has failed.
 */
static inline void ktstr_assert_ok(struct __test_metadata *_metadata, struct session *s,
				   int ret, const struct errmsg *err)
{
	if (ret)
		session_print(s, ret, err);
	ASSERT_EQ(0, ret);
}

/**
 * ktstr_wait_until_left() - until the guest has told that its scheduler has left
 * @c: to the guest
 * @err: what failed
 *
 * What the kernel dumps about a scheduler that failed goes through its loader, and it may
 * be the last thing that happens in a run. Without that, it is given up after a minute.
 *
 * Return: 0, or what control_sched_status() returned
 */
static inline int ktstr_wait_until_left(struct control *c, struct errmsg *err)
{
	u64 deadline = clock_ns() + 60 * NSEC_PER_SEC;
	struct control_reply reply;
	int ret = 0;

	while (!ret && !c->sched_exit.valid && clock_ns() < deadline) {
		ret = control_sched_status(c, &reply, err);
		control_reply_free(&reply);
		usleep(50 * 1000);
	}
	return ret;
}

/**
 * ktstr_env_flag() - a variable that is 1, or 0 as if it were not set
 * @name: its name
 *
 * Anything else ends the program: which of the two was meant is not guessed.
 */
static inline bool ktstr_env_flag(const char *name)
{
	const char *value = env_get(name);

	if (!value || !strcmp(value, "0"))
		return false;
	if (!strcmp(value, "1"))
		return true;
	ksft_print_header();
	ksft_exit_fail_msg("%s=%s: must be 0 or 1\n", name, value);
}

/**
 * KTSTR_ENV_VARIANT() - the variant "env" of a fixture
 * @fixture: whose variants have .topology and .scheduler
 *
 * Exists if KTSTR_TOPOLOGY or KTSTR_SCHEDULER is set.
 */
#define KTSTR_ENV_VARIANT(fixture)						\
static void __attribute__((constructor)) register_env_##fixture(void)		\
{										\
	static FIXTURE_VARIANT(fixture) variant;				\
	static struct __fixture_variant_metadata object = {			\
		.name = "env",							\
		.data = &variant,						\
	};									\
										\
	variant.topology = env_get(ENV_TOPOLOGY) ?: KTSTR_DEFAULT_TOPOLOGY;	\
	variant.scheduler = env_get(ENV_SCHEDULER);				\
	if (env_get(ENV_TOPOLOGY) || variant.scheduler)			\
		__register_fixture_variant(&_##fixture##_fixture_object, &object);	\
}

static pid_t ktstr_parent;

static void ktstr_before_fork(void)
{
	ktstr_parent = getpid();
}

/* A guest's process must not outlive those who wait for it, killed or not. */
static void ktstr_in_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != ktstr_parent)
		_exit(KSFT_FAIL);
}

/* The harness puts each test into a process group that Ctrl-C does not reach. */
static void ktstr_on_signal(int sig)
{
	if (__active_test && __active_test->pid > 0)
		kill(-__active_test->pid, SIGKILL);
	signal(sig, SIG_DFL);
	raise(sig);
}

/**
 * ktstr_follow_duration() - give all tests the time that KTSTR_DURATION adds to them
 *
 * A value that is wrong adds nothing: the tests say what is wrong with it.
 */
static inline void ktstr_follow_duration(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;
	struct topology topo;
	struct errmsg unused;
	u64 duration_ns;

	if (!env_get("KTSTR_DURATION") ||
	    topology_parse(KTSTR_DEFAULT_TOPOLOGY, &topo, &unused) ||
	    load_duration(&topo, &duration_ns, &unused))
		return;
	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout += KTSTR_MAX_PLAYS * duration_ns / NSEC_PER_SEC;
}

/**
 * ktstr_test_begin() - what main() of a suite begins with
 * @argc: of main()
 * @argv: of main()
 * @status: set if true is returned: what main() returns
 *
 * All tests are registered before.
 *
 * Return: whether all is done, as the program has run on the emulated host.
 */
static inline bool ktstr_test_begin(int argc, char **argv, int *status)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;

	if (emulated_needed(argc, argv, status))
		return true;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], ktstr_on_signal);
	ktstr_follow_duration();
	ktstr_vm_raise_limits();
	pthread_atfork(ktstr_before_fork, NULL, ktstr_in_child);
	return false;
}

/* What the harness would call for each test */
static struct ktstr_wrapped {
	struct __test_metadata *t;
	void (*fn)(struct __test_metadata *t, struct __fixture_variant_metadata *variant);
} *ktstr_wrapped;

static inline void ktstr_print_rerun(const struct __test_metadata *t,
				     const struct __fixture_variant_metadata *variant)
{
	char program[PATH_MAX], test[512], *command;
	struct errmsg unused;

	if (own_path(program, &unused))
		return;
	snprintf(test, sizeof(test), "%s%s%s.%s", t->fixture->name, variant->name[0] ? "." : "",
		 variant->name, t->name);
	command = rerun_test(program, test);
	if (command)
		ksft_print_msg("again: %s\n", command);
	fflush(stdout);
	free(command);
}

/* In a process of its own: an ASSERT ends that of the test by a signal. */
static inline void ktstr_run_wrapped(struct __test_metadata *t,
				     struct __fixture_variant_metadata *variant)
{
	const struct ktstr_wrapped *wrapped = ktstr_wrapped;
	int status = KSFT_FAIL << 8;
	pid_t pid = fork();

	while (wrapped->t != t)
		wrapped++;
	if (!pid) {
		wrapped->fn(t, variant);
		_exit(t->exit_code);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	t->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : KSFT_FAIL;
	if (!__test_passed(t))
		ktstr_print_rerun(t, variant);
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
}

/**
 * ktstr_tell_reruns() - have each test that fails print the command that runs it again
 *
 * For tests that are no scenarios, before the harness runs them. One that runs into its
 * timeout is killed with whatever could print.
 */
static inline void ktstr_tell_reruns(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;
	size_t nr = 0;

	for (f = __fixture_list; f; f = f->next) {
		for (t = f->tests; t; t = t->next) {
			ktstr_wrapped = reallocarray(ktstr_wrapped, nr + 1,
						     sizeof(*ktstr_wrapped));
			if (!ktstr_wrapped)
				abort();
			ktstr_wrapped[nr++] = (struct ktstr_wrapped){ t, t->fn };
			t->fn = ktstr_run_wrapped;
		}
	}
}

/**
 * ktstr_test_main() - what main() of a suite returns
 * @argc: of main()
 * @argv: of main()
 */
static inline int ktstr_test_main(int argc, char **argv)
{
	int status;

	if (ktstr_test_begin(argc, argv, &status))
		return status;
	ktstr_tell_reruns();
	return test_harness_run(argc, argv);
}

#endif /* KTSTR_TEST_H */
