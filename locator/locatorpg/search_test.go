package locatorpg

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/locator"
)

// various returns n documents over records that differ in all that a search can ask for.
func various(r *rand.Rand, n int, records ...hie.SourcePatientID) []locator.Submission {
	code := func(prefix string) []hie.Coding {
		return []hie.Coding{{System: "urn:" + prefix + fmt.Sprint(r.IntN(2)), Code: fmt.Sprint(prefix, r.IntN(3))}}
	}
	span := func(width time.Duration) locator.Span {
		at := time.Date(2026, 1, 1+r.IntN(20), r.IntN(24), 0, 0, 0, time.UTC)
		return locator.Span{Start: at, End: at.Add(width)}
	}
	var out []locator.Submission
	for i := range n {
		out = append(out, doc(records[r.IntN(len(records))], fmt.Sprint("v", i), 0, func(p *locator.Pointer) {
			p.Types, p.Categories, p.Formats, p.Settings = code("t"), append(code("c"), code("c")...), code("f"), code("s")
			p.Facilities, p.Events, p.Labels = code("h"), append(code("e"), code("e")...), nil
			if r.IntN(2) == 0 {
				p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: []string{"N", "R"}[r.IntN(2)]}}
			}
			p.Date, p.Creation, p.Period = span(time.Second), span(time.Hour), span(48*time.Hour)
			switch r.IntN(5) {
			case 0:
				p.Date = locator.Span{}
			case 1:
				p.Creation, p.Period.End = locator.Span{}, time.Time{}
			case 2:
				p.Period.Start = time.Time{}
			case 3:
				p.Period = locator.Span{}
			}
			p.Authors = []locator.Author{{Given: []string{[]string{"Ann", "Bo"}[r.IntN(2)]}, Family: []string{"Eriksson", "Eräinen", "Fox"}[r.IntN(3)]}}
			p.Related, p.Encounters = []string{fmt.Sprint("urn:r|", r.IntN(3))}, []string{fmt.Sprint("Encounter/", r.IntN(3))}
			p.Identifiers = []hie.Identifier{{System: "urn:i", Value: fmt.Sprint(r.IntN(5))}}
			p.Language, p.Size, p.Hash = []string{"en", "es"}[r.IntN(2)], -1, nil
			if r.IntN(10) == 0 {
				p.Status = locator.EnteredInError
			}
		}))
	}
	return out
}

