package fileserver

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// ETagMode says what an entity tag is made of.
type ETagMode uint8

const (
	// ETagMtime makes tags from size and modification time, so that equal
	// trees on several machines answer with equal tags. The default.
	ETagMtime ETagMode = iota
	// ETagInode adds the inode number, which tells two files apart that were
	// given one size and one time; tags then differ between machines.
	ETagInode
	// ETagHash makes tags from the contents, for trees whose times say nothing.
	// A file is read once for it, and again whenever it has changed.
	ETagHash
	// ETagOff sends no tags.
	ETagOff
)

// SymlinkPolicy says which symbolic links are followed.
type SymlinkPolicy uint8

const (
	// SymlinksBeneath follows those that stay below the root. The default.
	SymlinksBeneath SymlinkPolicy = iota
	// SymlinksNone follows none: what lies behind one is 404.
	SymlinksNone
	// SymlinksAll follows every link, also out of the root: whoever can make a
	// link below it can then publish any file that the server can read.
	SymlinksAll
)

// A CacheRule gives the files that a glob matches a Cache-Control.
type CacheRule struct {
	// Glob is matched on the file's path below the root, without a leading
	// slash. Its parts between slashes are as in path.Match; the part "**" is
	// any number of directories. A glob without a slash is matched on the last
	// part of the path alone.
	Glob string
	// Value is what the header says.
	Value string
}

// Options are the site's rules. The zero value is a good default: index.html,
// listings on, hidden files unreachable, precompressed files used.
type Options struct {
	// Index is the file served for a directory; empty means "index.html".
	Index string
	// NoListing answers 404 for a directory that has no index file.
	NoListing bool
	// Hidden serves names that begin with a dot, which are 404 otherwise.
	Hidden bool
	// Symlinks chooses which links are followed.
	Symlinks SymlinkPolicy
	// ETag chooses how entity tags are made.
	ETag ETagMode
	// SPA is a file below the root, served with 200 for a path that leads to
	// no file and whose last part has no dot in it; empty for none.
	SPA string
	// ErrorPages are files below the root, by the status they are sent with.
	ErrorPages map[int]string
	// CacheControl lists rules; the first that matches counts.
	CacheControl []CacheRule
	// CORS are the origins whose pages may read the answers, as in
	// "https://example.org"; "*" is all of them.
	CORS []string
}

// index is the index file's name with the default applied.
func (o *Options) index() string {
	if o.Index == "" {
		return "index.html"
	}
	return o.Index
}

// Check says what is wrong with the options, if anything is.
func (o *Options) Check() error {
	if strings.Contains(o.index(), "/") || !isFileBelow(o.index()) {
		return fmt.Errorf("index %q: it must be a name without a slash", o.Index)
	}
	if o.SPA != "" && !isFileBelow(o.SPA) {
		return fmt.Errorf("spa %q: it must be a file below the root, as in \"index.html\"", o.SPA)
	}
	for status, page := range o.ErrorPages {
		if status < 400 || status > lastStatus || statusOf(status).line == "" {
			return fmt.Errorf("error page %d=%s: the server never answers with %d; there are %s",
				status, page, status, errorStatuses())
		}
		if !isFileBelow(page) {
			return fmt.Errorf("error page %d=%s: it must be a file below the root, as in \"404.html\"", status, page)
		}
	}
	for _, rule := range o.CacheControl {
		if err := rule.check(); err != nil {
			return err
		}
	}
	for _, origin := range o.CORS {
		if !isOrigin(origin) {
			return fmt.Errorf("cors %q: it must be \"*\" or an origin, as in \"https://example.org\" or "+
				"\"http://localhost:3000\"", origin)
		}
	}
	return nil
}

// isFileBelow reports whether a name can be that of a file below the root as it is opened.
func isFileBelow(name string) bool {
	return name != "." && name != ".." && name == path.Clean(name) && !strings.HasPrefix(name, "/") &&
		!strings.HasPrefix(name, "../") && !hasControl([]byte(name))
}

func (r CacheRule) check() error {
	for _, part := range strings.Split(r.Glob, "/") {
		if _, err := path.Match(part, ""); err != nil || part == "" {
			return fmt.Errorf("cache control %s=%s: the glob is not one: its parts must be as in path.Match, "+
				"without a slash at either end", r.Glob, r.Value)
		}
	}
	if r.Value == "" || hasControl([]byte(r.Value)) {
		return fmt.Errorf("cache control %s=%s: the value must be a line of text, as in \"max-age=3600\"", r.Glob, r.Value)
	}
	return nil
}

// isOrigin checks scheme "://" host [ ":" port ] (RFC 6454 section 6.2).
func isOrigin(s string) bool {
	if s == "*" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != "" && s == u.Scheme+"://"+u.Host &&
		s == strings.ToLower(s) && !hasControl([]byte(s))
}
