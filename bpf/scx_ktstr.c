// SPDX-License-Identifier: GPL-2.0
/*
 * Runs one of the suite's own schedulers (fixture_scheds.h), healthy or with a
 * fault, until it is told to end or the kernel ends it.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <linux/kernel.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <scx/common.h>

#include "fixture_scheds.h"
#include "scx_ktstr.bpf.skel.h"

/* The kernel's kind of exit when user space has asked for it */
#define EXIT_KIND_UNREG	64

#define OPS_NAME_SIZE	128
#define MAX_TIMEOUT_MS	30000

/* Exit status: something is wrong with the arguments, or the kernel ended it. */
#define STATUS_USAGE	2
#define STATUS_ENDED	3

static const char * const stat_names[] = {
	[KTSTR_STAT_DIRECT]	= "direct",
	[KTSTR_STAT_QUEUED]	= "queued",
	[KTSTR_STAT_OWN]	= "own",
	[KTSTR_STAT_STOLEN]	= "stolen",
	[KTSTR_STAT_FAULT]	= "fault",
};

static const char help[] =
"Runs a scheduler that ktstr is tested with, until SIGINT or SIGTERM.\n"
"\n"
"Usage: %s --policy NAME | --fault NAME[=PARAM] [--timeout-ms MS] [--verbose]\n"
"       %s --list\n"
"\n"
"  -p, --policy NAME         a healthy scheduler\n"
"  -f, --fault NAME[=PARAM]  one with a fault, on the policy that --list tells\n"
"  -t, --timeout-ms MS       how long a task may wait until the kernel's watchdog\n"
"                            ends the scheduler; at most and by default 30000\n"
"  -l, --list                name, kind, policy, scenarios, check, default and meaning\n"
"                            of PARAM, LLCs and nodes that it takes for the fault\n"
"                            to show, what is not implemented, and description, in\n"
"                            columns separated by tabs; \"-\": does not apply\n"
"  -v, --verbose             what libbpf says, too\n"
"\n"
"At its end it prints how often it did what, and why it ended. Exit status: 0 if\n"
"it was told to end, 1 if it could not be loaded, 2 for wrong arguments, 3 if the\n"
"kernel ended it.\n";

static bool verbose;
static sig_atomic_t told_to_end;

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_DEBUG && !verbose)
		return 0;
	return vfprintf(stderr, format, args);
}

static void on_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&told_to_end, 1, __ATOMIC_RELAXED);
}

static bool is_told_to_end(void)
{
	return __atomic_load_n(&told_to_end, __ATOMIC_RELAXED);
}

static const char *or_dash(const char *text)
{
	return text ?: "-";
}

static bool is_faulty(const struct fixture_sched *sched)
{
	return sched->fault != KTSTR_FAULT_NONE;
}

static void list(void)
{
	const struct fixture_sched *s, *healthy;

	for (s = fixture_scheds; s < fixture_scheds + nr_fixture_scheds; s++) {
		healthy = fixture_sched_healthy(s->policy);
		printf("%s\t%s\t%s\t%s\t%s\t", s->name,
		       is_faulty(s) ? "faulty" : "healthy", healthy->name,
		       or_dash(s->scenarios), or_dash(s->check));
		if (s->param)
			printf("%llu\t%s", (unsigned long long)s->param, s->param_is);
		else
			printf("-\t-");
		printf("\t%u\t%u\t%s\t%s\n", max(s->min_llcs, 1U), max(s->min_nodes, 1U),
		       healthy->lacks, s->text);
	}
}

/* A number of at least 1, or 0 */
static u64 parse_number(const char *text)
{
	char *end;
	u64 number;

	errno = 0;
	number = strtoull(text, &end, 10);
	return errno || *end || number > UINT_MAX ? 0 : number;
}

/* Find the scheduler, and cut its parameter off its name. */
static const struct fixture_sched *find(char *name, bool faulty, u64 *param)
{
	char *value = faulty ? strchr(name, '=') : NULL;
	const struct fixture_sched *sched;

	if (value)
		*value++ = '\0';
	sched = fixture_sched_find(name);
	if (!sched || is_faulty(sched) != faulty) {
		fprintf(stderr, "scx_ktstr: no %s \"%s\"; --list tells what there is\n",
			faulty ? "fault" : "policy", name);
		return NULL;
	}
	*param = sched->param ?: 1;
	if (!value)
		return sched;
	*param = parse_number(value);
	if (*param && sched->param)
		return sched;
	fprintf(stderr, "scx_ktstr: %s=%s: %s\n", name, value,
		sched->param ? "not a number of at least 1" : "this fault has no parameter");
	return NULL;
}

/* How many tasks there are: the fourth field, after a slash (proc(5)). */
static u32 count_tasks(void)
{
	u32 nr = 0;
	FILE *f = fopen("/proc/loadavg", "r");

	if (!f || fscanf(f, "%*s %*s %*s %*u/%u", &nr) != 1)
		fprintf(stderr, "scx_ktstr: cannot read /proc/loadavg\n");
	if (f)
		fclose(f);
	return nr;
}

/*
 * Skeletons give no access to members that are arrays, such as the name. It is
 * the one string in there, and has room for 128 bytes (SCX_OPS_NAME_LEN).
 */
