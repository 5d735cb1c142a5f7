// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "clock.h"
#include "control.h"

/* What a call asks for, for its messages */
struct asked {
	char text[160];
};

static __printf(1, 2) struct asked ask(const char *fmt, ...)
{
	struct asked a;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a.text, sizeof(a.text), fmt, ap);
	va_end(ap);
	return a;
}

void control_init(struct control *c, const struct control_ops *ops, void *ctx,
		  u64 timeout_ns)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	c->ctx = ctx;
	c->timeout_ns = timeout_ns;
}

static void sched_free(struct control_sched *sched)
{
	free(sched->reason);
	free(sched->output);
	memset(sched, 0, sizeof(*sched));
}

void control_reply_free(struct control_reply *reply)
{
	size_t i;

	for (i = 0; i < reply->nr_files; i++) {
		free(reply->files[i].path);
		free(reply->files[i].data);
	}
	free(reply->files);
	free(reply->reports);
	free(reply->pids);
	free(reply->output);
	free(reply->reason);
	sched_free(&reply->sched);
	memset(reply, 0, sizeof(*reply));
}

void control_destroy(struct control *c)
{
	sched_free(&c->sched_exit);
}

/*
 * What frames hold. Each of these returns 0, -EPROTO if the frame is malformed,
 * or -ENOMEM.
 */

