// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/ringo-io/ringo/cmd/ringo/internal/report"
)

// listenAll opens all addresses or none. A Unix socket's file goes when its listener is closed.
func listenAll(addresses []string) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(listeners)
			listeners = nil
		}
	}()
	for _, address := range addresses {
		var opened []net.Listener
		if opened, err = listen(address); err != nil {
			return listeners, err
		}
		listeners = append(listeners, opened...)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

func listen(address string) ([]net.Listener, error) {
	var ln net.Listener
	var err error
	if address == "systemd" {
		return listenSystemd()
	} else if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		ln, err = listenUnix(path)
	} else {
		ln, err = listenTCP(address)
	}
	if err != nil {
		return nil, &report.Failure{What: "cannot listen on " + address, Why: err, Cure: listenCure(err)}
	}
	return []net.Listener{ln}, nil
}

// listenMetrics opens the address of --metrics.
func listenMetrics(address string) (net.Listener, error) {
	opened, err := listen(address)
	if err != nil {
		return nil, err
	}
	return opened[0], nil
}

func listenCure(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "choose another address with --listen, or stop what listens there"
	case errors.Is(err, syscall.EACCES):
		return "choose a port from 1024 up with --listen, or give the program CAP_NET_BIND_SERVICE"
	}
	return "choose another address with --listen"
}

// listenTCP takes a literal address for what it says: 0.0.0.0 is IPv4 and [::] IPv6, so both can be listened on side by
// side. Without a host it is both at once.
func listenTCP(address string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil {
			network = "tcp6"
			if ip.Is4() {
				network = "tcp4"
			}
		}
	}
	var config net.ListenConfig
	// Sockets of MPTCP are slower, and not all that is done to TCP ones can be done to them.
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), network, address)
}

// unixMode is the end of PATH,mode=MODE.
var unixMode = regexp.MustCompile(`,mode=(0?[0-7]{3})$`)

func listenUnix(path string) (net.Listener, error) {
	if match := unixMode.FindStringSubmatch(path); match != nil {
		mode, _ := strconv.ParseUint(match[1], 8, 32) // The pattern lets nothing else through.
		path = strings.TrimSuffix(path, match[0])
		// bind(2) gives the socket the mode that the umask leaves. Nothing else makes files now.
		defer syscall.Umask(syscall.Umask(0o777 &^ int(mode)))
	}
	ln, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		ln, err = net.Listen("unix", path)
	}
	return ln, err
}

// removeStale removes a socket that nobody listens on any more, as a server leaves behind that was killed.
func removeStale(path string) error {
	status, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if status.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%w by a file that is no socket", syscall.EADDRINUSE)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return syscall.EADDRINUSE
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w, and it cannot be told by whom: %w", syscall.EADDRINUSE, err)
	}
	return os.Remove(path)
}

// listenSystemd takes the sockets that the service manager has opened: sd_listen_fds(3).
func listenSystemd() (listeners []net.Listener, err error) {
	files := activation.Files(true)
	if len(files) == 0 {
		return nil, &report.Failure{What: "cannot listen on systemd", Why: errors.New("no sockets were passed"),
			Cure: "start it by a socket unit, or choose another address with --listen"}
	}
	for _, file := range files {
		ln, failed := inherit(file)
		if failed != nil {
			err = &report.Failure{What: "cannot listen on systemd's " + file.Name(), Why: failed,
				Cure: "its socket unit must have ListenStream= and Accept=no"}
			continue
		}
		listeners = append(listeners, ln)
	}
	if err != nil {
		closeAll(listeners)
		return nil, err
	}
	return listeners, nil
}

// inherit makes a listener of a descriptor, and closes that.
func inherit(file *os.File) (net.Listener, error) {
	defer file.Close()
	accepts, err := unix.GetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if accepts == 0 {
		return nil, errors.New("not a listening stream socket")
	}
	return net.FileListener(file)
}

// urlOf is what a person puts into a browser to get there.
func urlOf(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "unix:" + addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port)) + "/"
}
