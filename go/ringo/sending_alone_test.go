package ringo

import (
	"bytes"
	"io"
	"testing"
)

// talker sends message after message, count of them, and notes how many were told of in one delivery at most.
func talker(message []byte, count int, most *int) func(*Conn) Handler {
	return func(*Conn) Handler {
		told, turn, inTurn := 0, uint64(0), 0
		return &script{
			opened: func(c *Conn) { c.Send(message) },
			sent: func(c *Conn, _ int64, _ error) {
				if told++; c.Turn() != turn {
					turn, inTurn = c.Turn(), 0
				}
				if inTurn++; inTurn > *most {
					*most = inTurn
				}
				if told == count {
					c.Finish()
					return
				}
				c.Send(message)
			},
		}
	}
}

// TestSendTakesTurns: a peer that takes all at once does not keep the loop in one delivery.
func TestSendTakesTurns(t *testing.T) {
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	message, most := []byte("one more of many"), 0
	s := serve(t, e, nil, talker(message, 1000, &most))
	got, err := io.ReadAll(s.dial())
	if err != nil || !bytes.Equal(got, bytes.Repeat(message, 1000)) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	s.stop()
	// One by a plain call, one by the ring whose end brought the delivery.
	if most > 2 {
		t.Errorf("%d messages were sent in one delivery", most)
	}
}

// TestSendByRing: with this option nothing goes by a plain call.
func TestSendByRing(t *testing.T) {
	for _, byRing := range []bool{false, true} {
		e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
		var options []ServeOption
		if byRing {
			options = append(options, SendByRing())
		}
		plain := false
		s := serve(t, e, options, func(*Conn) Handler {
			return &script{
				opened: func(c *Conn) { c.Send([]byte("hello")) },
				sent: func(c *Conn, _ int64, _ error) {
					plain = c.sentIn != 0
					c.Close()
				},
			}
		})
		if got, err := io.ReadAll(s.dial()); err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		s.stop()
		if plain == byRing {
			t.Errorf("SendByRing %v: by a plain call is %v", byRing, plain)
		}
	}
}

// TestSendInParts: what the socket takes only a part of at once is counted and told of as a whole.
func TestSendInParts(t *testing.T) {
	const size = 8 << 20
	e := open(t, WithLoops(1), WithReceiveBuffers(4, 1024))
	data := randomBytes(size)
	var told []int64
	unsent := -1
	s := serve(t, e, nil, func(*Conn) Handler {
		return &script{
			opened: func(c *Conn) { c.Send(data) },
			sent: func(c *Conn, n int64, err error) {
				told = append(told, n)
				unsent = c.Unsent()
				if err != nil {
					t.Error(err)
				}
				c.Close()
			},
		}
	})
	got, err := io.ReadAll(s.dial())
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	s.stop()
	if len(told) != 1 || told[0] != size || unsent != 0 {
		t.Errorf("Sent was told of %v bytes, and %d are counted as queued", told, unsent)
	}
}
