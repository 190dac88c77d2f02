// SPDX-License-Identifier: MIT

package fio

// refusalProbes are the differences from fio that are meant, each with its reason. For options that ringo refuses
// altogether the reason is in the table of options.
var refusalProbes = []probe{
	// Numbers that fio reads in part, and goes on with what it has read.
	{text: jobWith("bs=1.5m"), differs: "fio stops at the point and takes 1 byte"},
	{text: jobWith("runtime=1.5"), differs: "fio stops at the point and takes 1 second"},
	{text: jobWith("bs=4x"), differs: "fio does not look at the unknown unit and takes 4 bytes"},
	{text: jobWith("bs=4ki"), differs: "fio takes it for 4k, while kib means 1000; nobody can tell which was meant"},
	{text: jobWith("bs=0x1000k"), differs: "fio does not look at a unit behind hexadecimal digits"},
	{text: jobWith("runtime=60sec"), differs: "fio does not know the unit sec and takes 60 microseconds"},
	{text: jobWith("runtime=5min"), differs: "fio does not know the unit min and takes 5 microseconds"},
	{text: jobWith("rate_cycle=500ms"), differs: "fio takes the m for mega"},
	{text: jobWith("startdelay=5s-9s"), differs: "fio takes 5 microseconds, for it does not know the unit s-9s"},
	{text: "[job]\nioengine=null\nbs=1\nsize = 1m\n", differs: "fio takes 1 byte, for a blank keeps it from the unit"},
	{text: jobWith("bs=4096 8192"), differs: "fio does not look at the second number"},
	{text: jobWith("direct=1x"), differs: "fio does not look behind the number"},
	{text: jobWith("time_based=5", "runtime=1"), differs: "fio takes any number for a flag"},
	{text: jobWith("direct=-1"), differs: "fio takes it for 1"},
	{text: jobWith("percentile_list=50x:99"), differs: "fio does not look behind the number"},
	{text: jobWith("iodepth=8589934593"), differs: "fio keeps 32 bits of it, which is 1"},
	{text: jobWith("iodepth=65536"), differs: "no ring has so many I/Os in flight"},
	{text: jobWith("size=150%"), differs: "fio takes it for a very large number of bytes"},
	{text: jobWith("size=2z"), differs: "zoned block devices are not supported"},
	{text: jobWith("nrfiles=0"), differs: "fio has a job without files, and does nothing"},
	// Lists.
	{text: jobWith("bs=4k-64k"), differs: "a range is bsrange; fio reads 4k and writes 64k"},
	{text: jobWith("bs=4k:8k"), differs: "fio takes a colon for a comma here"},
	{text: jobWith("bs=none,8k"), differs: "fio goes on when one place of a list is right"},
	{text: jobWith("bs=4k,8k,16k,32k"), differs: "there are three directions; fio drops the fourth number"},
	{text: jobWith("iodepth=4,8"), differs: "one number is taken; fio drops the second"},
	{text: jobWith("size=1m,2m"), differs: "one number is taken; fio takes the second"},
	{text: jobWith("bssplit=4k/60:8k/60"), differs: "more than 100 percent; fio never gets to the rest"},
	{text: jobWith("bssplit=4k/100:8k/"), differs: "nothing is left for the second size; fio never uses it"},
	{text: jobWith("bssplit=4k/x:8k/"), differs: "fio takes x for 0, and 0 for no percentage"},
	{text: jobWith("bssplit=4k/150"), differs: "fio takes it for 100"},
	{text: jobWith("percentile_list=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21"),
		differs: "fio says that it is too long, and goes on with 20"},
	{text: jobWith("filename=:"), differs: "fio has a job without files, and does nothing"},
	// Names and values with more behind them.
	{text: jobWith("rw=randread:"), differs: "fio takes nothing for 0"},
	{text: jobWith("rw=randread:x"), differs: "fio takes x for 0"},
	{text: jobWith("rw=read,write"), differs: "fio does not look behind the comma"},
	{text: jobWith("verify=md5:512"), differs: "fio does not look behind the colon"},
	{text: jobWith("random_distribution=random:2"), differs: "fio does not look behind the colon"},
	{text: jobWith("random_distribution=zipf:-1"), differs: "there is no such distribution"},
	{text: jobWith("random_distribution=zoned:50/10:50/90", "rw=randread"), differs: "distributions by zones are not supported"},
	{text: jobWith("random_distribution=zoned_abs:50/1m:50/63m", "rw=randread"), differs: "distributions by zones are not supported"},
	{text: jobWith("file_service_type=random:x"), differs: "fio takes x for 0"},
	{text: jobWith("rw=write", "verify=md5", "verify_only", "time_based", "runtime=1"),
		differs: "fio checks the blocks of one pass, which the earlier run may never have come to"},
	{text: jobWith("cpus_allowed=x"), differs: "fio takes x for 0"},
	{text: jobWith("cpumask=0"), differs: "it allows no processor; fio ignores that"},
	{text: jobWith("ignore_error=5x"), differs: "fio does not look behind the number"},
	{text: jobWith("ignore_error=5000"), differs: "there is no such error"},
	{text: jobWith("ignore_error=EILSEQ"), differs: "fio does not know the name; ringo knows all"},
	{text: jobWith("mem=mmaphuge"), differs: "buffers of huge pages are not supported"},
	{text: jobWith("mem=shmhuge"), differs: "buffers of huge pages are not supported"},
	{text: jobWith("mem=mmap:/tmp/file"), differs: "buffers in a file are not supported"},
	{text: jobWith("rw=trim"), differs: noTrim},
	{text: jobWith("rw=randtrim"), differs: noTrim},
	{text: jobWith("rw=trimwrite"), differs: noTrim},
	// Engines.
	{text: "[job]\nsize=1m\nioengine=mmap\n", differs: "not an engine here; fio:mmap is"},
	{text: "[job]\nsize=1m\nioengine=posixaio\n", differs: "not an engine here; fio:posixaio is"},
	{text: "[job]\nsize=1m\nioengine=ringo\n", differs: "ringo's own"},
	{text: "[job]\nsize=1m\nioengine=goread\n", differs: "ringo's own"},
	{text: "[job]\nsize=1m\nioengine=threads\n", differs: "ringo's own"},
	{text: "[job]\nsize=1m\nioengine=fio:posixaio\n", differs: "ringo's own"},
	{text: "[job]\nsize=1m\nioengine=ringo\nbatch=auto\n", differs: "ringo's own"},
	{text: "[job]\nsize=1m\nioengine=io_uring\nnonvectored=5\n", differs: "it is -1, 0 or 1"},
	{text: jobWith("nrfiles=4", "openfiles=2"), differs: "all files are open"},
	// Grammar.
	{text: "[job]\nrw = randread\nioengine=null\nsize=64m\n", differs: "blanks around = mean nothing; fio keeps the second"},
	{text: "[job\nioengine=null\nsize=64m\n", differs: "fio takes the last letter of the name for the bracket"},
	{text: "[job]x\nioengine=null\nsize=64m\n", differs: "fio takes the last letter for the bracket"},
	{text: "[job]\nioengine=null\nsize=1.5*$mb_memory\n", differs: "whole numbers only; bc(1) rounds down"},
	{text: jobWith("serialize_overlap=1", "rw=randwrite", "iodepth=8"), differs: "overlapping I/Os are not told apart"},
}

// Reasons of several probes.
const (
	noTrim = "only reads and writes are supported"
)
