package fileserver

import (
	"bytes"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// A cache knows what names below the root lead to: an open file, a directory, or nothing, and which
// precompressed forms lie beside it. It belongs to one loop. It holds no contents.
//
// What it says is checked before it is used, so that a request which arrives after a change returned
// to whoever made it is answered from the new state. Each entry hangs on the directories above it.
// All that can make a name lead elsewhere (rename, unlink, create, a link in its place) changes the
// ctime of a directory on the way; chmod, and a write, change the ctime of the file. So:
//
//   - A directory is checked by fstat(2), once per turn: all requests of a turn arrived before the
//     turn's completions were taken, and that is before the check.
//   - So is a file, by the fstat(2) that its answer needs anyway.
//
// Kernels before 6.13 give all changes within a tick one time. An entry is therefore made only under
// directories, and of files, that are older than that; then a later change is sure to show. Names that
// lead through symbolic links are not kept, for what a link passes through is not watched; nor are
// names on file systems whose times may come late (NFS, FUSE) or that have none.
//
// A mount over a directory shows in no time stamp: what is known lives no longer than cacheAge.
type cache struct {
	root    int
	how     ringo.OpenHow // how files are opened for keeping
	entries map[string]*entry
	dirs    map[string]*directory
	devices map[uint64]bool // whether the file system of a device can be trusted
	seed    maphash.Seed
	seen    [8192]uint32 // hashes of names asked for lately: a name is kept when it is asked for again
	limit   int
	now     int64 // ns since the epoch, of the turn
	turn    uint64
	expired int64       // when old entries were last looked for
	hits    uint64      // how often a name was known
	filled  atomic.Bool // something is kept; for any goroutine
}

const (
	// cacheAge is how long what is known of a name is good, in ns.
	cacheAge = int64(time.Second)
	// cacheMost is how many files and directories a loop keeps open.
	cacheMost = 512
	// warmTime is how long what was in the page cache is taken to be there still, in ns.
	warmTime = int64(50 * time.Millisecond)
)

// A stamp tells one state of a file or directory from any later one.
type stamp struct {
	inode uint64
	ctime int64
}

func stampOf(st *syscall.Stat_t) stamp { return stamp{st.Ino, st.Ctim.Nano()} }

// A directory is one on the way to an entry.
type directory struct {
	fd      int // O_PATH
	parent  *directory
	stamp   stamp
	born    int64
	checked uint64 // the turn of the last check
	dead    bool
}

// An entry is what a name leads to. Who uses its file holds it.
type entry struct {
	fd       int            // -1: the name leads to nothing
	checked  uint64         // the turn of the last check
	st       syscall.Stat_t // of the file, then
	dir      *directory     // nil: what the name leads to is not for keeping
	stamp    stamp
	born     int64
	variants codingSet
	warmed   int64     // when the page cache was last seen to have a part of the file
	warmPart byteRange // which
	holders  int
	dead     bool // closed when nobody holds it any more
}

// newCache is nil when nothing below root can be kept.
func newCache(root int, how ringo.OpenHow, limit int) *cache {
	if !datesChanges(root) {
		return nil
	}
	how.Resolve |= unix.RESOLVE_NO_SYMLINKS | resolveCached
	return &cache{root: root, how: how, entries: map[string]*entry{}, dirs: map[string]*directory{},
		devices: map[uint64]bool{}, seed: maphash.MakeSeed(), limit: limit}
}

// find gives the entry of a name as it is now; nil when it is not kept. now is the time of the turn.
func (c *cache) find(name []byte, turn uint64, now int64) *entry {
	c.turn, c.now = turn, now
	if now-c.expired > cacheAge {
		c.expire(now)
	}
	if e := c.entries[string(name)]; e != nil {
		fresh := now-e.born <= cacheAge
		switch {
		case fresh && e.dir == nil:
			return nil
		case fresh && c.holds(e):
			c.hits++
			return e
		}
		c.forget(string(name), e)
	} else if !c.wanted(name) {
		return nil
	}
	e := &entry{fd: -1, born: now}
	switch c.fill(string(name), e) {
	case syscall.EAGAIN:
		return nil
	case errYoung:
		e.born -= cacheAge - clockGrain
	}
	c.keep(string(name), e)
	if e.dir == nil || !c.holds(e) {
		return nil
	}
	return e
}

func (c *cache) keep(name string, e *entry) {
	if len(c.entries) >= c.limit {
		c.evict()
	}
	c.entries[name] = e
}

// wanted reports whether a name was asked for lately.
func (c *cache) wanted(name []byte) bool {
	hash := maphash.Bytes(c.seed, name)
	slot := &c.seen[hash%uint64(len(c.seen))]
	if *slot == uint32(hash>>32) {
		return true
	}
	*slot = uint32(hash >> 32)
	return false
}

// holds reports whether the entry still says what is so.
func (c *cache) holds(e *entry) bool {
	if !c.stands(e.dir) {
		return false
	}
	if e.fd < 0 || e.checked == c.turn {
		return true
	}
	if fstat(e.fd, &e.st) != nil || stampOf(&e.st) != e.stamp || e.st.Nlink == 0 {
		return false
	}
	e.checked = c.turn
	return true
}

// stands reports whether a directory, and those above it, have not changed.
func (c *cache) stands(d *directory) bool {
	if d.dead || d.checked == c.turn {
		return !d.dead
	}
	var st syscall.Stat_t
	if d.parent != nil && !c.stands(d.parent) || fstat(d.fd, &st) != nil || stampOf(&st) != d.stamp || st.Nlink == 0 {
		d.die()
		return false
	}
	d.checked = c.turn
	return true
}

func (d *directory) die() {
	d.dead = true
	closeFile(d.fd)
}

// errYoung says that what was found is not old enough to be kept.
var errYoung = errors.New("too young")

// fill finds out what a name leads to. The entry gets its directory when all that it hangs on is for
// keeping; EAGAIN says that this cannot be known without waiting.
func (c *cache) fill(name string, e *entry) error {
	dir, err := c.directory(parentOf(name))
	if dir == nil {
		return err
	}
	fd, err := openat2(c.root, []byte(name), c.how.Flags, c.how.Resolve)
	if err == nil {
		if err := c.keepable(fd, &e.st); err != nil {
			closeFile(fd)
			return err
		}
		e.fd, e.stamp = fd, stampOf(&e.st)
	} else if err != syscall.ENOENT {
		return err
	}
	e.variants = c.variants(name)
	e.dir = dir
	return nil
}

// keepable says why a file cannot be kept: its kind, its file system, or its age.
func (c *cache) keepable(fd int, st *syscall.Stat_t) error {
	if err := fstat(fd, st); err != nil {
		return err
	}
	kind := st.Mode & syscall.S_IFMT
	switch {
	case kind != syscall.S_IFREG && kind != syscall.S_IFDIR:
		return syscall.EINVAL
	case !c.trusted(fd, st.Dev):
		return syscall.ENOTSUP
	case isYoung(st.Ctim.Nano(), c.now):
		return errYoung
	}
	return nil
}

// variants are the forms beside a name; one of which nothing can be said may be there.
func (c *cache) variants(name string) (found codingSet) {
	if isCompressed([]byte(name)) {
		return 0
	}
	for form := range numCodings {
		fd, err := openat2(c.root, append([]byte(name), codings[form].suffix...), unix.O_PATH|unix.O_CLOEXEC, c.how.Resolve)
		if err == nil {
			closeFile(fd)
		}
		if err != syscall.ENOENT && err != syscall.ENAMETOOLONG {
			found |= form.set()
		}
	}
	return found
}

// directory gives a directory that has been checked in this turn; nil when it is not for keeping.
func (c *cache) directory(name string) (d *directory, err error) {
	if d := c.dirs[name]; d != nil {
		if c.stands(d) {
			return d, nil
		}
		delete(c.dirs, name)
	}
	d = &directory{born: c.now, checked: c.turn}
	if name != "." {
		if d.parent, err = c.directory(parentOf(name)); d.parent == nil {
			return nil, err
		}
	}
	if len(c.dirs) >= c.limit {
		return nil, nil // until the old ones expire
	}
	d.fd, err = openat2(c.root, []byte(name), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, c.how.Resolve)
	if err != nil {
		return nil, err
	}
	var st syscall.Stat_t
	if err := c.keepable(d.fd, &st); err != nil {
		closeFile(d.fd)
		return nil, err
	}
	d.stamp = stampOf(&st)
	c.dirs[name] = d
	return d, nil
}

// trusted reports whether the file system of an open file is one that dates every change at once.
func (c *cache) trusted(fd int, device uint64) bool {
	good, known := c.devices[device]
	if !known {
		good = datesChanges(fd)
		c.devices[device] = good
	}
	return good
}

// datesChanges reports whether an open file is on a file system that is this machine's own.
func datesChanges(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1, zfsMagic, bcachefsMagic:
		return true
	}
	return false
}

