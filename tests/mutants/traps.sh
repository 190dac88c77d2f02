# mutant NAME FILE TEST PERL: see run. The names are the traps of docs/io_uring.md.

mutant 'memory freed by a cancel' cancel.c cancel_storm \
	's/if \(push_cancel\(ring, slot\) != 0\)\n\t\t\tslot_cancel_later\(ring, slot\);/(void)push_cancel(ring, slot);\n\t\tslot->result = -ECANCELED;\n\t\tslot_finish(ring, slot);/'
mutant 'a cancel that comes before its op' loop.c batching \
	's/(\n\tif \(!holds_back\(loop\)\))/\n\tfor (uint32_t i = 0; i < loop->cancel_count; i++)\n\t\tring_cancel(&loop->ring, &loop->cancels[i]);\n\tloop->cancel_count = 0;$1/'
mutant 'a cancel that the kernel answered too late' slot.c cancel_states \
	's/while \(step != STEP_DONE && slot_is_ending\(slot\)\)\n\t\tstep = [^;]*;//'
mutant 'a close that is cancelled' ops_files.c cancel_states \
	's/slot->cleaning = true; \/\* a close that is cancelled/slot->cleaning = false; \/\*/'
mutant 'a full submission queue' uring.c tiny_rings \
	's/if \(sqe == NULL\)\n\t\treturn -EBUSY;/if (sqe == NULL)\n\t\treturn 0;/'
mutant 'the completion queue overflows' uring.c tiny_rings \
	's/return IO_URING_READ_ONCE\(\*uring->ring.sq.kflags\) & IORING_SQ_CQ_OVERFLOW;/(void)uring;\n\treturn false;/'
mutant 'overflow ends multishots' ops_sockets.c tiny_rings \
	's/(BUFFER_ID\(buffer\)\);\n\t\treturn more \? STEP_DONE : )STEP_SUBMIT/$1step_done(slot, 0)/'
mutant 'a loop that spins' loop.c asleep \
	's/return ring->completion_count > 0 \|\| loop->again/return true || loop->again/'
mutant 'a wake-up that is lost' mailbox.c wakes \
	's/if \(work\)\n\t\tmailbox_awake\(mailbox\);\n\treturn !work;/(void)work;\n\treturn true;/'
mutant 'holding back without end' loop.c batching \
	's/if \(now - loop->held_since_ns < \(uint64_t\)loop->policy.submit_delay_ns\)\n\t\t\treturn true;/return true;/'
mutant 'a ring used by another thread' loop.c refused \
	's/if \(loop->thread != \(pid_t\)syscall\(SYS_gettid\)\)\n\t\treturn -EXDEV;//'
mutant 'more than 16 registered ring descriptors' uring_open.c open_close \
	's/if \(!shared && io_uring_register_ring_fd\(&uring->ring\) == 1\) \{/if (!shared) {\n\t\tif (io_uring_register_ring_fd(\&uring->ring) != 1)\n\t\t\tabort();/'
mutant 'short transfers' ops_files.c soak \
	's/if \(result == 0 \|\| \(uint64_t\)slot->done == slot->op.length\)\n\t\treturn true;/return true;/'
mutant 'one request moves at most 2 GiB' internal.h huge \
	's/#define HOP_LENGTH_MAX 0x7ffff000u/#define HOP_LENGTH_MAX 0xffffffffu/'
mutant 'offsets beyond 4 GiB' ops_files.c read \
	's/\(uint64_t\)\(offset \+ slot->done\)/(uint32_t)(offset + slot->done)/'
mutant 'an error after some bytes' ops.c write \
	's/if \(slot->done == 0 && error != 0\)/if (error != 0)/'
mutant 'EAGAIN of a nonblocking descriptor' slot.c soak \
	's/(short hop_retry_events\(const struct slot \*slot\)\n\{\n\tconst struct hop \*hop = &slot->hop;\n)/$1\n\tif (hop->opcode != KERNEL_NOP)\n\t\treturn 0;/'
mutant 'EINTR' slot.c soak \
	's/return result == -EINTR && slot->hop.opcode != KERNEL_CLOSE;/return false;/'
mutant 'a worker that was not to be had' slot.c soak \
	's/if \(result == -ECANCELED && slot->refusals < REFUSALS_MAX\) \{/if (false) {/'
mutant 'a contained lookup that lost a race' ops_files.c soak \
	's/slot->attempts\+\+ < OPEN_ATTEMPTS_MAX/false/'
mutant 'files of proc come in pieces' readfile.c readfile_special \
	's/return is_whole\(slot\) \? close_file\(slot, 0\) : read_next\(slot\);/return close_file(slot, 0);/'
mutant 'stalled readers hold workers' sendfile.c sendfile_many \
	's/SPLICE_F_MOVE \| SPLICE_F_NONBLOCK \|/SPLICE_F_MOVE |/; s/return status & O_NONBLOCK \? 0 : -EINVAL;/return fcntl(op->fd2, F_SETFL, 0);/'
