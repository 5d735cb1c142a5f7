// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <stdio.h>
#include <string.h>

#include "catalogue.h"
#include "catalogue/suites.h"
#include "words.h"

const struct suite *const catalogue[] = {
	&suite_basic,
	&suite_cpuset,
	&suite_affinity,
	&suite_dynamic,
	&suite_nested,
	&suite_fairness,
	&suite_latency,
	&suite_stress,
	&suite_interaction,
	&suite_numa,
	&suite_hotplug,
	&suite_rt,
};

const size_t nr_suites = ARRAY_SIZE(catalogue);

const struct suite *catalogue_suite(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(catalogue); i++)
		if (!strcmp(catalogue[i]->name, name))
			return catalogue[i];
	return NULL;
}

const struct scenario *catalogue_scenario(const char *suite, const char *name)
{
	const struct suite *s = catalogue_suite(suite);
	size_t i;

	for (i = 0; s && i < s->nr; i++)
		if (!strcmp(s->scenarios[i].name, name))
			return &s->scenarios[i];
	return NULL;
}

bool catalogue_is_listed(const char *list, const struct scenario *sc)
{
	char name[256];

	snprintf(name, sizeof(name), "%s.%s", sc->suite, sc->name);
	return words_have(list, name, ' ');
}

const char *catalogue_topology(const struct scenario *sc, unsigned int min_llcs,
			       unsigned int min_nodes)
{
	static const char * const specs[] = {
		"1n2l2c1t", "2n4l1c1t", "1n1l2c2t", "2n4l1c2t", "2n4l2c2t",
	};
	struct topology topo;
	struct errmsg unused;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(specs) - 1; i++) {
		if (topology_parse(specs[i], &topo, &unused) || topo.nodes < min_nodes ||
		    topo.llcs < min_llcs)
			continue;
		if (!scenario_check(sc, &topo, &unused))
			break;
	}
	return specs[i];
}
