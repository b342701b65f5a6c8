package framing

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// talk writes parts to a server behind a Listener and returns the statuses of its answers, and the bodies it read.
func talk(t testing.TB, parts ...string) (statuses []int, bodies []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(Listener(l)) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if _, err := io.WriteString(c, p); err != nil {
			break // closed by the server
		}
		if len(parts) > 1 {
			time.Sleep(2 * time.Millisecond) // so that each is read by itself
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	r := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
	_ = c.Close()
	_ = srv.Close()
	<-done
	return statuses, bodies
}

func TestWhatCanBeReadInTwoWaysIsNotRead(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\n"
	for _, c := range []struct {
		name, text string
		want       []int
		bodies     []string
	}{
		{"one request", get + "\r\n", []int{200}, []string{""}},
		{"requests in a row", get + "\r\n" + post + "Content-Length: 12\r\n\r\na: b\r\n c\r\n\r\n" + get + "\r\n", []int{200, 200, 200}, []string{"", "a: b\r\n c\r\n\r\n", ""}},
		{"chunks", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", []int{200}, []string{"abc"}},
		{"a length and chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", []int{400}, nil},
		{"chunks and a length", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", []int{400}, nil},
		{"the same in other letters", post + "transfer-ENCODING:chunked\r\ncontent-LENGTH:\t3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", []int{400}, nil},
		{"a folded header", get + "X-A: b\r\n c\r\n\r\n", []int{400}, nil},
		{"one folded with a tab", get + "X-A: b\r\n\tc\r\n\r\n", []int{400}, nil},
		{"lines that end with a line feed alone", "GET / HTTP/1.1\nHost: a\nX-A: b\n c\n\n", []int{400}, nil},
		{"the second of two is folded", get + "\r\n" + get + "X-A: b\r\n c\r\n\r\n" + get + "\r\n", []int{200, 400}, []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, bodies := talk(t, c.text)
			if !slices.Equal(got, c.want) || !slices.Equal(bodies, c.bodies) {
				t.Errorf("answers %v, bodies %q; want %v, %q", got, bodies, c.want, c.bodies)
			}
			slowly, bodies := talk(t, strings.SplitAfter(c.text, "")...)
			if !slices.Equal(slowly, c.want) || !slices.Equal(bodies, c.bodies) {
				t.Errorf("byte by byte: answers %v, bodies %q", slowly, bodies)
			}
		})
	}
}

// FuzzGoodHeadsPassUnchanged: whatever the pieces in which requests come, those without the two forms reach the server as
// they were sent.
func FuzzGoodHeadsPassUnchanged(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 3)
	f.Add("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab\r\nGET / HTTP/1.1\r\n\r\n", 7)
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = 1 + (size&0xff)%64
		c := &conn{Conn: pieces{strings.NewReader(text), size}}
		got, _ := io.ReadAll(c)
		if strings.HasSuffix(string(got), unreadable) {
			if !strings.HasPrefix(text, strings.TrimSuffix(string(got), unreadable)) {
				t.Errorf("what came before a bad end was changed")
			}
			return
		}
		if string(got) != text {
			t.Errorf("read %q of %q", got, text)
		}
	})
}

// pieces is a connection that gives at most size bytes at a time.
type pieces struct {
	*strings.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }

func (pieces) Write([]byte) (int, error)        { return 0, fmt.Errorf("read only") }
func (pieces) Close() error                     { return nil }
func (pieces) LocalAddr() net.Addr              { return nil }
func (pieces) RemoteAddr() net.Addr             { return nil }
func (pieces) SetDeadline(time.Time) error      { return nil }
func (pieces) SetReadDeadline(time.Time) error  { return nil }
func (pieces) SetWriteDeadline(time.Time) error { return nil }
