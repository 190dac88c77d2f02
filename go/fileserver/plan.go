package fileserver

// fileFacts is what the responder must know of an opened file: what fstat says.
type fileFacts struct {
	size      int64
	mtime     int64 // ns since the epoch
	inode     uint64
	isDir     bool
	isRegular bool
}

// step is what the owner of a connection does next with a plan.
type step uint8

const (
	// stepAnswer: the plan is an answer; write it.
	stepAnswer step = iota
	// stepOpen: open plan.name below the root, then call answer, or missing.
	stepOpen
	// stepList: read the directory plan.name, then call list, or missing.
	stepList
)

// plan is an answer in the making, and in the end all that has to be known to
// send it: by appendHead and a copy of file bytes, or by whatever an http.Handler
// does. It is reused from request to request and keeps the memory of its
// slices. It must not be copied.
type plan struct {
	status int
	// close: close the connection once the answer is sent.
	close bool
	// keepAlive: say that it is kept, which HTTP/1.0 clients wait for.
	keepAlive bool
	// noBody: announce the body, do not send it (HEAD).
	noBody bool

	// name is the file to open, relative to the root, clean.
	name []byte
	// slash: the client asked for a directory.
	slash bool
	// directory is how much of name is the directory whose index name is; 0
	// when it is not an index that is asked for.
	directory int

	// fileOff and fileLen are the part of the file that is the body.
	fileOff, fileLen int64
	// text is the body of a built-in answer.
	text string

	// length is Content-Length; -1 sends none.
	length int64
	// contentType is empty where there is no content.
	contentType string
	// ofFile: the answer is about a file, so ranges are offered.
	ofFile bool
	// generated: the body is a listing, which differs by Accept and holds
	// names other people chose.
	generated bool
	// allow: list the methods.
	allow bool
	// location is the target of a redirect.
	location []byte

	validators validators
	// tagged: send the validators.
	tagged bool

	// part is the range sent with 206; partOf the size of the whole. For 416
	// part is empty.
	part   byteRange
	partOf int64
	ranges rangeSet
}

// reset forgets the last answer and keeps the memory.
func (p *plan) reset(q *request) {
	p.status, p.close, p.keepAlive, p.noBody = 0, !q.keepAlive, q.keepAlive && q.minor == 0, q.method == methodHead
	p.name, p.slash, p.directory = p.name[:0], false, 0
	p.location = p.location[:0]
	p.clearContent()
}

// clearContent takes back what was said about a body.
func (p *plan) clearContent() {
	p.fileOff, p.fileLen, p.text = 0, 0, ""
	p.length, p.contentType = -1, ""
	p.ofFile, p.generated, p.allow, p.tagged = false, false, false, false
	p.part, p.partOf = byteRange{}, 0
}

// mustClose makes the answer the connection's last.
func (p *plan) mustClose() { p.close, p.keepAlive = true, false }

// builtIn makes the plan an answer with the status's own short text.
func (p *plan) builtIn(status int) {
	p.clearContent()
	p.status = status
	p.text = statusOf(status).text
	p.length = int64(len(p.text))
	p.contentType = "text/plain; charset=utf-8"
	p.allow = status == 405
}
