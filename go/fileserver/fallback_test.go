package fileserver

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %q %v", r.Method, r.URL.Path, body, err)
}

// TestFallback: files and the program's own handler, in any order on one connection, however the
// requests come in.
func TestFallback(t *testing.T) {
	const post = "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	const chunked = "PUT /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	const expecting = "POST /api/e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
	long := "POST /api/long HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("l", 300000)
	for name, row := range map[string]struct {
		input string
		want  []string
	}{
		"own":                     {post, []string{`POST /api/x "hello" <nil>`}},
		"own after a file":        {getText("/small") + post, []string{"small", `POST /api/x "hello" <nil>`}},
		"file after own":          {post + getText("/small"), []string{`POST /api/x "hello" <nil>`, "small"}},
		"own after a large file":  {getText("/medium") + chunked, []string{"", `PUT /api "hello" <nil>`}},
		"own after a listing":     {getText("/") + post, []string{"", `POST /api/x "hello" <nil>`}},
		"own, and own":            {chunked + post + getText("/small"), []string{`PUT /api "hello" <nil>`, `POST /api/x "hello" <nil>`, "small"}},
		"long":                    {long + getText("/small"), []string{"", "small"}},
		"escaped":                 {"GET /%61pi/%2e HTTP/1.1\r\nHost: a\r\n\r\n", []string{`GET /api/. "" <nil>`}},
		"not own":                 {"POST /apix HTTP/1.1\r\nHost: a\r\n\r\n" + getText("/apix"), []string{"405 Method Not Allowed\n", "404 Not Found\n"}},
		"own after one not found": {getText("/x") + expecting, []string{"404 Not Found\n", "", `POST /api/e "hi" <nil>`}},
	} {
		for way, piece := range map[string]int{"at once": 1 << 20, "in pieces": 7} {
			if piece == 7 && len(row.input) > 1000 {
				piece = 1003
			}
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				r := beginBeside(t, &Server{Root: rootWith(t), Fallback: http.HandlerFunc(echo), FallbackFor: Under("/api")})
				conn, in := r.dial()
				go func() {
					for rest := row.input; len(rest) > 0; {
						n := min(piece, len(rest))
						if _, err := io.WriteString(conn, rest[:n]); err != nil {
							t.Error(err)
							return
						}
						rest = rest[n:]
					}
				}()
				for _, want := range row.want {
					answer, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(answer.Body)
					if err != nil || want != "" && string(body) != want {
						t.Errorf("%.100q, %v, want %q", body, err, want)
					}
				}
			})
		}
	}
}

// TestFallbackEnds: a request in progress ends before Serve returns; one that takes too long is cut.
func TestFallbackEnds(t *testing.T) {
	for name, patient := range map[string]bool{"in time": true, "too late": false} {
		t.Run(name, func(t *testing.T) {
			begun, goOn := make(chan struct{}), make(chan struct{})
			server := &Server{Root: rootWith(t), FallbackFor: Under("/"), DrainTimeout: 50 * time.Millisecond}
			if patient {
				server.DrainTimeout = patience
			}
			server.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				<-goOn
				fmt.Fprint(w, "done")
			})
			r := begin(t, server)
			conn, in := r.dial()
			if _, err := io.WriteString(conn, getText("/")); err != nil {
				t.Fatal(err)
			}
			<-begun
			r.stop()
			if patient {
				close(goOn)
			}
			answer, err := http.ReadResponse(in, nil)
			if patient != (err == nil) {
				t.Fatal(err)
			}
			if patient {
				if body, err := io.ReadAll(answer.Body); string(body) != "done" || err != nil {
					t.Errorf("%q %v", body, err)
				}
			}
			r.end()
			if !patient {
				close(goOn)
			}
		})
	}
}

func TestFallbackRefused(t *testing.T) {
	for _, server := range []*Server{{Root: ".", Fallback: http.NotFoundHandler()}, {Root: ".", FallbackFor: Under("/")}} {
		if err := server.Check(); err == nil {
			t.Error("no error")
		}
	}
	if h := (&handover{}); h.Close() != nil {
		t.Error("Close")
	} else if _, err := h.Accept(); err == nil {
		t.Error("no error")
	}
}

func TestUnder(t *testing.T) {
	under := Under("/api", "/ws/")
	for path, want := range map[string]bool{"/api": true, "/api/": true, "/api/x": true, "/apix": false, "/ws": false, "/ws/": true, "/ws/x": true, "/": false, "": false} {
		if under("GET", path) != want {
			t.Errorf("%s", path)
		}
	}
}

// TestUpgrade: a handler may take the connection over, with what came in behind its request.
func TestUpgrade(t *testing.T) {
	server := &Server{Root: rootWith(t), FallbackFor: Under("/ws")}
	server.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		line, err := both.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(conn, "got %s", line)
	})
	r := begin(t, server)
	conn, _ := r.dial()
	if _, err := io.WriteString(conn, getText("/small")+"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\nframe\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if answer, err := http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	} else if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	if line, err := in.ReadString('\n'); line != "got frame\n" {
		t.Errorf("%q %v", line, err)
	}
}
