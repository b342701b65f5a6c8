package auditpg

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

// Maria has the records 11 and 12; alerts are set on 11.
func marias(_ context.Context, r hie.SourcePatientID) ([]hie.SourcePatientID, error) {
	if r == 11 || r == 12 {
		return []hie.SourcePatientID{11, 12}, nil
	}
	return []hie.SourcePatientID{r}, nil
}

func TestAlertsTellOnceOfWhatWasAskedForAndOfNothingBefore(t *testing.T) {
	db, ctx := pgtest.DB(t), context.Background()
	s := newSequencer(t, db, "")
	now := time.Now().UTC()
	var sent []audit.Alert
	var refuse bool
	var ends []audit.Ending
	a := NewAlerts(db, marias, func(_ context.Context, r hie.SourcePatientID) ([]audit.Ending, error) {
		if r != 11 {
			t.Errorf("asked what ends of record %d, whose patient wants no mail", r)
		}
		return ends, nil
	}, func(_ context.Context, m audit.Alert) error {
		if refuse {
			return errors.New("not now")
		}
		sent = append(sent, m)
		return nil
	}, func() time.Time { return now }, quiet)
	happen := func(k audit.Kind, org string, records ...hie.SourcePatientID) {
		t.Helper()
		e := audit.NewEvent(k, hie.Actor{Organization: hie.OrgID(org), User: "u", Roles: []string{"physician"}}, time.Now()).About(records...)
		if err := New(db).Record(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	step := func() []audit.AlertKind {
		t.Helper()
		sequence(t, s)
		sent = nil
		for {
			more, err := a.Look(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
		}
		if _, err := a.Send(ctx); err != nil {
			t.Fatal(err)
		}
		var kinds []audit.AlertKind
		for _, m := range sent {
			kinds = append(kinds, m.Kind)
		}
		return kinds
	}

	happen(audit.EmergencyClaimed, "oak", 12)
	if got := step(); got != nil {
		t.Errorf("of what was before there were alerts: %v", got)
	}
	set := audit.AlertSetting{Record: 11, Address: "maria@mail.example", Language: "es", Kinds: []audit.AlertKind{audit.AlertEmergency, audit.AlertFirstAccess}}
	me := hie.Actor{Organization: "network", Patient: 11}
	if err := a.Set(ctx, me, set); err != nil {
		t.Fatal(err)
	}
	happen(audit.EmergencyClaimed, "oak", 11)
	if got := step(); got != nil {
		t.Errorf("told an address nobody confirmed: %v", got)
	}
	if err := a.Ask(ctx, me, 11); err != nil || len(sent) != 1 || sent[0].Kind != audit.AlertCode || sent[0].Address != set.Address || sent[0].Language != "es" {
		t.Fatalf("a code: %v, %d messages", err, len(sent))
	}
	code := sent[0].Code
	if err := a.Ask(ctx, me, 11); !errors.Is(err, hie.ErrConflict) || len(sent) != 1 {
		t.Errorf("a second code at once: %v", err)
	}
	if ok, err := a.Confirm(ctx, me, 11, "12"); ok || err != nil {
		t.Errorf("a wrong code confirms: %v", err)
	}
	if ok, err := a.Confirm(ctx, me, 12, code); ok || err != nil {
		t.Errorf("the code confirms another record: %v", err)
	}
	if waits, err := a.Waits(ctx, 11); !waits || err != nil {
		t.Errorf("the code is no longer waited for: %v", err)
	}
	if ok, err := a.Confirm(ctx, me, 11, code); !ok || err != nil {
		t.Fatalf("the code does not confirm: %v", err)
	}
	if got := step(); got != nil {
		t.Errorf("told of what was before the address was confirmed: %v", got)
	}
	if err := a.Set(ctx, me, set); err != nil { // the same address stays confirmed
		t.Fatal(err)
	}
	if got, err := a.Setting(ctx, 11); err != nil || got.Address != set.Address || !slices.Equal(got.Kinds, set.Kinds) {
		t.Errorf("the setting reads back as %v, %v", got.Kinds, err)
	}
	happen(audit.EmergencyClaimed, "oak", 11, 12)
	happen(audit.EmergencyClaimed, "oak", 99)
	happen(audit.ConsentChanged, "oak", 11)
	if got := step(); !slices.Equal(got, []audit.AlertKind{audit.AlertEmergency}) {
		t.Errorf("an emergency on both her records, one on somebody else's, and a change she does not want to hear of: %v", got)
	}
	if len(sent) == 1 && (sent[0].Record != 11 || sent[0].Language != "es" || sent[0].Address != set.Address) {
		t.Error("the message is not hers")
	}
	if got := step(); got != nil {
		t.Errorf("told again: %v", got)
	}
	happen(audit.Disclosed, "elm", 12)
	happen(audit.Disclosed, "elm", 11)
	if got := step(); !slices.Equal(got, []audit.AlertKind{audit.AlertFirstAccess}) {
		t.Errorf("two looks of an organisation that never looked: %v", got)
	}

	refuse = true
	happen(audit.EmergencyClaimed, "oak", 11)
	if got := step(); got != nil {
		t.Errorf("a server that refuses took %v", got)
	}
	refuse = false
	if got := step(); got != nil {
		t.Errorf("tried again at once: %v", got)
	}
	now = now.Add(2 * time.Minute)
	if got := step(); !slices.Equal(got, []audit.AlertKind{audit.AlertEmergency}) {
		t.Errorf("two minutes later: %v", got)
	}

	// What waits for an address that was changed is not sent, neither there nor to the new one before it is confirmed.
	refuse = true
	happen(audit.EmergencyClaimed, "oak", 11)
	step()
	refuse = false
	set.Address = "maria@other.example"
	if err := a.Set(ctx, me, set); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	happen(audit.EmergencyClaimed, "oak", 11)
	if got := step(); got != nil {
		t.Errorf("after the address changed: %v", got)
	}
	if ok, err := a.Confirm(ctx, me, 11, code); ok || err != nil {
		t.Errorf("the code of the old address confirms the new one: %v", err)
	}
	if r := verify(t, db); r.Bad != nil {
		t.Error("the log no longer verifies")
	}
}

func TestAnEndThatComesNearIsToldOnce(t *testing.T) {
	db, ctx := pgtest.DB(t), context.Background()
	now := time.Now().UTC()
	ends := []audit.Ending{{Name: "7/1"}}
	var sent []audit.Alert
	var broken bool
	node := func() *Alerts {
		return NewAlerts(db, marias, func(_ context.Context, r hie.SourcePatientID) ([]audit.Ending, error) {
			switch {
			case broken:
				return nil, errors.New("not now")
			case r != 11:
				t.Errorf("asked what ends of record %d, whose patient did not ask to be told", r)
			}
			return ends, nil
		}, func(_ context.Context, m audit.Alert) error {
			sent = append(sent, m)
			return nil
		}, func() time.Time { return now }, quiet)
	}
	a := node()
	told := func(nodes ...*Alerts) int {
		t.Helper()
		sent = nil
		for _, n := range nodes {
			if err := n.Remind(ctx); err != nil && !broken {
				t.Fatal(err)
			}
			if _, err := n.Send(ctx); err != nil {
				t.Fatal(err)
			}
		}
		return len(sent)
	}
	wish := func(record hie.SourcePatientID, confirmed bool, kinds ...audit.AlertKind) {
		t.Helper()
		me := hie.Actor{Organization: "network", Patient: record}
		if err := a.Set(ctx, me, audit.AlertSetting{Record: record, Address: "p@mail.example", Language: "es", Kinds: kinds}); err != nil {
			t.Fatal(err)
		}
		if !confirmed {
			return
		}
		sent = nil
		if err := a.Ask(ctx, me, record); err != nil || len(sent) != 1 {
			t.Fatal(err)
		}
		if ok, err := a.Confirm(ctx, me, record, sent[0].Code); !ok || err != nil {
			t.Fatal(err)
		}
	}
	wish(11, true, audit.AlertEnding)
	wish(21, true, audit.AlertEmergency)
	wish(31, false, audit.AlertEnding)
	if n := told(a, node()); n != 1 || sent[0].Kind != audit.AlertEnding || sent[0].Record != 11 || sent[0].Language != "es" {
		t.Fatalf("two nodes sent %d messages", n)
	}
	if n := told(a, node()); n != 0 {
		t.Errorf("the same hour again sent %d messages", n)
	}
	now = now.Add(time.Hour)
	if n := told(a, node()); n != 0 {
		t.Errorf("the same end an hour later sent %d messages", n)
	}
	ends = []audit.Ending{{Name: "7/1"}, {Name: "8/1"}}
	if n := told(a); n != 0 {
		t.Errorf("it was looked for twice in an hour: %d messages", n)
	}
	now = now.Add(time.Hour)
	broken = true
	told(a)
	broken, now = false, now.Add(time.Hour)
	if n := told(a); n != 1 {
		t.Errorf("another end, after an hour in which nothing could be read, sent %d messages", n)
	}
}

func TestQuestionsAreAnsweredOnceAndOnRecord(t *testing.T) {
	db, ctx := pgtest.DB(t), context.Background()
	q := NewQuestions(db, hie.NewIDs(nil), hie.Now)
	maria, officer := hie.Actor{Organization: "network", Patient: 11}, hie.Actor{Organization: "network", User: "p.stone"}
	event := audit.NewEvent(audit.Disclosed, maria, time.Now()).ID
	if err := q.Ask(ctx, maria, 11, event, "Who is this?"); err != nil {
		t.Fatal(err)
	}
	if err := q.Ask(ctx, maria, 11, event, ""); err == nil {
		t.Error("a question without words was taken")
	}
	if err := q.Ask(ctx, maria, 11, "nothing", "x"); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a question about nothing: %v", err)
	}
	open, err := q.Open(ctx, 10)
	if err != nil || len(open) != 1 || open[0].Words != "Who is this?" || open[0].Event != event {
		t.Fatalf("%d open, %v", len(open), err)
	}
	if err := q.Answer(ctx, officer, 11, open[0].ID, "Your cardiologist."); err != nil {
		t.Fatal(err)
	}
	if err := q.Answer(ctx, officer, 11, open[0].ID, "Somebody else."); !errors.Is(err, hie.ErrConflict) {
		t.Errorf("answered twice: %v", err)
	}
	of, err := q.Of(ctx, 11)
	if err != nil || len(of) != 1 || of[0].Answer != "Your cardiologist." || of[0].AnsweredBy != "network/p.stone" {
		t.Errorf("it reads back otherwise: %v", err)
	}
	if of, _ := q.Of(ctx, 12); of != nil {
		t.Error("somebody else's questions were told")
	}
	events, _, err := New(db).Search(ctx, audit.Query{Records: []hie.SourcePatientID{11}, Limit: 10})
	if err != nil || len(events) != 2 {
		t.Errorf("%d events on record, %v; want the question and the answer", len(events), err)
	}
}
