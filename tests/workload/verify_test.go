package workload

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// One wrong byte in 256 MiB is found, wherever it is, and its place is said exactly.
func TestVerifyFindsOneByte(t *testing.T) {
	const size = 256 << 20
	name := t.TempDir() + "/file"
	runJobs(t, words("--name=w --rw=write --bs=1m --size=256m --verify=crc32c --verify_interval=4k --do_verify=0 --fallocate=none", "--filename="+name)...)
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 2))
	places := []int64{0, 13, 37, 4095, size - 1, size - 4096 + 41}
	for range 2 {
		places = append(places, random.Int64N(size))
	}
	for _, place := range places {
		was := flip(t, f, place)
		// The 64 MiB around it: the whole file is read once, below.
		start := min(place&^(1<<20-1), size-64<<20)
		result := tryJobs(t, words(fmt.Sprintf("--name=r --rw=read --bs=1m --size=64m --offset=%d --verify=crc32c --verify_interval=4k --invalidate=0", start), "--filename="+name)...)
		j := &result.Jobs[0]
		want := fmt.Sprintf("at offset %d: expected %02x", place, was)
		if j.Error != int(syscall.EILSEQ) || !strings.Contains(j.Failure, want) || !strings.Contains(j.Failure, name) ||
			!strings.Contains(j.Failure, fmt.Sprintf("found %02x", was^0x10)) {
			t.Errorf("byte %d: error %d, %q; want %q", place, j.Error, j.Failure, want)
		}
		flip(t, f, place)
	}
	whole := words("--name=r --rw=read --bs=1m --size=256m --verify=crc32c --verify_interval=4k --invalidate=0", "--filename="+name)
	runJobs(t, whole...)
	place := random.Int64N(size)
	flip(t, f, place)
	if j := tryJobs(t, whole...).Jobs[0]; !strings.Contains(j.Failure, fmt.Sprintf("at offset %d:", place)) {
		t.Errorf("byte %d of the whole file: error %d, %q", place, j.Error, j.Failure)
	}
}

// flip changes a bit of a byte and gives what it was.
func flip(t *testing.T, f *os.File, place int64) byte {
	t.Helper()
	var b [1]byte
	if _, err := f.ReadAt(b[:], place); err != nil {
		t.Fatal(err)
	}
	was := b[0]
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], place); err != nil {
		t.Fatal(err)
	}
	return was
}

// What a killed run had reported as written is in the file.
func TestKilledRunLeavesWhatItReported(t *testing.T) {
	name := t.TempDir() + "/file"
	line := "--name=x --rw=write --bs=64k --size=256m --verify=crc32c --do_verify=0 --ioengine=io_uring --iodepth=1 --filename=" + name
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RINGO_TEST_RUN="+strings.ReplaceAll(line, " ", "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reported := int64(0)
	for lines := bufio.NewScanner(out); reported < 2<<20 && lines.Scan(); {
		if n, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
			reported = n
		}
	}
	if err := cmd.Process.Kill(); err != nil && reported < 256<<20 {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.
	if reported == 0 {
		t.Fatal("the run reported nothing before it ended")
	}
	runJobs(t, words("--name=x --rw=read --bs=64k --verify=crc32c --filename="+name, fmt.Sprintf("--size=%d", reported))...)
}
