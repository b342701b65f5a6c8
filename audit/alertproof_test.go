package audit

import (
	"testing"
	"time"
)

func TestACodeProvesAnAddressOnceInTimeAndToItsPatientAlone(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	code, p := AlertProof{}.Ask(11, now)
	for _, tt := range []struct {
		name string
		ok   bool
		got  bool
	}{
		{"the code, at once", true, p.Proves(11, code, now)},
		{"the code, just in time", true, p.Proves(11, code, now.Add(CodeLife-time.Second))},
		{"the code, an hour later", false, p.Proves(11, code, now.Add(CodeLife))},
		{"the code, by somebody else", false, p.Proves(12, code, now)},
		{"another code", false, p.Proves(11, code[1:]+"x", now)},
		{"nothing", false, p.Proves(11, "", now)},
		{"nothing, where no code was sent", false, AlertProof{}.Proves(11, "", now)},
		{"the code, after five wrong ones", false, AlertProof{Hash: p.Hash, Sent: p.Sent, Tries: 5}.Proves(11, code, now)},
	} {
		if tt.got != tt.ok {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
	if len(code) != 8 {
		t.Errorf("a code of %d characters", len(code))
	}
}

func TestCodesAreNotSentAgainAndAgain(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p, sent := AlertProof{}, 0
	for range 48 * 60 { // somebody asks every minute for two days
		if p.MayAsk(now) {
			_, p = p.Ask(11, now)
			sent++
		}
		now = now.Add(time.Minute)
	}
	if sent != 10 {
		t.Errorf("%d codes in two days, want five a day", sent)
	}
	if _, p = p.Ask(11, now); p.MayAsk(now.Add(59 * time.Second)) {
		t.Error("another code within a minute")
	}
}
