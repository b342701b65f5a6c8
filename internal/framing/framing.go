// Package framing looks at the heads of HTTP/1.1 requests before net/http does, for what net/http reads in one of the two
// ways there are and does not tell of: a Content-Length beside a Transfer-Encoding, and header lines that are folded over
// several. A proxy in front of us may read the other way, and then what one of us takes for a body is a request to the
// other. Both are made unreadable, so that net/http answers 400 and closes the connection.
//
// Nothing is held back: bytes pass as they come, and all time limits are net/http's. It stands on connections in the clear,
// where proxies speak; TLS ends in this program without one.
//
// Source: RFC 9112 sections 5.2, 6.1 and 11.2; spec federation 2.9.
package framing

import (
	"bytes"
	"net"
	"strconv"
	"strings"
)

// Listener returns l whose connections are looked at.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// maxLine bounds what is kept of one line; net/http refuses heads long before.
const maxLine = 128 << 10

// A conn is where in the requests of one connection the next byte stands. net/http reads it from one goroutine at a time.
type conn struct {
	net.Conn
	// line is what has come of the current line of a head, lines how many of the head there were before it.
	line  []byte
	lines int
	// folded, length and coded are what the head has said so far; length is -1 without a Content-Length.
	folded, coded bool
	length        int64
	said          bool // a Content-Length
	// body is how much of a body is still to come, deaf that no more is looked at: the connection ends with this request.
	body int64
	deaf bool
	// rest is what is still to be handed on.
	rest []byte
}

// unreadable stands in place of the end of a head that must not be read: a header line without a colon.
const unreadable = "two readings\r\n\r\n"

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if end := c.look(p[:n]); end >= 0 { // the head ends at end and is bad: nothing of what follows passes
		passed := copy(p[end:], unreadable)
		c.rest = []byte(unreadable[passed:])
		n = end + passed
	}
	return n, err
}

// CloseWrite ends what is sent, which net/http does before it closes a connection after an error.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// look follows b and returns where a bad head ends in it, -1 when none does.
func (c *conn) look(b []byte) int {
	for at := 0; at < len(b) && !c.deaf; {
		if c.body > 0 {
			n := min(c.body, int64(len(b)-at))
			c.body -= n
			at += int(n)
			continue
		}
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			c.line = append(c.line, b[at:]...)
			c.deaf = len(c.line) > maxLine
			return -1
		}
		c.line = append(c.line, b[at:at+i]...)
		line := strings.TrimSuffix(string(c.line), "\r")
		c.line = c.line[:0]
		if line != "" || c.lines == 0 {
			c.header(line)
			at += i + 1
			continue
		}
		if c.folded || c.coded && c.said {
			c.deaf = true
			return at + i
		}
		c.deaf, c.body = c.coded || c.length < 0, c.length // after chunks nothing more is read on this connection
		c.lines, c.folded, c.coded, c.said, c.length = 0, false, false, false, 0
		at += i + 1
	}
	return -1
}

// header takes note of one line of a head.
func (c *conn) header(line string) {
	if c.lines++; c.lines == 1 {
		return // the request line
	}
	if line[0] == ' ' || line[0] == '\t' {
		c.folded = true
		return
	}
	name, value, _ := strings.Cut(line, ":")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "transfer-encoding":
		c.coded = true
	case "content-length":
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || c.said { // refused by net/http
			n = -1
		}
		c.said, c.length = true, n
	}
}
