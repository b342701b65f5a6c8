// Package mail sends plain text messages by SMTP. It knows nothing of the exchange's rules and keeps nothing.
//
// Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 5322 and 2047 (the message).
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"
)

// A Sender sends from one address through one server. It is safe for use by many goroutines: each message has a
// connection of its own.
type Sender struct {
	// Addr is the server, host:port; From the sender's address.
	Addr, From string
	// User and Password sign in, "" for a server that takes messages without.
	User, Password string
	// Plain allows a server without TLS. Messages and passwords then travel in the clear: for loopback alone.
	Plain bool
	// Timeout bounds one message; 0 is 10 s.
	Timeout time.Duration
}

// A Message is one plain text message to one person.
type Message struct {
	To, Subject, Text string
	// ID names it for ever, so that a copy sent twice is known for one: letters, digits and hyphens.
	ID string
	// Language is a BCP 47 tag, Date when it was written.
	Language string
	Date     time.Time
}

var errHeader = errors.New("mail: a header would end early")

// Check says whether From is an address.
func (s *Sender) Check() error {
	if _, err := mail.ParseAddress(s.From); err != nil {
		return errors.New("mail: the sender must be an e-mail address")
	}
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		return errors.New("mail: the server must be host:port")
	}
	return nil
}

// Send sends m. An error says that the server may not have taken it; its text quotes nothing of the message.
func (s *Sender) Send(ctx context.Context, m Message) error {
	raw, err := s.compose(m)
	if err != nil {
		return err
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.deliver(ctx, m.To, raw); err != nil {
		return fmt.Errorf("mail: the server at %s did not take the message: %w", s.Addr, quiet(err))
	}
	return nil
}

// quiet drops what a server's answer may quote.
func quiet(err error) error {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return context.DeadlineExceeded
	}
	return errors.New("refused or unreachable")
}

func (s *Sender) deliver(ctx context.Context, to string, raw []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // a second close after Quit has no effect
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	host, _, _ := net.SplitHostPort(s.Addr)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if offered, _ := c.Extension("STARTTLS"); offered {
		if err := c.StartTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}); err != nil {
			return err
		}
	} else if !s.Plain {
		return errors.New("the server offers no TLS")
	}
	if s.User != "" {
		if err := c.Auth(smtp.PlainAuth("", s.User, s.Password, host)); err != nil {
			return err
		}
	}
	if err := c.Mail(s.From); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// compose writes m as it travels.
func (s *Sender) compose(m Message) ([]byte, error) {
	for _, h := range []string{m.To, s.From, m.ID, m.Language, m.Subject} {
		if strings.ContainsAny(h, "\r\n") {
			return nil, errHeader
		}
	}
	if a, err := mail.ParseAddress(m.To); err != nil || a.Address != m.To {
		return nil, errors.New("mail: not one address")
	}
	_, domain, _ := strings.Cut(s.From, "@")
	var b strings.Builder
	for _, h := range [][2]string{{"From", s.From}, {"To", m.To}, {"Subject", mime.QEncoding.Encode("utf-8", m.Subject)}, {"Date", m.Date.Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID + "@" + domain + ">"}, {"Content-Language", m.Language}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"}, {"Auto-Submitted", "auto-generated"}} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := q.Write([]byte(strings.ReplaceAll(m.Text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	return []byte(b.String()), nil
}
