// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// parseText parses a job text as a job file.
func parseText(text string) (*Plan, error) {
	return ParseCommandLine([]string{"-"}, Environment{Stdin: strings.NewReader(text), Lookup: os.LookupEnv})
}

// TestMessages pins what users read when something is wrong: where, what, why, what to do.
func TestMessages(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "loop.fio", "[a]\ninclude inner\n")
	write(t, "inner", "size=1m\ninclude ./inner\n")
	write(t, "ring.fio", "[a]\ninclude left\n")
	write(t, "left", "include right\n")
	write(t, "right", "bs=4k\ninclude left\n")
	write(t, "section.fio", "[a]\ninclude more\n")
	write(t, "more", "\nsize=1m\n[b]\n")
	write(t, "binary.fio", "[a]\nsize=1m\x00\n")
	if err := os.Mkdir("dir.fio", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ words, text, want string }{
		// Misspelt and unknown.
		{"-", "[a]\nsize=1m\nblocksiz=4k\n", "(stdin):3: [a] blocksiz=4k: unknown option; did you mean blocksize?"},
		{"-", "[a]\nsize=1m\nxyzzyplugh=4k\n", "(stdin):3: [a] xyzzyplugh=4k: unknown option"},
		{"-", "[a]\nsize=1m\nrw=randrad\n", `(stdin):3: [a] rw=randrad: "randrad" is none of read, write, randread, ` +
			`randwrite, rw, readwrite, randrw, trim, randtrim, trimwrite, randtrimwrite; did you mean randread?`},
		{"-", "[a]\nsize=1m\nverify=sha265\n", `(stdin):3: [a] verify=sha265: "sha265" is none of 0, md5, crc64, crc32, ` +
			`crc32c-intel, crc32c, crc16, crc7, sha1, sha256, sha512, sha3-224, sha3-256, sha3-384, sha3-512, xxhash, meta, ` +
			`pattern, null; did you mean sha256?`},
		{"-", "[a]\nsize=1m\nioengine=iouring\n", `(stdin):3: [a] ioengine=iouring: there is no engine "iouring"; did you mean io_uring?`},
		{"-", "[a]\nsize=1m\nioengine=mmap\n",
			`(stdin):3: [a] ioengine=mmap: engine "mmap" is not supported; fio:mmap runs it by the installed fio`},
		{"-", "[a]\nsize=1m\nioengine=fio:nmap\n", `(stdin):3: [a] ioengine=fio:nmap: fio has no engine "nmap"; did you mean mmap?`},
		{"-", "[a]\nsize=1m\nfixedbufs\n",
			"(stdin):3: [a] fixedbufs: engine psync does not have this option; it belongs to ringo"},
		// Known, and refused.
		{"-", "[a]\nsize=1m\nflow=8\n", "(stdin):3: [a] flow=8: refused: jobs cannot be balanced against each other; use rate_iops"},
		{"-", "[a]\nsize=1m\nrw=randtrim\n",
			"(stdin):3: [a] rw=randtrim: trims are for devices whose contents may be lost; only reads and writes are supported"},
		// Values.
		{"-", "[a]\nsize=1.5g\n", `(stdin):2: [a] size=1.5g: "1.5g": only whole numbers are allowed; use a smaller unit`},
		{"-", "[a]\nsize=4ki\n", `(stdin):2: [a] size=4ki: "4ki": unknown unit "ki"; write k or kib`},
		{"-", "[a]\nsize=big\n", `(stdin):2: [a] size=big: "big" is not a number`},
		{"-", "[a]\nsize=1m\nruntime=5min\n", `(stdin):3: [a] runtime=5min: "5min": unknown unit "min"; use us, ms, s, m, h or d`},
		{"-", "[a]\nsize=9999999p\n", `(stdin):2: [a] size=9999999p: "9999999p" is too large`},
		{"-", "[a]\nsize=1m\ndirect=yes\n", `(stdin):3: [a] direct=yes: must be 0 or 1, not "yes"`},
		{"-", "[a]\nsize=1m\ndirect\n", "(stdin):3: [a] direct: needs a value: direct=0|1"},
		{"-", "[a]\nsize=1m\niodepth=0\n", "(stdin):3: [a] iodepth=0: must be at least 1, not 0"},
		{"-", "[a]\nsize=1m\nrwmixread=101\n", "(stdin):3: [a] rwmixread=101: must be at most 100, not 101"},
		{"-", "[a]\nsize=1m\nbssplit=4k/60:8k/60\n",
			"(stdin):3: [a] bssplit=4k/60:8k/60: the percentages sum to 120, which is more than 100"},
		{"-", "[a]\nsize=1m\nbs=1,2,3,4\n", "(stdin):3: [a] bs=1,2,3,4: takes at most 3 values, not 4"},
		// Impossible together.
		{"-", "[a]\nsize=2k\n", "(stdin):2: [a] size=2k: size is less than the smallest block size: 2048 < 4096"},
		{"-", "[a]\nsize=1m\nrate=1m\nrate_iops=10\n", "(stdin):4: [a] rate_iops=10: rate and rate_iops exclude each other"},
		{"-", "[global]\nrate=1m\n[a]\nsize=1m\nrate_min=2m\n", "(stdin):5: [a] rate_min=2m: is higher than rate: 2097152 > 1048576"},
		{"-", "[a]\nsize=1m\nzonesize=1m\n", "(stdin):3: [a] zonesize=1m: zones need zonemode=strided"},
		{"-", "[a]\nsize=1m\nzonemode=strided\n", "(stdin):3: [a] zonemode=strided: zonemode=strided needs zonesize"},
		{"-", "[a]\nsize=1m\nwait_for=b\n", "(stdin):1: [a] wait_for=b: no job of this name stands before"},
		{"-", "[a]\nsize=1m\ndirectory=/nowhere\n", "(stdin):3: [a] directory=/nowhere: /nowhere is not a directory"},
		{"--readonly -", "[a]\nsize=1m\nrw=write\n", "(stdin):3: [a] rw=write: the job writes, and --readonly forbids it"},
		{"--warnings-fatal -", "[a]\nsize=1m\ntime_based\n",
			"(stdin):3: [a] time_based: needs runtime; the job runs as without time_based"},
		// Grammar.
		{"-", "size=1m\n[a]\n", "(stdin):1: size=1m: stands before the first [section]"},
		{"-", "[a\nsize=1m\n", "(stdin):1: [a: the name of a section stands in brackets: [name]"},
		{"-", "[a]\nxyzzy\x1b[31mplugh\u200b=1\n", "(stdin):2: [a] xyzzy\ufffd[31mplugh\ufffd=1: unknown option"},
		{"-", "[", "(stdin):1: [: the name of a section stands in brackets: [name]"},
		{"-", "[]", "(stdin):1: []: the name of a section stands in brackets: [name]"},
		{"-", "[a]\nsize=(1m)\n", `(stdin):2: [a] size=(1m): "(1m)" is not a number`},
		{"-", "[a]\nsize=1m*$ncpus\n",
			`(stdin):2: [a] size=1m*$ncpus: "m*`, // and the number of processors
		},
		{"-", "[a]\nsize=$ncpus/0\n", "(stdin):2: [a] size=$ncpus/0: an expression divides by zero"},
		{"-", "", "no job is given; name a job file, begin one with --name=NAME, or try --preset=quick"},
		{"--section=b -", "[a]\nsize=1m\n", "no section is named b"},
		// Files.
		{"missing.fio", "", "cannot read job file missing.fio: no such file or directory"},
		{"dir.fio", "", "cannot read job file dir.fio: is a directory"},
		{"binary.fio", "", "binary.fio holds a byte 0, it cannot be a job file"},
		{"loop.fio", "", "inner:2: [a] include ./inner: the files include each other in a circle: loop.fio > inner > ./inner"},
		{"ring.fio", "", "right:2: [a] include left: the files include each other in a circle: ring.fio > left > right > left"},
		{"section.fio", "", "more:3: [a] [b]: an included file cannot begin a section"},
		{"-", "[a]\ninclude nowhere\n", "(stdin):2: [a] include nowhere: cannot read job file nowhere: no such file or directory"},
		// The command line.
		{"--name=a --sice=1m", "", "command line: --sice=1m: unknown option; did you mean size?"},
		{"--name=a --size=1x", "", `command line: [a] --size=1x: "1x": unknown unit "x"; use k, m, g, t or p`},
		{"--name=a --iodepth_batch_c=1", "", "command line: --iodepth_batch_c=1: may mean any of iodepth_batch_complete, " +
			"iodepth_batch_complete_max, iodepth_batch_complete_min"},
		{"--name=a --size", "", "command line: --size: needs a value: --size=VALUE"},
		{"--name=a --write_bw_log --name=b", "", "command line: --write_bw_log: needs a value: --write_bw_log=VALUE"},
		{"--readonly=1 --name=a", "", "command line: --readonly=1: takes no value"},
		{"--client=host --name=a", "", "command line: --client=host: refused: there are no clients and servers; run it there by ssh(1)"},
		{"--set size --name=a", "", "command line: [a] --set size: needs a value: size=SIZE|N%"},
		{"--set siez=1m --name=a", "", "command line: --set siez=1m: unknown option siez; did you mean size?"},
		{"--set fixedbufs=1 --name=a --size=1m", "",
			"command line: --set fixedbufs=1: no job runs on an engine that has this option; it belongs to ringo"},
		{"--matrix=nowait=0,1 --engine=psync,null --name=a --size=1m", "",
			"command line: --matrix nowait: no job runs on an engine that has this option; it belongs to ringo and libaio"},
		{"--engine=rings --name=a", "", `command line: --engine=rings: there is no engine "rings"; did you mean ringo?`},
		{"--matrix=bs --name=a", "", "command line: --matrix=bs: needs an option and its values, as in --matrix bs=4k,64k"},
		{"--matrix=bs=4k,x --name=a --size=1m", "", `command line: [a] --matrix bs=x: "x" is not a number`},
		{"--matrix=thread=0,1 --name=a", "",
			"command line: --matrix=thread=0,1: thread makes no difference here, or is not supported: jobs are always threads"},
		{"--preset=fast", "", `command line: --preset=fast: there is no preset "fast"; there are quick, cdm, article`},
	} {
		_, err := ParseCommandLine(strings.Fields(c.words), Environment{Stdin: strings.NewReader(c.text), Lookup: os.LookupEnv})
		if err == nil || err.Error() != c.want && !(strings.HasSuffix(c.want, "*") && strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s %q\nsays  %v\nwants %s", c.words, c.text, err, c.want)
		}
	}
}

