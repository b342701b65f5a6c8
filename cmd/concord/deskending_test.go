package main

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// TestAPatientIsToldOfAnEndWhereverItWasSaid: a refusal given at one site ends in twenty days. The patient who wants to be told has
// their account at another site; somebody else is told nothing.
func TestAPatientIsToldOfAnEndWhereverItWasSaid(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	db, err := g.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	file := directory.File{Organizations: []directory.Organization{{ID: "mercy", Name: "Mercy", Identifier: "urn:mercy", Kind: "hospital", Jurisdiction: "US-MD", Active: true}},
		Sites: []directory.Site{{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:mercy-main"}, Zone: "America/New_York", Active: true},
			{ID: "mercy-east", Org: "mercy", Name: "Mercy East", Authorities: []string{"urn:mercy-east"}, Zone: "America/New_York", Active: true}},
		Defaults: []directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	if _, err := directorypg.New(db, auditpg.Append, hie.Now).Apply(ctx, localOperator(), file, false); err != nil {
		t.Fatal(err)
	}
	network, err := directorypg.New(db, auditpg.Append, hie.Now).Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ids, now := hie.NewIDs(nil), hie.Now()
	patients := mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{})
	register := func(site, local, given string, born int) hie.SourcePatientID {
		t.Helper()
		done, err := patients.Register(ctx, hie.Actor{Organization: "mercy"}, mpi.Registration{Site: hie.SiteID(site), Local: hie.Identifier{System: "urn:" + site, Value: local},
			Active: true, Received: []byte(`{}`), Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Zyxquill", Given: []string{given}}}, Birth: mpi.Date{Year: born, Month: 3, Day: 31}, Sex: mpi.Female,
				Telecoms: []mpi.Telecom{{System: "phone", Value: "410-827-22" + strconv.Itoa(born%100)}}, Addresses: []mpi.Address{{Lines: []string{"12 Harbor Way"}, City: "Towson", State: "MD", PostalCode: "21204"}}}})
		if err != nil {
			t.Fatal(err)
		}
		return done.Record
	}
	said, account, other := register("mercy-main", "1", "Maria", 1970), register("mercy-east", "1", "Maria", 1970), register("mercy-east", "2", "Noor", 1988)
	then := now.AddDate(0, 0, -60)
	past := consentpg.New(db, ids, auditpg.Append, func() time.Time { return then })
	content := strings.Replace(string(refusal("p1", false, then)), `"type":"deny"`, `"type":"deny","period":{"end":"`+now.AddDate(0, 0, 20).Format(time.DateOnly)+`"}`, 1)
	filed, err := past.File(ctx, hie.Actor{Organization: "mercy"}, consent.Version{Record: said, By: "mercy", ByPatient: true, Status: "active", Signed: then, Verified: true, NetworkWide: true, Content: []byte(content)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	env, _, err := environmentAt(ctx, db, g.PolicyKey, network, now)
	if err != nil {
		t.Fatal(err)
	}
	at := now
	d := &desk{patients: patients, consents: consentpg.New(db, ids, auditpg.Append, hie.Now), env: func() *consent.Env { return env },
		network: func() *directory.Network { return network }, now: func() time.Time { return at }, log: slog.New(slog.DiscardHandler)}
	for _, tt := range []struct {
		name   string
		record hie.SourcePatientID
		days   int
		want   int
	}{
		{"the record it was said on", said, 0, 1}, {"the account at the other site", account, 0, 1}, {"somebody else", other, 0, 0}, {"a record nobody has", 1, 0, 0},
		{"fifteen days before", account, -15, 0}, {"when it has ended", account, 22, 0},
	} {
		at = now.AddDate(0, 0, tt.days)
		got, err := d.endings(ctx, tt.record)
		if err != nil || len(got) != tt.want || tt.want == 1 && got[0].Name != strconv.FormatInt(filed.ID, 10)+"/1" {
			t.Errorf("%s: %v, %v; want %d", tt.name, got, err, tt.want)
		}
	}
}

// TestTheDeskSeesANewFormOnceADayWhoeverStartsTheNode: a patient signed a form that has a newer version since. Of nodes that ask, one
// looks through everybody, and no other until a day later, however often they are started; the task goes when the patient signs anew.
//
// Source: spec consent 2.20 (policy-version change; looked through every night).
func TestTheDeskSeesANewFormOnceADayWhoeverStartsTheNode(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	db, err := g.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := directory.File{Organizations: []directory.Organization{{ID: "mercy", Name: "Mercy", Identifier: "urn:mercy", Kind: "hospital", Jurisdiction: "US-MD", Active: true}},
		Sites: []directory.Site{{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:mercy-main"}, Zone: "America/New_York", Active: true}}}
	people := directorypg.New(db, auditpg.Append, hie.Now)
	_, err = people.Apply(ctx, localOperator(), file, false)
	ok(err)
	network, err := people.Load(ctx)
	ok(err)
	ids, at := hie.NewIDs(nil), hie.Now()
	now := func() time.Time { return at }
	patients := mpi.New(mpipg.New(db, auditpg.Append), ids, auditpg.New(db), mpi.Options{})
	done, err := patients.Register(ctx, hie.Actor{Organization: "mercy"}, mpi.Registration{Site: "mercy-main", Local: hie.Identifier{System: "urn:mercy-main", Value: "1"},
		Active: true, Received: []byte(`{}`), Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Zyxquill", Given: []string{"Maria"}}}, Birth: mpi.Date{Year: 1970, Month: 3, Day: 31}}})
	ok(err)
	consents := consentpg.New(db, ids, auditpg.Append, now)
	sign := func(version int64) {
		t.Helper()
		_, err := consents.File(ctx, hie.Actor{Organization: "mercy"}, consent.Version{Record: done.Record, By: "mercy", ByPatient: true, Status: "active", Signed: at, Verified: true, NetworkWide: true,
			Content:  refusal("p1", false, at),
			Evidence: []consent.Evidence{{Kind: "signature", Method: "electronic", Hash: strings.Repeat("0", 64), Capacity: consent.CapacityPatient, Template: "share", TemplateVersion: version}}}, 0)
		ok(err)
	}
	sign(1)
	env, _, err := environmentAt(ctx, db, g.PolicyKey, network, now())
	ok(err)
	started := func() *desk {
		return &desk{patients: patients, consents: consents, env: func() *consent.Env { return env }, network: func() *directory.Network { return network }, now: now, log: slog.New(slog.DiscardHandler)}
	}
	tasks := func() int {
		t.Helper()
		open, _, err := consents.DeskTasks(ctx, consent.DeskFilter{Kind: consent.FindForm, Limit: 10})
		ok(err)
		return len(open)
	}
	looked := func(d *desk, want int) {
		t.Helper()
		if n, err := d.daily(ctx); err != nil || n != want {
			t.Errorf("%d records were looked through, %v; want %d", n, err, want)
		}
	}
	looked(started(), 1)
	if tasks() != 0 {
		t.Error("a task about the form in force")
	}
	form := consent.BuiltinTemplates()[0]
	_, err = consents.ProposeTemplate(ctx, hie.Actor{Organization: "network", User: "ann"}, form)
	ok(err)
	_, err = consents.DecideTemplate(ctx, hie.Actor{Organization: "network", User: "bob"}, "share", 2, true)
	ok(err)
	at = at.Add(20 * time.Hour)
	looked(started(), 0)
	at = at.Add(5 * time.Hour)
	looked(started(), 1)
	looked(started(), 0)
	if tasks() != 1 {
		t.Errorf("%d tasks about the older form, want 1", tasks())
	}
	at = at.Add(time.Minute)
	sign(2)
	ok(started().check(ctx, done.Record))
	if tasks() != 0 {
		t.Error("she has signed the newer one, and the task stands")
	}
}