mutant 'bytes left in a pipe' sendfile.c sendfile_many \
	's/transfer->pipe\[0\] >= 0 && transfer->filled == 0/transfer->pipe[0] >= 0/'
mutant 'the last pipe' sendfile.c sendfile_pipes \
	's/idle = transfer->buffer != NULL \? &ring->idle_buffers : &ring->idle_pipes;/idle = &ring->idle_buffers;/'
mutant 'one fast reader holds the loop' sendfile.c sendfile_many \
	's/return \(uint64_t\)sent < chunk \? wait_for_room\(slot\) : STEP_YIELD;/return (uint64_t)sent < chunk ? wait_for_room(slot) : call_sendfile(ring, slot);/'
mutant 'many slow transfers hold the loop' sendfile.c turns \
	's/now_ns\(\) < ring->calls_until_ns \?/true ?/'
mutant 'SIGPIPE by sendfile' ring.c sendfile \
	's/(static bool sigpipe_is_harmless\(void\)\n\{)/$1\n\treturn true;/'
mutant 'ENOBUFS ends a multishot receive' ops_sockets.c recv_starved \
	's/count_up\(&ring->stats.starved, 1\);\n\t\treturn STEP_PARK;/return step_done(slot, result);/'
mutant 'a silent connection keeps the one free buffer' waiting.c recv_starved \
	's/if \(can_unpark\(&ring->groups\[group\]\)\)\n\t\t\treturn true;/(void)can_unpark(\&ring->groups[group]);/'
mutant 'a buffer given back twice' buffers.c recv_starved \
	's/if \(!buffers->lent\[id\]\)\n\t\treturn -EBUSY;//'
mutant 'EMFILE on accept spins' ops_sockets.c accept_emfile \
	's/return more \? STEP_DONE : pause_accept\(ring, slot\);/return more ? STEP_DONE : submit_accept(slot);/'
mutant 'a full loop that cannot be told to cancel' mailbox.c refused \
	's/slotless \+= op_is_slotless\(&ops\[i\]\);/slotless += 0;/'
mutant 'posts to a loop that ends' mailbox.c stop_posters \
	's/return mailbox_pending\(mailbox\) == 0 &&\n\t       \(atomic_compare_exchange_strong\(&mailbox->admission, &before, ADMISSION_SEALED\) \|\|\n\t\tbefore & ADMISSION_SEALED\);/(void)before;\n\treturn mailbox_pending(mailbox) == 0;/'
mutant 'io-wq starts many workers' uring_open.c workers \
	's/\tif \(ret == 0\)\n\t\tret = limit_workers\(&uring->ring, options\);\n//'
mutant 'falling back for want of memory' internal.h open \
	's/return error == -EPERM \|\|/return error == -ENOMEM || error == -EPERM ||/'
mutant 'a path that stays cut' writefile.c soak \
	's/\n\t\tmend_path\(slot\);//'
BACKEND=threads mutant 'a receive that was cancelled half way' threads.c recv \
	's/job->moved > 0 \? \(int32_t\)job->moved : -ECANCELED/-ECANCELED/'
BACKEND=threads mutant 'a cancelled chain goes on' chain.c chains \
	's/for \(next = slot; next != NULL; next = after\(ring, next\)\)\n\t\tnext->cancelled [^;]*;\n\tfor \(; slot != NULL && slot->chained; slot = next\) \{\n\t\tnext = after\(ring, slot\);\n\t\tslot_cancel_alone\(ring, slot\);\n\t\}/(void)next;\n\tslot_cancel_alone(ring, slot);/'
mutant 'a child that forks off shares the ring' uring_open.c fork \
	's/ret = io_uring_ring_dontfork\(&uring->ring\);/ret = 0;/'
mutant 'sendfile waits for the disk' sendfile.c sendfile \
	's/(static bool is_cached\(struct slot \*slot, uint64_t chunk\)\n\{)/$1\n\tif (chunk > 0)\n\t\treturn slot->asked_until = slot->op.offset + slot->done + (off_t)chunk, true;/'
mutant 'a chain split by a full queue' chain.c chains \
	's/if \(ring->backend->room\(ring\) < length_of\(ring, head\) \|\| !chain_can_push\(ring, head\)\)/if (!ring_can_queue(ring) || !chain_can_push(ring, head))/; s/(\/\* Gives a chain to the backend as one;)/static bool ring_can_queue(const struct ring *ring)\n{\n\treturn ring->backend->room(ring) > 0;\n}\n\n$1/; s/assert\(ret == 0\);/if (ret != 0)\n\t\t\treturn true;/'
mutant 'a submit takes only some' uring.c soak \
	's/case -EINTR: [^\n]*\n\tcase -ETIME:\n\tcase -EAGAIN: [^\n]*\n\tcase -EBUSY: [^\n]*\n\t\treturn 0;/case -ETIME:\n\t\treturn 0;/'
