// SPDX-License-Identifier: MIT

package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Supervisor and worker talk over a pair of sockets, in packets of JSON, and descriptors come along with them. When one
// of the two is gone the other reads the end of the stream.

// An order is what the supervisor tells a worker. The first is its task.
type order struct {
	Task   *task `json:",omitempty"`
	NewLog bool  `json:",omitempty"` // go on in the file that comes along
	Stop   bool  `json:",omitempty"` // end gracefully
}

// A notice is what a worker tells the supervisor: that it serves, or why it ends.
type notice struct {
	Serving *confinement `json:",omitempty"`
	Failed  string       `json:",omitempty"`
}

// packetMax is more than any order: a command line is shorter.
const packetMax = 256 << 10

// A control is one end of the pair. Sending and receiving may go on at the same time.
type control struct{ conn *net.UnixConn }

// newControl makes a pair; the second end is for another process.
func newControl() (*control, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "control")
	ours, err := controlOf(os.NewFile(uintptr(pair[0]), "control"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// controlOf makes a control of a descriptor, and closes that.
func controlOf(file *os.File) (*control, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	local, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("the control descriptor is no Unix socket")
	}
	return &control{local}, nil
}

func (c *control) close() { c.conn.Close() }

// send sends a message, and a descriptor with it unless file is nil.
func (c *control) send(message any, file *os.File) error {
	packet, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	_, _, err = c.conn.WriteMsgUnix(packet, rights, nil)
	return err
}

// receive waits for a message; file is what came along, or nil. io.EOF says that the other process is gone.
func (c *control) receive(message any) (file *os.File, err error) {
	packet, rights := make([]byte, packetMax), make([]byte, unix.CmsgSpace(4))
	n, nRights, _, _, err := c.conn.ReadMsgUnix(packet, rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	if nRights > 0 {
		if file, err = passed(rights[:nRights]); err != nil {
			return nil, err
		}
	}
	return file, json.Unmarshal(packet[:n], message)
}

// passed is the descriptor in a control message.
func passed(rights []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil, fmt.Errorf("control message: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, fmt.Errorf("control message: %w", err)
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "passed"), nil
}
