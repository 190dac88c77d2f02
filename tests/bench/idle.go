package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
)

// idle prints what an idle keep-alive connection costs in memory, after a request each.
func (s *site) idle(connections int) error {
	for _, name := range []string{fmt.Sprintf("ringo --max-connections=%d", connections+100), "nginx"} {
		server, err := s.server(name)
		if err != nil {
			return err
		}
		before, err := server.pss()
		if err != nil {
			return err
		}
		var open []net.Conn
		for range connections {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server.port))
			if err != nil {
				return err
			}
			open = append(open, conn)
			if _, err := io.WriteString(conn, "GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				return err
			}
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				return err
			}
		}
		after, err := server.pss()
		if err != nil {
			return err
		}
		fmt.Printf("| %d idle connections | %s | %.2f KiB each |\n", connections, name, (after-before)/1024/float64(connections))
		for _, conn := range open {
			conn.Close()
		}
	}
	return nil
}
