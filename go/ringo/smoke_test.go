package ringo

import (
	"context"
	"os"
	"testing"
	"bytes"
	"fmt"
)

func TestSmoke(t *testing.T) {
	e, err := New()
	if err != nil { t.Fatal(err) }
	defer func(){ if err := e.Close(); err != nil { t.Fatal(err) } }()
	for _, n := range []string{"/etc/passwd", "/proc/self/status", "/proc/cpuinfo", "/usr/local/go/bin/go", "/nonexistent", "/tmp"} {
		a, erra := e.ReadFile(context.Background(), n)
		b, errb := os.ReadFile(n)
		if n != "/proc/self/status" && !bytes.Equal(a, b) { t.Errorf("%s: %d %d", n, len(a), len(b)) }
		fmt.Println(n, len(a), erra, errb)
	}
	for _, o := range [][]WriteOption{{}, {Atomic}, {Atomic, Sync}} {
		if err := e.WriteFile(context.Background(), t.TempDir()+"/x", []byte("hello"), 0644, o...); err != nil { t.Fatal(err) }
	}
	names := []string{}
	ents, _ := os.ReadDir("/usr/include")
	for _, x := range ents { names = append(names, "/usr/include/"+x.Name()) }
	k := 0
	for d, err := range e.ReadFiles(context.Background(), names) {
		b, errb := os.ReadFile(names[k]); k++
		if (err != nil) != (errb != nil) || !bytes.Equal(b, d.Data) { t.Error(d.Name, err, errb, len(b), len(d.Data)) }
	}
	fmt.Println(k)
}

func BenchmarkNop(b *testing.B) {
	e, _ := New(WithLoops(1))
	defer e.Close()
	b.ReportAllocs()
	done := make(chan struct{})
	n, fin := 0, 0
	var cb func(error)
	cb = func(err error) { n++; if n > b.N { fin++; if fin == 32 { close(done) }; return }; e.NopFunc(cb) }
	for range 32 { e.NopFunc(cb) }
	<-done
}
