//go:build linux

/* SPDX-License-Identifier: MIT */
/*
 * I/O memory. Provided receive buffers are one mapping, cut into equal pieces named by id; who
 * holds each now:
 *
 *   kernel -> caller   a completion with RINGO_BUFFER
 *   caller -> kernel   buffers_return
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

int buffers_open(struct ring *ring, const struct ringo_options *options)
{
	struct buffers *buffers = &ring->receive;
	int ret;

	if (options->receive_buffers == 0)
		return 0;
	buffers->count = options->receive_buffers;
	buffers->size = options->receive_buffer_size;
	buffers->base = memory_map((size_t)buffers->count * buffers->size);
	buffers->lent = calloc(buffers->count, sizeof(*buffers->lent));
	if (buffers->base == NULL || buffers->lent == NULL)
		return -ENOMEM;
	ret = ring->backend->register_buffers(ring, buffers->count, buffers->size);
	if (ret != 0)
		return ret;
	for (uint32_t id = 0; id < buffers->count; id++)
		ring->backend->provide_buffer(ring, id);
	return 0;
}

void buffers_close(struct ring *ring)
{
	struct buffers *buffers = &ring->receive;

	memory_unmap(buffers->base, (size_t)buffers->count * buffers->size);
	free(buffers->lent);
	*buffers = (struct buffers){0};
}

void buffers_lend(struct ring *ring, uint32_t id)
{
	ring->receive.lent_count += !ring->receive.lent[id];
	ring->receive.lent[id] = true;
}

/* -EINVAL: no such buffer; -EBUSY: the kernel has it. */
int buffers_return(struct ring *ring, uint32_t id)
{
	struct buffers *buffers = &ring->receive;

	if (id >= buffers->count)
		return -EINVAL;
	if (!buffers->lent[id])
		return -EBUSY;
	buffers->lent[id] = false;
	buffers->lent_count--;
	ring->backend->provide_buffer(ring, id);
	return 0;
}
