package locatortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/google/go-cmp/cmp"
)

// Run checks that the stores newStore makes keep the contract of locator.Store. Each test gets one of its own.
func Run(t *testing.T, newStore func(t *testing.T) locator.Store) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, f Fixture)
	}{
		{"what is published is read back whole", whatIsPublishedIsReadBackWhole},
		{"the same document again", theSameDocumentAgain},
		{"many publishers of one document store it once", manyPublishersOfOneDocumentStoreItOnce},
		{"replacing", replacing},
		{"of two replacements at once one wins", ofTwoReplacementsAtOnceOneWins},
		{"a bundle is stored whole or not at all", aBundleIsStoredWholeOrNotAtAll},
		{"what another document names stays", whatAnotherDocumentNamesStays},
		{"nobody publishes for a stranger's site", nobodyPublishesForAStrangersSite},
		{"searches agree with the definition of a filter", searchesAgreeWithTheDefinitionOfAFilter},
		{"marks tell which contents a record holds", marksTellWhichContentsARecordHolds},
		{"nothing is given without a plan", nothingIsGivenWithoutAPlan},
		{"what is published later is not mixed into later pages", whatIsPublishedLaterIsNotMixedIntoLaterPages},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, New(t, newStore(t))) })
	}
}

func whatIsPublishedIsReadBackWhole(t *testing.T, f Fixture) {
	at := time.Date(2026, 1, 5, 10, 0, 0, 123456000, time.UTC)
	s := Doc(7, "a", 1, func(p *locator.Pointer) {
		p.Identifiers = []hie.Identifier{{System: "urn:x", Value: "1"}}
		p.DocStatus, p.Language, p.Title = "final", "en", "Ünïcode"
		p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}, {System: locator.SystemActCode, Code: "HIV"}}
		p.Formats, p.Settings, p.Facilities, p.Events = p.Types, p.Types, p.Types, []hie.Coding{{Code: "e1"}, {Code: "e2", Display: "E"}}
		p.Authors = []locator.Author{{Given: []string{"Ann", "B"}, Family: "Ek", Reference: "Practitioner/1", Organization: "Organization/2"}}
		p.Creation = locator.Span{Start: at, End: at.Add(time.Microsecond)}
		p.Period = locator.Span{Start: at}
		p.Related, p.Encounters = []string{"urn:r|1"}, []string{"Encounter/9"}
	})
	done := f.MustPublish(t, s)
	got, err := f.Read(context.Background(), 7, done[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(done[0].Pointer, got); d != "" {
		t.Errorf("read differs from what was published (-published +read):\n%s", d)
	}
	if got.Custodian != "general" || got.Version != 1 || got.Kind.Confidentiality != "R" || !got.Kind.Labelled {
		t.Errorf("custodian %s, version %d, kind %+v", got.Custodian, got.Version, got.Kind)
	}
	page, err := f.Find(context.Background(), locator.Filter{}, f.Everything(t, 7), locator.Cursor{}, 10)
	if err != nil || len(page.Pointers) != 1 {
		t.Fatalf("Find = %d pointers, %v", len(page.Pointers), err)
	}
	if d := cmp.Diff(got, page.Pointers[0]); d != "" {
		t.Errorf("found differs from read:\n%s", d)
	}
}

func theSameDocumentAgain(t *testing.T, f Fixture) {
	ctx := context.Background()
	first := f.MustPublish(t, Doc(7, "a", 1))[0]
	for _, tt := range []struct {
		name     string
		sub      locator.Submission
		existing bool
		detail   string
	}{
		{"with the same hash is the pointer there is", Doc(7, "a", 2), true, ""},
		{"with another hash is a conflict", Doc(7, "a", 1, func(p *locator.Pointer) { p.Hash = SHA1("other") }), false, locator.ErrorNonIdenticalHash},
		{"without a hash is a conflict", Doc(7, "a", 1, func(p *locator.Pointer) { p.Hash = nil }), false, locator.ErrorNonIdenticalHash},
		{"for another patient is a conflict", Doc(8, "a", 1), false, locator.ErrorDuplicateUniqueID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done, err := f.Publish(ctx, General, []locator.Submission{tt.sub})
			if tt.detail != "" {
				if !errors.Is(err, hie.ErrConflict) || detailOf(t, err) != tt.detail {
					t.Fatalf("Publish = %v, want a conflict %s", err, tt.detail)
				}
				return
			}
			if err != nil || done[0].Existing != tt.existing || done[0].ID != first.ID {
				t.Errorf("Publish = %+v, %v; want the first id", done, err)
			}
		})
	}
	if n := len(f.All(t, locator.Filter{}, f.Everything(t, 7, 8), 10)); n != 1 {
		t.Errorf("%d pointers exist, want 1", n)
	}
	// Two documents without identifiers at one place are one; at two places two.
	bare := func(path string) locator.Submission {
		return Doc(9, "x", 1, func(p *locator.Pointer) { p.MasterIdentifier = hie.Identifier{}; p.Location.Path = path })
	}
	a, b, c := f.MustPublish(t, bare("Binary/1"))[0], f.MustPublish(t, bare("Binary/1"))[0], f.MustPublish(t, bare("Binary/2"))[0]
	if a.ID != b.ID || !b.Existing || a.ID == c.ID {
		t.Errorf("documents without identifiers: %v %v %v", a.Ref, b.Ref, c.Ref)
	}
	// Another organisation's document under the same id is its own.
	other := Doc(20, "a", 1, func(p *locator.Pointer) {
		p.Site = "c1"
		p.Location = locator.Location{Site: "c1", Endpoint: "c1e", Path: "Binary/a"}
	})
	if done, err := f.Publish(ctx, Clinic, []locator.Submission{other}); err != nil || done[0].Existing {
		t.Errorf("another custodian's document = %+v, %v", done, err)
	}
}