func randomFilter(r *rand.Rand) locator.Filter {
	var f locator.Filter
	if r.IntN(3) == 0 {
		f.Status = []locator.Status{locator.Current}
	}
	for range r.IntN(3) {
		field := []locator.Field{locator.FieldType, locator.FieldCategory, locator.FieldFormat, locator.FieldSetting, locator.FieldFacility, locator.FieldEvent}[r.IntN(6)]
		c := locator.CodeClause{Field: field}
		for range 1 + r.IntN(2) {
			prefix := map[locator.Field]string{locator.FieldType: "t", locator.FieldCategory: "c", locator.FieldFormat: "f", locator.FieldSetting: "s", locator.FieldFacility: "h", locator.FieldEvent: "e"}[field]
			m := locator.CodeMatch{System: "urn:" + prefix + fmt.Sprint(r.IntN(2)), Code: fmt.Sprint(prefix, r.IntN(3))}
			switch r.IntN(3) {
			case 0:
				m.System, m.AnySystem = "", true
			case 1:
				m.Code = ""
			}
			c.Any = append(c.Any, m)
		}
		f.Codes = append(f.Codes, c)
	}
	for range r.IntN(3) {
		at := time.Date(2026, 1, 1+r.IntN(20), 0, 0, 0, 0, time.UTC)
		prefix := []string{"eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"}[r.IntN(9)]
		c := locator.TimeClause{Field: []locator.Field{locator.FieldDate, locator.FieldCreation, locator.FieldPeriod}[r.IntN(3)]}
		c.Any = locator.Compare(prefix, locator.Span{Start: at, End: at.AddDate(0, 0, 1+r.IntN(5))}, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
		f.Times = append(f.Times, c)
	}
	if r.IntN(4) == 0 {
		f.Names = append(f.Names, locator.NameClause{Field: locator.FieldFamily, Any: []locator.NameMatch{{Text: []string{"er", "ERA", "Fox", "_", "%"}[r.IntN(5)], Exact: r.IntN(3) == 0}}})
	}
	if r.IntN(5) == 0 {
		f.Codes = append(f.Codes, locator.CodeClause{Field: locator.FieldRelated, Any: []locator.CodeMatch{{Code: fmt.Sprint("urn:r|", r.IntN(3)), AnySystem: true}}},
			locator.CodeClause{Field: locator.FieldIdentifier, Any: []locator.CodeMatch{{System: "urn:i", Code: fmt.Sprint(r.IntN(5))}, {System: "urn:i", Code: "4"}}})
	}
	return f
}

func ids(ps []locator.Pointer) []hie.PointerID {
	out := make([]hie.PointerID, len(ps))
	for i, p := range ps {
		out[i] = p.ID
	}
	return out
}

// The database answers every filter and every plan as their definitions in package locator do, in one order,
// whatever the page size, and counts what it gives.
func TestSearchesAgreeWithTheDefinitionOfAFilter(t *testing.T) {
	f := newFixture(t)
	r := rand.New(rand.NewPCG(1, 2))
	records := []hie.SourcePatientID{7, 8, 9, 10, 11, 12}
	f.publish(t, various(r, 400, records...)...)
	everything := f.all(t, locator.Filter{}, f.everything(t, records...), 500)
	if len(everything) != 400 {
		t.Fatalf("%d documents, want 400", len(everything))
	}
	hits := 0
	for range 150 {
		filter := randomFilter(r)
		asked := records[:1+r.IntN(len(records))]
		plans, permitted := randomPlans(r, f, t, asked)
		var want []hie.PointerID
		for _, p := range everything {
			if slices.Contains(asked, p.Record) && filter.Matches(p) && permitted(p) {
				want = append(want, p.ID)
			}
		}
		got := f.all(t, filter, plans, []int{1, 3, 50, 500}[r.IntN(4)])
		if !slices.Equal(ids(got), want) {
			t.Fatalf("found %d, want %d documents", len(got), len(want))
		}
		n, err := f.Count(context.Background(), filter, plans, locator.Cursor{})
		if err != nil || n != int64(len(want)) {
			t.Fatalf("counted %d, want %d, %v", n, len(want), err)
		}
		if len(want) > 0 {
			hits++
		}
	}
	if hits < 50 {
		t.Errorf("only %d of 150 searches found anything; nothing much was shown", hits)
	}
}

// randomPlans permits some kinds, has some decided row by row, and returns what that comes to.
func randomPlans(r *rand.Rand, f fixture, t *testing.T, records []hie.SourcePatientID) ([]locator.Plan, func(locator.Pointer) bool) {
	plans := f.everything(t, records...)
	drawn := map[int64]int{} // 0 permitted as a whole, 1 decided row by row, 2 withheld
	decide := func(p locator.Pointer) bool {
		return p.Date.Start.Hour()%3 != 0 && len(p.Encounters) == 1 && p.Encounters[0] != "Encounter/2"
	}
	for i := range plans {
		var kinds []int64
		for _, k := range plans[i].Kinds {
			if _, seen := drawn[k]; !seen {
				drawn[k] = r.IntN(3)
			}
			switch drawn[k] {
			case 0:
				kinds = append(kinds, k)
			case 1:
				plans[i].PerRow = append(plans[i].PerRow, k)
			}
		}
		plans[i].Kinds, plans[i].Decide = kinds, decide
	}
	return plans, func(p locator.Pointer) bool {
		how, seen := drawn[p.Kind.ID]
		return seen && (how == 0 || how == 1 && decide(p))
	}
}

func TestNothingIsGivenWithoutAPlan(t *testing.T) {
	f := newFixture(t)
	f.publish(t, doc(7, "a", 1))
	ctx := context.Background()
	kind := f.everything(t, 7)[0].Kinds
	for name, plans := range map[string][]locator.Plan{
		"no plans": nil, "an empty plan": {{Record: 7}}, "per row without a rule": {{Record: 7, PerRow: kind}},
		"another kind": {{Record: 7, Kinds: []int64{1}}}, "another record": {{Record: 8, Kinds: kind}},
	} {
		page, err := f.Find(ctx, locator.Filter{}, plans, locator.Cursor{}, 10)
		n, err2 := f.Count(ctx, locator.Filter{}, plans, locator.Cursor{})
		if err != nil || err2 != nil || len(page.Pointers) != 0 || page.More || n != 0 {
			t.Errorf("%s: %d pointers, count %d, %v %v", name, len(page.Pointers), n, err, err2)
		}
	}
}

// statements counts what a database is asked, by text.
type statements struct {
	mu   sync.Mutex
	seen map[string]int
}

func (s *statements) saw(q string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[q]++
}

func (s *statements) reset() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.seen
	s.seen = map[string]int{}
	return out
}

