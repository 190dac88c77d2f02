package ringo

import "runtime"

// A piece is memory or a part of a file.
type piece struct {
	memory []byte
	pinner runtime.Pinner // of memory that is the caller's
	chunk  *chunk         // that memory is in, given back when it is sent; a share if it gathers

	file   int32 // -1: memory
	owned  bool  // the file is closed when it is sent
	how    SendfileStrategy
	off, n int64

	uncounted bool // in what Sent is told
	gathers   bool // Write may go on in it
	last      bool // of a Send: Sent is told when it has gone
}

// pieceCost is what a piece counts beside its bytes.
const pieceCost = 128

// moved says how much of a piece went, if n bytes of its operation did, and whether that was all.
func (p *piece) moved(n int64, withFile bool, err error) (moved int64, all bool) {
	switch {
	case p.file >= 0:
		return n, err == nil
	case withFile: // The header of a file: n counts what came after it.
		if n > 0 || err == nil {
			return int64(len(p.memory)), true
		}
		return 0, false
	}
	moved = min(n, int64(len(p.memory)))
	return moved, err == nil || moved == int64(len(p.memory))
}

// pieces is a queue of them.
type pieces struct {
	list []piece
	head int
}

func (q *pieces) length() int     { return len(q.list) - q.head }
func (q *pieces) at(i int) *piece { return &q.list[q.head+i] }
func (q *pieces) tail() *piece    { return &q.list[len(q.list)-1] }

// push adds an empty piece. A pointer to one is good until the next push or pop.
func (q *pieces) push() *piece {
	if q.head > 0 && len(q.list) == cap(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, piece{})
	return q.tail()
}

func (q *pieces) pop() piece {
	p := q.list[q.head]
	q.list[q.head] = piece{}
	q.head++
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
		if cap(q.list) > piecesKept {
			q.list = nil
		}
	}
	return p
}

// piecesKept is how large a queue is kept when it is empty.
const piecesKept = 4
