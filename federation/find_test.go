package federation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/google/go-cmp/cmp"
)

func ids(f Found) []hie.PointerID {
	var out []hie.PointerID
	for _, e := range f.Entries {
		out = append(out, e.ID)
	}
	return out
}

func find(t *testing.T, w *world, q Query) Found {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 50
	}
	if q.Record == 0 && q.Patient.IsZero() {
		q.Patient = clinicID
	}
	f, err := w.Find(context.Background(), clinician(), q)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAPersonsDocumentsAreFoundByTheRequestersOwnIdentifierAndRecordedFirst(t *testing.T) {
	w := newWorld(t)
	old := w.doc(mariaHospital, "hospital", "18842-5", 1)
	middle := w.doc(mariaHeart, "heart", "11488-4", 2)
	newest := w.doc(mariaHospital, "hospital", "11502-2", 3)
	w.doc(otto, "hospital", "11502-2", 4)

	f := find(t, w, Query{Raw: "patient.identifier=…"})
	if want := []hie.PointerID{newest.ID, middle.ID, old.ID}; !slices.Equal(ids(f), want) || f.Total != 3 || f.More {
		t.Errorf("found %v of %d, more %v; want %v of 3", ids(f), f.Total, f.More, want)
	}
	q := w.recorded(audit.DocumentsQueried)
	if len(q) != 1 || q[0].Released != 3 || q[0].Withheld != 0 || len(q[0].Records) != 4 || !slices.Contains(q[0].Reasons, "DEFAULT") {
		t.Errorf("the query's event = %d events; want 1 with 3 released about 4 records", len(q))
	}
	d := w.recorded(audit.Disclosed)
	if len(d) != 2 {
		t.Fatalf("%d disclosures, want one for each record", len(d))
	}
	for _, e := range d {
		if len(e.Records) != 1 || e.Site == "" || len(e.Documents) != e.Released || len(e.Ground) == 0 || e.Documents[0].Record != e.Records[0] {
			t.Errorf("a disclosure without its record, site, documents or ground")
		}
	}
}

func TestUnknownEmptyAndWithheldAreOneAnswer(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(w *world) Query
	}{
		{"a patient nobody registered", func(*world) Query { return Query{Patient: hie.Identifier{System: "urn:clinic", Value: "nobody"}} }},
		{"a record that does not exist", func(*world) Query { return Query{Record: 404} }},
		{"a patient without documents", func(*world) Query { return Query{Patient: clinicID} }},
		{"a patient who opted out", func(w *world) Query {
			w.doc(mariaHospital, "hospital", "18842-5", 1)
			w.say(denyAll(mariaHospital))
			return Query{Patient: clinicID}
		}},
		{"a patient who opted out and whose live site hangs", func(w *world) Query {
			w.say(denyAll(mariaClinic))
			w.search = func(ctx context.Context, _ Ask) ([]locator.Pointer, error) { <-ctx.Done(); return nil, ctx.Err() }
			return Query{Patient: clinicID}
		}},
		{"a filter that nothing meets", func(w *world) Query {
			w.doc(mariaHospital, "hospital", "18842-5", 1)
			return Query{Patient: clinicID, Filter: locator.Filter{Status: []locator.Status{locator.Superseded}}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			got := find(t, w, tt.arrange(w))
			if diff := cmp.Diff(Found{}, got, cmp.AllowUnexported(Entry{}, ruling{})); diff != "" {
				t.Errorf("the answer differs from the empty one:\n%s", diff)
			}
			if len(w.recorded(audit.DocumentsQueried)) != 1 || len(w.recorded(audit.Disclosed)) != 0 {
				t.Error("the query was not recorded, or a disclosure was")
			}
		})
	}
}

func TestNothingIsAnsweredThatWasNotRecorded(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.recordErr = hie.ErrUnavailable
	for _, id := range []hie.Identifier{clinicID, {System: "urn:clinic", Value: "nobody"}} {
		f, err := w.Find(context.Background(), clinician(), Query{Patient: id, Limit: 10})
		if !errors.Is(err, hie.ErrUnavailable) || len(f.Entries) != 0 {
			t.Errorf("got %d entries and %v; want none and ErrUnavailable", len(f.Entries), err)
		}
	}
}

