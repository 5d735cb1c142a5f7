// SPDX-License-Identifier: GPL-2.0
/* The catalogue as data: is it whole, and is each scenario sound wherever it fits? */
#include <errno.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#include "catalogue.h"
#include "fixture_scheds.h"
#include "schedulers.h"

#define MIN_SCENARIOS	50

/* CPUs that the suite's guests have, and others */
static const char * const specs[] = {
	"1n1l1c1t", "1n1l2c1t", "1n1l3c1t", "1n1l2c2t", "1n2l2c1t", "1n2l4c1t", "1n3l5c1t",
	"2n2l1c1t", "2n2l2c1t", "2n4l1c1t", "2n4l2c1t", "2n4l2c2t", "3n3l1c1t", "4n4l1c1t",
	"2n4l4c2t", "2n3l2c1t,llcs=2:1", "3n2l4c1t,llcs=1:1:0", "8n16l8c2t",
};

/* Where everything fits */
static const char everything[] = "2n4l2c2t";

/* The @n'th of all suites' scenarios, or NULL */
static const struct scenario *nth_of_all(size_t n)
{
	size_t i;

	for (i = 0; i < nr_suites; i++) {
		if (n < catalogue[i]->nr)
			return &catalogue[i]->scenarios[n];
		n -= catalogue[i]->nr;
	}
	return NULL;
}

static struct topology topology(const char *spec)
{
	struct topology topo = {};
	struct errmsg err;

	topology_parse(spec, &topo, &err);
	return topo;
}

TEST(all_suites_are_there)
{
	static const char * const names[] = {
		"basic", "cpuset", "affinity", "dynamic", "nested", "fairness", "latency",
		"stress", "interaction", "numa", "hotplug", "rt",
	};
	size_t i, nr = 0;

	EXPECT_EQ(ARRAY_SIZE(names), nr_suites);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const struct suite *suite = catalogue_suite(names[i]);

		ASSERT_NE(NULL, suite) {
			TH_LOG("there is no suite %s", names[i]);
		}
		EXPECT_NE(NULL, suite->text);
		EXPECT_LT(0, suite->nr);
		nr += suite->nr;
	}
	EXPECT_LE(MIN_SCENARIOS, nr);
	EXPECT_EQ(NULL, catalogue_suite("basi"));
	EXPECT_EQ(NULL, catalogue_scenario("basic", ""));
	EXPECT_EQ(NULL, catalogue_scenario("", "steady"));
}

/* Names are parts of tests' names and of file names. */
TEST(every_scenario_is_found_and_says_what_it_is_after)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const struct scenario *sc;
	size_t n;

	for (n = 0; (sc = nth_of_all(n)); n++) {
		EXPECT_EQ(sc, catalogue_scenario(sc->suite, sc->name)) {
			TH_LOG("%s.%s is there twice", sc->suite, sc->name);
		}
		EXPECT_EQ(strlen(sc->name), strspn(sc->name, letters));
		ASSERT_NE(NULL, sc->bug);
		EXPECT_LT(20, strlen(sc->bug));
		EXPECT_EQ(true, sc->bug[strlen(sc->bug) - 1] == '.' && !strstr(sc->bug, ". ")) {
			TH_LOG("%s.%s: \"%s\" is not one sentence", sc->suite, sc->name, sc->bug);
		}
	}
}

TEST(every_scenario_is_sound_or_does_not_fit)
{
	const struct scenario *sc;
	size_t n;
	struct topology topo;
	struct errmsg err;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		topo = topology(specs[i]);
		ASSERT_LT(0, topology_cpus(&topo));
		for (n = 0; (sc = nth_of_all(n)); n++) {
			ret = scenario_check(sc, &topo, &err);
			if (!ret)
				continue;
			EXPECT_EQ(-ERANGE, ret) {
				TH_LOG("on %s: %s", specs[i], err.text);
			}
			EXPECT_EQ(ERRMSG_HOST, err.kind);
			EXPECT_NE(NULL, strstr(err.text, "needs "));
		}
	}
}

TEST(every_scenario_fits_somewhere)
{
	struct topology topo = topology(everything);
	const struct scenario *sc;
	size_t n;
	struct errmsg err;

	for (n = 0; (sc = nth_of_all(n)); n++) {
		EXPECT_EQ(0, scenario_check(sc, &topo, &err)) {
			TH_LOG("%s", err.text);
		}
	}
}

TEST(every_work_is_done_somewhere)
{
	const struct scenario *sc;
	size_t n;
	unsigned int work;

	for (work = 0; work < WIRE_NR_WORK; work++) {
		bool done = false;

		for (n = 0; (sc = nth_of_all(n)); n++)
			done |= scenario_has_work(sc, work);
		EXPECT_EQ(true, done) {
			TH_LOG("nobody does %s", wire_work_name(work));
		}
	}
}

