/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All scenarios, by suite: catalogue/SUITE.c has those of one, as data. The file
 * catalogue.c lists the suites, and nothing else has to know of a new scenario.
 */
#ifndef KTSTR_CATALOGUE_H
#define KTSTR_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "scenario.h"

/**
 * struct suite - scenarios that are after the same kind of bug
 * @name: for example "cpuset"; also scenario.suite of each
 * @text: one sentence about it
 * @limits: what all of them demand beyond check_defaults
 * @scenarios: the scenarios
 * @nr: how many
 */
struct suite {
	const char *name;
	const char *text;
	struct limits limits;
	const struct scenario *scenarios;
	size_t nr;
};

extern const struct suite *const catalogue[];
extern const size_t nr_suites;

/* The suite of this name, or NULL */
const struct suite *catalogue_suite(const char *name);

/* The scenario of this name in this suite, or NULL */
const struct scenario *catalogue_scenario(const char *suite, const char *name);

/**
 * catalogue_is_listed() - is a scenario in a list?
 * @list: scenarios as SUITE.NAME, separated by blanks; or NULL
 * @sc: a scenario
 *
 * Return: whether @list has it.
 */
bool catalogue_is_listed(const char *list, const struct scenario *sc);

/**
 * catalogue_topology() - the smallest of a few topologies that a scenario fits
 * @sc: the scenario
 * @min_llcs: LLCs that the scheduler under test is to have; or 0
 * @min_nodes: nodes with CPUs, likewise
 *
 * Few, so that guests can be shared: see struct stage.
 *
 * Return: a constant, as topology_parse() reads it; the largest if none fits.
 */
const char *catalogue_topology(const struct scenario *sc, unsigned int min_llcs,
			       unsigned int min_nodes);

#endif /* KTSTR_CATALOGUE_H */
