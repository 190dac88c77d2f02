package fileserver

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// resolveCached is RESOLVE_CACHED of linux/openat2.h, since Linux 5.12.
const resolveCached = 0x20

// openHow is how files are opened, on the ring and beside it. O_NONBLOCK keeps a FIFO from
// blocking; it is not served anyway.
func openHow(links SymlinkPolicy) ringo.OpenHow {
	how := ringo.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_LARGEFILE,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	switch links {
	case SymlinksNone:
		how.Resolve |= unix.RESOLVE_NO_SYMLINKS
	case SymlinksAll:
		how.Resolve &^= unix.RESOLVE_BENEATH
	}
	return how
}

// openCached opens a name below root, if that needs no disk: EAGAIN when it does.
func openCached(root int, name []byte, how ringo.OpenHow) (int, error) {
	return openat2(root, name, how.Flags, how.Resolve|resolveCached)
}

// openBelow opens a name below root; it may block.
func openBelow(root int, name string, how ringo.OpenHow, flags uint32) (*os.File, error) {
	fd, err := unix.Openat2(root, name, &unix.OpenHow{Flags: uint64(how.Flags | flags), Resolve: how.Resolve})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// readListing makes the listing of a directory below root; it may block.
func readListing(l listing, root int, how ringo.OpenHow) ([]byte, error) {
	entries, err := readDirectory(root, l.directory, how)
	if err != nil {
		return nil, err
	}
	return l.body(entries), nil
}

// readDirectory lists a directory below root; it may block.
func readDirectory(root int, name string, how ringo.OpenHow) ([]listEntry, error) {
	f, err := openBelow(root, name, how, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]listEntry, 0, len(found))
	for _, d := range found {
		// Through a link, as a request for it would go; what cannot be reached is not shown.
		var st unix.Stat_t
		path := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: how.Resolve}
		if statContained(root, name+"/"+d.Name(), &path, &st) != nil {
			continue
		}
		if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFREG || kind == unix.S_IFDIR {
			entries = append(entries, listEntry{name: d.Name(), isDir: kind == unix.S_IFDIR,
				size: st.Size, mtime: st.Mtim.Nano()})
		}
	}
	return entries, nil
}

func statContained(root int, name string, how *unix.OpenHow, st *unix.Stat_t) error {
	fd, err := unix.Openat2(root, name, how)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}
