package fileserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// listEntry is one name in a directory. For a symbolic link the other fields
// are those of what it leads to.
type listEntry struct {
	name  string
	isDir bool
	size  int64
	mtime int64 // ns since the epoch
}

// listKey is what a listing is sorted by.
type listKey uint8

const (
	byName listKey = iota
	bySize
	byTime
)

// listKeys are the words for the keys in a query, by key.
var listKeys = [...]string{"name", "size", "time"}

// listForm is how a client wants a listing.
type listForm struct {
	json       bool
	key        listKey
	descending bool
}

// A listing is what a client is to see of a directory. It holds nothing of the request, so that
// any goroutine may make its body: of many entries that takes longer than a loop may be away.
type listing struct {
	listForm
	directory string // a clean name
	hidden    bool   // show hidden names
}

// body is the listing of entries, which it reorders.
func (l listing) body(entries []listEntry) []byte {
	entries = l.visible(entries)
	l.sort(entries)
	if l.json {
		return listingJSON(entries)
	}
	return l.page(entries)
}

func (l listing) contentType() string {
	if l.json {
		return "application/json"
	}
	return "text/html; charset=utf-8"
}

// listFormOf reads the form from the query (?sort=name|size|time,
// &order=asc|desc, &format=json|html) and from Accept. Words it does not know are
// passed over: a listing is never an error.
func listFormOf(query, accept []byte) listForm {
	form := listForm{json: prefersJSON(accept)}
	query = bytes.TrimPrefix(query, []byte("?"))
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		switch string(name) {
		case "format":
			if v := string(value); v == "json" || v == "html" {
				form.json = v == "json"
			}
		case "sort":
			form.key = listKey(max(0, slices.Index(listKeys[:], string(value))))
		case "order":
			form.descending = string(value) == "desc"
		}
	}
	return form
}

// prefersJSON reports whether Accept names JSON with a higher weight than HTML.
// "*/*" names neither: a browser and curl both send it, and both get HTML.
func prefersJSON(accept []byte) bool {
	var jsonWeight, htmlWeight int
	for len(accept) > 0 {
		var item []byte
		item, accept = cutItem(accept)
		media, parameters := cutParameters(item)
		switch strings.ToLower(string(media)) {
		case "application/json":
			jsonWeight = weight(parameters)
		case "text/html", "application/xhtml+xml":
			htmlWeight = max(htmlWeight, weight(parameters))
		}
	}
	return jsonWeight > htmlWeight
}

// visible drops, in place, the names a request could not open: hidden ones,
// those with control characters, and the two the kernel puts into every directory.
func (l listing) visible(entries []listEntry) []listEntry {
	top := l.directory == "."
	return slices.DeleteFunc(entries, func(e listEntry) bool {
		if e.name == "." || e.name == ".." || (!l.hidden && isHidden([]byte(e.name), top)) {
			return true
		}
		return hasControl([]byte(e.name)) || strings.Contains(e.name, "\t")
	})
}

// sort orders entries: directories first, then by the key, then by name, so
// that equal directories give equal listings.
func (f listForm) sort(entries []listEntry) {
	slices.SortFunc(entries, func(a, b listEntry) int {
		if a.isDir != b.isDir {
			if a.isDir {
				return -1
			}
			return 1
		}
		order := 0
		switch f.key {
		case bySize:
			order = cmp.Compare(a.size, b.size)
		case byTime:
			order = cmp.Compare(a.mtime, b.mtime)
		}
		order = cmp.Or(order, strings.Compare(a.name, b.name))
		if f.descending {
			return -order
		}
		return order
	})
}

// jsonEntry is a listEntry as clients read it.
type jsonEntry struct {
	Name string `json:"name"`
	// URL is relative to the listing, and right even for a name that is not
	// UTF-8, which Name cannot spell.
	URL      string `json:"url"`
	Type     string `json:"type"` // "file" or "directory"
	Size     *int64 `json:"size,omitempty"`
	Modified string `json:"mtime"` // RFC 3339
}

// listingJSON is a listing as an array of objects.
func listingJSON(entries []listEntry) []byte {
	list := make([]jsonEntry, len(entries))
	for i := range entries {
		e := &entries[i]
		list[i] = jsonEntry{
			Name: e.name, URL: string(appendLink(nil, e)), Type: "file", Size: &e.size,
			Modified: entryTime(e).Format(time.RFC3339),
		}
		if e.isDir {
			list[i].Type, list[i].Size = "directory", nil
		}
	}
	out, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and numbers alone cannot fail
	}
	return append(out, '\n')
}

// entryTime is an entry's time as UTC.
func entryTime(e *listEntry) time.Time { return time.Unix(0, e.mtime).UTC() }

// appendLink appends the reference from a listing to one of its entries.
func appendLink(dst []byte, e *listEntry) []byte {
	dst = appendEscaped(dst, []byte(e.name))
	if e.isDir {
		dst = append(dst, '/')
	}
	return dst
}

// shown is a name fit to be looked at: bytes that are no UTF-8 are replaced.
func shown(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