func TestAPageCostsOneStatementASourcePatient(t *testing.T) {
	s := &statements{seen: map[string]int{}}
	db, err := pg.Open(context.Background(), pgtest.URL(t), pg.Options{OnQuery: s.saw})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := fixtureOn(t, db)
	r := rand.New(rand.NewPCG(3, 4))
	var records []hie.SourcePatientID
	for i := range 10 {
		records = append(records, hie.SourcePatientID(100+i))
	}
	f.publish(t, various(r, 300, records...)...)
	ctx := context.Background()
	for _, n := range []int{1, 3, 4, 5, 10} {
		plans := f.everything(t, records[:n]...)
		texts := map[string]bool{}
		for range 5 { // whatever the parameters, the text is the same
			s.reset()
			page, err := f.Find(ctx, randomFilter(r), plans, locator.Cursor{}, 20)
			if err != nil {
				t.Fatal(err)
			}
			_ = page
			seen := s.reset()
			total := 0
			for q, k := range seen {
				total += k
				texts[q] = true
			}
			if total != n {
				t.Errorf("%d records cost %d statements", n, total)
			}
		}
		if len(texts) != 1 {
			t.Errorf("searches use %d texts: %v", len(texts), slices.Collect(maps.Keys(texts)))
		}
	}
	s.reset()
	if _, err := f.Presence(ctx, records); err != nil {
		t.Fatal(err)
	}
	if seen := s.reset(); len(seen) != 1 {
		t.Errorf("presence of ten records cost %d statements", len(seen))
	}
}

// A person that gains or loses records is another list of plans: nothing of the locator is written, and the
// answer is exactly the one from before once the link is gone.
func TestLinkingAndUnlinkingTouchesNoPointer(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	for n := range 10 {
		var subs []locator.Submission
		for i := range 1000 {
			subs = append(subs, doc(hie.SourcePatientID(7+(i%2)), fmt.Sprint("m", n, "-", i), i%300))
		}
		f.publish(t, subs...)
	}
	marks := func() string {
		var b strings.Builder
		for _, table := range []string{"pointer", "pointer_body", "presence", "doc_key"} {
			var s string
			if err := f.db.QueryRow(ctx, `select md5(string_agg(xmin::text || ctid::text, ',' order by ctid)) from locator.`+table).Scan(&s); err != nil {
				t.Fatal(err)
			}
			b.WriteString(s)
		}
		return b.String()
	}
	before, rows := ids(f.all(t, locator.Filter{}, f.everything(t, 7), 500)), marks()
	both := f.all(t, locator.Filter{}, f.everything(t, 7, 8), 500)
	if len(both) != 10000 || !slices.IsSortedFunc(both, func(a, b locator.Pointer) int {
		if c := b.SortAt.Compare(a.SortAt); c != 0 {
			return c
		}
		return int(min(max(b.ID-a.ID, -1), 1))
	}) {
		t.Errorf("linked: %d documents, want 10000 in order", len(both))
	}
	if after := ids(f.all(t, locator.Filter{}, f.everything(t, 7), 500)); !slices.Equal(after, before) {
		t.Errorf("unlinked: the answer differs from before")
	}
	if marks() != rows {
		t.Errorf("rows of the locator were written")
	}
}

func TestWhatIsPublishedLaterIsNotMixedIntoLaterPages(t *testing.T) {
	f := newFixture(t)
	for i := range 10 {
		f.publish(t, doc(7, fmt.Sprint("p", i), i*2))
	}
	plans := f.everything(t, 7)
	page, err := f.Find(context.Background(), locator.Filter{}, plans, locator.Cursor{}, 4)
	if err != nil || len(page.Pointers) != 4 || !page.More {
		t.Fatalf("first page: %d, %v", len(page.Pointers), err)
	}
	f.publish(t, doc(7, "late", 5))
	n, err := f.Count(context.Background(), locator.Filter{}, plans, page.Next)
	if err != nil || n != 10 {
		t.Errorf("the total moved to %d, %v", n, err)
	}
	rest, err := f.Find(context.Background(), locator.Filter{}, plans, page.Next, 50)
	if err != nil || len(rest.Pointers) != 6 || rest.More {
		t.Errorf("the rest has %d, want 6, %v", len(rest.Pointers), err)
	}
}
