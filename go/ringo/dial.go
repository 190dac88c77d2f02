package ringo

import (
	"context"
	"net"
	"strings"
	"syscall"
)

// Dial connects to an address, as [net.Dialer] does with the networks tcp, tcp4, tcp6 and unix, and
// returns when Opened of h has been called on one of the loops. ctx is for connecting only. ErrFull
// says that the loop has no room for another connection (WithReserve). In a callback use
// [Engine.DialFunc].
func (e *Engine) Dial(ctx context.Context, network, address string, h Handler) error {
	if e.onSomeLoop() {
		return ErrWouldDeadlock
	}
	if err := e.holds.take(); err != nil {
		return err
	}
	defer e.holds.give()
	ended := make(chan error, 1)
	e.dial(ctx, e.anyLoop(), network, address, h, func(_ *Conn, err error) { ended <- err })
	return <-ended
}

// DialFunc is Dial without waiting: fn is called on the loop, once, after Opened or with the error
// that Dial would have returned. Called in a callback or by a handler, the connection belongs to the
// same loop: so two of them may be tied to each other, as in a proxy, without locks.
func (e *Engine) DialFunc(ctx context.Context, network, address string, h Handler, fn func(*Conn, error)) error {
	if err := e.holds.take(); err != nil {
		return err
	}
	l := e.anyLoop()
	go func() {
		defer e.holds.give()
		e.dial(ctx, l, network, address, h, fn)
	}()
	return nil
}

// dial connects under Go's poller, which knows names and many addresses, and gives the socket to the
// loop. The caller has a hold.
func (e *Engine) dial(ctx context.Context, l *loop, network, address string, h Handler, fn func(*Conn, error)) {
	fd, err := e.connect(ctx, network, address)
	doErr := l.do(func(l *loop) {
		if err == nil && l.room <= l.conns {
			syscall.Close(fd)
			err = &net.OpError{Op: "dial", Net: network, Err: ErrFull}
		}
		if err != nil {
			fn(nil, err)
			return
		}
		fn(l.dialled.adopt(int32(fd), h), nil)
	}, true)
	if doErr != nil { // Shutdown did not wait, so there is no loop to be on.
		if err == nil {
			syscall.Close(fd)
		}
		fn(nil, doErr)
	}
}

func (e *Engine) connect(ctx context.Context, network, address string) (fd int, err error) {
	if !strings.HasPrefix(network, "tcp") && network != "unix" {
		return -1, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // A closing engine does not wait for names and far addresses.
		select {
		case <-e.closed:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	}()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		if ctx.Err() != nil {
			err = &net.OpError{Op: "dial", Net: network, Err: context.Cause(ctx)}
		}
		return -1, err
	}
	defer conn.Close()
	return duplicate(conn.(syscall.Conn))
}
