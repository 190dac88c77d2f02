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

func TestEveryChecksum(t *testing.T) {
	for _, sum := range []string{"crc32c", "crc32", "crc64", "crc16", "crc7", "md5", "sha1", "sha256", "sha512", "sha3-224",
		"sha3-256", "sha3-384", "sha3-512", "xxhash", "meta", "pattern --verify_pattern=0xdeadbeef", "pattern --verify_pattern=%o",
		""} {
		name := t.TempDir() + "/file"
		line := "--name=x --bs=4k --size=64k --ioengine=io_uring --iodepth=4 --verify=" + sum
		if sum == "" {
			line = "--name=x --bs=4k --size=64k --verify_pattern=0x1122334455"
		}
		result := runJobs(t, words(line+" --rw=randwrite", "--filename="+name)...)
		if reads := result.Jobs[0].Flows[0].IOs; reads != 16 {
			t.Errorf("%s: %d blocks were read back, not 16", sum, reads)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		place := int64(3*4096 + 2000)
		if sum == "meta" {
			place = 3*4096 + 20 // Its data is not looked at.
		}
		flip(t, f, place)
		f.Close()
		j := tryJobs(t, words(line+" --rw=read", "--filename="+name)...).Jobs[0]
		if j.Error != int(syscall.EILSEQ) || !strings.Contains(j.Failure, fmt.Sprintf("at offset %d: expected", place)) {
			t.Errorf("%s: error %d, %q", sum, j.Error, j.Failure)
		}
	}
}

// Blocks that are written several times are checked for what was written last.
func TestVerifyOverwritten(t *testing.T) {
	for _, line := range []string{
		"--rw=randwrite --norandommap --bs=4k --size=64k --io_size=1m --iodepth=8 --ioengine=io_uring",
		"--rw=randwrite --norandommap --bsrange=4k-16k --size=256k --io_size=1m --iodepth=8 --ioengine=io_uring --verify_backlog=16",
		"--rw=randrw --bs=4k --size=256k --loops=2 --verify_backlog=8 --verify_backlog_batch=4",
	} {
		result := runJobs(t, words("--name=x --verify=sha256 "+line, "--filename="+t.TempDir()+"/file")...)
		if result.Jobs[0].Flows[0].IOs == 0 {
			t.Errorf("%s: nothing was read back", line)
		}
	}
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
