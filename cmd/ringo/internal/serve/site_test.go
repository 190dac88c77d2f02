// SPDX-License-Identifier: MIT

package serve

import (
	"reflect"
	"testing"

	"github.com/spf13/pflag"

	"github.com/ringo-io/ringo/go/fileserver"
)

func TestSiteFlags(t *testing.T) {
	var site fileserver.Options
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addSiteFlags(flags, &site)
	err := flags.Parse([]string{"--symlinks=none", "--etag=hash", "--spa=app.html", "--error-page=404=404.html", "--error-page=503=a=b",
		"--cache-control=*.js=max-age=60, immutable", "--cache-control=**=no-cache", "--cors=https://a", "--cors=https://b,c"})
	want := fileserver.Options{Index: "index.html", Symlinks: fileserver.SymlinksNone, ETag: fileserver.ETagHash, SPA: "app.html",
		ErrorPages:   map[int]string{404: "404.html", 503: "a=b"},
		CacheControl: []fileserver.CacheRule{{Glob: "*.js", Value: "max-age=60, immutable"}, {Glob: "**", Value: "no-cache"}},
		CORS:         []string{"https://a", "https://b,c"}}
	if err != nil || !reflect.DeepEqual(site, want) {
		t.Errorf("%v\n%+v", err, site)
	}
	for _, bad := range []string{"--symlinks=some", "--etag=", "--error-page=404", "--error-page=x=y", "--cache-control=x"} {
		if flags.Parse([]string{bad}) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