func TestDocumentsAreDecidedOneByOneWhereRulesReadDates(t *testing.T) {
	w := newWorld(t)
	period := func(from, to string) func(*locator.Pointer) {
		return func(p *locator.Pointer) {
			p.Period.Start, _ = time.Parse("2006-01-02", from)
			p.Period.End, _ = time.Parse("2006-01-02", to)
		}
	}
	w.doc(mariaHospital, "hospital", "18842-5", 3, period("2025-06-10", "2025-06-11"))
	open := w.doc(mariaHospital, "hospital", "18842-5", 2, period("2025-03-10", "2025-03-11"))
	w.doc(mariaHospital, "hospital", "18842-5", 1) // no period: may lie within what is denied
	d := denyAll(mariaHospital)
	d.PolicyRules = nil
	d.Provision.DataPeriod = &consent.Period{Start: "2025-06-01", End: "2025-06-30"}
	w.say(d)

	f := find(t, w, Query{})
	if want := []hie.PointerID{open.ID}; !slices.Equal(ids(f), want) || f.Total != 1 {
		t.Errorf("found %v of %d, want %v of 1", ids(f), f.Total, want)
	}
	if n := find(t, w, Query{CountOnly: true}).Total; n != 1 {
		t.Errorf("count = %d, want 1", n)
	}
	if e := w.recorded(audit.DocumentsQueried)[0]; e.Withheld != 2 || !slices.Contains(e.Reasons, "DENY") {
		t.Errorf("withheld %d for %v, want 2 for DENY", e.Withheld, e.Reasons)
	}
}

func TestTheSameDocumentHeldTwiceIsOneEntry(t *testing.T) {
	w := newWorld(t)
	same, other := content([]byte("the same bytes")), content([]byte("other bytes"))
	a := w.doc(mariaHospital, "hospital", "18842-5", 5, same)
	b := w.doc(mariaHeart, "heart", "18842-5", 4, same)
	c := w.doc(mariaHeart, "heart", "18842-5", 3, other)
	twiceA := w.doc(mariaHospital, "hospital", "18842-5", 2, content([]byte("a form")))
	twiceB := w.doc(mariaHospital, "hospital", "18842-5", 1, content([]byte("a form"))) // two documents for its own site
	emptyA := w.doc(mariaHospital, "hospital", "18842-5", 0, content(nil))
	emptyB := w.doc(mariaHeart, "heart", "18842-5", -1, content(nil)) // assembled on demand: no content known

	f := find(t, w, Query{})
	if want := []hie.PointerID{a.ID, c.ID, twiceA.ID, twiceB.ID, emptyA.ID, emptyB.ID}; !slices.Equal(ids(f), want) || f.Total != 6 {
		t.Fatalf("found %v of %d, want %v", ids(f), f.Total, want)
	}
	if alt := f.Entries[0].Alternates; len(alt) != 1 || alt[0].ID != b.ID {
		t.Errorf("%d alternates, want the other place", len(alt))
	}
	disclosed := 0
	for _, e := range w.recorded(audit.Disclosed) {
		disclosed += len(e.Documents)
	}
	if disclosed != 7 {
		t.Errorf("%d documents recorded as disclosed, want 7: an alternate's site is content too", disclosed)
	}

	// Withholding the one that stood for both promotes the other, and nothing tells of the first.
	d := denyAll(mariaHospital)
	d.NetworkWide = false
	d.PolicyRules = nil
	d.Provision.Actors = []consent.Actor{{Role: "CST", Reference: "Organization/hospital"}}
	w.say(d)
	f = find(t, w, Query{})
	if want := []hie.PointerID{b.ID, c.ID, emptyB.ID}; !slices.Equal(ids(f), want) || len(f.Entries[0].Alternates) != 0 || f.Total != 3 {
		t.Errorf("found %v of %d, want %v without alternates", ids(f), f.Total, want)
	}
}

