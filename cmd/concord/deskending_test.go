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
