package consentpg

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

var (
	drafter  = hie.Actor{Organization: "network", User: "anna"}
	approver = hie.Actor{Organization: "network", User: "ben"}
)

// house is a network policy: no marketing.
const house = `{"id":"house","title":"House rules","kind":"network","rules":[{"id":"no-marketing","effect":"FORBID","source":"board, 2026-01","scope":{"purposes":["HMARKT"]}}],
"tests":[{"name":"marketing","request":{"purposes":["HMARKT"]},"want":{"reason":"NETWORK_FORBID"}}]}`

// office is the policies of a fresh database under a clock the test moves.
type office struct {
	*testing.T
	*Policies
	db  *pg.DB
	now time.Time
}

func newOffice(t *testing.T) *office {
	o := &office{T: t, db: pgtest.DB(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	if o.Policies, err = NewPolicies(o.db, auditpg.Append, func() time.Time { return o.now }); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) draft(content, signature string) consent.PolicyEvent {
	o.Helper()
	e, err := o.Draft(context.Background(), drafter, []byte(content), signature, "", false)
	if err != nil {
		o.Fatal(err)
	}
	return e
}

func (o *office) take(actor hie.Actor, a consent.PolicyAction, policy string, version int64, effective time.Time) (consent.PolicyEvent, error) {
	return o.Take(context.Background(), actor, consent.PolicyEvent{Policy: policy, Version: version, Action: a, Effective: effective}, false)
}

// inForce is "id/version" of each policy in force at t.
func (o *office) inForce(t time.Time) string {
	o.Helper()
	set, err := o.Set(context.Background())
	if err != nil {
		o.Fatal(err)
	}
	packs, _, err := set.At(t)
	if err != nil {
		o.Fatal(err)
	}
	var out []string
	for _, p := range packs {
		if p.Version > 0 {
			out = append(out, p.Pack.ID)
		}
	}
	return strings.Join(out, " ")
}

func TestAPolicyComesIntoForceOnlyBySimulationASecondPersonAndItsDay(t *testing.T) {
	o := newOffice(t)
	e := o.draft(house, "")
	if e.Version != 1 || o.inForce(o.now.Add(time.Hour)) != "" {
		t.Fatalf("version %d", e.Version)
	}
	refused := func(what string, err error, want error) {
		t.Helper()
		var invalid *hie.InvalidError
		if want == nil && !errors.As(err, &invalid) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := o.take(approver, consent.PolicyApproved, "house", 1, time.Time{})
	refused("approving what nobody simulated", err, nil)
	if _, err := o.take(drafter, consent.PolicySimulated, "house", 1, time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err = o.take(drafter, consent.PolicyApproved, "house", 1, time.Time{})
	refused("approving what one drafted", err, hie.ErrForbidden)
	_, err = o.take(hie.Actor{Organization: "network", Client: "job"}, consent.PolicyApproved, "house", 1, time.Time{})
	refused("approval by a program", err, hie.ErrForbidden)
	_, err = o.take(approver, consent.PolicyActivated, "house", 1, time.Time{})
	refused("activating what nobody approved", err, nil)
	_, err = o.take(approver, consent.PolicyApproved, "house", 2, time.Time{})
	refused("approving what is not there", err, hie.ErrNotFound)
	if _, err := o.take(approver, consent.PolicyApproved, "house", 1, time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err = o.take(drafter, consent.PolicyActivated, "house", 1, o.now.Add(time.Second))
	refused("sooner than every node can know", err, nil)
	day := o.now.Add(24 * time.Hour)
	if _, err := o.take(drafter, consent.PolicyActivated, "house", 1, day); err != nil {
		t.Fatal(err)
	}
	if o.inForce(day.Add(-time.Microsecond)) != "" || o.inForce(day) != "house" {
		t.Error("it is not in force from its day on, and no sooner")
	}
	set, _ := o.Set(context.Background())
	if _, next, _ := set.At(o.now); !next.Equal(day) {
		t.Errorf("the next turn is %v", next)
	}
	// Called off before its day; then again, and rolled back after it.
	if e, err := o.take(approver, consent.PolicyRolledBack, "house", 0, time.Time{}); err != nil || e.Version != 0 || !e.Effective.Equal(day) || o.inForce(day) != "" {
		t.Errorf("calling off: %+v %v", e, err)
	}
	if _, err := o.take(drafter, consent.PolicyActivated, "house", 1, day); err != nil {
		t.Fatal(err)
	}
	o.now = day.Add(time.Hour)
	if e, err := o.take(approver, consent.PolicyRolledBack, "house", 0, time.Time{}); err != nil || !e.Effective.Equal(o.now.Add(consent.PolicyNotice)) {
		t.Errorf("rolling back: %+v %v", e, err)
	}
	if o.inForce(o.now) != "house" || o.inForce(o.now.Add(consent.PolicyNotice)) != "" {
		t.Error("what was in force at an instant is not what it was")
	}
	if n := events(t, o.db, audit.Administered); n != 7 {
		t.Errorf("%d events, want one a step", n)
	}
	h, err := o.History(context.Background(), "house")
	if err != nil || len(h) != 7 || h[2].By != "network/ben" {
		t.Errorf("%d steps, %v", len(h), err)
	}
}

func TestADraftThatIsWrongIsNotKept(t *testing.T) {
	o := newOffice(t)
	all, err := consentjson.Builtins()
	if err != nil {
		t.Fatal(err)
	}
	law := all[len(all)-3]
	for _, b := range all {
		if b.Pack.ID == "us-hipaa" {
			law = b
		}
	}
	for _, tt := range []struct{ name, content, signature, path string }{
		{"a law nobody signed", string(law.Content), "", "signature"},
		{"a law changed after it was signed", string(law.Content) + " ", law.Signature, "signature"},
		{"a test that comes out otherwise", strings.Replace(house, `"reason":"NETWORK_FORBID"`, `"reason":"DEFAULT"`, 1), "", "tests"},
		{"no rules", `{"id":"x","title":"x","kind":"network"}`, "", "rules"},
	} {
		_, err := o.Draft(context.Background(), drafter, []byte(tt.content), tt.signature, "", false)
		var invalid *hie.InvalidError
		if !errors.As(err, &invalid) || invalid.Path != tt.path {
			t.Errorf("%s: %v, want an error at %s", tt.name, err, tt.path)
		}
	}
	if h, err := o.Histories(context.Background()); err != nil || len(h) != 0 {
		t.Errorf("something was kept: %v, %v", h, err)
	}
	if e, err := o.Draft(context.Background(), drafter, law.Content, law.Signature, "", true); err != nil || e.Version != 1 {
		t.Errorf("dry run: %v", err)
	}
	if h, _ := o.Histories(context.Background()); len(h) != 0 {
		t.Error("a dry run kept something")
	}
}

func TestALawInForceWhoseContentWasChangedStopsDecisions(t *testing.T) {
	o := newOffice(t)
	o.now = hie.Now()
	ctx := context.Background()
	b, err := o.Version(ctx, "us-md-opt-out", 0)
	if err != nil {
		t.Fatal(err)
	}
	o.draft(string(b.Content), b.Signature)
	for _, s := range []struct {
		actor hie.Actor
		what  consent.PolicyAction
	}{{drafter, consent.PolicySimulated}, {approver, consent.PolicyApproved}, {drafter, consent.PolicyActivated}} {
		if _, err := o.take(s.actor, s.what, "us-md-opt-out", 1, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	at := o.now.Add(time.Hour)
	if o.inForce(at) != "us-md-opt-out" {
		t.Fatal("not in force")
	}
	w, err := o.Watch(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Set(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.db.Exec(ctx, `update consent.policy_version set content = content || ' '::bytea where policy_id = $1`, "us-md-opt-out"); err != nil {
		t.Fatal(err)
	}
	set, err := o.Set(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := set.At(at); !errors.Is(err, hie.ErrUnavailable) {
		t.Errorf("%v, want unavailable", err)
	}
}

// TestANodeWhoseClockIsOffDecidesNothing sets a node's clock wrong, and right again.
//
// Source: spec consent 2.15 (clock skew beyond limit).
func TestANodeWhoseClockIsOffDecidesNothing(t *testing.T) {
	o := newOffice(t)
	var off atomic.Int64
	p, err := NewPolicies(o.db, auditpg.Append, func() time.Time { return hie.Now().Add(time.Duration(off.Load())) })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		off     time.Duration
		decides bool
	}{
		{"right", 0, true},
		{"a little ahead", ClockLimit - time.Second, true},
		{"a little behind", time.Second - ClockLimit, true},
		{"too far ahead", ClockLimit + time.Second, false},
		{"too far behind", -time.Second - ClockLimit, false},
		{"a day ahead", 24 * time.Hour, false},
	} {
		t.Run("at the start "+c.name, func(t *testing.T) {
			off.Store(int64(c.off))
			w, err := p.Watch(t.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Set(); (err == nil) != c.decides || err != nil && !errors.Is(err, hie.ErrUnavailable) {
				t.Errorf("%v", err)
			}
			s := New(o.db, hie.NewIDs(nil), auditpg.Append, hie.Now)
			s.Clock(p.Clock)
			_, filing := s.File(t.Context(), clerk, consent.Version{Record: maria, By: "mercy", Status: "active", Signed: hie.Now(), Verified: true, Content: []byte(`{}`)}, 0)
			_, basis := s.RecordInstrument(t.Context(), clerk, consent.Instrument{Record: maria, Kind: "court-order", Organization: "oak", From: hie.Now(), Ground: "x"}, 0)
			_, step := p.Draft(t.Context(), drafter, []byte(house), "", "", true)
			for what, err := range map[string]error{"a wish": filing, "a legal basis": basis, "a step of a policy": step,
				"an emergency": s.Claim(t.Context(), clerk, claim(), hie.Now().Add(time.Hour), []hie.SourcePatientID{maria}, nil)} {
				if (err == nil) != c.decides || err != nil && !errors.Is(err, hie.ErrUnavailable) {
					t.Errorf("recording %s: %v", what, err)
				}
			}
		})
	}
	t.Run("while it runs", func(t *testing.T) {
		off.Store(int64(time.Hour))
		w, err := p.Watch(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer running.Wait()
		defer stop()
		for _, c := range []struct {
			off     time.Duration
			decides bool
		}{{0, true}, {-time.Hour, false}, {0, true}} {
			off.Store(int64(c.off))
			for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if _, err := w.Set(); (err == nil) == c.decides {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("off by %v: whether it decides is still %v", c.off, !c.decides)
				}
			}
		}
	})
}