/* A copy with a NUL added, or NULL */
static char *copy_bytes(const void *data, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

/* Room for one more than @nr; the capacity is the next power of two. */
static int grow(void *arrayp, size_t nr, size_t size)
{
	void **array = arrayp, *bigger;

	if (nr & (nr - 1))
		return 0;
	bigger = reallocarray(*array, nr ? 2 * nr : 1, size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	return 0;
}

static int add_file(struct control_reply *reply, struct wire_reader *r)
{
	struct control_file *file;
	struct wire_file wire;

	wire_get_file(r, &wire);
	if (!wire_read_done(r))
		return -EPROTO;
	if (grow(&reply->files, reply->nr_files, sizeof(*reply->files)))
		return -ENOMEM;

	file = &reply->files[reply->nr_files];
	file->path = strdup(wire.path);
	file->data = copy_bytes(wire.data, wire.size);
	if (!file->path || !file->data) {
		free(file->path);
		free(file->data);
		return -ENOMEM;
	}
	file->size = wire.size;
	file->errnum = wire.errnum;
	file->truncated = wire.truncated;
	reply->nr_files++;
	return 0;
}

static int add_report(struct control_reply *reply, struct wire_reader *r)
{
	struct control_report *report;
	struct wire_report wire;

	wire_get_report(r, &wire);
	if (!wire_read_done(r) || strlen(wire.group) >= WIRE_MAX_NAME)
		return -EPROTO;
	if (grow(&reply->reports, reply->nr_reports, sizeof(*reply->reports)))
		return -ENOMEM;

	report = &reply->reports[reply->nr_reports++];
	snprintf(report->group, sizeof(report->group), "%s", wire.group);
	report->r = wire;
	return 0;
}

static int add_output(struct control_reply *reply, struct wire_reader *r)
{
	const void *data;
	char *output;
	u32 len;

	data = wire_get_bytes(r, &len);
	if (!wire_read_done(r))
		return -EPROTO;
	output = realloc(reply->output, reply->output_len + len + 1);
	if (!output)
		return -ENOMEM;
	reply->output = output;
	if (len)
		memcpy(output + reply->output_len, data, len);
	reply->output_len += len;
	output[reply->output_len] = '\0';
	return 0;
}

static int set_pids(struct control_reply *reply, struct wire_reader *r)
{
	u32 i, n = wire_get_u32(r);

	if (n > WIRE_MAX_WORKERS || reply->pids)
		return -EPROTO;
	reply->pids = calloc(n + 1, sizeof(*reply->pids));
	if (!reply->pids)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		reply->pids[i] = wire_get_u32(r);
	reply->nr_pids = n;
	return wire_read_done(r) ? 0 : -EPROTO;
}

static int set_sched(struct control_sched *sched, struct wire_reader *r)
{
	struct wire_sched wire;

	wire_get_sched(r, &wire);
	if (!wire_read_done(r))
		return -EPROTO;

	sched_free(sched);
	sched->reason = strdup(wire.reason);
	sched->output = copy_bytes(wire.output, wire.output_len);
	if (!sched->reason || !sched->output) {
		sched_free(sched);
		return -ENOMEM;
	}
	snprintf(sched->state, sizeof(sched->state), "%s", wire.state);
	snprintf(sched->ops, sizeof(sched->ops), "%s", wire.ops);
	sched->pid = wire.pid;
	sched->ended = wire.ended;
	sched->wait_status = wire.wait_status;
	sched->when_ns = wire.when_ns;
	sched->valid = true;
	return 0;
}

static int set_started(struct control_reply *reply, struct wire_reader *r)
{
	reply->started_ns = wire_get_u64(r);
	return wire_read_done(r) ? 0 : -EPROTO;
}

static int set_reason(struct control_reply *reply, struct wire_reader *r)
{
	const char *reason = wire_get_str(r);

	if (!wire_read_done(r))
		return -EPROTO;
	free(reply->reason);
	reply->reason = strdup(reason);
	return reply->reason ? 0 : -ENOMEM;
}

static int set_exit(struct control_reply *reply, struct wire_reader *r)
{
	reply->wait_status = wire_get_u32(r);
	return wire_read_done(r) ? 0 : -EPROTO;
}

/* Strings are never NULL, and the reports will not be moved any more. */
static int set_done(struct control_reply *reply, struct wire_reader *r)
{
	u32 errnum = wire_get_u32(r);
	const char *what = wire_get_str(r);
	size_t i;

	if (!wire_read_done(r) || errnum > 4095)	/* MAX_ERRNO */
		return -EPROTO;
	for (i = 0; i < reply->nr_reports; i++)
		reply->reports[i].r.group = reply->reports[i].group;
	if (!reply->output)
		reply->output = strdup("");
	if (!reply->reason)
		reply->reason = strdup("");
	if (!reply->output || !reply->reason)
		return -ENOMEM;
	snprintf(reply->what, sizeof(reply->what), "%s", what);
	reply->errnum = errnum;
	reply->done = true;
	return 0;
}

/* It is shown, and must not begin a line that a CI would read. */
static bool is_printable(const char *text)
{
	while (isprint((unsigned char)*text))
		text++;
	return !*text;
}

static int set_hello(struct control_hello *hello, struct wire_reader *r)
{
	struct wire_hello wire;

	wire_get_hello(r, &wire);
	if (!wire_read_done(r) || !is_printable(wire.release))
		return -EPROTO;
	snprintf(hello->release, sizeof(hello->release), "%s", wire.release);
	hello->nr_cpus = wire.nr_cpus;
	hello->uptime_ns = wire.uptime_ns;
	hello->monotonic_ns = wire.monotonic_ns;
	hello->valid = true;
	return 0;
}

static int take_event(struct control *c, const struct wire_frame *frame,
		      struct wire_reader *r)
{
	switch (frame->type) {
	case WIRE_HELLO:
		return set_hello(&c->hello, r);
	case WIRE_SCHED_EXIT:
		return set_sched(&c->sched_exit, r);
	}
	return -EPROTO;
}

static int take_data(struct control_reply *reply,
		     const struct wire_frame *frame, struct wire_reader *r)
{
	reply->bytes += frame->len;
	if (reply->bytes > CONTROL_MAX_REPLY)
		return -EMSGSIZE;

	switch (frame->type) {
	case WIRE_DONE:
		return set_done(reply, r);
	case WIRE_FILE:
		return add_file(reply, r);
	case WIRE_OUTPUT:
		return add_output(reply, r);
	case WIRE_EXIT:
		return set_exit(reply, r);
	case WIRE_SCHED:
		return set_sched(&reply->sched, r);
	case WIRE_PIDS:
		return set_pids(reply, r);
	case WIRE_STARTED:
		return set_started(reply, r);
	case WIRE_REPORT:
		return add_report(reply, r);
	case WIRE_REASON:
		return set_reason(reply, r);
	}
	return -EPROTO;
}

static int take_frame(struct control *c, const struct wire_frame *frame)
{
	struct wire_reader r;

	wire_read(&r, frame);
	if (!frame->seq)
		return take_event(c, frame, &r);
	if (frame->seq == c->reply_seq)
		return take_data(c->reply, frame, &r);
	/* The answer to a call that did not wait long enough is not news. */
	return frame->seq <= c->seq ? 0 : -EPROTO;
}

static int timed_out(struct asked what, struct errmsg *err)
{
	return errmsg_set(err, ERRMSG_FAILED, ETIMEDOUT,
			  "%s: no answer from the guest", what.text);
}

/* Receive, and take one frame if there is one */
static int pump(struct control *c, u64 deadline, struct asked what,
		struct errmsg *err)
{
	struct wire_frame frame;
	enum wire_status status;
	u64 now = clock_ns();
	ssize_t n;
	int ret;

	if (!c->rx_left) {
		/* Not even a guest that never stops talking is listened to now. */
		if (now >= deadline)
			return timed_out(what, err);
		n = c->ops->recv(c->ctx, c->rx_buf, sizeof(c->rx_buf),
				 deadline - now);
		if (n == 0)
			return errmsg_set(err, ERRMSG_FAILED, EPIPE,
					  "%s: the guest has ended", what.text);
		if (n == -ETIMEDOUT)
			return timed_out(what, err);
		if (n < 0)
			return errmsg_set(err, ERRMSG_FAILED, -n,
					  "%s: receive from the guest", what.text);
		c->rx_pos = c->rx_buf;
		c->rx_left = n;
	}

	status = wire_receive(&c->rx, &c->rx_pos, &c->rx_left, &frame);
	if (status == WIRE_MORE)
		return 0;
	if (status != WIRE_OK)
		return errmsg_set(err, ERRMSG_FAILED, EPROTO,
				  "%s: frame from the guest: %s", what.text,
				  wire_status_name(status));
	ret = take_frame(c, &frame);
	if (ret)
		return errmsg_set(err, ERRMSG_FAILED, -ret,
				  "%s: answer %u of the guest, of type %u and %u bytes",
				  what.text, frame.seq, frame.type, frame.len);
	return 0;
}

int control_wait_hello(struct control *c, u64 timeout_ns, struct errmsg *err)
{
	u64 deadline = clock_add(clock_ns(), timeout_ns);
	struct asked what = ask("wait %.1f s for the guest's agent",
				timeout_ns / 1e9);
	int ret = 0;

	while (!c->hello.valid && !ret)
		ret = pump(c, deadline, what, err);
	c->silent = ret == -ETIMEDOUT;
	return ret;
}

/* Begin a request, to be filled with wire_put_*() */
static struct wire_writer *begin(struct control *c, enum wire_type type)
{
	wire_begin(&c->tx, c->tx_buf, sizeof(c->tx_buf), type, ++c->seq);
	return &c->tx;
}

static int send_request(struct control *c, struct asked what,
			struct errmsg *err)
{
	size_t len = wire_end(&c->tx);
	int ret;

	if (!len)
		return errmsg_set(err, ERRMSG_INPUT, E2BIG,
				  "%s: the request does not fit in %d bytes",
				  what.text, WIRE_MAX_PAYLOAD);
	ret = c->ops->send(c->ctx, c->tx_buf, len);
	if (ret == -EPIPE)
		return errmsg_set(err, ERRMSG_FAILED, EPIPE,
				  "%s: the guest has ended", what.text);
	if (ret)
		return errmsg_set(err, ERRMSG_FAILED, -ret,
				  "%s: send to the guest", what.text);
	return 0;
}

/* What the agent thinks of it */
static int verdict(const struct control_reply *reply, struct asked what,
		   struct errmsg *err)
{
	if (!reply->errnum)
		return 0;
	return errmsg_set(err, ERRMSG_FAILED, reply->errnum, "%s: in the guest: %s",
			  what.text, reply->what);
}

/*
 * Send the request that was begun and wait for the end of the answer.
 * @extra_ns: the time that the request is about
 */
static int call(struct control *c, struct control_reply *reply, u64 extra_ns,
		struct asked what, struct errmsg *err)
{
	u64 deadline = clock_add(clock_ns(), clock_add(c->timeout_ns, extra_ns));
	int ret;

	memset(reply, 0, sizeof(*reply));
	ret = send_request(c, what, err);
	if (ret)
		return ret;

	c->reply = reply;
	c->reply_seq = c->seq;
	while (!reply->done && !ret)
		ret = pump(c, deadline, what, err);
	c->silent = ret == -ETIMEDOUT;
	c->reply = NULL;
	c->reply_seq = 0;
	return ret ?: verdict(reply, what, err);
}

/* A call whose answer holds nothing */
static int simple_call(struct control *c, struct asked what,
		       struct errmsg *err)
{
	struct control_reply reply;
	int ret;

	ret = call(c, &reply, 0, what, err);
	control_reply_free(&reply);
	return ret;
}

static void put_argv(struct wire_writer *w, const char *const *argv)
{
	u32 n = 0;

	while (argv[n])
		n++;
	wire_put_strs(w, argv, n);
}

int control_read(struct control *c, const char *const *globs, size_t nr_globs,
		 struct control_reply *reply, struct errmsg *err)
{
	wire_put_strs(begin(c, WIRE_READ), globs, nr_globs);
	return call(c, reply, 0, ask("read %s%s", nr_globs ? globs[0] : "nothing",
				       nr_globs > 1 ? " and others" : ""), err);
}

static struct control_file *find_file(const struct control_reply *reply,
				      const char *path)
{
	size_t i;

	for (i = 0; i < reply->nr_files; i++) {
		if (!strcmp(reply->files[i].path, path))
			return reply->files[i].errnum ? NULL : &reply->files[i];
	}
	return NULL;
}

const struct control_file *control_file(const struct control_reply *reply,
					const char *path)
{
	return find_file(reply, path);
}

const char *control_text(struct control_reply *reply, const char *fmt, ...)
{
	struct control_file *file;
	char path[WIRE_MAX_PATH];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	file = find_file(reply, path);
	if (!file)
		return NULL;
	while (file->size && file->data[file->size - 1] == '\n')
		file->data[--file->size] = '\0';
	return file->data;
}

char *control_read_text(struct control *c, const char *path)
{
	struct control_reply reply;
	const char *text = NULL;
	struct errmsg unused;
	char *copy;

	if (!control_read(c, &path, 1, &reply, &unused))
		text = control_text(&reply, "%s", path);
	copy = text ? strdup(text) : NULL;
	control_reply_free(&reply);
	return copy;
}

int control_write(struct control *c, const char *path, const char *text,
		  struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_WRITE);

	wire_put_str(w, path);
	wire_put_bytes(w, text, strlen(text));
	return simple_call(c, ask("write %s", path), err);
}

int control_mkdir(struct control *c, const char *path, struct errmsg *err)
{
	wire_put_str(begin(c, WIRE_MKDIR), path);
	return simple_call(c, ask("make directory %s", path), err);
}

int control_rmdir(struct control *c, const char *path, struct errmsg *err)
{
	wire_put_str(begin(c, WIRE_RMDIR), path);
	return simple_call(c, ask("remove directory %s", path), err);
}

int control_hold(struct control *c, u64 hold_ns, struct errmsg *err)
{
	u64 deadline = clock_add(clock_ns(), hold_ns);
	struct asked what = ask("wait %.1f s", hold_ns / 1e9);
	int ret = 0;

	while (!ret)
		ret = pump(c, deadline, what, err);
	return ret == -ETIMEDOUT ? 0 : ret;
}

int control_program_start(struct control *c, const char *name, const char *cgroup,
			  const char *const *argv, struct control_reply *reply,
			  struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_PROGRAM_START);

	wire_put_str(w, name);
	wire_put_str(w, cgroup);
	put_argv(w, argv);
	return call(c, reply, 0, ask("start %s", argv[0]), err);
}