/* Workers for each CPU must not be more than a guest of the usual size can have. */
TEST(workers_are_not_too_many)
{
	struct topology topo = topology(everything);
	const struct scenario_workers *w;
	const struct scenario *sc;
	size_t n;

	for (n = 0; (sc = nth_of_all(n)); n++) {
		unsigned int nr = 0;

		for (w = sc->workers; w < sc->workers + SCENARIO_MAX_WORKERS && w->name; w++)
			nr += scenario_count(sc, w, &topo);
		EXPECT_GE(16 * topology_cpus(&topo), nr) {
			TH_LOG("%s.%s: %u workers", sc->suite, sc->name, nr);
		}
	}
}

/* The scenario that is the @n'th in a fault's list, or NULL */
static const struct scenario *nth_scenario(const char *list, size_t n)
{
	char copy[128], *rest = copy, *name = NULL;
	const char *suite;

	snprintf(copy, sizeof(copy), "%s", list);
	do
		name = strsep(&rest, " ");
	while (name && n--);
	suite = strsep(&name, ".");
	return suite && name ? catalogue_scenario(suite, name) : NULL;
}

static size_t nr_words(const char *list)
{
	size_t nr = 1;

	while ((list = strchr(list, ' '))) {
		list++;
		nr++;
	}
	return nr;
}

/* Has a machine that shows the scenario's bug what the fault needs to show? */
TEST(every_fault_has_scenarios_that_fit)
{
	struct topology topo = topology("2n4l1c1t");
	const struct fixture_sched *s;
	const struct scenario *sc;
	struct errmsg err;
	size_t i;

	for (s = fixture_scheds; s < fixture_scheds + nr_fixture_scheds; s++) {
		if (s->fault == KTSTR_FAULT_NONE)
			continue;
		ASSERT_NE(NULL, s->scenarios);
		EXPECT_GE(2, nr_words(s->scenarios));
		for (i = 0; i < nr_words(s->scenarios); i++) {
			sc = nth_scenario(s->scenarios, i);
			ASSERT_NE(NULL, sc) {
				TH_LOG("%s: there is no \"%s\"", s->name, s->scenarios);
			}
			EXPECT_EQ(true, sc->quick) {
				TH_LOG("%s: %s is not quick", s->name, s->scenarios);
			}
			EXPECT_EQ(0, scenario_check(sc, &topo, &err)) {
				TH_LOG("%s: %s", s->name, err.text);
			}
			EXPECT_LE(s->min_llcs, max(sc->min_llcs,
						   max(sc->min_llcs_per_node, sc->min_nodes)));
			EXPECT_LE(s->min_nodes, sc->min_nodes);
		}
	}
}

/* For each class of bugs that are seen in the field, one scenario and one fault */
TEST(quick_ones_are_after_what_the_field_has_seen)
{
	static const struct {
		const char *suite;
		const char *name;
		const char *fault;
	} classes[] = {
		{ "affinity", "one_cpu", "narrow_affinity" },
		{ "stress", "llcs_oversubscribed", "one_llc" },
		{ "cpuset", "swap", "cpuset_change" },
		{ "rt", "hog_and_wakeups", "rt_hog" },
		{ "numa", "llcs_in_node", "llc_per_node" },
		{ "hotplug", "offline_under_load", "hotplug" },
		{ "dynamic", "cgroup_moves_asleep", "cgroup_move" },
		{ "interaction", "reload", "reload" },
		{ "interaction", "kworkers", "kworkers" },
		{ "latency", "busy_cpu", "long_slice" },
		{ "latency", "busy_machine", "tail" },
	};
	const struct fixture_sched *s;
	const struct scenario *sc;
	size_t i, nr = 0;

	for (i = 0; i < nr_fixture_scheds; i++)
		nr += fixture_scheds[i].field;
	EXPECT_EQ(ARRAY_SIZE(classes), nr);
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		sc = catalogue_scenario(classes[i].suite, classes[i].name);
		s = fixture_sched_find(classes[i].fault);
		ASSERT_NE(NULL, sc);
		ASSERT_NE(NULL, s);
		EXPECT_EQ(true, sc->quick);
		EXPECT_EQ(true, s->field);
		EXPECT_EQ(sc, nth_scenario(s->scenarios, 0)) {
			TH_LOG("%s is not caught by %s.%s", s->name, sc->suite, sc->name);
		}
	}
}

