package fileserver

// fileFacts is what the responder must know of a name: what fstat says of the file it leads to, if
// it leads to one, and what may lie beside it.
type fileFacts struct {
	size      int64
	mtime     int64 // ns since the epoch
	inode     uint64
	isDir     bool
	isRegular bool
	// variants are the precompressed forms that there may be; only they are looked for.
	variants codingSet
}

// step is what the owner of a connection does next with a plan.
type step uint8

const (
	// stepAnswer: the plan is an answer; write it.
	stepAnswer step = iota
	// stepOpen: let go of the open file, if there is one, open plan.name below the root, then call
	// answer, or missing.
	stepOpen
	// stepProbe: open plan.name beside the open file, then call probed.
	stepProbe
	// stepHash: read the open file whole, then call hashed.
	stepHash
	// stepList: read the directory plan.name, then call listed, or missing.
	stepList
)

// goal is what plan.name is to the request.
type goal uint8

const (
	goalPath      goal = iota // what its path names
	goalIndex                 // the index file of the directory it names
	goalSPA                   // the site's file for paths that lead to none
	goalErrorPage             // the body of an error
)

// variety is what an answer depends on beside the target, for Vary; one bit each.
type variety uint8

const (
	varyEncoding variety = 1 << iota
	varyAccept
	varyOrigin
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
	goal goal
	// slash: the client asked for a directory.
	slash bool
	// directory is how much of name is the directory whose index name is.
	directory int

	// plain is how much of name is the plain file's name while its variants
	// are looked for, and facts what is known of that file.
	plain int
	facts fileFacts
	// wish is what codings the client takes; probe the place in wish.order of
	// the variant that is looked for.
	wish  negotiation
	probe int
	// coding is that of the file that is sent.
	coding coding

	// fileOff and fileLen are the part of the file that is the body, or its
	// next part.
	fileOff, fileLen int64
	// text is the body of a built-in answer.
	text string

	// length is Content-Length; -1 sends none.
	length int64
	// contentType is empty where there is no content.
	contentType string
	// cacheLine is a Cache-Control line, or empty.
	cacheLine string
	// ofFile: the answer is about a file, so ranges are offered.
	ofFile bool
	// generated: the body is a listing, which holds names other people chose.
	generated bool
	// allow: list the methods.
	allow bool
	// preflight: say what pages of other origins may ask.
	preflight bool
	// sharing are the CORS lines, or empty.
	sharing string
	varies  variety
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
	// parts is how many of ranges are sent, each as a part of a multipart
	// body; 0 when the body is none. nextPart counts those begun.
	parts, nextPart int
	boundary        [boundaryLen]byte
}

// reset forgets the last answer and keeps the memory.
func (p *plan) reset(q *request) {
	p.status, p.close, p.keepAlive, p.noBody = 0, !q.keepAlive, q.keepAlive && q.minor == 0, q.method == methodHead
	p.name, p.goal, p.slash, p.directory, p.plain = p.name[:0], goalPath, false, 0, 0
	p.location = p.location[:0]
	p.preflight, p.sharing, p.varies = false, "", 0
	p.clearContent()
}

// clearContent takes back what was said about a body.
func (p *plan) clearContent() {
	p.fileOff, p.fileLen, p.text = 0, 0, ""
	p.length, p.contentType, p.cacheLine, p.coding = -1, "", "", identity
	p.ofFile, p.generated, p.allow, p.tagged = false, false, false, false
	p.part, p.partOf, p.parts, p.nextPart = byteRange{}, 0, 0, 0
}

// plainName is the name of the plain file, also while name is that of a variant.
func (p *plan) plainName() []byte {
	if p.plain > 0 {
		return p.name[:p.plain]
	}
	return p.name
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
