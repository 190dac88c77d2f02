package csrc

// Code is enum ringo_code.
type Code = uint16

// What an op does; the table in ringo.h says what its fields mean.
const (
	Nop Code = iota
	Openat2
	Read
	Write
	Fsync
	Statx
	CloseFD
	Renameat
	Unlinkat
	Splice
	Pipe
	Poll
	Timeout
	Cancel
	Accept
	Recv
	Send
	Sendmsg
	Shutdown
	ReturnBuffer
	ReadFile
	WriteFile
	SendFile
	Readv
	Writev
	Fallocate
	Fadvise
	Ftruncate
	Socket
	Bind
	Listen
	Connect
	Recvmsg
	PollUpdate
	LinkTimeout
	FilesUpdate
	BuffersUpdate
	InstallFD
	SendZC
	SendmsgZC
	MessageRing
	CodeCount
)

// Flags of an op.
const (
	Multishot    = 1 << 0
	BufferSelect = 1 << 1
	FD2Nonblock  = 1 << 2
	Link         = 1 << 3
	Hardlink     = 1 << 4
	Async        = 1 << 5
	SkipSuccess  = 1 << 6
	FixedFile    = 1 << 7
	FixedBuffer  = 1 << 8
	Direct       = 1 << 9
	PollFirst    = 1 << 10
)

// Argument of Cancel.
const (
	CancelUserData = 0
	CancelFD       = 1
	CancelAll      = 2
)

// Argument of WriteFile.
const (
	WriteAtomic = 1 << 0
	WriteSync   = 1 << 1
)

// Argument of SendFile.
const (
	SendfileAuto     = 0
	SendfileSplice   = 1
	SendfileCopy     = 2
	SendfileSyscall  = 3
	SendfileZeroCopy = 4
	SendfileMore     = 1 << 4
)

// Flags of a completion.
const (
	More     = 1 << 0
	Buffer   = 1 << 1
	FileOpen = 1 << 2
	Skipped  = 1 << 3
	Notified = 1 << 4
	Copied   = 1 << 5
	Message  = 1 << 6

	BufferMore = 1 << 7
)

// PostFlush is RINGO_POST_FLUSH.
const PostFlush = 1 << 0

// SlotlessRoom is RINGO_SLOTLESS_ROOM.
const SlotlessRoom = 1024

// StopHow is enum ringo_stop.
type StopHow int

// How a loop stops.
const (
	StopDrain  StopHow = 1
	StopCancel StopHow = 2
)

// Backends.
const (
	BackendAuto    = 0
	BackendURing   = 1
	BackendThreads = 2

	// BackendOS is what a build without the core has: package os and goroutines.
	BackendOS = 3
)

// Op is struct ringo_op.
type Op struct {
	UserData  uint64
	Code      Code
	Flags     uint16
	FD        int32
	Address   uint64
	Length    uint64
	Offset    int64
	FD2       int32
	Argument  uint32
	Address2  uint64
	Argument2 uint64
}

// Completion is struct ringo_completion.
type Completion struct {
	UserData uint64
	Result   int64
	Flags    uint32
	Extra    int32
}

// Options is struct ringo_options.
type Options struct {
	Backend           uint32
	Depth             uint32
	Reserve           uint32
	SQEntries         uint32
	CQEntries         uint32
	SubmitThreshold   uint32
	SubmitDelayUS     uint32
	WaitBatch         uint32
	WaitDelayUS       uint32
	BoundedWorkers    uint32
	UnboundedWorkers  uint32
	ReceiveBuffers    uint32
	ReceiveBufferSize uint32
	TurnBudget        uint32
	Setup             uint32
	SQIdleMS          uint32
	SQCPU             uint32
	Files             uint32
	Buffers           uint32
	_                 uint32
	Allowed           uint64
}

// Setup of Options.
const (
	SetupSQPoll       = 1 << 0
	SetupIOPoll       = 1 << 1
	SetupHybridIOPoll = 1 << 2
	SetupCoopTaskrun  = 1 << 3
	SetupNoSQArray    = 1 << 4
	SetupNoIOWait     = 1 << 5
	SetupOneThread    = 1 << 6
)

// Stats is struct ringo_stats.
type Stats struct {
	Turns            uint64
	Deliveries       uint64
	Completions      uint64
	Submitted        uint64
	Doorbells        uint64
	Overflows        uint64
	Starved          uint64
	Backoffs         uint64
	SendfileCalls    uint64
	SendfileMisses   uint64
	LongestTurnNS    uint64
	LongestTurnCPUNS uint64
	InFlight         uint64
	Ops              [CodeCount]uint64
	LatencyNS        Histogram
	TurnNS           Histogram
	Delivered        Histogram
}

// Histogram is struct ringo_histogram.
type Histogram struct {
	Sum     uint64
	Buckets [Buckets]uint64
}

// Buckets is RINGO_BUCKETS.
const Buckets = 40

// InFlight is struct ringo_in_flight.
type InFlight struct {
	UserData  uint64
	AgeNS     uint64
	FD        int32
	Code      uint16
	Place     uint8
	Cancelled uint8
}

// Places of an InFlight.
const (
	PlaceKernel   = 0
	PlaceQueue    = 1
	PlaceBuffers  = 2
	PlaceNextTurn = 3
	PlaceChain    = 4
)

// Features is struct ringo_features.
type Features struct {
	Backend      uint32
	UringError   error
	SetupFlags   uint32
	RingFeatures uint32
	Liburing     string
	Ops          []OpSupport
	Abilities    []OpSupport
}

// OpSupport says how one op or ability can be had: 1 on the ring, 2 without it, 0 not at all.
type OpSupport struct {
	Name   string
	Kernel string
	How    uint8
}
