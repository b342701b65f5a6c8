package mpitest

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func spread(t *testing.T, w *World) {
	member := func(v string) mpi.Identifier {
		return mpi.Identifier{Identifier: hie.Identifier{System: "urn:payer:one", Value: v}, Type: "MB"}
	}
	base := stranger(1)
	one := base // name and birth date, an old phone
	two := mpi.Demographics{Names: base.Names, Telecoms: []mpi.Telecom{{System: "phone", Value: "2027138850"}}}
	three := mpi.Demographics{Names: base.Names, Identifiers: []mpi.Identifier{member("W-55-301")}}
	a, b, c := w.Register("a", "1", one), w.Register("b", "2", two), w.Register("c", "3", three)
	for _, r := range []hie.SourcePatientID{b.Record, c.Record} {
		if _, err := w.Decide(ctx, Actor, a.Record, r, mpi.MustLink, "known to the registry"); err != nil {
			t.Fatal(err)
		}
	}
	query := mpi.Demographics{Names: base.Names, Birth: base.Birth, Telecoms: two.Telecoms, Identifiers: three.Identifiers}
	m, err := w.Match(ctx, Actor, query, mpi.MatchOptions{OnlyCertain: true})
	if err != nil || len(m.Identities) != 1 {
		t.Fatalf("identities = %d (%s), %v; want one", len(m.Identities), m.Withheld, err)
	}
	id := m.Identities[0]
	if id.Grade != mpi.GradeCertain || id.Proof.Rule == "" || len(id.Person.Members) != 3 || len(id.Records) != 3 {
		t.Errorf("identity: %s, proof %q, %d members", id.Grade, id.Proof.Rule, len(id.Person.Members))
	}
	var sum mpi.Bits
	for _, e := range id.Evidence {
		sum += e.Bits
	}
	if d := sum - id.Bits; d > 0.01 || d < -0.01 {
		t.Errorf("the waterfall adds up to %v, the score is %v", sum, id.Bits)
	}
}

func chain(t *testing.T, w *World) {
	// One woman before and after a marriage and a move, and another who shares only what the bridge shows.
	a := stranger(2)
	bridge := stranger(2)
	bridge.Names = append(bridge.Names, mpi.Name{Given: []string{"Perpetua"}, Family: "Szczepanik"})
	bridge.Addresses = append(bridge.Addresses, stranger(3).Addresses...)
	bridge.Telecoms = append(bridge.Telecoms, stranger(3).Telecoms...)
	z := stranger(3)
	z.Names = []mpi.Name{{Given: []string{"Perpetua"}, Family: "Szczepanik"}}
	ra, rb, rz := w.Register("a", "1", a), w.Register("b", "2", bridge), w.Register("c", "3", z)
	if !w.Together(ra.Record, rb.Record) {
		t.Error("the bridge belongs to the first")
	}
	if w.Together(ra.Record, rz.Record) {
		t.Error("another person's record was chained in through the bridge")
	}
}

