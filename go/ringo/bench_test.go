package ringo

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// cpuTime is what the process has used so far, all threads and the kernel's work for it included.
func cpuTime(b *testing.B) time.Duration {
	const processCPUTime = 2 // CLOCK_PROCESS_CPUTIME_ID
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processCPUTime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		b.Fatal(errno)
	}
	return time.Duration(ts.Nano())
}

// measureCPU begins to measure; the function it returns reports CPU time per operation.
func measureCPU(b *testing.B) (report func(operations int)) {
	b.ReportAllocs()
	b.ResetTimer()
	begin := cpuTime(b)
	return func(operations int) {
		b.StopTimer()
		b.ReportMetric(float64(cpuTime(b)-begin)/float64(operations), "cpu-ns/op")
	}
}

// BenchmarkNop posts an operation that does nothing from its own callback, 32 at once: what the
// way through mailbox, ring and delivery costs.
func BenchmarkNop(b *testing.B) {
	const depth = 32
	e := open(b, WithLoops(1))
	left, running := b.N, depth // of the loop
	done := make(chan struct{})
	var again func(error)
	again = func(error) {
		if left > 0 {
			left--
			if err := e.NopFunc(again); err == nil {
				return
			}
			b.Error("refused")
		}
		if running--; running == 0 {
			close(done)
		}
	}
	report := measureCPU(b)
	onLoop(b, e, func() {
		for range depth {
			again(nil)
		}
	})
	<-done
	report(b.N)
}

// BenchmarkReadFile reads a file of a page from the page cache, by one goroutine and by many.
func BenchmarkReadFile(b *testing.B) {
	name := writeTemp(b, make([]byte, 4096))
	for _, way := range []struct {
		name string
		read func(e *Engine) error
	}{
		{"ringo", func(e *Engine) error { _, err := e.ReadFile(b.Context(), name); return err }},
		{"os", func(*Engine) error { _, err := os.ReadFile(name); return err }},
	} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", way.name, callers), func(b *testing.B) {
				e := open(b)
				b.SetBytes(4096)
				b.SetParallelism(callers)
				report := measureCPU(b)
				if callers == 1 {
					for range b.N {
						if err := way.read(e); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if err := way.read(e); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				report(b.N)
			})
		}
	}
}

// BenchmarkReadFileFunc keeps 64 reads of a page in flight, each posted by another's callback.
func BenchmarkReadFileFunc(b *testing.B) {
	const depth = 64
	e := open(b, WithLoops(1))
	name := writeTemp(b, make([]byte, 4096))
	var left, running atomic.Int64
	left.Store(int64(b.N))
	running.Store(depth)
	done := make(chan struct{})
	var again func([]byte, error)
	again = func(_ []byte, err error) {
		if err == nil && left.Add(-1) >= 0 {
			err = e.ReadFileFunc(name, again)
			if err == nil {
				return
			}
		}
		if err != nil {
			b.Error(err)
		}
		if running.Add(-1) == 0 {
			close(done)
		}
	}
	b.SetBytes(4096)
	report := measureCPU(b)
	onLoop(b, e, func() {
		for range depth {
			again(nil, nil)
		}
	})
	<-done
	report(b.N)
}

// BenchmarkReadFiles reads 10,000 files of a page each time; an operation is one file.
func BenchmarkReadFiles(b *testing.B) {
	const files = 10_000
	dir := b.TempDir()
	var names []string
	for i := range files {
		name := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
			b.Fatal(err)
		}
		names = append(names, name)
	}
	e := open(b)
	b.SetBytes(4096)
	report := measureCPU(b)
	for left := b.N; left > 0; left -= files {
		for _, err := range e.ReadFiles(b.Context(), names[:min(left, files)]) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b.N)
}

// BenchmarkWindow keeps 32 operations that do nothing in a window, or reads a page from the page
// cache: what Submit, a step and Wait cost per operation.
func BenchmarkWindow(b *testing.B) {
	e := open(b, WithLoops(1))
	f := e.NewFile(openTemp(b, make([]byte, 4096)))
	for _, kind := range []OpKind{OpNop, OpRead} {
		for _, least := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/wait=%d", opNames[kind], least), func(b *testing.B) {
				w := openWindow(b, e, 32)
				defer w.Close()
				ops := make([]Op, 32)
				memory := make([]byte, 32*4096)
				idle := make([]*Op, 0, 32)
				for i := range ops {
					ops[i] = Op{Kind: kind, File: f, Data: memory[i*4096 : (i+1)*4096]}
					idle = append(idle, &ops[i])
				}
				report := measureCPU(b)
				for done := 0; done < b.N; {
					for _, op := range idle {
						if err := w.Submit(op); err != nil {
							b.Fatal(err)
						}
					}
					ended, err := w.Wait(least)
					if err != nil {
						b.Fatal(err)
					}
					idle = append(idle[:0], ended...)
					done += len(ended)
				}
				report(b.N)
			})
		}
	}
}
