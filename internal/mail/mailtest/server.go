// Package mailtest is an SMTP server that keeps what it is sent, for tests and the demo. It listens on loopback, relays
// nothing and speaks no TLS.
package mailtest

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"time"
)

// A Server keeps messages in memory.
type Server struct {
	listener net.Listener
	keep     func(message string)

	mu       sync.Mutex
	messages []string
	refuse   bool
	wg       sync.WaitGroup
}

// Start starts a server on a free port of loopback. keep, if not nil, is told of each message.
func Start(keep func(message string)) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, keep: keep}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Messages returns what it was sent, in order.
func (s *Server) Messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

// Refuse makes it take nothing, or take messages again.
func (s *Server) Refuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// Stop ends it.
func (s *Server) Stop() {
	_ = s.listener.Close()
	s.wg.Wait()
}

func (s *Server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	say := func(line string) { _, _ = conn.Write([]byte(line + "\r\n")) }
	say("220 mailtest")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		s.mu.Lock()
		refuse := s.refuse
		s.mu.Unlock()
		switch {
		case verb == "QUIT":
			say("221 bye")
			return
		case verb == "DATA" && refuse:
			say("451 not now")
		case verb == "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			s.mu.Lock()
			s.messages = append(s.messages, b.String())
			s.mu.Unlock()
			if s.keep != nil {
				s.keep(b.String())
			}
			say("250 kept")
		default:
			say("250 ok")
		}
	}
}
