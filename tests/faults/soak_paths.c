/* SPDX-License-Identifier: MIT */
/* Names in a directory, one op at a time on each: whole files read and written, plainly and
 * atomically, opened, asked about, renamed. The model is what each name must hold. */
#include "soak.h"

#include <linux/openat2.h>

enum { NAMES = 8, LENGTH_MAX = 6000, PATH_ROOM = 64 };

/* A name has one of two forms, "./<i>.a" and "./<i>.b"; a rename goes from one to the other. */
struct name {
	bool busy;
	char form;
	bool known; /* a plain write that failed leaves anything */
	uint64_t seed;
	size_t length;
};

static int directory = -1;
static struct name names[NAMES];
static struct actor self;

static void put_path(char *path, const struct name *name, char form)
{
	(void)snprintf(path, PATH_ROOM, "./%d.%c", (int)(name - names), form);
}

static struct name *name_of(const struct flight *flight)
{
	return &names[flight->where];
}

/* What op memory holds: the path, what else the op needs, and the data. */
static unsigned char *data_of(struct flight *flight)
{
	return flight->memory + 4 * PATH_ROOM;
}

static struct flight *take(struct name *name, flight_end end, size_t length)
{
	struct flight *flight = flight_take(&self, end, 4 * PATH_ROOM + length);

	if (flight == NULL)
		return NULL;
	flight->where = (uint64_t)(name - names);
	flight->length = length;
	memset(flight->memory, UNTOUCHED, 4 * PATH_ROOM + length);
	put_path((char *)flight->memory, name, name->form);
	return flight;
}

static bool holds(const struct name *name, const unsigned char *data, size_t length)
{
	return !name->known || first_wrong(data, length, name->seed, 0) == length;
}

/* Reading. */

static void check_whole(const struct flight *flight, const struct name *name, size_t got)
{
	if (name->known && got != name->length)
		wrong(flight, "%zu bytes of %zu", got, name->length);
}

static void readfile_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct name *name = name_of(flight);
	size_t got = c->result > 0 ? (size_t)c->result : 0;

	name->busy = false;
	if (c->result < 0) {
		judge_error(flight, (int)-c->result);
		return;
	}
	if (!holds(name, data_of(flight), got))
		wrong(flight, "read other bytes than were written");
	if (c->flags & RINGO_FILE_OPEN) {
		if (got != flight->length)
			wrong(flight, "%zu bytes are not the buffer's %zu", got, flight->length);
		soak_close(c->extra);
	} else {
		check_whole(flight, name, got);
	}
}

static bool start_readfile(struct name *name)
{
	size_t room = soak_random(3) == 0 ? soak_random(LENGTH_MAX) : LENGTH_MAX + 1;
	struct flight *flight = take(name, readfile_ended, room);

	return flight != NULL &&
	       flight_start(flight, OP(.code = RINGO_READFILE, .fd = directory,
				       .address = ADDRESS(flight->memory),
				       .address2 = ADDRESS(data_of(flight)), .length = room));
}

/* Writing. */

/* What the name holds now is the old or the new, whole. */
static bool learn_which(struct name *name, uint64_t new_seed, size_t new_length)
{
	static unsigned char data[LENGTH_MAX + 1];
	char path[PATH_ROOM];
	ssize_t n;
	int fd;

	put_path(path, name, name->form);
	fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	n = read(fd, data, sizeof(data));
	close(fd);
	must(n >= 0);
	if ((size_t)n == new_length && first_wrong(data, new_length, new_seed, 0) == new_length) {
		name->known = true;
		name->seed = new_seed;
		name->length = new_length;
		return true;
	}
	return !name->known || ((size_t)n == name->length && holds(name, data, (size_t)n));
}

static void writefile_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct name *name = name_of(flight);
	uint64_t seed = flight->seed;
	char path[PATH_ROOM];

	name->busy = false;
	put_path(path, name, name->form);
	if (strcmp(path, (const char *)flight->memory) != 0)
		wrong(flight, "the path is not mended");
	if (c->result < 0) {
		judge_error(flight, (int)-c->result);
		if (!(flight->op.argument & RINGO_WRITE_ATOMIC))
			name->known = false;
		else if (!learn_which(name, seed, flight->length))
			wrong(flight, "neither the old nor the new");
		return;
	}
	if ((size_t)c->result != flight->length)
		wrong(flight, "%lld of %zu bytes", (long long)c->result, flight->length);
	name->known = false;
	if (!learn_which(name, seed, flight->length) || !name->known)
		wrong(flight, "the file is not what was written");
}