func TestPagesNeitherRepeatNorLoseAndTotalsHold(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		hospital, heart, live int
		every                 int // so manieth document of the heart clinic is held by the hospital as well; 0 is 10
	}{
		{"one record", 130, 0, 0, 0}, {"a few of several records", 20, 15, 0, 0}, {"one large record beside a small one", 120, 90, 0, 0}, {"two large records", 150, 130, 0, 0},
		{"two large records of the same documents", 140, 139, 0, 1}, {"a large record beside a few", 230, 12, 9, 0}, {"with a live site", 120, 30, 25, 0}, {"a live site alone", 0, 0, 30, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			every := max(tt.every, 1)
			if tt.every == 0 {
				every = 10
			}
			want := map[hie.PointerID]bool{}
			for i := range tt.hospital {
				p := w.doc(mariaHospital, "hospital", "18842-5", i%37, content([]byte(fmt.Sprint("h", i))))
				want[p.ID] = true
			}
			for i := range tt.heart {
				bytes := fmt.Sprint("c", i)
				if i%every == 0 {
					bytes = fmt.Sprint("h", i) // held by the hospital as well
				}
				p := w.doc(mariaHeart, "heart", "11488-4", i%29, content([]byte(bytes)))
				if i%every != 0 || i >= tt.hospital {
					want[p.ID] = true
				}
			}
			var live []locator.Pointer
			for i := range tt.live {
				p := pointer(w.network, mariaLive, "rural", "34133-9", i%11)
				p.Kind = locator.KindOf(p.Categories, p.Types, p.Labels, true)
				p.Received = fmt.Appendf(nil, `{"n":%d}`, i)
				live = append(live, p)
				want[p.ID] = true
			}
			w.search = func(context.Context, Ask) ([]locator.Pointer, error) { return live, nil }

			seen := map[hie.PointerID]bool{}
			q, last := Query{Limit: 7}, locator.Pointer{}
			for page := 0; ; page++ {
				f := find(t, w, q)
				if f.Total != int64(len(want)) || f.Moved {
					t.Fatalf("page %d: total %d, moved %v; want %d", page, f.Total, f.Moved, len(want))
				}
				for _, e := range f.Entries {
					represented := want[e.ID]
					for _, a := range e.Alternates {
						represented = represented || want[a.ID]
					}
					if seen[e.ID] || !represented || (last.ID != 0 && before(last, e.Pointer) >= 0) || e.Received == nil {
						t.Fatalf("page %d: a document repeated, unwanted, out of order or without its bytes", page)
					}
					seen[e.ID], last = true, e.Pointer
				}
				if page == 0 && tt.hospital > 0 { // published meanwhile: not mixed in
					w.doc(mariaHospital, "hospital", "18842-5", 400)
					w.store.docs[mariaHospital][len(w.store.docs[mariaHospital])-1].ID = hie.PointerID(1) << 61
				}
				if !f.More {
					break
				}
				q.Cursor = f.Next
			}
			if len(seen) != len(want) {
				t.Errorf("%d documents over all pages, want %d", len(seen), len(want))
			}
			if tt.live > 0 && w.searches["rural"] != 1 {
				t.Errorf("the live site was asked %d times for one answer", w.searches["rural"])
			}
		})
	}
}

func TestAnAnswerMadeUnderRulesThatMovedIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	times := 0
	w.onFind = func() {
		if times++; times == 1 {
			w.say(denyAll(mariaHospital))
		}
	}
	if f := find(t, w, Query{}); len(f.Entries) != 0 || len(w.recorded(audit.Disclosed)) != 0 {
		t.Errorf("%d entries under rules that had moved", len(f.Entries))
	}

	w = newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.onFind = func() { w.mu.Lock(); w.epochs[mariaHeart]++; w.mu.Unlock() }
	if _, err := w.Find(context.Background(), clinician(), Query{Patient: clinicID, Limit: 5}); !errors.Is(err, hie.ErrUnavailable) {
		t.Errorf("rules that never rest: %v, want ErrUnavailable", err)
	}

	w = newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	done := false
	inner := w.Record
	w.Record = func(ctx context.Context, events ...audit.Event) error { // a revocation while the disclosure is recorded
		if !done {
			done = true
			w.say(denyAll(mariaHospital))
		}
		return inner(ctx, events...)
	}
	if f := find(t, w, Query{}); len(f.Entries) != 0 {
		t.Error("answered under rules that moved while it was recorded")
	}
	if d := w.recorded(audit.Decision); len(d) != 1 || d[0].Outcome != audit.Refusal {
		t.Error("the trail does not say that what it recorded did not leave")
	}
}

func TestALinkUndoneMeanwhileCounts(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	times := 0
	w.onFind = func() {
		if times++; times == 1 {
			w.person(1, member(mariaClinic, "clinic", "m-1"))
			w.person(3, member(mariaHospital, "hospital", "77"))
		}
	}
	if f := find(t, w, Query{}); len(f.Entries) != 0 {
		t.Error("a document of a record no longer linked was shown")
	}
}

func TestAPatientSeesTheirOwnRecordAndNobodyElses(t *testing.T) {
	w := newWorld(t)
	mine := w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.doc(otto, "hospital", "18842-5", 1)
	maria := hie.Actor{Organization: "patient-app", Client: "app", User: "maria", Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest}, Patient: mariaClinic}
	f, err := w.Find(context.Background(), maria, Query{Record: mariaClinic, Limit: 5})
	if err != nil || !slices.Equal(ids(f), []hie.PointerID{mine.ID}) {
		t.Errorf("her own: %v, %v", ids(f), err)
	}
	unbound := maria
	unbound.Patient = 0
	for _, tt := range []struct {
		actor hie.Actor
		about hie.SourcePatientID
	}{{maria, otto}, {unbound, mariaClinic}} {
		if f, err := w.Find(context.Background(), tt.actor, Query{Record: tt.about, Limit: 5}); err != nil || f.Total != 0 {
			t.Errorf("somebody else's: %d, %v; want none", f.Total, err)
		}
	}
}

