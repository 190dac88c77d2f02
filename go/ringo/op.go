package ringo

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/ringo-io/ringo/csrc"
)

// An OpKind says what an [Op] does.
type OpKind uint8

const (
	// OpRead reads Data from File at Offset, as [File.ReadAt] does: N is the number of bytes, and
	// fewer than len(Data) come with io.EOF.
	OpRead OpKind = iota

	// OpWrite writes Data to File at Offset, as [File.WriteAt] does.
	OpWrite

	// OpReadv and OpWritev are OpRead and OpWrite with several pieces of memory, Vectors, at most 1024
	// of them, one behind the other in the file (preadv(2), pwritev(2)).
	OpReadv
	OpWritev

	// OpSync and OpDatasync are [File.Sync] and [File.Datasync]. They cover what has ended before
	// they begin: link them to the writes they are for.
	OpSync
	OpDatasync

	// OpRename renames Name to NewName, as [os.Rename] does; OpRemove unlinks Name, not a directory.
	OpRename
	OpRemove

	// OpNop does nothing.
	OpNop

	opKinds
)

// An Op is one operation of a [Batch] or a [Window]. From when it is given to one until it has
// ended, the Op and what it names belong to the engine: Data is pinned, File may be closed by
// others at any time, and nothing of it may be read or changed.
type Op struct {
	Kind OpKind

	// Link makes the next operation wait for this one, and end with syscall.ECANCELED without
	// having run if this one fails, which a short read or write does as well.
	Link bool

	// Flags are RWF_ flags of preadv2(2) for reads and writes, such as RWF_DSYNC.
	Flags uint32

	// Async gives the operation to a worker thread of the kernel at once, without trying on this
	// thread whether it has to wait (IOSQE_ASYNC). Without a ring it changes nothing.
	Async bool

	File    *File
	Data    []byte
	Vectors [][]byte // of OpReadv and OpWritev, instead of Data
	Offset  int64
	Name    string // of OpRename and OpRemove
	NewName string // of OpRename

	// Timeout, if positive, cancels the operation when it has not ended that long after it was
	// started: Err then matches os.ErrDeadlineExceeded. A kernel that is already moving the data,
	// or a device that holds it, may not heed that; the operation ends when they let go of Data.
	Timeout time.Duration

	// Tag is the caller's.
	Tag uint64

	// N and Err are the result.
	N   int
	Err error
}

// names of the calls, as in the errors of package os
var opNames = [opKinds]string{OpRead: "read", OpWrite: "write", OpReadv: "read", OpWritev: "write", OpSync: "sync", OpDatasync: "datasync",
	OpRename: "rename", OpRemove: "remove", OpNop: "nop"}

func (op *Op) usesFile() bool { return op.Kind <= OpDatasync }

func (op *Op) moves() bool { return op.Kind <= OpWritev } // data

func (op *Op) writes() bool { return op.Kind == OpWrite || op.Kind == OpWritev }

// size is how many bytes a read or write is for.
func (op *Op) size() int {
	if op.Kind <= OpWrite {
		return len(op.Data)
	}
	size := 0
	for _, b := range op.Vectors {
		size += len(b)
	}
	return size
}

const vectorsMax = 1024 // IOV_MAX

// refusal says why an op cannot be started at all.
func (op *Op) refusal() error {
	switch {
	case op.Kind >= opKinds:
		return fmt.Errorf("ringo: Op.Kind %d: no such operation", op.Kind)
	case !op.usesFile():
		return nil
	case op.File == nil:
		return pathError(opNames[op.Kind], "", os.ErrInvalid)
	case !op.moves():
		return nil
	case op.Kind > OpWrite && len(op.Vectors) > vectorsMax:
		return pathError(opNames[op.Kind], op.File.Name(), syscall.EINVAL)
	case !op.File.ringable:
		// Pipes and the like: the ring would ignore the offset.
		return pathError(opNames[op.Kind], op.File.Name(), syscall.ESPIPE)
	case op.Offset < 0:
		return pathError(opNames[op.Kind]+"at", op.File.Name(), errNegativeOffset)
	case op.writes():
		return op.File.noWriteAt
	}
	return nil
}

var opCodes = [opKinds]csrc.Code{OpRead: csrc.Read, OpWrite: csrc.Write, OpReadv: csrc.Readv, OpWritev: csrc.Writev,
	OpSync: csrc.Fsync, OpDatasync: csrc.Fsync, OpRename: csrc.Renameat, OpRemove: csrc.Unlinkat, OpNop: csrc.Nop}

// request fills in what the core does for op, but for names and vectors.
func (op *Op) request(r *csrc.Op) {
	*r = csrc.Op{Code: opCodes[op.Kind]}
	if op.Async {
		r.Flags = csrc.Async
	}
	switch op.Kind {
	case OpRead, OpWrite:
		r.FD, r.Argument = op.File.fd, op.Flags
		r.Address, r.Length, r.Offset = addressOf(op.Data), uint64(len(op.Data)), op.Offset
	case OpReadv, OpWritev:
		r.FD, r.Argument, r.Offset = op.File.fd, op.Flags, op.Offset
	case OpSync, OpDatasync:
		r.FD = op.File.fd
		if op.Kind == OpDatasync {
			r.Argument = 1
		}
	case OpRename, OpRemove:
		r.FD, r.FD2 = atCWD, atCWD
	}
}

// conclude sets N and Err.
func (op *Op) conclude(c *csrc.Completion) {
	op.N, op.Err = 0, nil
	if c.Result < 0 || c.Extra != 0 {
		op.fail(c)
		return
	}
	if !op.moves() {
		return
	}
	op.N = int(c.Result)
	switch {
	case op.N == op.size():
	case !op.writes():
		op.Err = io.EOF
	default:
		op.Err = pathError("write", op.File.Name(), io.ErrShortWrite)
	}
}

func (op *Op) fail(c *csrc.Completion) {
	err := errorOf(c.Result)
	if c.Extra != 0 {
		op.N, err = int(c.Result), syscall.Errno(c.Extra)
	}
	switch {
	case op.Kind == OpRename:
		op.Err = &os.LinkError{Op: "rename", Old: op.Name, New: op.NewName, Err: err}
	case op.moves():
		op.Err = op.File.explain(opNames[op.Kind], op.Data, op.Offset, err)
	case op.usesFile():
		op.Err = pathError(opNames[op.Kind], op.File.Name(), err)
	default:
		op.Err = pathError(opNames[op.Kind], op.Name, err)
	}
}

// failAs ends op with err under its own name, for what the kernel was never asked.
func (op *Op) failAs(err error) {
	name := op.Name
	if op.usesFile() && op.File != nil {
		name = op.File.Name()
	}
	op.N, op.Err = 0, pathError(opNames[min(op.Kind, OpNop)], name, err)
}
