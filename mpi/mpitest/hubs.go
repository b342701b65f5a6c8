package mpitest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Scenario 4, a fifth of a hundredth of the published numbers with the limit scaled alike: a clinic's phone, a shelter's
// address, a default birth date and a number never issued, each on many records. Nobody grows larger than they are,
// true pairs inside the hub are found by their other keys, and what was skipped is said.
func scenario4(t *testing.T, w *World) {
	hubs := &World{Index: mpi.New(w.Store, hie.NewIDs(nil), w.Log, mpi.Options{Hub: 20}), Store: w.Store, Log: w.Log, t: w.t}
	resident := func(n int) mpi.Demographics {
		d := mpi.Demographics{Names: []mpi.Name{{Given: []string{fmt.Sprintf("G%cva%cn", 'a'+n%26, 'a'+n/26)}, Family: fmt.Sprintf("F%cmol%cy", 'a'+(n*7)%26, 'a'+n/26)}},
			Birth: mpi.Date{Year: 1941 + n%60, Month: 1 + n%12, Day: 2 + n%26}, Sex: mpi.Female, Telecoms: []mpi.Telecom{{System: "phone", Value: "410-827-2231"}},
			Addresses: []mpi.Address{{Lines: []string{"1 Shelter Road"}, City: "Laurel", PostalCode: "20707"}}}
		if n%5 == 0 {
			d.Identifiers = []mpi.Identifier{SSN("999-99-9999")}
		}
		if n%6 == 0 {
			d.Birth = mpi.Date{Year: 1900, Month: 1, Day: 1}
		}
		return d
	}
	var records []hie.SourcePatientID
	for n := range 80 {
		records = append(records, hubs.Register("a", fmt.Sprint(n), resident(n)).Record)
	}
	for _, r := range records {
		if p := w.PersonOf(r); len(p.Members) != 1 {
			t.Fatalf("a person of %d records grew in the hub", len(p.Members))
		}
	}
	twice := hubs.Register("b", "7", resident(7))
	if !w.Together(twice.Record, records[7]) {
		t.Error("a true pair inside the hub was not found by its other keys")
	}
	m, err := hubs.Match(ctx, Actor, resident(7), mpi.MatchOptions{})
	if err != nil || !slices.Contains(m.Skipped, "phone") {
		t.Errorf("skipped = %v, %v; want the phone among them", m.Skipped, err)
	}
}

// kindsOpen counts the open tasks about records by kind, each once.
func (w *World) kindsOpen(records []hie.SourcePatientID) map[mpi.TaskKind]int {
	out, seen := map[mpi.TaskKind]int{}, map[mpi.TaskID]bool{}
	for _, r := range records {
		for _, k := range w.OpenTasks(r) {
			if !seen[k.ID] {
				seen[k.ID] = true
				out[k.Kind]++
			}
		}
	}
	return out
}

// A family has one insurance number: that is no question for a steward. One social security number on two people is.
func familyNumber(t *testing.T, w *World) {
	family := func(given string, born mpi.Date, numbers ...mpi.Identifier) mpi.Demographics {
		return mpi.Demographics{Names: []mpi.Name{{Given: []string{given}, Family: "Okonkwo"}}, Birth: born, Identifiers: numbers}
	}
	member := mpi.Identifier{Identifier: hie.Identifier{System: "urn:payer:one", Value: "W-55-301"}, Type: "MB"}
	var records []hie.SourcePatientID
	for i, d := range []mpi.Demographics{family("Folasade", mpi.Date{Year: 1991, Month: 8, Day: 23}, member), family("Bartholomew", mpi.Date{Year: 1988, Month: 2, Day: 11}, member),
		family("Adaeze", mpi.Date{Year: 2016, Month: 5, Day: 2}, member), {Identifiers: []mpi.Identifier{member}, Birth: mpi.Date{Year: 2018, Month: 12, Day: 30}}} {
		records = append(records, w.Register("a", fmt.Sprint(i), d).Record)
	}
	if got := w.kindsOpen(records); len(got) != 0 {
		t.Errorf("a family of four under one insurance number: tasks %v, want none", got)
	}
	records = append(records, w.Register("b", "1", family("Folasade", mpi.Date{Year: 1991, Month: 8, Day: 23}, SSN("219-44-7781"))).Record,
		w.Register("b", "2", family("Chidinma", mpi.Date{Year: 1964, Month: 1, Day: 5}, SSN("219-44-7781"))).Record)
	if got := w.kindsOpen(records[4:]); got[mpi.TaskIdentifier] != 1 {
		t.Errorf("two people under one social security number: tasks %v, want one about the number", got)
	}
}

// namesake returns the nth of many people of one name.
func namesake(n int) mpi.Demographics {
	return mpi.Demographics{Names: []mpi.Name{{Given: []string{"Leontyne"}, Family: "Vanterpool"}}, Sex: mpi.Female}
}