static int wait_program(struct control *c, const char *name, u64 timeout_ns,
			struct control_reply *reply, struct asked what, struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_PROGRAM_WAIT);

	wire_put_str(w, name);
	wire_put_u64(w, timeout_ns);
	return call(c, reply, timeout_ns, what, err);
}

int control_program_wait(struct control *c, const char *name, u64 timeout_ns,
			 struct control_reply *reply, struct errmsg *err)
{
	return wait_program(c, name, timeout_ns, reply, ask("wait for %s", name), err);
}

int control_program_kill(struct control *c, const char *name, int sig,
			 struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_PROGRAM_KILL);

	wire_put_str(w, name);
	wire_put_u32(w, sig);
	return simple_call(c, ask("send signal %d to %s", sig, name), err);
}

int control_run(struct control *c, const char *const *argv, u64 timeout_ns,
		struct control_reply *reply, struct errmsg *err)
{
	/* A name that nobody else takes, as one in argv[0] could be. */
	static const char name[] = "(in the foreground)";
	int ret;

	ret = control_program_start(c, name, "", argv, reply, err);
	if (ret)
		return ret;
	control_reply_free(reply);
	return wait_program(c, name, timeout_ns, reply, ask("run %s", argv[0]), err);
}

/* Add the end of a text to a message. */
static void add_tail(struct errmsg *err, const char *text)
{
	size_t used = strlen(err->text), len = strlen(text);
	size_t room = sizeof(err->text) - used;

	while (len && text[len - 1] == '\n')
		len--;
	if (!len || room < 64)
		return;
	if (len > room - 8) {
		text += len - (room - 8);
		len = room - 8;
	}
	snprintf(err->text + used, room, "\n%.*s", (int)len, text);
}

