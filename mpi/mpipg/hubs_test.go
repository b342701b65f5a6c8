package mpipg

import (
	"fmt"
	"slices"
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// resident returns the nth of five thousand people under one clinic's phone; 3,000 live in one shelter, 800 are said to be
// born on 1900-01-01 and 400 have a number never issued. Names and dates are their own.
func resident(n int) mpi.Demographics {
	syllables := []string{"ba", "che", "di", "fo", "gu", "ja", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "wa", "ze"}
	name := func(n int) string {
		return syllables[n%17] + syllables[n/17%17] + syllables[n/289%17] + syllables[(n*5)%17]
	}
	d := mpi.Demographics{Names: []mpi.Name{{Given: []string{name(n)}, Family: name(n*7919%4913) + "son"}}, Birth: mpi.Date{Year: 1931 + n%70, Month: 1 + n/70%12, Day: 2 + n*11%26},
		Sex: []mpi.Sex{mpi.Female, mpi.Male}[n%2], Telecoms: []mpi.Telecom{{System: "phone", Value: "410-827-2231"}}}
	if n < 3000 {
		d.Addresses = []mpi.Address{{Lines: []string{"1 Shelter Road"}, City: "Laurel", State: "MD", PostalCode: "20707"}}
	}
	if n%6 == 0 && n < 4800 {
		d.Birth = mpi.Date{Year: 1900, Month: 1, Day: 1}
	}
	if n%12 == 1 && n < 4800 {
		d.Identifiers = []mpi.Identifier{mpitest.SSN("999-99-9999")}
	}
	return d
}

// Source: spec mpi section 7, scenario 4, in its numbers and with the limits the index runs with.
func TestNobodyGrowsInAHubAndTruePairsAreFoundInIt(t *testing.T) {
	x := newIndexed(t)
	all := make([]mpi.Registration, 5000)
	for n := range all {
		all[n] = mpitest.Registration("clinic", fmt.Sprint(n), resident(n))
	}
	x.load(t, all, 2500)
	var persons, born, numbers int64
	for query, to := range map[string]*int64{
		`/* all shards: a test */ select count(distinct person_id) from mpi.person_member`:               &persons,
		`/* all shards: a test */ select count(*) from mpi.source_patient where birth = 19000101`:        &born,
		`/* all shards: a test */ select count(*) from mpi.review_task where kind = 'shared-identifier'`: &numbers,
	} {
		if err := x.db.QueryRow(t.Context(), query).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	if persons != 5000 || born != 800 || numbers != 0 {
		t.Fatalf("%d persons of 5,000 residents, %d of 800 default dates, %d tasks about a number never issued", persons, born, numbers)
	}
	for n := 2; n < 5000; n += 100 {
		r, err := x.Register(t.Context(), loader, mpitest.Registration("hospital", fmt.Sprint(n), resident(n)))
		if err != nil {
			t.Fatal(err)
		}
		p, err := x.PersonOf(t.Context(), r.Record)
		if err != nil || len(p.Members) > 2 {
			t.Fatalf("resident %d's person has %d records, %v; want at most two", n, len(p.Members), err)
		}
		found := len(p.Members) == 2 && p.Members[0].Local == mpitest.Local("clinic", fmt.Sprint(n))
		if !found && resident(n).Birth.Year != 1900 { // beside a hub's phone and address a default date leaves a question, not a link
			t.Errorf("resident %d, seen again at a hospital, was not found in the hub", n)
		}
		if !found && !r.ReviewTask {
			t.Errorf("nobody is asked about resident %d", n)
		}
	}
	m, err := x.Match(t.Context(), loader, resident(7), mpi.MatchOptions{})
	if err != nil || !slices.Contains(m.Skipped, "phone") || !slices.Contains(m.Skipped, "street+given") {
		t.Errorf("skipped %v, %v; want the phone named, and an initial in the shelter", m.Skipped, err)
	}
	if len(m.Identities) == 0 || m.Identities[0].Grade != mpi.GradeCertain || m.Identities[0].Person.Members[0].Local != mpitest.Local("clinic", "7") {
		t.Error("the resident asked about is not the first of the identities, and certain")
	}
	if m, err := x.Match(t.Context(), loader, resident(6), mpi.MatchOptions{OnlyCertain: true}); err != nil || len(m.Identities) != 0 || m.Withheld == "" {
		t.Errorf("%d identities disclosed on a default birth date and a hub's phone, %q, %v; want none and a reason", len(m.Identities), m.Withheld, err)
	}
}
