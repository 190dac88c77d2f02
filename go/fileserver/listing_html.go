package fileserver

import (
	"html"
	"strconv"
	"strings"
	"time"
)

// listingStyle follows the reader's choice of light or dark by system colours.
const listingStyle = `:root{color-scheme:light dark}` +
	`body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}` +
	`h1{font-size:1.2em;font-weight:600;overflow-wrap:anywhere}` +
	`table{width:100%;border-collapse:collapse}` +
	`th,td{padding:.25em .6em;text-align:left;border-bottom:1px solid #8883}` +
	`td:first-child{overflow-wrap:anywhere}` +
	`.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}` +
	`a{text-decoration:none}a:hover,a:focus{text-decoration:underline}` +
	`tbody tr:hover{background:#8881}`

// listingColumns are the headings, by key.
var listingColumns = [...]string{byName: "Name", bySize: "Size", byTime: "Modified (UTC)"}

// page is a listing as a page that works without script.
func (l listing) page(entries []listEntry) []byte {
	parts := splitDirectory(l.directory)
	title := html.EscapeString("Index of " + shown("/"+strings.Join(append(parts, ""), "/")))
	var dst []byte
	dst = append(dst, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"...)
	dst = append(dst, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>"...)
	dst = append(dst, title...)
	dst = append(dst, "</title>\n<style>"+listingStyle+"</style>\n</head>\n<body>\n<h1>Index of "...)
	dst = appendCrumbs(dst, parts)
	dst = append(dst, "</h1>\n<table>\n<thead><tr>"...)
	for key := range listKeys {
		dst = appendHeading(dst, listKey(key), l.listForm)
	}
	dst = append(dst, "</tr></thead>\n<tbody>\n"...)
	if len(parts) > 0 {
		dst = append(dst, "<tr><td><a href=\"../\">../</a></td><td class=\"n\"></td><td class=\"n\"></td></tr>\n"...)
	}
	for i := range entries {
		dst = appendRow(dst, &entries[i])
	}
	return append(dst, "</tbody>\n</table>\n</body>\n</html>\n"...)
}

// splitDirectory gives the components of a clean name, none for the root.
func splitDirectory(name string) []string {
	if name == "." {
		return nil
	}
	return strings.Split(name, "/")
}

// appendCrumbs appends the path, each directory above a link to itself. The
// links climb, for the page does not know under what prefix it is served.
func appendCrumbs(dst []byte, parts []string) []byte {
	for i := range len(parts) + 1 {
		name := "/"
		if i > 0 {
			name = html.EscapeString(shown(parts[i-1])) + "/"
		}
		if i == len(parts) {
			dst = append(dst, "<bdi>"+name+"</bdi>"...)
			continue
		}
		dst = append(dst, "<a href=\""+strings.Repeat("../", len(parts)-i)+"\"><bdi>"+name+"</bdi></a>"...)
	}
	return dst
}

// appendHeading appends a column's heading: a link that sorts by it, or the
// other way round when it is sorted by already. Crawlers are told to leave these
// links alone.
func appendHeading(dst []byte, key listKey, form listForm) []byte {
	order, class, state, arrow := "asc", "", "", ""
	if key != byName {
		class = " class=\"n\""
	}
	if key == form.key {
		state, arrow = " aria-sort=\"ascending\"", " \u2191"
		if form.descending {
			state, arrow = " aria-sort=\"descending\"", " \u2193"
		} else {
			order = "desc"
		}
	}
	link := "?sort=" + listKeys[key] + "&amp;order=" + order
	return append(dst, "<th"+class+state+"><a rel=\"nofollow\" href=\""+link+"\">"+listingColumns[key]+"</a>"+arrow+"</th>"...)
}

// appendRow appends an entry. The name is escaped twice over, as a URL and as
// HTML; bdi keeps right-to-left names from turning the rest of the row around.
func appendRow(dst []byte, e *listEntry) []byte {
	dst = append(dst, "<tr><td><a href=\""...)
	dst = append(dst, html.EscapeString(string(appendLink(nil, e)))...)
	dst = append(dst, "\"><bdi>"...)
	dst = append(dst, html.EscapeString(shown(e.name))...)
	dst = append(dst, "</bdi>"...)
	if e.isDir {
		dst = append(dst, '/')
	}
	dst = append(dst, "</a></td><td class=\"n\">"...)
	if !e.isDir {
		dst = append(dst, "<span title=\""...)
		dst = strconv.AppendInt(dst, e.size, 10)
		dst = append(dst, " bytes\">"...)
		dst = append(appendSize(dst, e.size), "</span>"...)
	}
	at := entryTime(e)
	dst = append(dst, "</td><td class=\"n\"><time datetime=\""...)
	dst = at.AppendFormat(dst, time.RFC3339)
	dst = append(dst, "\">"...)
	dst = at.AppendFormat(dst, "2006-01-02 15:04")
	return append(dst, "</time></td></tr>\n"...)
}

// appendSize appends a number of bytes for people: "999 B", "1.5 KiB", "12 MiB".
func appendSize(dst []byte, n int64) []byte {
	if n < 1024 {
		return append(strconv.AppendInt(dst, n, 10), " B"...)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1023.5 && unit < len("KMGTPE")-1 {
		value /= 1024
		unit++
	}
	digits := 0
	if value < 9.95 {
		digits = 1
	}
	dst = strconv.AppendFloat(dst, value, 'f', digits, 64)
	return append(dst, ' ', "KMGTPE"[unit], 'i', 'B')
}