int control_sched_start(struct control *c, const char *const *argv,
			u64 timeout_ns, struct control_reply *reply,
			struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_SCHED_START);
	int ret;

	wire_put_u64(w, timeout_ns);
	put_argv(w, argv);
	ret = call(c, reply, timeout_ns, ask("start scheduler %s", argv[0]), err);
	if (ret == -EOPNOTSUPP)
		err->kind = ERRMSG_HOST;
	if (ret && reply->sched.valid) {
		add_tail(err, reply->sched.reason);
		add_tail(err, reply->sched.output);
	}
	return ret;
}

int control_sched_status(struct control *c, struct control_reply *reply,
			 struct errmsg *err)
{
	begin(c, WIRE_SCHED_STATUS);
	return call(c, reply, 0, ask("ask for the scheduler's status"), err);
}

int control_sched_stop(struct control *c, u64 timeout_ns,
		       struct control_reply *reply, struct errmsg *err)
{
	wire_put_u64(begin(c, WIRE_SCHED_STOP), timeout_ns);
	return call(c, reply, clock_add(timeout_ns, WIRE_DISABLE_NS),
		    ask("stop the scheduler"), err);
}

int control_spawn(struct control *c, const struct wire_spawn *spawn,
		  struct control_reply *reply, struct errmsg *err)
{
	struct wire_spawn full = *spawn;
	u32 i;

