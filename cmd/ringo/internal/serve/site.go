// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ringo-io/ringo/go/fileserver"
)

// addSiteFlags are the flags for what is answered.
func addSiteFlags(flags *pflag.FlagSet, site *fileserver.Options) {
	flags.StringVar(&site.Index, "index", "index.html", "file served for a directory")
	flags.BoolVar(&site.NoListing, "no-listing", false, "answer 404 for a directory without an index file")
	flags.BoolVar(&site.Hidden, "hidden", false, "serve names that begin with a dot")
	flags.Var(&choice[fileserver.SymlinkPolicy]{&site.Symlinks, symlinkPolicies}, "symlinks",
		"links that are followed: beneath (those that stay in DIR), none, all (files outside DIR as well)")
	flags.Var(&choice[fileserver.ETagMode]{&site.ETag, etagModes}, "etag",
		"what tags are made of: mtime (and size), inode (these, and its number), hash (the contents), off")
	flags.StringVar(&site.SPA, "spa", "", "FILE in DIR that is served for paths without a file and without an extension")
	flags.Var((*errorPages)(&site.ErrorPages), "error-page", "CODE=FILE in DIR that is sent with that status; may be given again")
	flags.Var((*cacheRules)(&site.CacheControl), "cache-control",
		"GLOB=VALUE: the Cache-Control of files; may be given again, the first that matches counts")
	flags.StringArrayVar(&site.CORS, "cors", nil, "ORIGIN whose pages may read the answers, or *; may be given again")
}

var symlinkPolicies = map[string]fileserver.SymlinkPolicy{
	"beneath": fileserver.SymlinksBeneath, "none": fileserver.SymlinksNone, "all": fileserver.SymlinksAll,
}

var etagModes = map[string]fileserver.ETagMode{
	"mtime": fileserver.ETagMtime, "inode": fileserver.ETagInode, "hash": fileserver.ETagHash, "off": fileserver.ETagOff,
}

// A choice is a flag whose values are words.
type choice[T comparable] struct {
	value *T
	words map[string]T
}

func (c *choice[T]) Type() string { return "string" }

func (c *choice[T]) String() string {
	for word, value := range c.words {
		if value == *c.value {
			return word
		}
	}
	return ""
}

func (c *choice[T]) Set(word string) error {
	value, known := c.words[word]
	if !known {
		return fmt.Errorf("it must be one of %s", strings.Join(slices.Sorted(maps.Keys(c.words)), ", "))
	}
	*c.value = value
	return nil
}

// errorPages is the flag --error-page.
type errorPages map[int]string

func (p *errorPages) Type() string { return "CODE=FILE" }

func (p *errorPages) String() string { return strings.Join(p.GetSlice(), " ") }

func (p *errorPages) Set(text string) error {
	code, file, ok := strings.Cut(text, "=")
	status, err := strconv.Atoi(code)
	if !ok || err != nil {
		return fmt.Errorf("it must be CODE=FILE, as in 404=404.html")
	}
	if *p == nil {
		*p = errorPages{}
	}
	(*p)[status] = file
	return nil
}

// GetSlice, Append and Replace implement pflag.SliceValue.
func (p *errorPages) GetSlice() (list []string) {
	for _, status := range slices.Sorted(maps.Keys(*p)) {
		list = append(list, fmt.Sprintf("%d=%s", status, (*p)[status]))
	}
	return list
}

func (p *errorPages) Append(text string) error { return p.Set(text) }

func (p *errorPages) Replace(list []string) error {
	*p = nil
	return setAll(p, list)
}

// cacheRules is the flag --cache-control.
type cacheRules []fileserver.CacheRule

func (r *cacheRules) Type() string { return "GLOB=VALUE" }

func (r *cacheRules) String() string { return strings.Join(r.GetSlice(), " ") }

func (r *cacheRules) Set(text string) error {
	glob, value, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("it must be GLOB=VALUE, as in '*.css=max-age=3600'")
	}
	*r = append(*r, fileserver.CacheRule{Glob: glob, Value: value})
	return nil
}

// GetSlice, Append and Replace implement pflag.SliceValue.
func (r *cacheRules) GetSlice() (list []string) {
	for _, rule := range *r {
		list = append(list, rule.Glob+"="+rule.Value)
	}
	return list
}

func (r *cacheRules) Append(text string) error { return r.Set(text) }

func (r *cacheRules) Replace(list []string) error {
	*r = nil
	return setAll(r, list)
}

func setAll(value pflag.Value, list []string) error {
	for _, text := range list {
		if err := value.Set(text); err != nil {
			return err
		}
	}
	return nil
}