static void set_ops_name(struct scx_ktstr *skel, const char *name)
{
	size_t size;
	void *ops = bpf_map__initial_value(skel->maps.ktstr_ops, &size);
	char *to = ops ? memmem(ops, size, KTSTR_OPS_NAME, sizeof(KTSTR_OPS_NAME)) : NULL;

	if (to)
		snprintf(to, OPS_NAME_SIZE, KTSTR_OPS_NAME "_%s", name);
}

static int set_up(struct scx_ktstr *skel, const struct fixture_sched *sched, u64 param,
		  u32 timeout_ms)
{
	struct fixture_layout layout;
	struct host_topology *topo;
	struct errmsg err;

	topo = host_topology_read("", &err);
	if (!topo) {
		fprintf(stderr, "scx_ktstr: %s\n", err.text);
		return -1;
	}
	fixture_layout(sched->policy, topo, &layout);
	free(topo);
	skel->rodata->fault = sched->fault;
	skel->rodata->param = param;
	skel->rodata->vtime_order = sched->policy == FIXTURE_VTIME;
	skel->rodata->loader_pid = getpid();
	skel->rodata->nr_cpus = libbpf_num_possible_cpus();
	skel->rodata->nr_queues = layout.nr_queues;
	skel->rodata->nr_groups = layout.nr_groups;
	memcpy(skel->rodata->cpu_queue, layout.cpu_queue, sizeof(layout.cpu_queue));
	memcpy(skel->rodata->queue_group, layout.queue_group, sizeof(layout.queue_group));
	if (sched->fault == KTSTR_FAULT_LEAK)
		bpf_map__set_max_entries(skel->maps.tasks, count_tasks() + param);
	/* Otherwise the kernel lets the last task go on, and a CPU never rests. */
	if (sched->fault == KTSTR_FAULT_IDLE_CPUS)
		skel->struct_ops.ktstr_ops->flags |=
			__COMPAT_ENUM_OR_ZERO("scx_ops_flags", "SCX_OPS_ENQ_LAST");
	skel->struct_ops.ktstr_ops->timeout_ms = timeout_ms;
	set_ops_name(skel, sched->name);
	return 0;
}

static void print_stats(struct scx_ktstr *skel, const struct fixture_sched *sched)
{
	int nr_cpus = libbpf_num_possible_cpus(), cpu;
	u64 counts[nr_cpus], sum;
	u32 i;

	printf("scx_ktstr: %s:", sched->name);
	for (i = 0; i < KTSTR_NR_STATS; i++) {
		sum = 0;
		if (!bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &i, counts))
			for (cpu = 0; cpu < nr_cpus; cpu++)
				sum += counts[cpu];
		printf(" %s=%llu", stat_names[i], (unsigned long long)sum);
	}
	putchar('\n');
	fflush(stdout);
}

/* Run it once. Returns whether the kernel wants it to be started again. */
static bool run(const struct fixture_sched *sched, u64 param, u32 timeout_ms, int *status)
{
	struct scx_ktstr *skel;
	struct bpf_link *link;
	u64 ecode;

	*status = EXIT_FAILURE;
	skel = SCX_OPS_OPEN(ktstr_ops, scx_ktstr);
	if (set_up(skel, sched, param, timeout_ms)) {
		scx_ktstr__destroy(skel);
		return false;
	}
	SCX_OPS_LOAD(skel, ktstr_ops, scx_ktstr, uei);
	link = SCX_OPS_ATTACH(skel, ktstr_ops, scx_ktstr);

	while (!is_told_to_end() && !UEI_EXITED(skel, uei))
		sleep(1);
	print_stats(skel, sched);
	bpf_link__destroy(link);
	ecode = UEI_REPORT(skel, uei);
	*status = skel->data->uei.kind == EXIT_KIND_UNREG ? EXIT_SUCCESS : STATUS_ENDED;
	scx_ktstr__destroy(skel);
	return UEI_ECODE_RESTART(ecode);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "fault", required_argument, NULL, 'f' },
		{ "timeout-ms", required_argument, NULL, 't' },
		{ "list", no_argument, NULL, 'l' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	const struct fixture_sched *sched = NULL;
	u64 param = 1, timeout_ms = 0;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "p:f:t:lvh", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
		case 'f':
			if (sched) {
				fprintf(stderr, "scx_ktstr: one policy or fault at a time\n");
				return STATUS_USAGE;
			}
			sched = find(optarg, opt == 'f', &param);
			if (!sched)
				return STATUS_USAGE;
			break;
		case 't':
			timeout_ms = parse_number(optarg);
			if (timeout_ms && timeout_ms <= MAX_TIMEOUT_MS)
				break;
			fprintf(stderr, "scx_ktstr: --timeout-ms %s: not from 1 to %d\n",
				optarg, MAX_TIMEOUT_MS);
			return STATUS_USAGE;
		case 'l':
			list();
			return EXIT_SUCCESS;
		case 'v':
			verbose = true;
			break;
		default:
			fprintf(opt == 'h' ? stdout : stderr, help, basename(argv[0]),
				basename(argv[0]));
			return opt == 'h' ? EXIT_SUCCESS : STATUS_USAGE;
		}
	}
	if (!sched || optind < argc) {
		fprintf(stderr, help, basename(argv[0]), basename(argv[0]));
		return STATUS_USAGE;
	}

	libbpf_set_print(print_libbpf);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	while (run(sched, param, timeout_ms, &status) && !is_told_to_end())
		fprintf(stderr, "scx_ktstr: starting again, as the kernel asks\n");
	return status;
}
