package locatortest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// Various returns n documents over records that differ in all that a search can ask for.
func Various(r *rand.Rand, n int, records ...hie.SourcePatientID) []locator.Submission {
	code := func(prefix string) []hie.Coding {
		return []hie.Coding{{System: "urn:" + prefix + fmt.Sprint(r.IntN(2)), Code: fmt.Sprint(prefix, r.IntN(3))}}
	}
	span := func(width time.Duration) locator.Span {
		at := time.Date(2026, 1, 1+r.IntN(20), r.IntN(24), 0, 0, 0, time.UTC)
		return locator.Span{Start: at, End: at.Add(width)}
	}
	var out []locator.Submission
	for i := range n {
		out = append(out, Doc(records[r.IntN(len(records))], fmt.Sprint("v", i), 0, func(p *locator.Pointer) {
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

// RandomFilter returns a filter some of the documents of Various pass.
func RandomFilter(r *rand.Rand) locator.Filter {
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

// IDs returns the ids of ps, in order.
func IDs(ps []locator.Pointer) []hie.PointerID {
	out := make([]hie.PointerID, len(ps))
	for i, p := range ps {
		out[i] = p.ID
	}
	return out
}

// randomPlans permits some kinds, has some decided row by row, and returns what that comes to.
func randomPlans(r *rand.Rand, f Fixture, t *testing.T, records []hie.SourcePatientID) ([]locator.Plan, func(locator.Pointer) bool) {
	plans := f.Everything(t, records...)
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

// A store answers every filter and every plan as their definitions in package locator do, in one order,
// whatever the page size, and counts what it gives.
func searchesAgreeWithTheDefinitionOfAFilter(t *testing.T, f Fixture) {
	r := rand.New(rand.NewPCG(1, 2))
	records := []hie.SourcePatientID{7, 8, 9, 10, 11, 12}
	f.MustPublish(t, Various(r, 400, records...)...)
	everything := f.All(t, locator.Filter{}, f.Everything(t, records...), 500)
	if len(everything) != 400 {
		t.Fatalf("%d documents, want 400", len(everything))
	}
	hits := 0
	for range 100 {
		filter := RandomFilter(r)
		asked := records[:1+r.IntN(len(records))]
		plans, permitted := randomPlans(r, f, t, asked)
		var want []hie.PointerID
		for _, p := range everything {
			if slices.Contains(asked, p.Record) && filter.Matches(p) && permitted(p) {
				want = append(want, p.ID)
			}
		}
		got := f.All(t, filter, plans, []int{7, 50, 500}[r.IntN(3)])
		if !slices.Equal(IDs(got), want) {
			t.Fatalf("found %d, want %d documents", len(got), len(want))
		}
		n, err := f.Count(context.Background(), filter, plans, locator.Cursor{})
		if err != nil || n != int64(len(want)) {
			t.Fatalf("counted %d, want %d, %v", n, len(want), err)
		}
		marks, err := f.Marks(context.Background(), filter, plans, locator.Cursor{}, nil)
		ids := IDs(marks)
		slices.Sort(ids)
		if err != nil || !slices.Equal(ids, slices.Sorted(slices.Values(want))) {
			t.Fatalf("%d marks, want %d, %v", len(marks), len(want), err)
		}
		if len(want) > 0 {
			hits++
		}
	}
	if hits < 30 {
		t.Errorf("only %d of 100 searches found anything; nothing much was shown", hits)
	}
}

// A mark tells content and place in the order; asked for some contents, only documents with these are told of.
func marksTellWhichContentsARecordHolds(t *testing.T, f Fixture) {
	subs := []locator.Submission{Doc(7, "a", 1), Doc(7, "b", 2), Doc(7, "unknown", 3), Doc(8, "c", 4)}
	for i, content := range []string{"one", "two", "", "one"} {
		subs[i].Pointer.Hash, subs[i].Pointer.Size = nil, -1
		if content != "" {
			subs[i].Pointer.Hash, subs[i].Pointer.Size = SHA1(content), int64(len(content))
		}
	}
	done := f.MustPublish(t, subs...)
	plans := f.Everything(t, 7)
	for name, tt := range map[string]struct {
		hashes [][]byte
		want   []locator.Published
	}{
		"all": {nil, done[:3]}, "some": {[][]byte{SHA1("one"), SHA1("three")}, done[:1]}, "none": {[][]byte{}, nil},
	} {
		for _, single := range []bool{false, true} {
			asked := slices.Clone(plans)
			if single {
				for i := range asked {
					asked[i].Kinds, asked[i].PerRow, asked[i].Decide = nil, asked[i].Kinds, func(locator.Pointer) bool { return true }
				}
			}
			marks, err := f.Marks(context.Background(), locator.Filter{}, asked, locator.Cursor{}, tt.hashes)
			got := IDs(marks)
			slices.Sort(got)
			var want []hie.PointerID
			for _, d := range tt.want {
				want = append(want, d.ID)
			}
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, one by one %v: %d marks, want %d, %v", name, single, len(got), len(want), err)
			}
			for _, m := range marks {
				if p, err := f.Read(context.Background(), m.Record, m.ID); err != nil || !p.SortAt.Equal(m.SortAt) || p.Kind.ID != m.Kind.ID || p.Size != m.Size || !slices.Equal(p.Hash, m.Hash) {
					t.Errorf("%s: a mark that is not its pointer's: %v", name, err)
				}
			}
		}
	}
}

func nothingIsGivenWithoutAPlan(t *testing.T, f Fixture) {
	f.MustPublish(t, Doc(7, "a", 1))
	ctx := context.Background()
	kind := f.Everything(t, 7)[0].Kinds
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

func whatIsPublishedLaterIsNotMixedIntoLaterPages(t *testing.T, f Fixture) {
	for i := range 10 {
		f.MustPublish(t, Doc(7, fmt.Sprint("p", i), i*2))
	}
	plans := f.Everything(t, 7)
	page, err := f.Find(context.Background(), locator.Filter{}, plans, locator.Cursor{}, 4)
	if err != nil || len(page.Pointers) != 4 || !page.More {
		t.Fatalf("first page: %d, %v", len(page.Pointers), err)
	}
	f.MustPublish(t, Doc(7, "late", 5))
	n, err := f.Count(context.Background(), locator.Filter{}, plans, page.Next)
	if err != nil || n != 10 {
		t.Errorf("the total moved to %d, %v", n, err)
	}
	rest, err := f.Find(context.Background(), locator.Filter{}, plans, page.Next, 50)
	if err != nil || len(rest.Pointers) != 6 || rest.More {
		t.Errorf("the rest has %d, want 6, %v", len(rest.Pointers), err)
	}
}
