package audit

import (
	"regexp"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestWhatPatientsAreToldOf(t *testing.T) {
	about := func(k Kind, edit ...func(*Event)) Event {
		e := NewEvent(k, hie.Actor{Organization: "oak", Roles: []string{"physician"}}, time.Now()).About(1)
		for _, f := range edit {
			f(&e)
		}
		return e
	}
	for _, tt := range []struct {
		name  string
		event Event
		first bool
		want  AlertKind
	}{
		{"emergency access", about(EmergencyClaimed), false, AlertEmergency},
		{"an emergency claim that was refused is no alert", about(EmergencyClaimed, func(e *Event) { e.Outcome = Refusal }), false, ""},
		{"an emergency claim about nobody known is no alert", about(EmergencyClaimed, func(e *Event) { e.Records = nil }), false, ""},
		{"the first look of an organisation", about(Disclosed), true, AlertFirstAccess},
		{"its second look is none", about(Disclosed), false, ""},
		{"the patient's own look is none", about(Disclosed, func(e *Event) { e.Actor.Roles = []string{hie.RolePatient} }), true, ""},
		{"a changed choice", about(ConsentChanged), false, AlertChoice},
		{"joined registrations", about(LinkChanged), false, AlertIdentity},
		{"a query alone is none", about(DocumentsQueried), true, ""},
	} {
		if got := AlertOf(tt.event, tt.first); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAMessageAboutAnEndIsNamedByWhatEnds(t *testing.T) {
	a, again, other := Ending{"7/1"}.Event(), Ending{"7/1"}.Event(), Ending{"7/2"}.Event()
	if a != again || a == other {
		t.Errorf("one end is %s and %s, another %s", a, again, other)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("%s is no UUID of version 8", a)
	}
}

func TestAddressesThatCouldEndAHeaderAreRefused(t *testing.T) {
	for address, ok := range map[string]bool{
		"maria.alvarez@mail.example": true, "a+b@x.org": true, "": true,
		"maria": false, "a@b\r\nBcc: c@d": false, "a b@c.org": false, `"x"@c.org`: false, "a@-c.org": false, "a@c.org,d@e.org": false, "<a@c.org>": false,
	} {
		if err := (AlertSetting{Address: address}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	if (AlertSetting{Kinds: []AlertKind{AlertEmergency}}).Check() == nil {
		t.Error("alerts to nowhere were taken")
	}
	if (AlertSetting{Address: "a@b.org", Kinds: []AlertKind{"weather"}}).Check() == nil {
		t.Error("an unknown kind was taken")
	}
}

func TestAMessageThatFailsIsTriedLaterAndThenGivenUp(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	last := now
	for n := 0; ; n++ {
		at, again := Retry(n, now)
		if !again {
			if n < 5 {
				t.Errorf("given up after %d attempts", n)
			}
			return
		}
		if at.Before(last) || !at.After(now) || n > 20 {
			t.Fatalf("attempt %d is tried again at %v", n, at)
		}
		last = at
	}
}