TEST(schedulers_are_found)
{
	static const struct {
		const char *command;
		const char *name;
		const char *lacks;
	} cases[] = {
		{ NULL, "eevdf", NULL },
		{ "", "eevdf", NULL },
		{ "scx_simple", "scx_simple", "nice cpu.weight cpu.max llc numa hotplug rt" },
		{ "/opt/bin/scx_simple -f -v", "scx_simple",
		  "nice cpu.weight cpu.max llc numa hotplug rt" },
		{ "scx_qmap -s 10000", "scx_qmap", "nice cpu.weight cpu.max llc numa" },
		{ "scx_simpler", "other", NULL },
		{ "/scx_simple/scx_foo", "other", NULL },
		{ "scx_foo scx_simple", "other", NULL },
		{ "scx_ktstr", "other", NULL },
		{ "scx_ktstr --policy", "other", NULL },
		{ "scx_ktstr --policy nonsense", "other", NULL },
		{ "scx_ktstr --policy fifo", "fifo", "nice cpu.weight cpu.max llc numa" },
		{ "./scx_ktstr -v --policy=numa", "numa", "nice cpu.weight cpu.max" },
		{ "scx_ktstr --fault ignore_weights", "ignore_weights",
		  "cpu.weight cpu.max llc numa" },
		{ "scx_ktstr -t 5000 -f pingpong", "pingpong", "nice cpu.weight cpu.max numa" },
		{ "scx_ktstr --fault starve=3", "starve", "nice cpu.weight cpu.max llc numa" },
		{ "scx_ktstr --fault=starve=3", "starve", "nice cpu.weight cpu.max llc numa" },
	};
	struct scheduler sched;
	char huge[1024];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		schedulers_find(cases[i].command, &sched);
		EXPECT_STREQ(cases[i].name, sched.name) {
			TH_LOG("%s", cases[i].command);
		}
		EXPECT_STREQ(cases[i].lacks ?: "", sched.lacks ?: "");
		EXPECT_EQ(!sched.lacks, !sched.lacks_reason);
		EXPECT_STREQ(cases[i].command ?: "", sched.command ?: "");
	}
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	schedulers_find(huge, &sched);
	EXPECT_STREQ("other", sched.name);
}

/* Each is found by its own command, as it is in the table. */
TEST(the_trees_schedulers_are_found)
{
	const struct scheduler *known;
	struct scheduler found;
	size_t nr = 0;

	for (known = schedulers_tree; known->name; known++) {
		schedulers_find(known->command, &found);
		EXPECT_STREQ(known->name, found.name);
		EXPECT_EQ(known->lacks, found.lacks);
		nr++;
	}
	EXPECT_EQ(5, nr);
}

static const char *defects_of(const char *command, const char *suite, const char *name)
{
	const struct scenario *sc = catalogue_scenario(suite, name);
	struct check_sched sched = {};

	if (!sc)
		return "no such scenario";
	schedulers_known(command, sc, &sched);
	return sched.defects ?: "none";
}

/* Whoever brings a program of their own may have mended it. */
TEST(defects_are_those_of_the_trees)
{
	struct check_sched sched = {};

	EXPECT_STREQ("workers starvation gap spread",
		     defects_of("scx_qmap -s 1000", "rt", "interrupted"));
	EXPECT_STREQ("alive kernel_log", defects_of("scx_qmap", "affinity", "one_cpu"));
	EXPECT_STREQ("none", defects_of("scx_qmap", "rt", "round_robin"));
	EXPECT_STREQ("none", defects_of("./scx_qmap -s 1000", "rt", "interrupted"));
	EXPECT_STRNE("none", defects_of("scx_flatcg", "rt", "round_robin"));
	EXPECT_STREQ("none", defects_of("/usr/bin/scx_flatcg", "rt", "round_robin"));
	EXPECT_STREQ("none", defects_of(NULL, "rt", "interrupted"));
	schedulers_known("./scx_qmap", catalogue_scenario("rt", "interrupted"), &sched);
	EXPECT_STREQ("nice cpu.weight cpu.max llc numa", sched.lacks);
	EXPECT_NE(NULL, sched.lacks_reason);
	EXPECT_EQ(NULL, sched.defects_reason);
}

/* How many words of a list are names of scenarios, and how many there are in it? */
static size_t count_known(const char *list, size_t *words)
{
	size_t i, k, known = 0;

	*words = 1;
	for (i = 0; list[i]; i++)
		*words += list[i] == ' ';
	for (i = 0; i < nr_suites; i++)
		for (k = 0; k < catalogue[i]->nr; k++)
			known += catalogue_is_listed(list, &catalogue[i]->scenarios[k]);
	return known;
}

TEST(defects_are_in_scenarios_that_are_there)
{
	const struct scheduler_defect *defect;
	const struct scheduler *sched;
	size_t words;

	for (sched = schedulers_tree; sched->name; sched++) {
		for (defect = sched->defects; defect && defect->checks; defect++) {
			EXPECT_NE(NULL, defect->reason);
			if (!defect->scenarios)
				continue;
			EXPECT_EQ(count_known(defect->scenarios, &words), words);
		}
	}
}

TEST_HARNESS_MAIN
