package mpi

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/concord-hie/concord/hie"
	"pgregory.net/rapid"
)

// Missed reports of a model whether a glance at two records rules out what their comparison finds.
func Missed(m *Model) func(a, b *Features) bool {
	s := m.sight(hurdle{})
	return func(a, b *Features) bool {
		var both [2]glance
		for i, f := range [...]*Features{a, b} {
			var kept shelf
			var taken Features
			kept.put(f)
			kept.take(0, &taken)
			both[i] = glanceOf(&taken)
			both[i].commonness(m)
		}
		c, home := Compare(a, b), both[0].address()
		return s.most(&both[0], &both[1], &home).least() < lowOf(m.weigh(&c))
	}
}

// drawKnown draws somebody from a small world in which all that is compared meets, agrees, nearly agrees and is missing.
func drawKnown(t *rapid.T, label string) Demographics {
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label+" "+what) }
	d := drawPerson(t, label).demographics()
	given := pick("more given", "", "Ji Woo", "Jiwoo", "Ana", "Anamargarita", "Ana Margarita", "Maria Elena", "Maria Jose", "Maria E", "Chang", "小明", "小红", "Thi Lan", "Catherine", "Cathryn Ann", "Bo", "Mohammed")
	family := pick("more family", "", "Zhang", "Chang", "Nguyen", "Garcia-Lopez", "Lopez", "van der Berg", "Berg", "王", "Catherine", "Vanterpool", "Vanterpoole", "Ng", "Meier", "Mayer")
	if given+family != "" {
		n := Name{Family: family}
		if given != "" {
			n.Given = []string{given}
		}
		d.Names = []Name{n}
	}
	if former := pick("former", "", "", "", "Quintanilla", "Smith", "Lopez"); former != "" {
		d.Names = append(d.Names, Name{Use: "maiden", Family: former})
	}
	d.Birth = rapid.SampledFrom([]Date{d.Birth, d.Birth, day(1964, 6, 20), day(1964, 1, 1), day(1864, 6, 20), day(1964, 10, 12), day(1964, 11, 2), day(1964, 12, 10),
		day(2064, 6, 20), day(1946, 6, 2), day(1964, 13, 31)}).Draw(t, label+" more birth")
	for _, x := range [...]struct{ what, system, kind string }{{"member", "urn:plan:one", "MB"}, {"other member", "urn:plan:two", "MB"}, {"local", "urn:site:one", "MR"}, {"card", "urn:card", ""}} {
		if v := pick(x.what, "", "", "K266564030", "266564030", "266564031", "S844691442"); v != "" {
			d.Identifiers = append(d.Identifiers, Identifier{Identifier: hie.Identifier{System: x.system, Value: v}, Type: x.kind})
		}
	}
	if v := pick("second phone", "", "", "366-0912", "301-366-0912", "410-366-9012"); v != "" {
		d.Telecoms = append(d.Telecoms, Telecom{System: "phone", Value: v})
	}
	if v := pick("mail", "", "john.smith@example.org", "jon.smith@example.org", "harbor12@example.com"); v != "" {
		d.Telecoms = append(d.Telecoms, Telecom{System: "email", Value: v})
	}
	for i := range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, label+" addresses") {
		n := fmt.Sprint(label, " address ", i)
		a := Address{City: pick(n+" city", "", "Laurel", "Laurell", "Springfield"), PostalCode: pick(n+" code", "", "20707", "20708", "20999", "62701")}
		if s := pick(n+" street", "", "12 Harbor Road", "12 Harbour Road", "14 Quarry Lane", "2 Harbor Road", "PO Box 12"); s != "" {
			a.Lines = []string{s}
		}
		d.Addresses = append(d.Addresses, a)
	}
	d.MothersMaidenName = pick("maiden", "", "Quintanilla", "Quintanila", "Ng")
	if v := pick("guardian", "", "Peggy", "Margaret", "Otto"); v != "" {
		d.Guardians = []Name{{Given: []string{v}}}
	}
	return d
}

// countedIn returns m with values counted in records.
func countedIn(m *Model, records []Features) *Model {
	out := m.clone()
	for _, what := range counted {
		var hashes []uint32
		for i := range records {
			records[i].each(what, func(h uint32) { hashes = append(hashes, h) })
		}
		out.freq[what] = newFrequencies(hashes, len(records))
	}
	return out
}

func TestAGlanceNeverSeesLessThanAComparisonFinds(t *testing.T) {
	var records []Features
	people := rapid.Custom(func(t *rapid.T) Demographics { return drawKnown(t, "one") })
	for i := range 400 {
		f := Extract("", people.Example(i))
		for range 1 + 400/(1+i) { // some are common
			records = append(records, f)
		}
	}
	missed := []func(a, b *Features) bool{Missed(DefaultModel()), Missed(countedIn(DefaultModel(), records)), Missed(countedIn(DefaultModel(), records[2000:]))}
	rapid.Check(t, func(t *rapid.T) {
		site := func(label string) hie.SiteID {
			return hie.SiteID(rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, label))
		}
		a, b := Extract(site("a site"), drawKnown(t, "a")), Extract(site("b site"), drawKnown(t, "b"))
		for i, missed := range missed {
			if missed(&a, &b) || missed(&b, &a) || missed(&a, &a) {
				t.Fatalf("model %d: a comparison finds more than the glances show: %v", i, Compare(&a, &b).levels)
			}
		}
	})
}

// All records of a batch are looked at again and again: their size is felt.
func TestAGlanceFillsTwoCacheLines(t *testing.T) {
	if got := unsafe.Sizeof(glance{}); got != 128 {
		t.Errorf("%d bytes, want 128", got)
	}
}