func TestAllErrorsInOrder(t *testing.T) {
	_, err := parseText("[a]\nrw=raed\nnonsense\nbs=4x\n[b]\nflow=1\n")
	var lines []int
	joined, _ := err.(interface{ Unwrap() []error })
	for _, err := range joined.Unwrap() {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		lines = append(lines, e.Source.Line)
	}
	if !slices.Equal(lines, []int{2, 3, 4, 6}) {
		t.Errorf("errors in lines %d", lines)
	}
	if !errors.Is(err, ErrUnknown) || !errors.Is(err, ErrRefused) || errors.Is(err, ErrNoJobs) {
		t.Error("the kinds of errors cannot be told apart")
	}
}

func TestNotes(t *testing.T) {
	for text, want := range map[string][]string{
		"[a]\nsize=1m\n": nil,
		"[a]\nsize=1m\nthread\nclocksource=cpu\nthread=1\n": {
			"options that change nothing here: thread (jobs are always threads), clocksource (the monotonic clock is always used)"},
		"[a]\nsize=1m\niodepth=4\n":     {"(stdin):3: [a] engine psync has one I/O in flight at a time, whatever iodepth says"},
		"[a]\nsize=1m\nioengine=sync\n": {"(stdin):3: [a] ioengine=sync is run as psync"},
		"[a]\nsize=1m\nfilename=/tmp/a#b\n": {
			`(stdin):3: what follows "#" is a comment; the line ends before it: filename=/tmp/a`},
		"[a]\nsize=1m # as a comment\n":         nil,
		"[a]\nsize=1${RINGO_TEST_UNSET}m\n":     {"(stdin):2: ${RINGO_TEST_UNSET} is not set in the environment; it stands for nothing"},
		"[a]\nsize=1m\nbs=64k\nbsrange=1k-2k\n": {"(stdin):3: [a] bs=64k: is not used, because bsrange or bssplit is given as well"},
		"[a]\nsize=1m\ntime_based\n":            {"(stdin):3: [a] time_based: needs runtime; the job runs as without time_based"},
	} {
		plan, err := parseText(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !slices.Equal(plan.Notes, want) {
			t.Errorf("%q: notes %q, want %q", text, plan.Notes, want)
		}
	}
}

func TestIncludes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"jobs", "jobs/parts"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "jobs/main.fio", "[global]\ninclude parts/common\n[a]\nsize=1m\ninclude parts/more\n[b]\nsize=2m\n[skipped]\ninclude nowhere\n")
	write(t, "jobs/parts/common", "# options of all\nbs=8k\ninclude deeper\n")
	write(t, "jobs/parts/deeper", "rw=randread\n")
	write(t, "jobs/parts/more", "iodepth=4\nioengine=libaio")
	plan, err := parseWords("--section=a", "--section=b", "jobs/main.fio")
	if err != nil {
		t.Fatal(err)
	}
	jobs := plan.Arms[0].Jobs
	a, b := jobs[0], jobs[1]
	if a.Depth.Limit != 4 || a.Engine.Engine != EngineLibaio || b.Depth.Limit != 1 || b.Engine.Engine != EnginePsync {
		t.Errorf("%+v %+v", a.Depth, b.Depth)
	}
	for _, job := range jobs {
		if job.BlockSize[Read].Min != 8192 || !job.Pattern.Random {
			t.Errorf("%s lacks what the global section includes", job.Name)
		}
	}
	if at := a.Given[1].Source; at != (Position{"jobs/parts/more", 1}) {
		t.Errorf("iodepth is said to be at %v", at)
	}
}

// TestMuchIsWrong gives the parser much to complain about.
func TestMuchIsWrong(t *testing.T) {
	var text strings.Builder
	text.WriteString("[a]\n")
	for i := 0; i < 2000; i++ {
		fmt.Fprintf(&text, "nonsense%d=%s\n", i, strings.Repeat("x", i%100))
	}
	if _, err := parseText(text.String()); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	_, err := parseText(strings.Repeat("[a]\n", maxSections+1))
	if err == nil || !strings.Contains(err.Error(), "more than 4096 sections") {
		t.Error(err)
	}
	if _, err := parseText("[a]\n" + strings.Repeat("#", maxFileBytes)); err == nil {
		t.Error("a file that is too large was read")
	}

	t.Chdir(t.TempDir()) // Few lines that include each other many times over.
	for level := range maxNesting - 1 {
		write(t, fmt.Sprint("level", level), strings.Repeat(fmt.Sprintf("include level%d\n", level+1), 1000))
	}
	write(t, fmt.Sprint("level", maxNesting-1), "bs=4k\n")
	if _, err := parseText("[a]\ninclude level0\n"); err == nil || !strings.Contains(err.Error(), "too much is included") {
		t.Error(err)
	}
}