func manyPublishersOfOneDocumentStoreItOnce(t *testing.T, f Fixture) {
	ctx := context.Background()
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[hie.PointerID]int{}
	fresh := 0
	for i := range 64 {
		wg.Go(func() {
			subs := []locator.Submission{Doc(7, "storm", 1)}
			if i%4 == 0 { // bundles interleaved, in both orders
				subs = append(subs, Doc(7, "other", 1))
				if i%8 == 0 {
					slices.Reverse(subs)
				}
			}
			done, err := f.Publish(ctx, General, subs)
			if err != nil {
				t.Errorf("Publish = %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for j, d := range done {
				if subs[j].Pointer.MasterIdentifier.Value == "storm" {
					ids[d.ID]++
					if !d.Existing {
						fresh++
					}
				}
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || fresh != 1 {
		t.Errorf("%d ids and %d first publications, want 1 and 1", len(ids), fresh)
	}
	if n := len(f.All(t, locator.Filter{}, f.Everything(t, 7), 10)); n != 2 {
		t.Errorf("%d pointers, want 2", n)
	}
}

func replacing(t *testing.T, f Fixture) {
	ctx := context.Background()
	a := f.MustPublish(t, Doc(7, "A", 1))[0]
	b := f.MustPublish(t, Doc(7, "B", 2, Relation("replaces", a.Ref)))[0]
	old, err := f.Read(ctx, 7, a.ID)
	if err != nil || old.Status != locator.Superseded || old.Version != 2 {
		t.Errorf("the replaced document is %v version %d, %v", old.Status, old.Version, err)
	}
	c := f.MustPublish(t, Doc(7, "C", 3, func(p *locator.Pointer) {
		p.Relations = []locator.Relation{{Code: "replaces", Identifier: hie.Identifier{System: "urn:ietf:rfc:3986", Value: "B"}}}
	}))[0]
	if c.Pointer.Relations[0].Target != b.Ref {
		t.Errorf("a target named by identifier was not resolved")
	}
	other := f.MustPublish(t, Doc(8, "P", 1))[0]
	foreign, err := f.Publish(ctx, Clinic, []locator.Submission{Doc(20, "F", 1, func(p *locator.Pointer) {
		p.Site, p.Location = "c1", locator.Location{Site: "c1", Endpoint: "c1e", Path: "Binary/F"}
	})})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, detail string
		sub          locator.Submission
		conflict     bool
	}{
		{"a superseded document is refused", locator.ErrorDeprecated, Doc(7, "D", 4, Relation("replaces", a.Ref)), true},
		{"a document of another patient is refused", locator.ErrorPatientMismatch, Doc(7, "D", 4, Relation("replaces", other.Ref)), false},
		{"a document that is not there is refused", locator.ErrorUnresolved, Doc(7, "D", 4, Relation("replaces", locator.Ref{Record: 7, ID: 12})), false},
		{"another organisation's document is refused as if it were not there", locator.ErrorUnresolved, Doc(7, "D", 4, Relation("replaces", foreign[0].Ref)), false},
		{"appending to what is not there is refused", locator.ErrorUnresolved, Doc(7, "D", 4, Relation("appends", locator.Ref{Record: 7, ID: 12})), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Publish(ctx, General, []locator.Submission{Doc(7, "E", 1), tt.sub})
			if detailOf(t, err) != tt.detail || errors.Is(err, hie.ErrConflict) != tt.conflict {
				t.Errorf("Publish = %v, want %s", err, tt.detail)
			}
		})
	}
	current := f.All(t, locator.Filter{Status: []locator.Status{locator.Current}}, f.Everything(t, 7), 10)
	if len(current) != 1 || current[0].ID != c.ID {
		t.Errorf("%d current documents, want only the last of the chain; refused ones must leave nothing", len(current))
	}
	f.MustPublish(t, Doc(7, "G", 5, Relation("appends", a.Ref), Relation("signs", c.Ref))) // a superseded one may be appended to
}

func ofTwoReplacementsAtOnceOneWins(t *testing.T, f Fixture) {
	ctx := context.Background()
	target := f.MustPublish(t, Doc(7, "A", 1))[0]
	for round := range 8 {
		var wg sync.WaitGroup
		var won, lost atomic.Int64
		var next atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				done, err := f.Publish(ctx, General, []locator.Submission{Doc(7, fmt.Sprintf("B%d-%d", round, i), 2, Relation("replaces", target.Ref))})
				switch {
				case err == nil:
					won.Add(1)
					next.Store(int64(done[0].ID))
				case errors.Is(err, hie.ErrConflict) && detailOf(t, err) == locator.ErrorDeprecated:
					lost.Add(1)
				default:
					t.Errorf("Publish = %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Fatalf("round %d: %d won and %d lost, want 1 and 7", round, won.Load(), lost.Load())
		}
		current := f.All(t, locator.Filter{Status: []locator.Status{locator.Current}}, f.Everything(t, 7), 50)
		if len(current) != 1 || int64(current[0].ID) != next.Load() {
			t.Fatalf("round %d: %d current documents, want exactly the winner", round, len(current))
		}
		target.Ref = current[0].Ref()
	}
}

func aBundleIsStoredWholeOrNotAtAll(t *testing.T, f Fixture) {
	ctx := context.Background()
	f.MustPublish(t, Doc(7, "taken", 1))
	var subs []locator.Submission
	for i := range 60 {
		subs = append(subs, Doc(7, fmt.Sprint("d", i), i))
	}
	subs = append(subs, Doc(7, "taken", 1, func(p *locator.Pointer) { p.Hash = SHA1("no") }))
	if _, err := f.Publish(ctx, General, subs); !errors.Is(err, hie.ErrConflict) {
		t.Fatalf("Publish = %v, want a conflict", err)
	}
	if n := len(f.All(t, locator.Filter{}, f.Everything(t, 7), 100)); n != 1 {
		t.Errorf("%d pointers after a refused bundle, want the one from before", n)
	}
	done := f.MustPublish(t, subs[:60]...)
	got := f.All(t, locator.Filter{}, f.Everything(t, 7), 7)
	if len(got) != 61 || len(done) != 60 {
		t.Errorf("%d pointers after the bundle, want 61", len(got))
	}
	if !slices.IsSortedFunc(got, func(a, b locator.Pointer) int { return b.SortAt.Compare(a.SortAt) }) {
		t.Errorf("pages are not newest first")
	}
	again := f.MustPublish(t, subs[:60]...)
	for i := range again {
		if again[i].Ref != done[i].Ref || !again[i].Existing {
			t.Fatalf("a repeated bundle gave another document at %d", i)
		}
	}
	within := f.MustPublish(t, Doc(7, "w1", 1), Doc(7, "w2", 2, func(p *locator.Pointer) { p.Relations = []locator.Relation{{Code: "replaces", Entry: 1}} }))
	if p, err := f.Read(ctx, 7, within[0].ID); err != nil || p.Status != locator.Superseded {
		t.Errorf("a document replaced within its bundle is %v, %v", p.Status, err)
	}
	many := make([]locator.Submission, locator.MaxDocuments+1)
	for i := range many {
		many[i] = Doc(7, fmt.Sprint("m", i), 1)
	}
	if _, err := f.Publish(ctx, General, many); !errors.Is(err, hie.ErrTooLarge) {
		t.Errorf("a bundle over the limit = %v", err)
	}
	if _, err := f.Publish(ctx, General, []locator.Submission{Doc(7, "z", 1), Doc(7, "z", 1)}); detailOf(t, err) != locator.ErrorDuplicateInBundle {
		t.Errorf("one identifier twice in a bundle = %v", err)
	}
}

func nobodyPublishesForAStrangersSite(t *testing.T, f Fixture) {
	ctx := context.Background()
	for _, a := range []hie.Actor{Clinic, {}, {Organization: "ward"}, {Organization: "nobody"}} {
		if _, err := f.Publish(ctx, a, []locator.Submission{Doc(7, "A", 1)}); detailOf(t, err) != locator.ErrorUnknownPatient {
			t.Errorf("%q publishes for General: %v", a.Organization, err)
		}
	}
}

func whatAnotherDocumentNamesStays(t *testing.T, f Fixture) {
	ctx := context.Background()
	a := f.MustPublish(t, Doc(7, "A", 1))[0]
	b := f.MustPublish(t, Doc(7, "B", 2, Relation("appends", a.Ref)))[0]
	if err := f.Delete(ctx, General, 7, a.ID, 0); !errors.Is(err, hie.ErrConflict) || detailOf(t, err) != locator.ErrorReferencesExist {
		t.Errorf("deleting a document that another appends to = %v, want a conflict", err)
	}
	if _, err := f.Read(ctx, 7, a.ID); err != nil {
		t.Errorf("it is gone all the same: %v", err)
	}
	for _, id := range []hie.PointerID{b.ID, a.ID} {
		if err := f.Delete(ctx, General, 7, id, 0); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
	// Deleting and naming at the same time: whichever comes first, no relation points nowhere.
	for round := range 20 {
		target := f.MustPublish(t, Doc(7, fmt.Sprint("T", round), 3))[0]
		var deleted, named error
		var wg sync.WaitGroup
		wg.Go(func() { deleted = f.Delete(ctx, General, 7, target.ID, 0) })
		wg.Go(func() {
			_, named = f.Publish(ctx, General, []locator.Submission{Doc(7, fmt.Sprint("N", round), 4, Relation("signs", target.Ref))})
		})
		wg.Wait()
		if (deleted == nil) == (named == nil) {
			t.Errorf("round %d: deleting gave %v, naming %v; want exactly one to succeed", round, deleted, named)
		}
	}
}