func onlyCertain(t *testing.T, w *World) {
	match := func(name string, d mpi.Demographics, want int, withheld string) mpi.Matched {
		t.Helper()
		m, err := w.Match(ctx, Actor, d, mpi.MatchOptions{OnlyCertain: true})
		if err != nil || len(m.Identities) != want || m.Withheld != withheld {
			t.Fatalf("%s: %d identities, withheld %q, %v; want %d, %q", name, len(m.Identities), m.Withheld, err, want, withheld)
		}
		return m
	}
	match("nobody is there", Maria(), 0, mpi.WithheldNone)
	a := w.Register("a", "1", Maria())
	m := match("unique and proven", Maria(), 1, "")
	if i := m.Identities[0]; i.Person.ID != a.Person || i.Proof.Rule != "01" || i.Probability < 0.999 || i.Person.Version == 0 {
		t.Errorf("identity: person %d, proof %q, probability %v", i.Person.ID, i.Proof.Rule, i.Probability)
	}
	match("name and birth date only", bare(Maria()), 0, mpi.WithheldUnproven)
	household := Maria()
	household.Names, household.Birth = []mpi.Name{{Family: household.Names[0].Family}}, mpi.Date{}
	match("a family name, an address and a phone only", household, 0, mpi.WithheldUnproven)
	quoted := bare(Maria())
	quoted.Identifiers = []mpi.Identifier{{Identifier: Local("a", "1")}}
	if m := match("the site's own number", quoted, 1, ""); m.Identities[0].Proof.Rule != "22" {
		t.Errorf("proof = %q, want 22", m.Identities[0].Proof.Rule)
	}
	suffixed := Maria()
	suffixed.Names[0].Suffix = []string{"III"}
	match("a suffix nobody contradicts", suffixed, 1, "")
	b := w.Register("b", "9", Maria())
	match("still one person", Maria(), 1, "")
	if _, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.CannotLink, "two cards seen"); err != nil {
		t.Fatal(err)
	}
	match("two persons a steward keeps apart", Maria(), 0, mpi.WithheldTwo)
	if len(w.Log.Events) != 8 {
		t.Errorf("%d queries were recorded, want 8", len(w.Log.Events))
	}
	if e := w.Log.Events[7]; len(e.Reasons) != 1 || e.Reasons[0] != mpi.WithheldTwo || len(e.Records) != 0 {
		t.Errorf("the refusal's event: reasons %v, %d records", e.Reasons, len(e.Records))
	}

	hubs := NewWorld(t, w.Store)
	hubs.Index = mpi.New(w.Store, hie.NewIDs(nil), hubs.Log, mpi.Options{Hub: 1})
	got, err := hubs.Match(ctx, Actor, Maria(), mpi.MatchOptions{OnlyCertain: true})
	if err != nil || len(got.Identities) != 0 || got.Withheld != mpi.WithheldTruncated && got.Withheld != mpi.WithheldNone || !got.Truncated || len(got.Skipped) == 0 {
		t.Errorf("a search cut short disclosed: %d, %q, %v", len(got.Identities), got.Withheld, err)
	}
}

func versions(t *testing.T, w *World) {
	a, b := w.Register("a", "1", stranger(0)), w.Register("b", "2", stranger(1))
	pa, pb := w.PersonOf(a.Record), w.PersonOf(b.Record)
	got, err := w.Versions(ctx, []hie.PersonID{pa.ID, pb.ID, 99})
	if err != nil || len(got) != 2 || got[pa.ID] != pa.Version {
		t.Fatalf("versions = %v, %v", got, err)
	}
	if all, err := w.Persons(ctx, []hie.PersonID{pb.ID, 99, pa.ID, pb.ID}); err != nil || !reflect.DeepEqual(all, []mpi.Person{pa, pb}) {
		t.Errorf("both persons at once: %+v, %v", all, err)
	}
	d := stranger(0)
	d.Telecoms = nil
	w.Register("a", "1", d)
	if now := w.PersonOf(a.Record); now.Version != pa.Version {
		t.Errorf("a revision without a change of links moved the version from %d to %d", pa.Version, now.Version)
	}
	if _, err := w.Decide(ctx, Actor, a.Record, b.Record, mpi.MustLink, "same"); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Persons(ctx, []hie.PersonID{pa.ID, pb.ID}); err != nil || !reflect.DeepEqual(all, []mpi.Person{w.PersonOf(a.Record)}) {
		t.Errorf("both ids of the joined person: %+v, %v; want it once", all, err)
	}
	got, err = w.Versions(ctx, []hie.PersonID{pa.ID, pb.ID})
	if err != nil || len(got) != 1 || got[w.PersonOf(a.Record).ID] <= pa.Version {
		t.Errorf("after a link: %v, %v; want one person with a newer version", got, err)
	}
}