static bool start_writefile(struct name *name)
{
	size_t length = soak_random(LENGTH_MAX);
	struct flight *flight = take(name, writefile_ended, length);

	if (flight == NULL)
		return false;
	flight->seed = soak_random(1u << 30);
	fill(data_of(flight), length, flight->seed, 0);
	return flight_start(flight,
			    OP(.code = RINGO_WRITEFILE, .fd = directory,
			       .address = ADDRESS(flight->memory), .argument = soak_random(4),
			       .address2 = ADDRESS(data_of(flight)), .length = length,
			       .argument2 = 0600));
}

/* Opening, asking, renaming. */

static void open_ended(struct flight *flight, const struct ringo_completion *c)
{
	name_of(flight)->busy = false;
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else
		soak_close((int)c->result);
}

static bool start_open(struct name *name)
{
	struct flight *flight = take(name, open_ended, 0);

	return flight != NULL && flight_start(flight, OP(.code = RINGO_OPENAT2, .fd = directory,
							 .address = ADDRESS(flight->memory),
							 .argument = O_RDONLY | O_CLOEXEC,
							 .length = RESOLVE_BENEATH));
}

static void statx_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct name *name = name_of(flight);
	const struct statx *status = (const struct statx *)data_of(flight);

	name->busy = false;
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else
		check_whole(flight, name, (size_t)status->stx_size);
}

static bool start_statx(struct name *name)
{
	struct flight *flight = take(name, statx_ended, sizeof(struct statx));

	return flight != NULL && flight_start(flight, OP(.code = RINGO_STATX, .fd = directory,
							 .address = ADDRESS(flight->memory),
							 .address2 = ADDRESS(data_of(flight)),
							 .argument2 = STATX_SIZE));
}

static void rename_ended(struct flight *flight, const struct ringo_completion *c)
{
	struct name *name = name_of(flight);

	name->busy = false;
	if (c->result < 0)
		judge_error(flight, (int)-c->result);
	else
		name->form ^= 'a' ^ 'b';
}

static bool start_rename(struct name *name)
{
	struct flight *flight = take(name, rename_ended, 0);

	if (flight == NULL)
		return false;
	put_path((char *)flight->memory + PATH_ROOM, name, name->form ^ 'a' ^ 'b');
	return flight_start(flight, OP(.code = RINGO_RENAMEAT, .fd = directory, .fd2 = directory,
				       .address = ADDRESS(flight->memory),
				       .address2 = ADDRESS(flight->memory + PATH_ROOM)));
}

static bool act(struct actor *actor)
{
	static bool (*const starts[])(struct name *) = {
		start_readfile, start_readfile, start_writefile, start_writefile,
		start_open,     start_statx,    start_rename};
	struct name *name = &names[soak_random(NAMES)];

	(void)actor;
	if (name->busy)
		return false;
	name->busy = starts[soak_random(LENGTH_OF(starts))](name);
	return name->busy;
}

/* Each name is there once, and nothing else: no temporary file. */
static void check(struct actor *actor)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), entries = 0;
	DIR *listing = fdopendir(copy);

	(void)actor;
	must(listing != NULL);
	for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
		entries += entry->d_name[0] != '.';
	rewinddir(listing);
	for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
		if (strncmp(entry->d_name, ".ringo", 6) == 0)
			wrong(NULL, "%s is left over", entry->d_name);
	closedir(listing);
	if (entries != NAMES)
		wrong(NULL, "%d names are %d", NAMES, entries);
	for (struct name *name = names; name < names + NAMES; name++)
		if (!learn_which(name, 0, LENGTH_MAX + 1))
			wrong(NULL, "a file does not hold what was written");
}

static void close_directory(struct actor *actor)
{
	(void)actor;
	close(directory);
}

static struct actor self = {
	.name = "paths", .in_batch = true, .act = act, .check = check, .close = close_directory};

struct actor *paths_actor(const char *path)
{
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(directory >= 0);
	for (struct name *name = names; name < names + NAMES; name++) {
		char file[PATH_ROOM];

		*name = (struct name){.form = 'a', .known = true};
		put_path(file, name, 'a');
		close(open_at(path, file, O_CREAT | O_WRONLY));
	}
	return &self;
}
