package ringo

import "sync/atomic"

// users counts who is using a descriptor, so that it is closed when the last of them is done with
// it: its number may be another file's the moment after. The zero value is open and unused.
type users struct {
	state  atomic.Int64 // how many; usersClosed is added by close
	closed atomic.Bool  // the descriptor was given up, by whoever came last
}

const usersClosed = 1 << 62

// take fails once closed. Each success needs a give.
func (u *users) take() bool {
	return u.state.Add(1) < usersClosed
}

// give reports whether the caller was the last one of a closed descriptor, and has to close it.
// Who was refused by take gives as well.
func (u *users) give() (last bool) {
	return u.state.Add(-1) == usersClosed && u.closed.CompareAndSwap(false, true)
}

// close lets nobody in any more. first: nobody closed before; last: the caller has to close the
// descriptor, since nobody uses it.
func (u *users) close() (first, last bool) {
	for {
		state := u.state.Load()
		if state >= usersClosed {
			return false, false
		}
		if u.state.CompareAndSwap(state, state+usersClosed+1) {
			return true, u.give()
		}
	}
}
