package ringo

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// anyFile is the contract that *os.File and *File share.
type anyFile interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.ReaderFrom
	io.WriterTo
	io.StringWriter
	io.Closer
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(int64) error
	Chmod(fs.FileMode) error
	Chown(uid, gid int) error
	Chdir() error
	Name() string
	ReadDir(int) ([]fs.DirEntry, error)
	Readdir(int) ([]fs.FileInfo, error)
	Readdirnames(int) ([]string, error)
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

var (
	_ anyFile = (*os.File)(nil)
	_ anyFile = (*File)(nil)
)

// A model plays the same random operations on a File and on an *os.File, each with a file of its
// own of the same name in a directory of its own.
type model struct {
	random      *rand.Rand
	bytes       *rand.ChaCha8 // what is written
	engine      *Engine
	ours        anyFile
	theirs      anyFile
	dirs        [2]string
	opened      int
	bufs        [2][]byte
	description string
}

const modelSizeMax = 300_000

// modelOps is how many operations a run has: more with RINGO_MODEL_OPS.
func modelOps(t *testing.T) int {
	if text := os.Getenv("RINGO_MODEL_OPS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 4000
}

// modelDirs are directories on several file systems: those of RINGO_DIRS, or what is here.
func modelDirs(t *testing.T) []string {
	if text := os.Getenv("RINGO_DIRS"); text != "" {
		return strings.Split(text, ":")
	}
	dirs := []string{t.TempDir()}
	if dir, err := os.MkdirTemp("/dev/shm", "ringo-model-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		dirs = append(dirs, dir)
	}
	return dirs
}

// TestFileModel: equal bytes and equal errors, operation by operation.
func TestFileModel(t *testing.T) {
	for _, dir := range modelDirs(t) {
		for _, policy := range []Policy{Auto, Loop} {
			t.Run(fmt.Sprintf("%s policy=%d", fileSystem(dir), policy), func(t *testing.T) {
				seed := rand.Uint64()
				m := model{random: rand.New(rand.NewPCG(seed, 1)), bytes: rand.NewChaCha8([32]byte{byte(seed)}),
					engine: open(t, WithLoops(1), WithPolicy(policy))}
				for i := range m.dirs {
					m.dirs[i] = filepath.Join(dir, fmt.Sprint(policy, "-", i))
					if err := os.MkdirAll(m.dirs[i], 0o755); err != nil {
						t.Fatal(err)
					}
				}
				for n := range modelOps(t) {
					if err := m.step(); err != nil {
						t.Fatalf("seed %d, operation %d: %s: %v", seed, n, m.description, err)
					}
				}
				m.close()
			})
		}
	}
}

func fileSystem(dir string) string {
	var status syscall.Statfs_t
	if syscall.Statfs(dir, &status) != nil {
		return "unknown"
	}
	names := map[int64]string{0xef53: "ext4", 0x01021994: "tmpfs", 0x794c7630: "overlayfs", 0x9123683e: "btrfs", 0x58465342: "xfs"}
	if name := names[int64(status.Type)]; name != "" {
		return name
	}
	return fmt.Sprintf("%#x", status.Type)
}

func (m *model) close() {
	if m.ours != nil {
		m.ours.Close()
		m.theirs.Close()
		m.ours = nil
	}
}

// reopen opens both anew, with the same flags.
func (m *model) reopen() error {
	m.close()
	flags := []int{os.O_RDWR, os.O_RDWR, os.O_RDWR, os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND,
		os.O_RDWR | os.O_TRUNC, os.O_RDWR | os.O_SYNC}
	flag := flags[m.random.IntN(len(flags))] | os.O_CREATE
	ours, err := m.engine.OpenFile(filepath.Join(m.dirs[0], "file"), flag, 0o600)
	if err != nil {
		return err
	}
	theirs, err := os.OpenFile(filepath.Join(m.dirs[1], "file"), flag, 0o600)
	if err != nil {
		return err
	}
	m.ours, m.theirs = ours, theirs
	m.opened = 0
	return nil
}

// step does one thing to both.
func (m *model) step() error {
	if m.ours == nil || m.random.IntN(200) == 0 {
		m.description = "open"
		if err := m.reopen(); err != nil {
			return err
		}
	}
	if m.random.IntN(400) == 0 {
		m.description = "compare"
		return m.compare()
	}
	do := m.choose()
	var results [2]string
	for i, f := range []anyFile{m.ours, m.theirs} {
		value, err := do(f, i)
		results[i] = strings.ReplaceAll(fmt.Sprintf("%v, %v", value, err), m.dirs[i], "DIR")
	}
	if results[0] != results[1] {
		return fmt.Errorf("File says %s; os.File says %s", results[0], results[1])
	}
	if !bytes.Equal(m.bufs[0], m.bufs[1]) {
		return fmt.Errorf("different bytes were read (%s)", results[0])
	}
	return nil
}

// choose picks an operation and its arguments.
func (m *model) choose() func(f anyFile, i int) (any, error) {
	length := m.random.IntN(1 << m.random.IntN(17))
	offset := m.random.Int64N(modelSizeMax)
	data := make([]byte, length)
	m.bytes.Read(data)
	m.bufs = [2][]byte{make([]byte, length), make([]byte, length)}
	if m.random.IntN(100) == 0 {
		offset = []int64{-1, 1 << 62, modelSizeMax}[m.random.IntN(3)]
		data = data[:min(len(data), 1)]
	}
	op := m.random.IntN(16)
	m.description = fmt.Sprintf("op %d, length %d, offset %d", op, length, offset)
	switch op {
	case 0, 1, 2, 3:
		return func(f anyFile, i int) (any, error) { return f.ReadAt(m.bufs[i], offset) }
	case 4, 5, 6:
		if offset == 1<<62 {
			offset = 0
		}
		return func(f anyFile, _ int) (any, error) { return f.WriteAt(data, offset) }
	case 7, 8:
		return func(f anyFile, i int) (any, error) { return f.Read(m.bufs[i]) }
	case 9:
		return func(f anyFile, _ int) (any, error) { return f.Write(data[:min(len(data), 1000)]) }
	case 10:
		whence := m.random.IntN(4)
		return func(f anyFile, _ int) (any, error) { return f.Seek(offset%modelSizeMax, whence) }
	case 11:
		size := offset
		if size == 1<<62 {
			size = -7
		}
		return func(f anyFile, _ int) (any, error) { return nil, f.Truncate(size) }
	case 12:
		return func(f anyFile, _ int) (any, error) {
			info, err := f.Stat()
			if err != nil {
				return nil, err
			}
			return fmt.Sprint(info.Size(), info.Mode(), info.Name()), nil
		}
	case 13:
		return func(f anyFile, i int) (any, error) {
			out := bytes.NewBuffer(m.bufs[i][:0])
			n, err := f.WriteTo(out)
			m.bufs[i] = out.Bytes()
			return n, err
		}
	case 14:
		return func(f anyFile, _ int) (any, error) { return f.ReadFrom(bytes.NewReader(data)) }
	}
	return m.chooseRare()
}

func (m *model) chooseRare() func(f anyFile, i int) (any, error) {
	switch m.random.IntN(8) {
	case 0:
		return func(f anyFile, _ int) (any, error) { return nil, f.Sync() }
	case 1:
		mode := fs.FileMode(0o600 | m.random.IntN(0o100))
		return func(f anyFile, _ int) (any, error) { return nil, f.Chmod(mode) }
	case 2:
		return func(f anyFile, _ int) (any, error) { return f.ReadDir(-1) }
	case 3:
		return func(f anyFile, _ int) (any, error) { return nil, f.SetDeadline(time.Now()) }
	case 4:
		return func(f anyFile, _ int) (any, error) { return f.WriteString("a string") }
	case 5:
		return func(f anyFile, _ int) (any, error) { return f.Readdirnames(1) }
	case 6:
		return func(f anyFile, _ int) (any, error) { return nil, f.Chdir() }
	}
	// What is closed stays closed until the next reopen.
	return func(f anyFile, _ int) (any, error) { return nil, f.Close() }
}

// compare looks at the files themselves.
func (m *model) compare() error {
	var contents [2][]byte
	for i := range contents {
		var err error
		if contents[i], err = os.ReadFile(filepath.Join(m.dirs[i], "file")); err != nil {
			return err
		}
	}
	if !bytes.Equal(contents[0], contents[1]) {
		return fmt.Errorf("the files differ: %d and %d bytes", len(contents[0]), len(contents[1]))
	}
	return nil
}
