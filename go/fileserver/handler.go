package fileserver

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/go/ringo"
)

// A Handler answers as a Server does, wherever net/http goes: behind TLS, in HTTP/2, in a mux, behind
// http.StripPrefix. It needs no engine and no ring. It is safe for concurrent use.
type Handler struct {
	root      int
	how       ringo.OpenHow
	hashes    hashes
	exchanges sync.Pool
}

// NewHandler serves the regular files below root. Close lets go of it.
func NewHandler(root string, o Options) (*Handler, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	fd, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	return newHandler(fd, o), nil
}

// newHandler takes over the descriptor of a root.
func newHandler(root int, o Options) *Handler {
	h := &Handler{root: root, how: openHow(o.Symlinks)}
	h.exchanges.New = func() any { return &httpExchange{handler: h, responder: newResponder(o)} }
	return h
}

// Close closes the root. No request may be in progress, and none may follow.
func (h *Handler) Close() error { return unix.Close(h.root) }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.exchanges.Get().(*httpExchange)
	x.serve(w, r)
	h.exchanges.Put(x)
}

// An httpExchange is one request of net/http and its answer. The memory is used again.
type httpExchange struct {
	handler   *Handler
	responder *responder
	request   request
	plan      plan
	file      *os.File
	listing   []byte
	buf       []byte
}

func (x *httpExchange) serve(w http.ResponseWriter, r *http.Request) {
	x.responder.setTime(time.Now().UnixNano())
	x.request.adopt(r)
	next := x.begin(r)
	for next != stepAnswer {
		next = x.take(next)
	}
	defer x.end()
	x.writeHead(w, r)
	if x.plan.noBody {
		return
	}
	if x.writeBody(w) != nil {
		// The file became shorter, or the client is gone: never pad, never go on.
		panic(http.ErrAbortHandler)
	}
}

func (x *httpExchange) end() {
	x.close()
	x.listing = nil
}

func (x *httpExchange) close() {
	if x.file != nil {
		x.file.Close()
	}
	x.file = nil
}

// begin skips the request's body and routes it.
func (x *httpExchange) begin(r *http.Request) step {
	if x.request.hasBody() && !x.request.expect {
		n, err := int64(0), error(nil)
		if n = r.ContentLength; n <= maxSkip {
			n, err = io.Copy(io.Discard, io.LimitReader(r.Body, maxSkip+1))
		}
		switch {
		case n > maxSkip:
			return x.responder.bodyFailed(&x.request, 413, &x.plan)
		case err != nil:
			return x.responder.bodyFailed(&x.request, 400, &x.plan)
		}
	}
	return x.responder.route(&x.request, &x.plan)
}

// take does one step of a plan.
func (x *httpExchange) take(next step) step {
	switch next {
	case stepList:
		x.close()
		return x.list()
	case stepHash:
		sum, known := x.handler.hashes.known(int(x.file.Fd()))
		if !known {
			sum = x.handler.hashes.compute(int(x.file.Fd()))
		}
		return x.responder.hashed(&x.request, sum, &x.plan)
	case stepProbe:
		f, facts, _ := x.open()
		next, take := x.responder.probed(&x.request, facts, &x.plan)
		if take {
			x.close()
			x.file = f
		} else if f != nil {
			f.Close()
		}
		return next
	}
	x.close()
	f, facts, err := x.open()
	if err != nil {
		return x.failed(err)
	}
	x.file = f
	return x.responder.answer(&x.request, facts, &x.plan)
}

func (x *httpExchange) open() (*os.File, fileFacts, error) {
	f, err := openBelow(x.handler.root, string(x.plan.name), x.handler.how, 0)
	if err != nil {
		return nil, fileFacts{}, err
	}
	var st syscall.Stat_t
	if err := fstat(int(f.Fd()), &st); err != nil {
		return nil, fileFacts{}, errors.Join(err, f.Close())
	}
	return f, factsOf(&st), nil
}

func (x *httpExchange) failed(err error) step {
	return x.responder.openFailed(&x.request, err, &x.plan)
}

func (x *httpExchange) list() step {
	l := x.responder.listing(&x.request, &x.plan)
	body, err := readListing(l, x.handler.root, x.handler.how)
	if err != nil {
		return x.failed(err)
	}
	x.responder.listed(l, body, &x.plan)
	x.listing = body
	return stepAnswer
}

// writeHead gives net/http the header fields the plan has. What says how the connection goes on is
// net/http's own, but that it ends.
func (x *httpExchange) writeHead(w http.ResponseWriter, r *http.Request) {
	x.buf = x.responder.appendHeader(x.buf[:0], &x.plan)
	head := w.Header()
	lines := bytes.TrimSuffix(x.buf, []byte("\r\n\r\n"))
	_, lines, _ = bytes.Cut(lines, []byte("\r\n"))
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		name, value, _ := strings.Cut(string(line), ": ")
		if name != "Connection" || r.ProtoMajor == 1 && value == "close" {
			head.Set(name, value)
		}
	}
	w.WriteHeader(x.plan.status)
}

// writeBody writes what follows the head. Whole parts of the file go by sendfile(2) where net/http
// can.
func (x *httpExchange) writeBody(w http.ResponseWriter) error {
	p := &x.plan
	if _, err := io.WriteString(w, p.text); err != nil {
		return err
	}
	if _, err := w.Write(x.listing); err != nil {
		return err
	}
	for {
		if p.fileLen > 0 {
			if _, err := x.file.Seek(p.fileOff, io.SeekStart); err != nil {
				return err
			}
			if _, err := io.CopyN(w, x.file, p.fileLen); err != nil {
				return err
			}
			p.fileLen = 0
		}
		if !p.morePart() {
			return nil
		}
		x.buf = p.appendPart(x.buf[:0])
		if _, err := w.Write(x.buf); err != nil {
			return err
		}
	}
}

// canonicalNames are fieldNames as net/http spells them.
var canonicalNames = makeCanonicalNames()

func makeCanonicalNames() (names [numFields]string) {
	for f, name := range fieldNames {
		names[f] = textproto.CanonicalMIMEHeaderKey(name)
	}
	return names
}

// adopt makes q a request that net/http has parsed. The path is that of r.URL, which handlers in front
// may have cut.
func (q *request) adopt(r *http.Request) {
	buf := q.buf[:0]
	q.reset()
	q.minor, q.keepAlive = 1, true
	q.method = methodOf([]byte(r.Method))
	q.contentLength, q.chunked = max(r.ContentLength, 0), r.ContentLength < 0
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		buf = append(buf, '/')
	}
	buf = append(buf, path...)
	q.pathSpan = q.spanAt(0, len(buf))
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		buf = append(append(buf, '?'), r.URL.RawQuery...)
		q.querySpan = q.spanAt(int(q.pathSpan.to), len(buf)-int(q.pathSpan.to))
	}
	for f := range numFields {
		values := r.Header[canonicalNames[f]]
		if len(values) == 0 {
			continue
		}
		value := values[0]
		if f.set()&listFields != 0 {
			value = strings.Join(values, ", ")
		}
		q.present |= f.set()
		q.fields[f] = q.spanAt(len(buf), len(value))
		buf = append(buf, value...)
	}
	q.buf = buf
	q.expect = q.hasBody() && equalFold(q.field(fieldExpect), "100-continue")
}
