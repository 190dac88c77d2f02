// SPDX-License-Identifier: MIT

package serve

import (
	"os"
	"testing"
)

// TestCauseOfAnEnd: what a worker said before it ended is why it ended; else how it ended is all there is.
func TestCauseOfAnEnd(t *testing.T) {
	for _, row := range []struct{ said, want string }{
		{"accept: permission denied", "accept: permission denied"},
		{"", os.ErrProcessDone.Error()},
	} {
		ours, theirs, err := newControl()
		if err != nil {
			t.Fatal(err)
		}
		worker, err := controlOf(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if row.said != "" {
			if err := worker.send(notice{Failed: row.said}, nil); err != nil {
				t.Fatal(err)
			}
		}
		worker.close()
		ended := &process{control: ours, err: os.ErrProcessDone}
		if got := ended.cause(); got.Error() != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
