//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * I/O memory. A group of provided receive buffers is one mapping, cut into equal pieces named by
 * id; who holds each now:
 *
 *   kernel -> caller   a completion with RINGO_BUFFER
 *   caller -> kernel   buffers_return
 *
 * Of an incremental group a buffer stays with the kernel until it is full; the completions before
 * that one show a part of it.
 *
 * Giving back one that the kernel holds is refused: the ring of buffers would hold it twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

/* Zeroed, page-aligned, charged only as it is touched; NULL when there is none. */
void *memory_map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void memory_unmap(void *memory, size_t size)
{
	if (memory != NULL)
		munmap(memory, size);
}

/* Those of the options are group 0. */
int buffers_open(struct ring *ring, const struct ringo_options *options)
{
	const struct ringo_buffer_group first = {.count = options->receive_buffers,
						 .size = options->receive_buffer_size};

	return options->receive_buffers == 0 ? 0 : buffers_add(ring, &first);
}

static void buffers_free(struct buffers *buffers)
{
	memory_unmap(buffers->base, (size_t)buffers->count * buffers->size);
	memory_unmap(buffers->shared, buffers->shared_size);
	free(buffers->lent);
	*buffers = (struct buffers){.parked = {.head = NO_SLOT, .tail = NO_SLOT}};
}

static int check_group(const struct ring *ring, const struct ringo_buffer_group *group)
{
	if (group->id >= RINGO_BUFFER_GROUPS || group->flags & ~RINGO_BUFFERS_INCREMENTAL)
		return -EINVAL;
	if (group->count == 0 || group->count > 32768 || (group->count & (group->count - 1)) != 0)
		return -EINVAL;
	if (group->size < 64 || group->size > 1u << 20)
		return -EINVAL;
	return ring->groups[group->id].count != 0 ? -EEXIST : 0;
}

int buffers_add(struct ring *ring, const struct ringo_buffer_group *group)
{
	int ret = check_group(ring, group);
	struct buffers *buffers;

	if (ret != 0)
		return ret;
	buffers = &ring->groups[group->id];
	buffers->count = group->count;
	buffers->size = group->size;
	buffers->base = memory_map((size_t)buffers->count * buffers->size);
	buffers->lent = calloc(buffers->count, sizeof(*buffers->lent));
	ret = buffers->base == NULL || buffers->lent == NULL
		      ? -ENOMEM
		      : ring->backend->register_buffers(ring, (uint16_t)group->id,
							group->flags & RINGO_BUFFERS_INCREMENTAL);
	if (ret != 0) {
		buffers_free(buffers);
		return ret;
	}
	for (uint32_t id = 0; id < buffers->count; id++)
		ring->backend->provide_buffer(ring, (uint16_t)group->id, id);
	return 0;
}

void buffers_close(struct ring *ring)
{
	for (uint32_t group = 0; group < RINGO_BUFFER_GROUPS; group++)
		buffers_free(&ring->groups[group]);
}

void buffers_lend(struct ring *ring, uint16_t group, uint32_t id)
{
	struct buffers *buffers = &ring->groups[group];

	buffers->lent_count += !buffers->lent[id];
	buffers->lent[id] = true;
}

/* -EINVAL: no such buffer; -EBUSY: the kernel has it. */
int buffers_return(struct ring *ring, uint64_t group, uint32_t id)
{
	struct buffers *buffers = group < RINGO_BUFFER_GROUPS ? &ring->groups[group] : NULL;

	if (buffers == NULL || id >= buffers->count)
		return -EINVAL;
	if (!buffers->lent[id])
		return -EBUSY;
	buffers->lent[id] = false;
	buffers->lent_count--;
	ring->backend->provide_buffer(ring, (uint16_t)group, id);
	return 0;
}
