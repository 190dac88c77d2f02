package ringo

import (
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// An FS is the tree below a directory; see [Engine.FS]. Safe for concurrent use.
type FS struct {
	engine *Engine
	root   *os.File
	err    error // why there is no root
}

// FS is the tree below dir as an [fs.FS], for [net/http.FS], template.ParseFS and the like. Nothing
// outside dir can be reached through it, by symbolic links neither, not even while somebody changes
// the tree: on Linux the kernel sees to that (openat2(2) with RESOLVE_BENEATH, Linux 5.6), elsewhere
// [os.Root]. A link that leads out is an error, also if it leads in again.
//
// It implements [fs.StatFS], [fs.ReadFileFS], [fs.ReadDirFS], [fs.SubFS], [fs.GlobFS] and, where Go
// has it, fs.ReadLinkFS. Files that are no directories open as [*File]. If dir cannot be opened,
// every call says why, as with [os.DirFS]. Safe for concurrent use; its own descriptor is closed
// when nobody has the FS any more.
func (e *Engine) FS(dir string) *FS {
	root, err := openRoot(dir)
	return &FS{engine: e, root: root, err: err}
}

// open opens a name that fs.ValidPath accepts.
func (f *FS) open(op, name string, how openBeneath) (*os.File, error) {
	if !fs.ValidPath(name) {
		return nil, pathError(op, name, fs.ErrInvalid)
	}
	if f.err != nil {
		return nil, pathError(op, name, f.err)
	}
	file, err := how(f.root, name)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return file, nil
}

// Open implements [fs.FS].
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.open("open", name, openToRead)
	if err != nil {
		return nil, err
	}
	opened := f.engine.NewFile(file)
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return &fsDir{opened, f, name}, nil
	}
	return opened, nil
}

// Stat implements [fs.StatFS].
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.describe("stat", name, openToStat) }

// Lstat is Stat that does not follow a symbolic link in the last place.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.describe("lstat", name, openToLstat) }

func (f *FS) describe(op, name string, how openBeneath) (fs.FileInfo, error) {
	file, err := f.open(op, name, how)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// ReadLink gives the target of a symbolic link, wherever that leads.
func (f *FS) ReadLink(name string) (string, error) {
	file, err := f.open("readlink", name, openToLstat)
	if err != nil {
		return "", err
	}
	defer file.Close()
	target, err := linkTarget(file)
	return target, pathError("readlink", name, err)
}

// ReadFile implements [fs.ReadFileFS]; it fails with ErrTooLarge beyond WithReadLimit.
func (f *FS) ReadFile(name string) ([]byte, error) {
	file, err := f.open("open", name, openToRead)
	if err != nil {
		return nil, err
	}
	opened := f.engine.NewFile(file)
	defer opened.Close()
	data, err := readWhole(opened)
	return data, pathError("read", name, err)
}

// ReadDir implements [fs.ReadDirFS].
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	file, err := f.open("open", name, openToRead)
	if err != nil {
		return nil, err
	}
	dir := &fsDir{f.engine.NewFile(file), f, name}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Sub implements [fs.SubFS]: the tree below dir cannot be left either.
func (f *FS) Sub(dir string) (fs.FS, error) {
	if dir == "." && f.err == nil {
		return f, nil
	}
	root, err := f.open("sub", dir, openToEnter)
	if err != nil {
		return nil, err
	}
	return &FS{engine: f.engine, root: root}, nil
}

// Glob implements [fs.GlobFS].
func (f *FS) Glob(pattern string) ([]string, error) { return fs.Glob(withoutGlob{f}, pattern) }

// withoutGlob is an FS that package fs does not ask to do the work itself.
type withoutGlob struct{ tree *FS }

func (g withoutGlob) Open(name string) (fs.File, error)          { return g.tree.Open(name) }
func (g withoutGlob) ReadDir(name string) ([]fs.DirEntry, error) { return g.tree.ReadDir(name) }
func (g withoutGlob) Stat(name string) (fs.FileInfo, error)      { return g.tree.Stat(name) }

// An fsDir is a directory of an FS: its entries are described through the FS as well, where
// [os.File.ReadDir]'s would go by their full names.
type fsDir struct {
	*File
	tree *FS
	name string
}

func (d *fsDir) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := d.File.ReadDir(n)
	for i, entry := range entries {
		entries[i] = &fsEntry{entry, d.tree, path.Join(d.name, entry.Name())}
	}
	return entries, err
}

func (d *fsDir) Readdir(n int) ([]fs.FileInfo, error) {
	entries, err := d.ReadDir(n)
	var infos []fs.FileInfo
	for _, entry := range entries {
		if info, infoErr := entry.Info(); infoErr == nil { // else it is gone by now
			infos = append(infos, info)
		}
	}
	return infos, err
}

type fsEntry struct {
	fs.DirEntry
	tree *FS
	path string
}

func (e *fsEntry) Info() (fs.FileInfo, error) { return e.tree.Lstat(e.path) }

// readWhole reads a file to its end.
func readWhole(f *File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	limit := f.engine.readLimit
	if info.Mode().IsRegular() && info.Size() > limit {
		return nil, ErrTooLarge
	}
	// A byte more than it says: to see that there is no more.
	data := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.readMore(data[len(data):cap(data)], int64(len(data)))
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, ErrTooLarge
		case err != nil:
			return data, errUnlessEnd(err)
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

var (
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.SubFS      = (*FS)(nil)
	_ fs.GlobFS     = (*FS)(nil)
)

// readMore reads at an offset, or whatever comes next where there are none.
func (f *File) readMore(p []byte, off int64) (int, error) {
	if f.ringable {
		return f.ReadAt(p, off)
	}
	return f.Read(p)
}

func errUnlessEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
