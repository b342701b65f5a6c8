package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
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
)

// TestADecisionIsExplainedAsOfItsOwnDay asks one question as of every turn of a record's history: before the consent, under
// it, after it was revoked, under another directory, under another policy, and after the link was undone.
//
// Source: spec consent section 6, scenario 5.
func TestADecisionIsExplainedAsOfItsOwnDay(t *testing.T) {
	oneAfterAnother(t)
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
	var turns []time.Time
	turn := func() {
		time.Sleep(2 * time.Millisecond)
		turns = append(turns, hie.Now())
		time.Sleep(2 * time.Millisecond)
	}
	people := directorypg.New(db, auditpg.Append, hie.Now)
	file := directory.File{Organizations: []directory.Organization{{ID: "mercy", Name: "Mercy", Identifier: "urn:mercy", Kind: "hospital", Active: true},
		{ID: "oak", Name: "Oak", Identifier: "urn:oak", Kind: "practice", Active: true}},
		Sites: []directory.Site{{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:mercy-main"}, Zone: "America/New_York", Labelled: true, Publishes: true, Active: true, Membership: directory.Live},
			{ID: "oak-street", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oak-street"}, Zone: "America/New_York", Labelled: true, Publishes: true, Active: true, Membership: directory.Live}},
		Defaults: []directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "deny"}}}
	_, err = people.Apply(ctx, localOperator(), file, false)
	ok(err)
	var record hie.SourcePatientID
	ok(withIndex(ctx, g, func(x *mpi.Index) error {
		done, err := x.Register(ctx, hie.Actor{Organization: "mercy"}, mpi.Registration{Site: "mercy-main", Local: hie.Identifier{System: "urn:mercy-main", Value: "1"}, Active: true, Received: []byte(`{}`),
			Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Zyxquill", Given: []string{"Maria"}}}, Birth: mpi.Date{Year: 1970, Month: 3, Day: 31}}})
		record = done.Record
		return err
	}))
	turn() // 0: no consent
	store := consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now)
	clerk := hie.Actor{Organization: "mercy", User: "clerk"}
	v, err := store.File(ctx, clerk, consent.Version{Record: record, By: "mercy", Status: "active", Signed: hie.Now(), Verified: true, NetworkWide: true,
		Content: []byte(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"provision":{"type":"permit","purpose":[{"code":"TREAT"}]}}`)}, 0)
	ok(err)
	turn() // 1: permitted
	policies, err := openPolicies(db, nil)
	ok(err)
	house := []byte(`{"id":"house","title":"House","kind":"network","rules":[{"id":"no-labs","effect":"FORBID","source":"board","scope":{"classes":["lab"]}}],"tests":[{"name":"labs","want":{"reason":"NETWORK_FORBID"}}]}`)
	_, err = policies.Draft(ctx, hie.Actor{Organization: "network", User: "anna"}, house, "", "", false)
	ok(err)
	for _, s := range []struct {
		user   string
		action consent.PolicyAction
	}{{"anna", consent.PolicySimulated}, {"ben", consent.PolicyApproved}, {"anna", consent.PolicyActivated}} {
		_, err = policies.Take(ctx, hie.Actor{Organization: "network", User: s.user}, consent.PolicyEvent{Policy: "house", Version: 1, Action: s.action}, false)
		ok(err)
	}
	time.Sleep(consent.PolicyNotice)
	turn() // 2: forbidden by the network
	_, err = policies.Take(ctx, hie.Actor{Organization: "network", User: "ben"}, consent.PolicyEvent{Policy: "house", Action: consent.PolicyRolledBack}, false)
	ok(err)
	time.Sleep(consent.PolicyNotice)
	v.Status = "inactive"
	_, err = store.File(ctx, clerk, v, v.Number)
	ok(err)
	turn() // 3: a tombstone
	file.Sites[0].Regimes = []string{"part2"}
	_, err = people.Apply(ctx, localOperator(), file, false)
	ok(err)
	turn() // 4: under Part 2

	var got []string
	var epochs []int64
	for _, at := range append(turns, time.Time{}) {
		var out bytes.Buffer
		ok((&consentExplainCmd{PatientRecord: int64(record), At: at, Organization: "oak", Purpose: []string{"TREAT"}, Class: "lab", Confidentiality: "N", Labelled: true, Output: "json"}).
			Run(ctx, g, &streams{out: &out, err: &out}))
		var x explained
		ok(json.Unmarshal(out.Bytes(), &x))
		got = append(got, x.Reason)
		if x.Basis == nil || len(x.Basis.Records) != 1 || x.Basis.Records[0].Link != "confirmed" || !x.Basis.Kept || len(x.Basis.Policies) < 3 {
			t.Errorf("%s: basis %+v", x.Reason, x.Basis)
		}
		n, known := x.Basis.Epochs[strconv.FormatInt(int64(record), 10)]
		if !known {
			t.Errorf("%s: no epoch", x.Reason)
		}
		epochs = append(epochs, n)
	}
	if want := []string{"DEFAULT_DENY", "PERMIT", "NETWORK_FORBID", "TOMBSTONE", "LAW_REQUIRE", "LAW_REQUIRE"}; !slices.Equal(got, want) {
		t.Errorf("explained as %v, want %v", got, want)
	}
	if want := []int64{0, 1, 1, 2, 2, 2}; !slices.Equal(epochs, want) { // the consent, and its revocation
		t.Errorf("under the epochs %v, want %v", epochs, want)
	}
}
