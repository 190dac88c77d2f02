// Package stats holds what is known of a run: latencies in fio's own buckets, rates over time, depths and
// batches, and what was used of the machine. Recording allocates nothing; merging loses nothing. Nothing
// here is safe for concurrent use: every job records into its own, and they are merged afterwards.
package stats
