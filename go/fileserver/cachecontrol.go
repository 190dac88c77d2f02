package fileserver

import (
	"path"
	"strings"
	"unsafe"
)

// cacheRules are an Options' CacheControl, taken apart.
type cacheRules []cacheRule

type cacheRule struct {
	parts []string // of the glob
	line  string   // the header line
}

func newCacheRules(rules []CacheRule) cacheRules {
	var made cacheRules
	for _, r := range rules {
		made = append(made, cacheRule{strings.Split(r.Glob, "/"), "Cache-Control: " + r.Value + "\r\n"})
	}
	return made
}

// lineFor is the header line for a file, empty when no rule matches.
func (rules cacheRules) lineFor(name []byte) string {
	for i := range rules {
		if rules[i].matches(name) {
			return rules[i].line
		}
	}
	return ""
}

func (r *cacheRule) matches(name []byte) bool {
	if len(r.parts) == 1 && r.parts[0] != "**" {
		name = lastComponent(name)
	}
	// The string is looked at during the call alone.
	return matchParts(r.parts, unsafe.String(unsafe.SliceData(name), len(name)))
}

// matchParts matches a path part by part; "**" takes as many as it has to.
func matchParts(globs []string, name string) bool {
	for len(globs) > 0 && globs[0] != "**" {
		part, rest, more := strings.Cut(name, "/")
		if ok, _ := path.Match(globs[0], part); !ok || more != (len(globs) > 1) {
			return false
		}
		globs, name = globs[1:], rest
	}
	if len(globs) == 0 {
		return true
	}
	if globs = globs[1:]; len(globs) == 0 {
		return true
	}
	for {
		if matchParts(globs, name) {
			return true
		}
		_, rest, more := strings.Cut(name, "/")
		if !more {
			return false
		}
		name = rest
	}
}
