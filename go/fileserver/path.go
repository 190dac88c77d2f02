package fileserver

import "bytes"

// Limits of Linux on names, in bytes.
const (
	maxComponent = 255
	maxName      = 4095
)

// cleanPath turns the escaped path of a request into a name relative to the
// served directory, fit for openat2: decoded once, cleaned once, without a
// leading or trailing slash, without empty, "." and ".." components; the
// directory itself is ".". The name is written over dst, which is enlarged only
// when it is no longer than path. slash reports that the path named a directory:
// it ended in a slash or in a dot component. status is 0, or 400 for what is no
// path, or 404 for what no file may be found under.
func cleanPath(dst, path []byte, hidden bool) (name []byte, slash bool, status int) {
	dst = dst[:0]
	missing := false
	for rest := path; len(rest) > 0; {
		var ok, odd bool
		start := len(dst)
		dst, rest, odd, ok = decodeComponent(dst, rest)
		if !ok {
			return nil, false, 400
		}
		if odd {
			missing = true
			dst = append(dst[:start], '?') // one component to go on cleaning with
		}
		slash = true
		switch string(dst[start:]) {
		case "", ".":
			dst = dst[:start]
		case "..":
			if start == 0 {
				return nil, false, 400
			}
			dst = dst[:bytes.LastIndexByte(dst[:start-1], '/')+1]
		default:
			slash = len(path) > len(rest) && path[len(path)-len(rest)-1] == '/'
			dst = append(dst, '/')
		}
	}
	if missing {
		return nil, false, 404
	}
	if len(dst) == 0 {
		return append(dst, '.'), true, 0
	}
	name = dst[:len(dst)-1]
	if !reachable(name, hidden) {
		return nil, false, 404
	}
	return name, slash, 0
}

// decodeComponent appends the next component of path, unescaped, and gives the
// path behind the slash that ends it. odd reports an escaped slash: a byte of
// the name that no name on Linux holds, so that it can match nothing. ok is
// false for broken escapes and for control characters, escaped or not.
func decodeComponent(dst, path []byte) (out, rest []byte, odd, ok bool) {
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch c {
		case '/':
			return dst, path[i+1:], odd, true
		case '%':
			if i+2 >= len(path) {
				return dst, nil, false, false
			}
			high, low := hexValue(path[i+1]), hexValue(path[i+2])
			if high < 0 || low < 0 {
				return dst, nil, false, false
			}
			c = byte(high<<4 | low)
			odd = odd || c == '/'
			i += 2
		}
		if c < 0x20 || c == 0x7f {
			return dst, nil, false, false
		}
		dst = append(dst, c)
	}
	return dst, nil, odd, true
}

// reachable checks a clean name against the limits of the file system and the
// rule on hidden files.
func reachable(name []byte, hidden bool) bool {
	if len(name) > maxName {
		return false
	}
	for top := true; len(name) > 0; top = false {
		part := name
		if i := bytes.IndexByte(name, '/'); i >= 0 {
			part, name = name[:i], name[i+1:]
		} else {
			name = nil
		}
		if len(part) > maxComponent || (!hidden && isHidden(part, top)) {
			return false
		}
	}
	return true
}

// isHidden reports whether a name is hidden: it begins with a dot, and is not
// the well-known directory of RFC 8615 at the top.
func isHidden(name []byte, top bool) bool {
	return name[0] == '.' && !(top && string(name) == ".well-known")
}

// lastComponent is what follows the last slash of a clean name.
func lastComponent(name []byte) []byte {
	return name[bytes.LastIndexByte(name, '/')+1:]
}

// hexDigits spell escapes, in the case RFC 3986 section 2.1 prefers.
const hexDigits = "0123456789ABCDEF"

// appendEscaped appends a name as one segment of a relative reference. No
// name can make it anything else: slashes, colons and all that ends a path are
// escaped, and so is what HTML gives a meaning to.
func appendEscaped(dst, name []byte) []byte {
	for _, c := range name {
		if classes[c]&classPlain != 0 {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