	full.cgroup = spawn->cgroup ?: "";
	full.comm = spawn->comm ?: "";
	full.nr_phases = spawn->nr_phases ?: 1;
	for (i = 0; i < WIRE_MAX_PHASES; i++)
		full.phases[i].arg = spawn->phases[i].arg ?: "";
	wire_put_spawn(begin(c, WIRE_SPAWN), &full);
	return call(c, reply, 0, ask("make %u workers \"%s\" (%s)", full.count, full.name,
				     wire_work_name(full.phases[0].work) ?: "?"), err);
}

int control_start(struct control *c, const char *const *names, size_t nr,
		  u64 duration_ns, u64 ready_ns, struct control_reply *reply,
		  struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_START);

	wire_put_u64(w, duration_ns);
	wire_put_u64(w, ready_ns);
	wire_put_strs(w, names, nr);
	return call(c, reply, ready_ns, ask("start workers %s%s", nr ? names[0] : "",
					    nr > 1 ? " and others" : ""), err);
}

int control_stop(struct control *c, const char *const *names, size_t nr, u64 wait_ns,
		 u64 grace_ns, struct control_reply *reply, struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_STOP);

	wire_put_u64(w, wait_ns);
	wire_put_u64(w, grace_ns);
	wire_put_strs(w, names, nr);
	return call(c, reply, clock_add(wait_ns, clock_add(grace_ns, WIRE_LEAVE_NS)),
		    ask("stop workers %s%s", nr ? names[0] : "",
			nr > 1 ? " and others" : ""), err);
}

int control_move(struct control *c, const char *group, u32 index, const char *cgroup,
		 struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_MOVE);

	wire_put_str(w, group);
	wire_put_u32(w, index);
	wire_put_str(w, cgroup);
	return simple_call(c, ask("move workers \"%s\" to %s", group, cgroup), err);
}

int control_affinity(struct control *c, const char *group, const char *const *cpus,
		     size_t nr, struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_AFFINITY);

	wire_put_str(w, group);
	wire_put_strs(w, cpus, nr);
	return simple_call(c, ask("change the affinity of workers \"%s\"", group), err);
}

int control_attr(struct control *c, const char *group, const struct wire_attr *attr,
		 struct errmsg *err)
{
	struct wire_writer *w = begin(c, WIRE_ATTR);

	wire_put_str(w, group);
	wire_put_attr(w, attr);
	return simple_call(c, ask("change the policy of workers \"%s\"", group), err);
}

int control_cpu(struct control *c, unsigned int cpu, bool online, struct errmsg *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return control_write(c, path, online ? "1" : "0", err);
}

int control_clean(struct control *c, u64 timeout_ns, struct control_reply *reply,
		  struct errmsg *err)
{
	wire_put_u64(begin(c, WIRE_CLEAN), timeout_ns);
	return call(c, reply, timeout_ns, ask("clean the guest"), err);
}

int control_kmsg(struct control *c, struct control_reply *reply,
		 struct errmsg *err)
{
	begin(c, WIRE_KMSG);
	return call(c, reply, 0, ask("read the kernel's log"), err);
}

int control_poweroff(struct control *c, struct errmsg *err)
{
	int ret;

	begin(c, WIRE_POWEROFF);
	ret = simple_call(c, ask("power off"), err);
	return ret == -EPIPE ? 0 : ret;
}
