package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
)

// TestLooksAreFlaggedFromTheTrail records looks of three people and asks which may be worth a look, and why.
func TestLooksAreFlaggedFromTheTrail(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	db, err := g.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	network := directory.File{Organizations: []directory.Organization{{ID: "mercy", Name: "Mercy", Identifier: "urn:mercy", Kind: "hospital", Jurisdiction: "US-MD", Active: true},
		{ID: "oak", Name: "Oak", Identifier: "urn:oak", Kind: "practice", Jurisdiction: "US-MD", Active: true}},
		Sites: []directory.Site{{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:mercy-main"}, Zone: "America/New_York", Active: true},
			{ID: "oak-street", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oak-street"}, Zone: "America/New_York", Active: true}},
		Defaults: []directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	if _, err := directorypg.New(db, auditpg.Append, hie.Now).Apply(ctx, localOperator(), network, false); err != nil {
		t.Fatal(err)
	}
	var records []hie.SourcePatientID
	if err := withIndex(ctx, g, func(x *mpi.Index) error {
		for i := range 12 {
			done, err := x.Register(ctx, hie.Actor{Organization: "org"}, mpi.Registration{Site: "mercy-main", Local: hie.Identifier{System: "urn:mercy-main", Value: string(rune('a' + i))},
				Active: true, Received: []byte(`{}`), Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Zyx" + strings.Repeat(string(rune('a'+i)), 3), Given: []string{"Maria"}}}, Birth: mpi.Date{Year: 1950 + 3*i, Month: 1 + i, Day: 1 + i}}})
			if err != nil {
				return err
			}
			records = append(records, done.Record)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	y, m, d := time.Now().In(zone).AddDate(0, 0, -1).Date()
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	trail := auditpg.New(db)
	why := map[string][]string{} // wanted, by event
	look := func(org, user, name string, at time.Time, record hie.SourcePatientID, want ...string) {
		t.Helper()
		e := audit.NewEvent(audit.DocumentsQueried, hie.Actor{Organization: hie.OrgID(org), User: user, UserName: name, Roles: []string{"physician"}}, at).About(record)
		if err := trail.Record(ctx, e); err != nil {
			t.Fatal(err)
		}
		if want != nil {
			why[e.ID] = want
		}
	}
	look("mercy", "own", "Dr. Avery Bloom", noon, records[0])
	look("oak", "stranger", "Dr. Noor Hadley", noon, records[0], "no-relation")
	look("mercy", "kin", "Dr. Ada Zyxbbb", noon, records[1], "same-name")
	look("mercy", "kin", "Dr. Ada Zyxbbb", noon.Add(11*time.Hour), records[2], "night")
	for i, r := range records {
		var want []string
		if i >= 9 {
			want = []string{"many-patients"}
		}
		look("mercy", "busy", "Dr. Omar Quist", noon.Add(time.Duration(i)*time.Minute), r, want...)
	}
	ask := func(c auditFlagsCmd) (rows []flaggedRow, text string) {
		t.Helper()
		var out, messages bytes.Buffer
		if err := c.Run(ctx, g, &streams{out: &out, err: &messages}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String()+messages.String(), "Zyx") {
			t.Error("a name was printed")
		}
		if c.Output == "json" {
			if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
				t.Fatal(err)
			}
		}
		return rows, out.String()
	}
	rows, _ := ask(auditFlagsCmd{Days: 7, Output: "json"})
	for _, r := range rows {
		var got []string
		for _, f := range r.Flags {
			got = append(got, f.Code)
			if f.Code == "many-patients" && (f.Count < 10 || f.Usual != 0) || f.Code == "night" && (f.Count != 0 || f.Usual != 0) {
				t.Errorf("%s of %s rests on %d and %d", f.Code, r.User, f.Count, f.Usual)
			}
		}
		if !slices.Equal(got, why[r.Event]) {
			t.Errorf("a look of %s is flagged %v, want %v", r.User, got, why[r.Event])
		}
		delete(why, r.Event)
	}
	if len(why) > 0 {
		t.Errorf("%d looks are not flagged: %v", len(why), why)
	}
	if rows, _ := ask(auditFlagsCmd{Days: 7, User: "kin", Org: "mercy", Output: "json"}); len(rows) != 2 {
		t.Errorf("of one person %d looks are flagged, want 2", len(rows))
	}
	if rows, _ := ask(auditFlagsCmd{Days: 7, Org: "oak", Output: "json"}); len(rows) != 1 {
		t.Errorf("of one organization %d looks are flagged, want 1", len(rows))
	}
	if _, text := ask(auditFlagsCmd{Days: 7, Output: "table"}); !strings.Contains(text, "many-patients(12, before at most 0)") || !strings.Contains(text, "no-relation") {
		t.Errorf("the table says\n%s", text)
	}
	if err := (&auditFlagsCmd{Days: 0}).Run(ctx, g, &streams{}); err == nil {
		t.Error("no days were taken")
	}
}
