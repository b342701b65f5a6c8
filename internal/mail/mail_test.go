package mail_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/mail"
	"github.com/concord-hie/concord/internal/mail/mailtest"
)

func start(t *testing.T) (*mailtest.Server, mail.Sender) {
	t.Helper()
	s, err := mailtest.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, mail.Sender{Addr: s.Addr(), From: "concord@exchange.example", Plain: true, Timeout: 3 * time.Second}
}

func TestAMessageArrivesAsWritten(t *testing.T) {
	s, sender := start(t)
	m := mail.Message{To: "maria@mail.example", Subject: "Alguien usó el acceso de emergencia", Text: "Hola\n.una línea con punto\nEntre aquí", ID: "e1-7", Language: "es", Date: time.Now()}
	if err := sender.Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	got := s.Messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	for _, want := range []string{"To: maria@mail.example\r\n", "Message-ID: <e1-7@exchange.example>", "Subject: =?utf-8?q?", "Content-Language: es", "\r\n.una l=C3=ADnea con punto"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("the message lacks %q:\n%s", want, got[0])
		}
	}
}

func TestNothingIsSentThatCouldBeSomethingElse(t *testing.T) {
	s, sender := start(t)
	for name, m := range map[string]mail.Message{
		"two addresses":        {To: "a@b.org, c@d.org"},
		"a name beside it":     {To: "Maria <a@b.org>"},
		"a header in the name": {To: "a@b.org\r\nBcc: c@d.org"},
		"a header in subject":  {To: "a@b.org", Subject: "x\r\nBcc: c@d.org"},
	} {
		if sender.Send(context.Background(), m) == nil {
			t.Errorf("%s was sent", name)
		}
	}
	strict := sender
	strict.Plain = false
	if strict.Send(context.Background(), mail.Message{To: "a@b.org"}) == nil {
		t.Error("a message was sent in the clear")
	}
	if n := len(s.Messages()); n != 0 {
		t.Errorf("%d messages arrived", n)
	}
	s.Refuse(true)
	if err := sender.Send(context.Background(), mail.Message{To: "a@b.org"}); err == nil || strings.Contains(err.Error(), "a@b.org") {
		t.Errorf("a refusal: %v", err)
	}
}
