package locatorpg

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/locator"
	"github.com/google/go-cmp/cmp"
)

var (
	general = hie.Actor{Organization: "general", Client: "general-emr"}
	clinic  = hie.Actor{Organization: "clinic", Client: "clinic-emr"}
)

func network(t testing.TB) func() *directory.Network {
	t.Helper()
	n, err := directory.NewNetwork(1,
		[]directory.Organization{
			{ID: "general", Name: "General", Identifier: "urn:org:general", Active: true},
			{ID: "ward", Parent: "general", Name: "Ward", Identifier: "urn:org:ward", Active: true},
			{ID: "clinic", Name: "Clinic", Identifier: "urn:org:clinic", Active: true}},
		[]directory.Site{
			{ID: "g1", Org: "general", Name: "G1", Authorities: []string{"urn:g1"}, Zone: "UTC", Labelled: true, Active: true, Publishes: true,
				Endpoints: []directory.Endpoint{{ID: "g1e", Protocol: "fhir-r4", Address: "https://g1.example.org/fhir"}}},
			{ID: "c1", Org: "clinic", Name: "C1", Authorities: []string{"urn:c1"}, Zone: "UTC", Active: true, Publishes: true,
				Endpoints: []directory.Endpoint{{ID: "c1e", Protocol: "fhir-r4", Address: "https://c1.example.org/fhir"}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() *directory.Network { return n }
}

type fixture struct {
	*locator.Index
	db    *pg.DB
	store *Store
	now   *atomic.Int64
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	return fixtureOn(t, pgtest.DB(t))
}

func fixtureOn(t testing.TB, db *pg.DB) fixture {
	t.Helper()
	now := &atomic.Int64{}
	now.Store(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).UnixMicro())
	store := New(db)
	x := locator.New(store, network(t), hie.NewIDs(nil), func() time.Time { return time.UnixMicro(now.Add(1)).UTC() })
	return fixture{Index: x, db: db, store: store, now: now}
}

func sha(content string) []byte {
	h := sha1.Sum([]byte(content))
	return h[:]
}

// doc returns a submission to General's site G1 under uid, written on day of 2026.
func doc(record hie.SourcePatientID, uid string, day int, change ...func(*locator.Pointer)) locator.Submission {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
	p := locator.Pointer{Record: record, Site: "g1", Status: locator.Current, MasterIdentifier: hie.Identifier{System: "urn:ietf:rfc:3986", Value: uid},
		Types: []hie.Coding{{System: "http://loinc.org", Code: "34133-9"}}, Categories: []hie.Coding{{System: "urn:cat", Code: "clinical-note"}},
		Date: locator.Span{Start: at, End: at.Add(time.Second)}, ContentType: "application/pdf", Size: 3, Hash: sha(uid),
		Location: locator.Location{Site: "g1", Endpoint: "g1e", Path: "Binary/" + uid}, Received: []byte(`{"resourceType":"DocumentReference"}`)}
	for _, c := range change {
		c(&p)
	}
	return locator.Submission{Pointer: p, Path: "DocumentReference"}
}

func category(code string) func(*locator.Pointer) {
	return func(p *locator.Pointer) { p.Categories = []hie.Coding{{System: "urn:cat", Code: code}} }
}

func relation(code string, target locator.Ref) func(*locator.Pointer) {
	return func(p *locator.Pointer) {
		p.Relations = append(p.Relations, locator.Relation{Code: code, Target: target})
	}
}

func (f fixture) publish(t testing.TB, subs ...locator.Submission) []locator.Published {
	t.Helper()
	done, err := f.Publish(context.Background(), general, subs)
	if err != nil {
		t.Fatalf("Publish = %v", err)
	}
	return done
}

// everything is a plan that permits all kinds there are.
func (f fixture) everything(t testing.TB, records ...hie.SourcePatientID) []locator.Plan {
	t.Helper()
	present, err := f.Presence(context.Background(), records)
	if err != nil {
		t.Fatal(err)
	}
	var plans []locator.Plan
	for _, r := range records {
		plan := locator.Plan{Record: r}
		for _, p := range present {
			if p.Record == r {
				plan.Kinds = append(plan.Kinds, p.Kind.ID)
			}
		}
		plans = append(plans, plan)
	}
	return plans
}

// all returns everything f finds, page by page.
func (f fixture) all(t testing.TB, filter locator.Filter, plans []locator.Plan, size int) []locator.Pointer {
	t.Helper()
	var out []locator.Pointer
	cursor := locator.Cursor{}
	for {
		page, err := f.Find(context.Background(), filter, plans, cursor, size)
		if err != nil {
			t.Fatalf("Find = %v", err)
		}
		out = append(out, page.Pointers...)
		if !page.More {
			return out
		}
		cursor = page.Next
	}
}

func detailOf(t *testing.T, err error) string {
	t.Helper()
	var inv *hie.InvalidError
	if !errors.As(err, &inv) {
		return ""
	}
	return inv.Detail
}

func TestWhatIsPublishedIsReadBackWhole(t *testing.T) {
	f := newFixture(t)
	at := time.Date(2026, 1, 5, 10, 0, 0, 123456000, time.UTC)
	s := doc(7, "a", 1, func(p *locator.Pointer) {
		p.Identifiers = []hie.Identifier{{System: "urn:x", Value: "1"}}
		p.DocStatus, p.Language, p.Title = "final", "en", "Ünïcode"
		p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}, {System: locator.SystemActCode, Code: "HIV"}}
		p.Formats, p.Settings, p.Facilities, p.Events = p.Types, p.Types, p.Types, []hie.Coding{{Code: "e1"}, {Code: "e2", Display: "E"}}
		p.Authors = []locator.Author{{Given: []string{"Ann", "B"}, Family: "Ek", Reference: "Practitioner/1", Organization: "Organization/2"}}
		p.Creation = locator.Span{Start: at, End: at.Add(time.Microsecond)}
		p.Period = locator.Span{Start: at}
		p.Related, p.Encounters = []string{"urn:r|1"}, []string{"Encounter/9"}
	})
	done := f.publish(t, s)
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
	page, err := f.Find(context.Background(), locator.Filter{}, f.everything(t, 7), locator.Cursor{}, 10)
	if err != nil || len(page.Pointers) != 1 {
		t.Fatalf("Find = %d pointers, %v", len(page.Pointers), err)
	}
	if d := cmp.Diff(got, page.Pointers[0]); d != "" {
		t.Errorf("found differs from read:\n%s", d)
	}
}

func TestTheSameDocumentAgain(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	first := f.publish(t, doc(7, "a", 1))[0]
	for _, tt := range []struct {
		name     string
		sub      locator.Submission
		existing bool
		detail   string
	}{
		{"with the same hash is the pointer there is", doc(7, "a", 2), true, ""},
		{"with another hash is a conflict", doc(7, "a", 1, func(p *locator.Pointer) { p.Hash = sha("other") }), false, locator.ErrorNonIdenticalHash},
		{"without a hash is a conflict", doc(7, "a", 1, func(p *locator.Pointer) { p.Hash = nil }), false, locator.ErrorNonIdenticalHash},
		{"for another patient is a conflict", doc(8, "a", 1), false, locator.ErrorDuplicateUniqueID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done, err := f.Publish(ctx, general, []locator.Submission{tt.sub})
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
	if n := len(f.all(t, locator.Filter{}, f.everything(t, 7, 8), 10)); n != 1 {
		t.Errorf("%d pointers exist, want 1", n)
	}
	// Two documents without identifiers at one place are one; at two places two.
	bare := func(path string) locator.Submission {
		return doc(9, "x", 1, func(p *locator.Pointer) { p.MasterIdentifier = hie.Identifier{}; p.Location.Path = path })
	}
	a, b, c := f.publish(t, bare("Binary/1"))[0], f.publish(t, bare("Binary/1"))[0], f.publish(t, bare("Binary/2"))[0]
	if a.ID != b.ID || !b.Existing || a.ID == c.ID {
		t.Errorf("documents without identifiers: %v %v %v", a.Ref, b.Ref, c.Ref)
	}
	// Another organisation's document under the same id is its own.
	other := doc(20, "a", 1, func(p *locator.Pointer) {
		p.Site = "c1"
		p.Location = locator.Location{Site: "c1", Endpoint: "c1e", Path: "Binary/a"}
	})
	if done, err := f.Publish(ctx, clinic, []locator.Submission{other}); err != nil || done[0].Existing {
		t.Errorf("another custodian's document = %+v, %v", done, err)
	}
}

func TestManyPublishersOfOneDocumentStoreItOnce(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[hie.PointerID]int{}
	fresh := 0
	for i := range 64 {
		wg.Go(func() {
			subs := []locator.Submission{doc(7, "storm", 1)}
			if i%4 == 0 { // bundles interleaved, in both orders
				subs = append(subs, doc(7, "other", 1))
				if i%8 == 0 {
					slices.Reverse(subs)
				}
			}
			done, err := f.Publish(ctx, general, subs)
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
	if n := len(f.all(t, locator.Filter{}, f.everything(t, 7), 10)); n != 2 {
		t.Errorf("%d pointers, want 2", n)
	}
}

func TestReplacing(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	a := f.publish(t, doc(7, "A", 1))[0]
	b := f.publish(t, doc(7, "B", 2, relation("replaces", a.Ref)))[0]
	old, err := f.Read(ctx, 7, a.ID)
	if err != nil || old.Status != locator.Superseded || old.Version != 2 {
		t.Errorf("the replaced document is %v version %d, %v", old.Status, old.Version, err)
	}
	c := f.publish(t, doc(7, "C", 3, func(p *locator.Pointer) {
		p.Relations = []locator.Relation{{Code: "replaces", Identifier: hie.Identifier{System: "urn:ietf:rfc:3986", Value: "B"}}}
	}))[0]
	if c.Pointer.Relations[0].Target != b.Ref {
		t.Errorf("a target named by identifier was not resolved")
	}
	other := f.publish(t, doc(8, "P", 1))[0]
	foreign, err := f.Publish(ctx, clinic, []locator.Submission{doc(20, "F", 1, func(p *locator.Pointer) {
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
		{"a superseded document is refused", locator.ErrorDeprecated, doc(7, "D", 4, relation("replaces", a.Ref)), true},
		{"a document of another patient is refused", locator.ErrorPatientMismatch, doc(7, "D", 4, relation("replaces", other.Ref)), false},
		{"a document that is not there is refused", locator.ErrorUnresolved, doc(7, "D", 4, relation("replaces", locator.Ref{Record: 7, ID: 12})), false},
		{"another organisation's document is refused as if it were not there", locator.ErrorUnresolved, doc(7, "D", 4, relation("replaces", foreign[0].Ref)), false},
		{"appending to what is not there is refused", locator.ErrorUnresolved, doc(7, "D", 4, relation("appends", locator.Ref{Record: 7, ID: 12})), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Publish(ctx, general, []locator.Submission{doc(7, "E", 1), tt.sub})
			if detailOf(t, err) != tt.detail || errors.Is(err, hie.ErrConflict) != tt.conflict {
				t.Errorf("Publish = %v, want %s", err, tt.detail)
			}
		})
	}
	current := f.all(t, locator.Filter{Status: []locator.Status{locator.Current}}, f.everything(t, 7), 10)
	if len(current) != 1 || current[0].ID != c.ID {
		t.Errorf("%d current documents, want only the last of the chain; refused ones must leave nothing", len(current))
	}
	f.publish(t, doc(7, "G", 5, relation("appends", a.Ref), relation("signs", c.Ref))) // a superseded one may be appended to
}

func TestOfTwoReplacementsAtOnceOneWins(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	target := f.publish(t, doc(7, "A", 1))[0]
	for round := range 8 {
		var wg sync.WaitGroup
		var won, lost atomic.Int64
		var next atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				done, err := f.Publish(ctx, general, []locator.Submission{doc(7, fmt.Sprintf("B%d-%d", round, i), 2, relation("replaces", target.Ref))})
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
		current := f.all(t, locator.Filter{Status: []locator.Status{locator.Current}}, f.everything(t, 7), 50)
		if len(current) != 1 || int64(current[0].ID) != next.Load() {
			t.Fatalf("round %d: %d current documents, want exactly the winner", round, len(current))
		}
		target.Ref = current[0].Ref()
	}
}

func TestABundleIsStoredWholeOrNotAtAll(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.publish(t, doc(7, "taken", 1))
	var subs []locator.Submission
	for i := range 60 {
		subs = append(subs, doc(7, fmt.Sprint("d", i), i))
	}
	subs = append(subs, doc(7, "taken", 1, func(p *locator.Pointer) { p.Hash = sha("no") }))
	if _, err := f.Publish(ctx, general, subs); !errors.Is(err, hie.ErrConflict) {
		t.Fatalf("Publish = %v, want a conflict", err)
	}
	if n := len(f.all(t, locator.Filter{}, f.everything(t, 7), 100)); n != 1 {
		t.Errorf("%d pointers after a refused bundle, want the one from before", n)
	}
	done := f.publish(t, subs[:60]...)
	got := f.all(t, locator.Filter{}, f.everything(t, 7), 7)
	if len(got) != 61 || len(done) != 60 {
		t.Errorf("%d pointers after the bundle, want 61", len(got))
	}
	if !slices.IsSortedFunc(got, func(a, b locator.Pointer) int { return b.SortAt.Compare(a.SortAt) }) {
		t.Errorf("pages are not newest first")
	}
	again := f.publish(t, subs[:60]...)
	for i := range again {
		if again[i].Ref != done[i].Ref || !again[i].Existing {
			t.Fatalf("a repeated bundle gave another document at %d", i)
		}
	}
	within := f.publish(t, doc(7, "w1", 1), doc(7, "w2", 2, func(p *locator.Pointer) { p.Relations = []locator.Relation{{Code: "replaces", Entry: 1}} }))
	if p, err := f.Read(ctx, 7, within[0].ID); err != nil || p.Status != locator.Superseded {
		t.Errorf("a document replaced within its bundle is %v, %v", p.Status, err)
	}
	many := make([]locator.Submission, locator.MaxDocuments+1)
	for i := range many {
		many[i] = doc(7, fmt.Sprint("m", i), 1)
	}
	if _, err := f.Publish(ctx, general, many); !errors.Is(err, hie.ErrTooLarge) {
		t.Errorf("a bundle over the limit = %v", err)
	}
	if _, err := f.Publish(ctx, general, []locator.Submission{doc(7, "z", 1), doc(7, "z", 1)}); detailOf(t, err) != locator.ErrorDuplicateInBundle {
		t.Errorf("one identifier twice in a bundle = %v", err)
	}
}

func TestRevisingAndDeleting(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	a := f.publish(t, doc(7, "A", 1))[0]
	before, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7})
	if err != nil {
		t.Fatal(err)
	}
	newTitle := doc(7, "A", 1, func(p *locator.Pointer) { p.Title = "better" })
	p, err := f.Revise(ctx, general, 7, a.ID, newTitle, 1)
	if err != nil || p.Version != 2 || p.Title != "better" {
		t.Fatalf("Revise = version %d, %v", p.Version, err)
	}
	if e, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7}); err != nil || e[7] != before[7] {
		t.Errorf("a new title moved the epoch")
	}
	restricted := doc(7, "A", 1, func(p *locator.Pointer) { p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}} })
	if p, err = f.Revise(ctx, general, 7, a.ID, restricted, 0); err != nil || p.Kind.Confidentiality != "R" {
		t.Fatalf("Revise = %+v, %v", p.Kind, err)
	}
	if e, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7}); err != nil || e[7] != before[7]+1 {
		t.Errorf("a raised label must move the epoch by one: %d -> %d", before[7], e[7])
	}
	for _, tt := range []struct {
		name  string
		actor hie.Actor
		sub   locator.Submission
		match int64
		want  error
	}{
		{"a stale version is refused", general, newTitle, 1, hie.ErrStale},
		{"a stranger finds nothing", clinic, newTitle, 0, hie.ErrNotFound},
		{"another patient", general, doc(8, "A", 1), 0, nil},
		{"another identifier", general, doc(7, "B", 1), 0, nil},
		{"another hash", general, doc(7, "A", 1, func(p *locator.Pointer) { p.Hash = sha("x") }), 0, nil},
		{"superseding by hand", general, doc(7, "A", 1, func(p *locator.Pointer) { p.Status = locator.Superseded }), 0, nil},
	} {
		_, err := f.Revise(ctx, tt.actor, 7, a.ID, tt.sub, tt.match)
		var inv *hie.InvalidError
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &inv) {
			t.Errorf("%s: Revise = %v", tt.name, err)
		}
	}
	if err := f.Delete(ctx, clinic, 7, a.ID, 0); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a stranger's delete = %v", err)
	}
	if err := f.Delete(ctx, general, 7, a.ID, 2); !errors.Is(err, hie.ErrStale) {
		t.Errorf("a stale delete = %v", err)
	}
	if err := f.Delete(ctx, general, 7, a.ID, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(ctx, 7, a.ID); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a deleted pointer is read: %v", err)
	}
	var history int
	if err := f.db.QueryRow(ctx, `select count(*) from locator.pointer_history where sp_id = 7`).Scan(&history); err != nil || history != 3 {
		t.Errorf("%d former versions kept, want 3 (two revisions, one deletion), %v", history, err)
	}
	if done := f.publish(t, doc(7, "A", 1)); done[0].Existing || done[0].ID == a.ID {
		t.Errorf("after deletion the identifier is free again")
	}
	var events int
	if err := f.db.QueryRow(ctx, `select count(*) from audit.event`).Scan(&events); err != nil || events != 5 {
		t.Errorf("%d audit events, want 5 (2 publications, 2 revisions, 1 deletion), %v", events, err)
	}
}

func TestNobodyPublishesForAStrangersSite(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	for _, a := range []hie.Actor{clinic, {}, {Organization: "ward"}, {Organization: "nobody"}} {
		if _, err := f.Publish(ctx, a, []locator.Submission{doc(7, "A", 1)}); detailOf(t, err) != locator.ErrorUnknownPatient {
			t.Errorf("%q publishes for General: %v", a.Organization, err)
		}
	}
}
