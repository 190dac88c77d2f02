package workload

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ringo-io/ringo/go/workload/stats"
)

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

// A job with verify_only changes nothing, and finds what the same job has written, block by block, or has not.
func TestVerifyOnly(t *testing.T) {
	for _, line := range []string{
		"--rw=write --bs=4k --size=256k",
		"--rw=randwrite --bs=4k --size=256k --ioengine=io_uring --iodepth=8 --verify_backlog=8",
		"--rw=randrw --bsrange=4k-16k --size=256k --io_size=512k --norandommap --number_ios=40",
		"--rw=randwrite --bs=8k --size=256k --loops=2 --numjobs=2 --nrfiles=2",
	} {
		directory := t.TempDir()
		job := append(words("--name=x --verify=crc32c "+line), "--directory="+directory)
		wrote := runJobs(t, job...)
		before := contents(t, directory)
		checked := runJobs(t, append(job, "--verify_only")...)
		for i := range checked.Jobs {
			reads, writes := checked.Jobs[i].Flows[stats.Read].IOs, checked.Jobs[i].Flows[stats.Write].IOs
			if reads == 0 || writes != 0 || reads > wrote.Jobs[i].Flows[stats.Write].IOs {
				t.Errorf("%s: %d reads and %d writes, after %d writes", line, reads, writes, wrote.Jobs[i].Flows[stats.Write].IOs)
			}
		}
		if !maps.EqualFunc(before, contents(t, directory), bytes.Equal) {
			t.Errorf("%s: verify_only has changed the files", line)
		}
		if j := tryJobs(t, append(job, "--verify_only", "--randseed=2")...).Jobs[0]; j.Error != int(syscall.EILSEQ) {
			t.Errorf("%s: another job's writes pass for this one's: error %d, %q", line, j.Error, j.Failure)
		}
	}
}

// verify_only makes no file, and no file longer.
func TestVerifyOnlyOfWhatIsMissing(t *testing.T) {
	directory := t.TempDir()
	job := append(words("--name=x --rw=write --bs=4k --size=64k --verify=md5 --verify_only"), "--filename="+directory+"/file")
	if _, err := Run(t.Context(), parse(t, job...), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a missing file: %v", err)
	}
	if err := os.WriteFile(directory+"/file", make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if j := tryJobs(t, job...).Jobs[0]; j.Error != int(syscall.EILSEQ) {
		t.Errorf("of an empty block: error %d, %q", j.Error, j.Failure)
	}
	if got := contents(t, directory)["file"]; len(got) != 4096 {
		t.Errorf("the file has %d bytes now", len(got))
	}
}

// contents reads the files of a directory.
func contents(t *testing.T, directory string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	entries, err := os.ReadDir(directory)
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(directory + "/" + e.Name()); err != nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}
