package ringo

// A Handler is told what happens to connections, on the goroutine of each connection's loop: its
// methods must not block, and are never called at the same time for connections of one loop. The
// calls for one connection: Opened first, Closed last, in between whatever happens.
//
// One Handler may serve many connections, on several loops at the same time, if it keeps what
// belongs to a connection in [Conn.Value]; or each has one of its own ([PerConn]). A type that embeds
// [Defaults] need only have the methods it has something to say in.
type Handler interface {
	// Opened comes once, before anything else.
	Opened(c *Conn)

	// Data brings received bytes; p is valid during the call. An empty p is the end of the
	// peer's stream: nothing more comes, but the peer may still read.
	Data(c *Conn, p []byte)

	// Sent says that a Send or Sendfile, or what Write had gathered, has ended: n of its bytes were
	// handed to the kernel. After an error everything queued behind it ends with that error too, and n may
	// be too small: when a file failed before its first byte, what went of the memory before it is unknown.
	Sent(c *Conn, n int64, err error)

	// Timer says that SetTimer's time is over.
	Timer(c *Conn)

	// Drain says that the server is stopping: the connection should be closed when what is in
	// progress is done.
	Drain(c *Conn)

	// Closed comes once, after everything else; c is not to be used any more. The error is nil
	// when Close, Finish or Detach was asked for.
	Closed(c *Conn, err error)
}

// A FileHandler is a Handler of connections that use OpenFile and StatFile.
type FileHandler interface {
	Handler

	// FileOpened and FileStatus answer OpenFile and StatFile.
	FileOpened(c *Conn, fd int, err error)
	FileStatus(c *Conn, status FileStatus, err error)
}

// Defaults is a Handler to be embedded: it drops what is received, closes at the end of the peer's
// stream and after a Send that failed, and finishes when the server stops.
type Defaults struct{}

// Opened implements Handler: it does nothing.
func (Defaults) Opened(*Conn) {}

// Data implements Handler: it finishes the connection at the end of the peer's stream.
func (Defaults) Data(c *Conn, p []byte) {
	if len(p) == 0 {
		c.Finish()
	}
}

// Sent implements Handler: it closes the connection when err is not nil.
func (Defaults) Sent(c *Conn, _ int64, err error) {
	if err != nil {
		c.fail(err)
	}
}

// Timer implements Handler: it does nothing.
func (Defaults) Timer(*Conn) {}

// Drain implements Handler: it finishes the connection.
func (Defaults) Drain(c *Conn) { c.Finish() }

// Closed implements Handler: it does nothing.
func (Defaults) Closed(*Conn, error) {}

// PerConn is a Handler that gives each connection one of its own: make is called on the
// connection's loop, and what it returns gets Opened and all that follows.
func PerConn(make func(c *Conn) Handler) Handler { return perConn{make: make} }

type perConn struct {
	Defaults
	make func(c *Conn) Handler
}

func (p perConn) Opened(c *Conn) {
	c.SetHandler(p.make(c))
	c.handler.Opened(c)
}