// Two hundred namesakes who also write alike are no hub: what is too weak to link or to rival a link does not hang
// together, so that each is settled among its own.
func namesakes(t *testing.T, w *World) {
	var records []hie.SourcePatientID
	for n := range 200 {
		d := namesake(n)
		d.Birth = mpi.Date{Year: 1931 + n%80, Month: 1 + n%12, Day: 2 + n%26}
		d.Telecoms = []mpi.Telecom{{System: "email", Value: fmt.Sprintf("leontyne.vanterpool%d@mail.example", n)}}
		records = append(records, w.Register(fmt.Sprint("s", n%7), fmt.Sprint(n), d).Record)
	}
	if got := w.kindsOpen(records); got[mpi.TaskHub] != 0 {
		t.Errorf("tasks %v, want none about a hub", got)
	}
	twice := namesake(0)
	twice.Birth, twice.Telecoms = mpi.Date{Year: 1931 + 30, Month: 1 + 30%12, Day: 2 + 30%26}, []mpi.Telecom{{System: "email", Value: "leontyne.vanterpool30@mail.example"}}
	if got := w.Register("z", "1", twice); !w.Together(got.Record, records[30]) {
		t.Errorf("one of them seen twice is graded %s, want them together", got.Grade)
	}
}

// More records than are reconsidered at once, which do hang together, are one question and not one for each of them.
func hubOnce(t *testing.T, w *World) {
	var records []hie.SourcePatientID
	for n := range 172 {
		d := namesake(n)
		d.Addresses = []mpi.Address{{City: "Laurel", PostalCode: "20707"}}
		records = append(records, w.Register(fmt.Sprint("s", n), "1", d).Record)
	}
	if got := w.kindsOpen(records); got[mpi.TaskHub] != 1 {
		t.Errorf("tasks %v, want one about the hub", got)
	}
}

func sighted(t *testing.T, w *World) {
	a, b := w.Register("a", "1", Maria()), w.Register("b", "7", stranger(3))
	homes, said, err := w.Store.Sighted(ctx, []hie.SourcePatientID{b.Record, a.Record, 99}, 1)
	if err != nil || len(homes) != 2 {
		t.Fatalf("sighted %d homes, %v; want 2", len(homes), err)
	}
	if row, err := said(a.Record); row != nil || err != nil {
		t.Errorf("a row beyond those asked for was read, or failed: %v", err)
	}
	row, err := said(b.Record)
	if err != nil || row == nil {
		t.Fatalf("no row, %v", err)
	}
	alone, err := w.Store.Homes(ctx, []hie.SourcePatientID{a.Record, b.Record})
	if err != nil || homes[a.Record] != alone[a.Record] || homes[b.Record] != alone[b.Record] {
		t.Errorf("homes differ from what Homes reads: %v", err)
	}
	whole, err := w.Store.Patients(ctx, []hie.SourcePatientID{b.Record})
	if err != nil || len(whole) != 1 || len(whole[0].Keys) == 0 {
		t.Fatalf("%d patients, %v", len(whole), err)
	}
	whole[0].Keys = nil
	if !reflect.DeepEqual(*row, whole[0]) {
		t.Error("a row differs from what Patients reads")
	}
}

func gathered(t *testing.T, w *World) {
	a, b := w.Register("a", "1", Maria()), w.Register("b", "1", Maria())
	alone := w.Register("c", "1", stranger(1))
	gone, err := w.Decide(ctx, Actor, a.Record, alone.Record, mpi.MustLink, "wrongly")
	if err != nil || gone == 0 {
		t.Fatal(err)
	}
	got, err := w.Store.Gathered(ctx, []hie.PersonID{a.Person, alone.Person, a.Person, 99})
	if err != nil || len(got) != 2 {
		t.Fatalf("gathered %d persons, %v; want 2", len(got), err)
	}
	merged, kept := got[alone.Person], got[a.Person]
	if len(merged.Members) > 0 {
		merged, kept = kept, merged
	}
	rows, err := w.Store.Persons(ctx, []hie.PersonID{kept.ID, merged.ID})
	members, err2 := w.Store.Members(ctx, []hie.PersonID{kept.ID})
	if err != nil || err2 != nil || rows[kept.ID] != kept.PersonRow || rows[merged.ID] != merged.PersonRow || merged.Redirect != kept.ID || len(members) != 3 {
		t.Fatalf("rows %v and %v: %v, %v", kept.PersonRow, merged.PersonRow, err, err2)
	}
	for i, m := range kept.Members {
		if m.Person != kept.ID || m.Member != members[i].Member || string(m.Features) != string(members[i].Features) || m.Record == b.Record && m.Link != hie.LinkConfirmed {
			t.Errorf("member %d differs from what Members reads", i)
		}
	}
}
