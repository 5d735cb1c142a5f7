/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process beside those of the tests. The harness runs each test in a process of
 * its own, and a guest ends with its process: what several tests share, such as a
 * guest, is kept by another one, which does one thing after the other as it is
 * asked to.
 */
#ifndef KTSTR_KEEPER_H
#define KTSTR_KEEPER_H

#include <linux/types.h>
#include <stddef.h>

/**
 * struct keeper - how a keeper is asked, by the process that started it and those
 *	forked by that later
 * @request_size: bytes of a request. What it points to has to be there since before
 *	the keeper was started
 * @answer_size: bytes of an answer
 * @serve: called in the keeper for each request; @answer is zeroed before. What it
 *	prints is flushed before the answer is sent.
 * @end: called in the keeper when nobody can ask any more; not if it is killed, as
 *	it is when the process that started it is
 * @ctx: passed to both
 */
struct keeper {
	size_t request_size;
	size_t answer_size;
	void (*serve)(void *ctx, const void *request, void *answer);
	void (*end)(void *ctx);
	void *ctx;
	/* private: */
	int sock;
	u64 *newest;	/* number of the last request, shared by all */
};

/**
 * keeper_start() - start a keeper
 * @k: all but its private part filled in
 *
 * Return: 0 or a negative errno.
 */
int keeper_start(struct keeper *k);

/**
 * keeper_ask() - ask a keeper, and wait for its answer
 * @k: one that was started; one process may ask at a time
 * @request: what to do
 * @answer: filled in
 *
 * One that asks may be killed, as the harness does with a test that takes too long.
 * What the keeper is at work on then, it goes on with, and others wait until it is
 * done: each thing that it does has to have limits of its own. What it has not begun by
 * the time that another one asks is not done any more, and no answer to a question of
 * others is ever returned.
 *
 * Return: 0 or a negative errno: -EPIPE if the keeper has died.
 */
int keeper_ask(const struct keeper *k, const void *request, void *answer);

#endif /* KTSTR_KEEPER_H */
