package fileserver

// ETagMode says what an entity tag is made of.
type ETagMode uint8

const (
	// ETagMtime makes tags from size and modification time, so that equal
	// trees on several machines answer with equal tags. The default.
	ETagMtime ETagMode = iota
	// ETagInode adds the inode number, which tells two files apart that were
	// given one size and one time; tags then differ between machines.
	ETagInode
	// ETagOff sends no tags.
	ETagOff
)

// Options are the site's rules. The zero value is a good default: index.html,
// listings on, hidden files unreachable.
type Options struct {
	// Index is the file served for a directory; empty means "index.html".
	Index string
	// NoListing answers 404 for a directory that has no index file.
	NoListing bool
	// Hidden serves names that begin with a dot, which are 404 otherwise.
	Hidden bool
	// ETag chooses how entity tags are made.
	ETag ETagMode
}

// index is the index file's name with the default applied.
func (o *Options) index() string {
	if o.Index == "" {
		return "index.html"
	}
	return o.Index
}
