package ringo

import (
	"bytes"
	"testing"
)

// TestBuffers: sizes, alignment, no overlap, and an end.
func TestBuffers(t *testing.T) {
	e := open(t, WithLoops(1))
	pool := e.Buffers()
	for _, size := range []int{0, -1, slabBytes + 1} {
		if _, err := pool.Get(size); err == nil {
			t.Errorf("a buffer of %d bytes", size)
		}
	}
	var leases []*Buffer
	for _, size := range []int{1, 4095, 4096, 4097, 100_000, slabBytes, 1, 4096} {
		b, err := pool.Get(size)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Bytes()) != size || addressOf(b.Bytes())%4096 != 0 {
			t.Errorf("a buffer of %d bytes has %d at %#x", size, len(b.Bytes()), addressOf(b.Bytes()))
		}
		for i := range b.Bytes() {
			b.Bytes()[i] = byte(len(leases))
		}
		leases = append(leases, b)
	}
	for i, b := range leases {
		if bytes.IndexFunc(b.Bytes(), func(r rune) bool { return r != rune(i) }) >= 0 {
			t.Errorf("buffer %d shares memory with another", i)
		}
		b.Release()
		b.Release()
	}
	for range slabsMax - 3 {
		if _, err := pool.Get(slabBytes); err != nil {
			break
		}
	}
	var err error
	for range slabsMax {
		if _, err = pool.Get(slabBytes); err != nil {
			break
		}
	}
	if err != ErrFull {
		t.Errorf("the pool has no end: %v", err)
	}
}

// TestFixedBuffers reads and writes leased memory by windows and batches, beside memory of the
// heap; on a ring it is registered.
func TestFixedBuffers(t *testing.T) {
	e := open(t, WithLoops(1))
	want := randomBytes(64 * 4096)
	f := openFile(t, e, want)
	ops := make([]Op, 64)
	read := func(how string) {
		t.Helper()
		for round := range 2 {
			for i := range ops {
				clear(ops[i].Data)
			}
			if err := e.ReadBatch(t.Context(), ops); err != nil {
				t.Fatalf("%s, round %d: %v", how, round, err)
			}
			for i := range ops {
				if !bytes.Equal(ops[i].Data, want[i*4096:][:4096]) {
					t.Fatalf("%s: op %d has wrong bytes", how, i)
				}
			}
		}
	}
	for i := range ops {
		ops[i] = Op{File: f, Data: make([]byte, 4096), Offset: int64(i * 4096)}
	}
	read("heap") // its ring is from before the first lease
	for i := range ops {
		if i%4 == 3 {
			continue
		}
		b, err := e.Buffers().Get(4096 << (i % 3))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Release()
		ops[i].Data = b.Bytes()[:4096]
	}
	read("leased")
	w, err := e.windows.take(e)
	if err != nil {
		t.Fatal(err)
	}
	if e.Backend() == "uring" && w.fixed.slabs != 3 {
		t.Logf("%d slabs are registered: RLIMIT_MEMLOCK is low", w.fixed.slabs)
	}
	e.windows.give(w)
	for i := range ops {
		ops[i].Kind = OpWrite
	}
	if err := e.WriteBatch(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	read("written")
}