func search(t *testing.T, w *World) {
	maria := w.Register("a", "1", Maria())
	for i := range 4 {
		w.Register("b", fmt.Sprint(i), stranger(i))
	}
	yes := true
	for _, test := range []struct {
		name string
		c    mpi.Criteria
		want int
	}{
		{"family by its beginning, whatever the case", mpi.Criteria{Family: [][]string{{"QUINT"}}}, 1},
		{"given name", mpi.Criteria{Given: [][]string{{"luz"}}}, 1},
		{"one of two family names", mpi.Criteria{Family: [][]string{{"Quintanilla", "Akinfenwa"}}}, 2},
		{"family and given of two people", mpi.Criteria{Family: [][]string{{"quint"}}, Given: [][]string{{"perp"}}}, 0},
		{"exact family in another case", mpi.Criteria{FamilyExact: [][]string{{"quintanilla"}}}, 0},
		{"exact family", mpi.Criteria{FamilyExact: [][]string{{"Quintanilla"}}}, 1},
		{"a day of birth", mpi.Criteria{Birth: []mpi.DateRange{{From: mpi.Date{Year: 1981, Month: 3, Day: 14}, Until: mpi.Date{Year: 1981, Month: 3, Day: 15}}}}, 1},
		{"born from 1966 on", mpi.Criteria{Birth: []mpi.DateRange{{From: mpi.Date{Year: 1966, Month: 1, Day: 1}}}}, 4},
		{"born before 1966", mpi.Criteria{Birth: []mpi.DateRange{{Until: mpi.Date{Year: 1966, Month: 1, Day: 1}}}}, 1},
		{"not born in 1981", mpi.Criteria{Birth: []mpi.DateRange{{From: mpi.Date{Year: 1981, Month: 1, Day: 1}, Until: mpi.Date{Year: 1982, Month: 1, Day: 1}, Not: true}}}, 4},
		{"an identifier with its system", mpi.Criteria{Identifiers: []hie.Identifier{Local("a", "1")}}, 1},
		{"an identifier of any system", mpi.Criteria{Identifiers: []hie.Identifier{{Value: "1"}}}, 2},
		{"the same value in another system", mpi.Criteria{Identifiers: []hie.Identifier{Local("z", "1")}}, 0},
		{"a phone number written otherwise", mpi.Criteria{Telecoms: []string{"410.366.2187"}}, 1},
		{"city and sex", mpi.Criteria{City: []string{"laur"}, Sex: []mpi.Sex{mpi.Female}}, 4},
		{"any part of the address", mpi.Criteria{Address: []string{"alder"}}, 1},
		{"records by id", mpi.Criteria{Records: []hie.SourcePatientID{maria.Record, 5}}, 1},
		{"active ones", mpi.Criteria{Active: &yes}, 5},
	} {
		p, err := w.Search(ctx, test.c)
		if err != nil || len(p.Patients) != test.want || p.Next != 0 {
			t.Errorf("%s: %d patients, next %d, %v; want %d", test.name, len(p.Patients), p.Next, err, test.want)
		}
	}
	seen := map[hie.SourcePatientID]bool{}
	pages := 0
	for c := (mpi.Criteria{Active: &yes, Count: 2}); ; pages++ {
		p, err := w.Search(ctx, c)
		if err != nil || len(p.Patients) > 2 {
			t.Fatalf("page %d: %d patients, %v", pages, len(p.Patients), err)
		}
		for _, sp := range p.Patients {
			if seen[sp.Record] {
				t.Error("a record came twice")
			}
			seen[sp.Record] = true
		}
		if c.After = p.Next; p.Next == 0 {
			break
		}
	}
	if len(seen) != 5 || pages != 2 {
		t.Errorf("%d records on %d pages, want 5 on 3", len(seen), pages+1)
	}
	if _, err := w.Search(ctx, mpi.Criteria{}); err == nil {
		t.Error("a search by nothing was accepted")
	}
}