// Not in golang.org/x/sys/unix.
const (
	zfsMagic      = 0x2fc12fc1
	bcachefsMagic = 0xca451a4e
)

// parentOf is the directory of a clean name.
func parentOf(name string) string {
	if i := bytes.LastIndexByte([]byte(name), '/'); i >= 0 {
		return name[:i]
	}
	return "."
}

// hold keeps the entry's file open for its user.
func (e *entry) hold() { e.holders++ }

// release lets go of it.
func (e *entry) release() {
	if e.holders--; e.holders == 0 && e.dead {
		closeFile(e.fd)
	}
}

// isWarm reports whether the page cache had all of a part of the file a moment ago.
func (e *entry) isWarm(part byteRange, now int64) bool {
	return now-e.warmed < warmTime && part.off >= e.warmPart.off && part.off+part.len <= e.warmPart.off+e.warmPart.len
}

// warm notes that the page cache has a part of the file now. A larger one is remembered till it is no news.
func (e *entry) warm(part byteRange, now int64) {
	if part == e.warmPart || !e.isWarm(part, now) {
		e.warmPart, e.warmed = part, now
	}
}

func (c *cache) forget(name string, e *entry) {
	delete(c.entries, name)
	e.dead = true
	if e.holders == 0 && e.fd >= 0 {
		closeFile(e.fd)
	}
}

// evict makes room; a map is walked from a place of chance.
func (c *cache) evict() {
	for name, e := range c.entries {
		c.forget(name, e)
		return
	}
}

// expire forgets what is old: nobody is to hold on to what may be deleted, or mounted over.
func (c *cache) expire(now int64) {
	c.expired = now
	for name, e := range c.entries {
		if now-e.born > 2*cacheAge || e.dir != nil && e.dir.dead { // not asked for since it was due
			c.forget(name, e)
		}
	}
	for name, d := range c.dirs {
		if d.dead || now-d.born > 2*cacheAge {
			delete(c.dirs, name)
			if !d.dead {
				d.die()
			}
		}
	}
	if len(c.entries)+len(c.dirs) == 0 {
		c.filled.Store(false)
	}
}

// clear forgets everything.
func (c *cache) clear() {
	for name, e := range c.entries {
		c.forget(name, e)
	}
	for name, d := range c.dirs {
		delete(c.dirs, name)
		if !d.dead {
			d.die()
		}
	}
}
