package ringo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/ringo-io/ringo/go/ringo"
)

func ExampleReadFile() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	data, err := ringo.ReadFile(ctx, "testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output: Hello from the ring.
}

// Readers of the file, and whoever starts after a crash, see the old content or the new one.
func ExampleWriteFile() {
	name := filepath.Join(os.TempDir(), "ringo-example-settings")
	defer os.Remove(name)
	err := ringo.WriteFile(context.Background(), name, []byte("colour = blue\n"), 0o600, ringo.Atomic, ringo.Sync)
	if err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(name)
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// colour = blue
	// <nil>
}

// Many files are read at once, and come in the order of their names.
func ExampleEngine_ReadFiles() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	names := []string{"testdata/greeting.txt", "testdata/missing.txt", "testdata/farewell.txt"}
	for file, err := range e.ReadFiles(context.Background(), names) {
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Println(file.Name, "is not there")
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s", file.Name, file.Data)
	}
	// Output:
	// testdata/greeting.txt: Hello from the ring.
	// testdata/missing.txt is not there
	// testdata/farewell.txt: Until the next turn.
}

// A callback runs on a loop's goroutine. It may start the next operation, but must not block.
func ExampleEngine_ReadFileFunc() {
	e, err := ringo.New()
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	done := make(chan struct{})
	err = e.ReadFileFunc("testdata/greeting.txt", func(first []byte, err error) {
		fmt.Printf("%s%v\n", first, err)
		err = e.ReadFileFunc("testdata/farewell.txt", func(second []byte, err error) {
			fmt.Printf("%s%v\n", second, err)
			close(done)
		})
		if err != nil {
			log.Fatal(err)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	<-done
	// Output:
	// Hello from the ring.
	// <nil>
	// Until the next turn.
	// <nil>
}

// An engine for direct I/O by many goroutines: few loops, room for all of them at once, and rings
// that submit several operations together.
func ExampleNew() {
	e, err := ringo.New(
		ringo.WithLoops(2),
		ringo.WithDepth(4096),
		ringo.WithSubmitThreshold(8, 20*time.Microsecond),
		ringo.WithReadLimit(64<<20),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	if why := e.Fallback(); why != nil {
		log.Print(why) // Says who forbids io_uring, and what to do about it.
	}
	data, err := e.ReadFile(context.Background(), "testdata/greeting.txt")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// Hello from the ring.
	// <nil>
}

// A window keeps eight reads in flight; each that has ended makes room for the next.
func ExampleWindow() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open("testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	w, err := e.NewWindow(context.Background(), 8)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	const total = 100
	bytes := 0
	for next := 0; next < total || w.InFlight() > 0; {
		for ; next < total && w.InFlight() < w.Depth(); next++ {
			err := w.Submit(&ringo.Op{File: f, Data: make([]byte, 5), Offset: int64(next % 10)})
			if err != nil {
				log.Fatal(err)
			}
		}
		ended, err := w.Wait(1)
		if err != nil {
			log.Fatal(err)
		}
		for _, op := range ended {
			bytes += op.N
		}
	}
	fmt.Println(bytes, "bytes")
	// Output: 500 bytes
}

// Linked operations replace a file durably: each runs only when the one before has succeeded.
func ExampleBatch() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	name := filepath.Join(os.TempDir(), "ringo-example-batch")
	defer os.Remove(name)
	f, err := e.Create(name + ".new")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	b, err := e.NewBatch(8)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	err = b.Run(context.Background(), []ringo.Op{
		{Kind: ringo.OpWrite, File: f, Data: []byte("all or nothing"), Link: true},
		{Kind: ringo.OpDatasync, File: f, Link: true},
		{Kind: ringo.OpRename, Name: name + ".new", NewName: name},
	})
	data, readErr := os.ReadFile(name)
	fmt.Printf("%v %s %v\n", err, data, readErr)
	// Output: <nil> all or nothing <nil>
}

// Many pieces of a file at once, by one goroutine.
func ExampleEngine_ReadBatch() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open("testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	ops := []ringo.Op{
		{File: f, Data: make([]byte, 5), Offset: 0},
		{File: f, Data: make([]byte, 4), Offset: 15},
	}
	if err := e.ReadBatch(context.Background(), ops); err != nil {
		log.Fatal(err)
	}
	for _, op := range ops {
		fmt.Printf("%s\n", op.Data)
	}
	// Output:
	// Hello
	// ring
}

// A tree for whatever takes an fs.FS; nothing outside of it can be reached.
func ExampleEngine_FS() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	data, err := fs.ReadFile(e.FS("testdata"), "farewell.txt")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// Until the next turn.
	// <nil>
}

// A File is an os.File whose ReadAt and WriteAt go the better of two ways.
func ExampleEngine_Create() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Create(filepath.Join(os.TempDir(), "ringo-example-create"))
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteAt([]byte("ringo"), 3); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 8)
	n, err := f.ReadAt(buf, 0)
	fmt.Printf("%d %q %v\n", n, buf, err)
	// Output: 8 "\x00\x00\x00ringo" <nil>
}

// Leased memory is aligned, and registered with the rings of windows and batches opened later.
func ExampleEngine_Buffers() {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open("testdata/greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	buffer, err := e.Buffers().Get(5)
	if err != nil {
		log.Fatal(err)
	}
	defer buffer.Release()
	err = e.ReadBatch(context.Background(), []ringo.Op{{File: f, Data: buffer.Bytes()}})
	fmt.Printf("%s %v\n", buffer.Bytes(), err)
	// Output: Hello <nil>
}