func TestAnEmergencyOnFileOpensForWhoClaimedIt(t *testing.T) {
	w := newWorld(t)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.say(denyAll(mariaHospital))
	w.grants = []consent.Grant{{Emergency: consent.Emergency{ReasonCode: "unconscious", Text: "found without consciousness at home", Role: "ed", At: w.now.Add(-time.Hour),
		Attested: consent.Attestations()}, ID: 1, Record: mariaHospital.String(), Organization: "clinic", User: "dr-a", Until: w.now.Add(3 * time.Hour)}}
	a := clinician()
	a.Roles = []string{"ed"}
	a.Purposes = []hie.Purpose{hie.PurposeBreakGlass}
	f, err := w.Find(context.Background(), a, Query{Patient: clinicID, Limit: 5})
	if err != nil || !slices.Equal(ids(f), []hie.PointerID{p.ID}) {
		t.Fatalf("found %v, %v", ids(f), err)
	}
	if e := w.recorded(audit.Disclosed); len(e) != 1 || !e[0].Emergency || !slices.Contains(f.Entries[0].Obligations, "BTG-REVIEW") {
		t.Error("the use of an emergency is not recorded as such")
	}
	a.User = "dr-b"
	if f, err := w.Find(context.Background(), a, Query{Patient: clinicID, Limit: 5}); err != nil || f.Total != 0 {
		t.Errorf("a colleague without a claim: %d, %v", f.Total, err)
	}
}

func TestPresenceTellsOfWhatMayBeShown(t *testing.T) {
	w := newWorld(t)
	w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.doc(mariaHospital, "hospital", "18842-5", 4)
	w.doc(mariaHospital, "hospital", "11502-2", 2)
	w.doc(mariaHeart, "heart", "11488-4", 3)
	d := denyAll(mariaClinic)
	d.PolicyRules = nil
	d.Provision.Classes = []string{"11488-4"}
	w.say(d)
	got, err := w.Presence(context.Background(), clinician(), Query{Patient: clinicID})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want := []Whereabouts{{"hospital", "11502-2", 1, at.AddDate(0, 0, 2), nil}, {"hospital", "18842-5", 2, at.AddDate(0, 0, 4), nil}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if e := w.recorded(audit.DocumentsQueried); len(e) != 1 || e[0].Released != 3 || e[0].Withheld != 1 {
		t.Error("presence is disclosure and was not recorded as one")
	}
	if got, err := w.Presence(context.Background(), clinician(), Query{Patient: hie.Identifier{System: "urn:x", Value: "y"}}); err != nil || got != nil {
		t.Errorf("unknown: %v, %v; want nil", got, err)
	}
}

func TestVisibleFollowsConsent(t *testing.T) {
	w := newWorld(t)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1)
	see := func() bool {
		t.Helper()
		e, err := w.Visible(context.Background(), clinician(), p)
		if err != nil && !errors.Is(err, hie.ErrNotFound) {
			t.Fatal(err)
		}
		return e.ID == p.ID
	}
	if !see() || len(w.recorded(audit.Disclosed)) != 1 {
		t.Error("hidden by default, or shown unrecorded")
	}
	w.say(denyAll(mariaHospital))
	if see() || len(w.recorded(audit.Disclosed)) != 1 || len(w.recorded(audit.Refused)) != 1 {
		t.Error("visible after no, or refused unrecorded")
	}
}

func TestAPatientSeesNoRecordThatMayBeSomebodyElses(t *testing.T) {
	maria := hie.Actor{Organization: "patient-app", Client: "app", User: "maria", Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest}, Patient: mariaClinic}
	for _, tt := range []struct {
		name           string
		clinic, others hie.LinkState
		want           int
	}{
		{"confirmed links show all records", hie.LinkConfirmed, hie.LinkConfirmed, 2},
		{"a tentative link to another record hides that record", hie.LinkConfirmed, hie.LinkTentative, 1},
		{"a tentative link of the own record hides the others", hie.LinkTentative, hie.LinkConfirmed, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			clinic, hospital := member(mariaClinic, "clinic", "m-1"), member(mariaHospital, "hospital", "77")
			clinic.Link, hospital.Link = tt.clinic, tt.others
			w.person(1, clinic, hospital)
			w.doc(mariaClinic, "clinic", "lab", 1)
			w.doc(mariaHospital, "hospital", "lab", 2)
			f, err := w.Find(context.Background(), maria, Query{Record: mariaClinic, Limit: 10})
			if err != nil || len(f.Entries) != tt.want {
				t.Errorf("%d documents, %v; want %d", len(f.Entries), err, tt.want)
			}
		})
	}
}
