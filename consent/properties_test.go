package consent_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// checkTrace checks that a trace tells the decision, and that each answer names exactly one deciding step.
func checkTrace(t testing.TB, tr consent.Trace, d consent.Decision) {
	t.Helper()
	if !reflect.DeepEqual(tr.Decision, d) {
		t.Errorf("explained as %v, decided %v", tr.Decision.Reason, d.Reason)
	}
	deciding := map[string]int{}
	answers := map[string][]consent.Reason{} // a purpose asked twice is answered twice
	for _, s := range tr.Steps {
		if s.Decides && s.Layer != consent.LayerObligation {
			deciding[s.Atom+" "+string(s.Purpose)]++
		}
	}
	for _, a := range tr.Answers {
		pair := a.Atom + " " + string(a.Purpose)
		answers[pair] = append(answers[pair], a.Reason)
	}
	for pair, r := range answers {
		if deciding[pair] != len(r) {
			t.Errorf("%s is %v by %d deciding steps, want one each: %+v", pair, r, deciding[pair], tr.Steps)
		}
	}
}

// properties are what must hold of any case and a variant of it. Each says how the variant differs; "never adds"
// means that nothing refused becomes released.
//
// Source: spec consent 2.17.
var properties = []struct {
	name    string
	neverUp bool // else the answer must be the same
	vary    func(g gen, o *oracle) bool
}{
	{"the order of directives is irrelevant", false, func(g gen, o *oracle) bool {
		o.dirs = slices.Clone(o.dirs)
		g.Shuffle(len(o.dirs), func(i, j int) { o.dirs[i], o.dirs[j] = o.dirs[j], o.dirs[i] })
		return len(o.dirs) > 1
	}},
	{"a deny-only directive under a new key never adds access", true, func(g gen, o *oracle) bool {
		p := g.provision(4)
		p.Type, p.Provisions = "deny", nil
		d := g.directive(99)
		d.Provision, d.PolicyRules, d.Organizations = &p, nil, []string{"Organization/new"}
		o.dirs = append(slices.Clone(o.dirs), d)
		return true
	}},
	{"revoking a permit never adds access", true, func(g gen, o *oracle) bool {
		i := slices.IndexFunc(o.dirs, func(d consent.Directive) bool {
			return d.Status == "active" && d.Provision != nil && d.Provision.Type == "permit" && !slices.Contains(d.PolicyRules, "OPTOUT") &&
				(d.Provision.Period == nil || d.Provision.Period.Start == "") && // one yet to begin had replaced nothing
				!d.Signed.IsZero() // see the row "2.17" among the vectors
		})
		if i < 0 {
			return false
		}
		o.dirs = slices.Clone(o.dirs)
		o.dirs[i].Status, o.dirs[i].ReturnToDefault = "inactive", false
		p := *o.dirs[i].Provision
		p.Period = nil // an expired permit had no effect to take away
		o.dirs[i].Provision = &p
		return true
	}},
	{"raising confidentiality never adds access", true, func(g gen, o *oracle) bool {
		i := slices.Index(genLevels, o.doc.Confidentiality)
		if i < 0 || i == len(genLevels)-1 {
			return false
		}
		o.doc.Confidentiality = genLevels[i+1]
		return true
	}},
	{"missing metadata never adds access", true, func(g gen, o *oracle) bool {
		d := &o.doc
		switch g.IntN(7) {
		case 0:
			d.Class = ""
		case 1:
			d.Type = ""
		case 2:
			d.Confidentiality = ""
		case 3:
			d.Authors = nil
		case 4:
			d.Encounter = ""
		case 5:
			d.Start, d.End = time.Time{}, time.Time{}
		case 6:
			o.req.Practitioner = ""
		}
		for _, s := range o.setup.Sites {
			if s.Unlabelled { // such a site's missing confidentiality counts as N: the listed exception
				return false
			}
		}
		return !slices.ContainsFunc(o.setup.Rules, func(r consent.Rule) bool { return r.Effect == consent.Neutral })
	}},
	{"a weaker link never adds access", true, func(g gen, o *oracle) bool {
		o.subj.Records = slices.Clone(o.subj.Records)
		r := &o.subj.Records[g.IntN(2)]
		if r.Link == hie.LinkDisputed {
			return false
		}
		r.Link--
		return true
	}},
	{"a longer list of purposes never adds access", true, func(g gen, o *oracle) bool {
		o.req.Purposes = append(slices.Clone(o.req.Purposes), hie.Purpose(pickOne(g, genPurposes...)))
		return len(o.req.Purposes) > 1
	}},
	{"a corrupted input never adds access", true, func(g gen, o *oracle) bool {
		// Scenario 8: one input at a time is lost or falsified beyond recognition.
		p := func(i int) *consent.Provision {
			o.dirs = slices.Clone(o.dirs)
			if o.dirs[i].Provision == nil {
				return nil
			}
			p := *o.dirs[i].Provision
			o.dirs[i].Provision = &p
			return &p
		}
		if len(o.dirs) == 0 {
			return false
		}
		i := g.IntN(len(o.dirs))
		switch g.IntN(8) {
		case 0:
			o.doc.Confidentiality = "?" // at a site that does not label it counts as N: the listed exception
			return !slices.ContainsFunc(o.setup.Sites, func(s consent.Site) bool { return s.Unlabelled })
		case 1:
			o.doc.Sensitivity = append(slices.Clone(o.doc.Sensitivity), "?")
			return o.doc.LabelState == consent.Labelled && len(o.doc.Sensitivity) > 1
		case 2:
			o.doc.LabelState = consent.LabelsStale
		case 3:
			o.req.Purposes = []hie.Purpose{"?"}
		case 4:
			o.now = time.Time{}
		case 5:
			o.req.Organization = "?"
		case 6: // an actor nobody can resolve any more
			q := p(i)
			if q == nil || len(q.Actors) == 0 || q.Type != "permit" || len(q.Provisions) > 0 || o.dirs[i].Status != "active" || o.setup.HomeDefault {
				return false
			}
			q.Actors = slices.Clone(q.Actors)
			for j, a := range q.Actors {
				if a.Role != "CST" && a.Role != "INF" {
					q.Actors[j] = consent.Actor{Role: a.Role, Reference: "Group/?"}
				}
			}
			// what was exhaustive still is: it refuses whom it no longer names
		case 7:
			o.dirs = slices.Clone(o.dirs)
			o.dirs[i].Filed = time.Time{}
		}
		return true
	}},
	{"a further label never adds access", true, func(g gen, o *oracle) bool {
		o.doc.Sensitivity = append(slices.Clone(o.doc.Sensitivity), pickOne(g, genLabels...))
		return len(o.doc.Sensitivity) > 1 && o.doc.LabelState == consent.Labelled
	}},
}

const propertyCases = 60_000

func TestPropertiesHoldOnRandomCases(t *testing.T) {
	n := propertyCases
	if testing.Short() {
		n /= 10
	}
	if v, err := strconv.Atoi(os.Getenv("CONCORD_CONSENT_CASES")); err == nil {
		n = v
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	tried, changed := map[string]int{}, map[string]int{}
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				g := gen{rand.New(rand.NewPCG(uint64(i), 11))}
				o := g.all()
				before := o.engine(t).Decide(o.req, o.doc, o.now)
				p := properties[i%len(properties)]
				if !p.vary(g, o) {
					continue
				}
				after := o.engine(t).Decide(o.req, o.doc, o.now)
				mu.Lock()
				tried[p.name]++
				if before.Release != after.Release {
					changed[p.name]++
				}
				if p.neverUp && after.Release && !before.Release || !p.neverUp && !reflect.DeepEqual(before, after) {
					t.Errorf("%s: case %d was %v, is %v\n%s", p.name, i, before.Reason, after.Reason, o.dump())
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, p := range properties {
		if tried[p.name] < n/len(properties)/20 || p.neverUp && changed[p.name] == 0 && !testing.Short() {
			t.Errorf("%s: tried %d times, %d of them changed the answer: the property was not tested", p.name, tried[p.name], changed[p.name])
		}
	}
}

// TestAKindIsDecidedAsItsDocumentsAre compares one decision for a kind with the decisions on documents of it: where
// DecideKind does not ask for rows, they agree.
func TestAKindIsDecidedAsItsDocumentsAre(t *testing.T) {
	rows, whole := 0, 0
	for i := range 8000 {
		g := gen{rand.New(rand.NewPCG(uint64(i), 13))}
		o := g.all()
		d := o.engine(t)
		kind, perRow := d.DecideKind(o.req, o.doc, o.now)
		if perRow {
			rows++
			continue
		}
		whole++
		for range 4 {
			doc := o.doc
			row := g.document()
			doc.ID, doc.Authors, doc.Start, doc.End, doc.Encounter, doc.Replaces = fmt.Sprint("d", g.IntN(3)), row.Authors, row.Start, row.End, row.Encounter, row.Replaces
			one := d.Decide(o.req, doc, o.now)
			if one.Release != kind.Release || one.Release && !slices.Equal(one.Obligations, kind.Obligations) {
				t.Fatalf("case %d: the kind is %v, a document of it %v\n%s", i, kind.Reason, one.Reason, o.dump())
			}
		}
	}
	if rows < 100 || whole < 1000 {
		t.Errorf("%d kinds by row, %d whole: the comparison says nothing", rows, whole)
	}
}

// TestManyDocumentsAreAnsweredAsEachOneIs: bulk is the map of single.
//
// Source: spec consent 2.17.
func TestManyDocumentsAreAnsweredAsEachOneIs(t *testing.T) {
	documents := 100_000
	if testing.Short() {
		documents /= 10
	}
	var out []consent.Decision
	for i := 0; documents > 0; i++ {
		g := gen{rand.New(rand.NewPCG(uint64(i), 23))}
		o := g.all()
		d := o.engine(t)
		var docs []consent.Document
		for range 50 {
			doc := g.document()
			if len(docs) > 0 && g.chance(60) { // of a kind that was among them, or nearly: another document nonetheless
				one := doc
				doc = docs[g.IntN(len(docs))]
				doc.ID, doc.Authors, doc.Start, doc.End, doc.Encounter, doc.Replaces = one.ID, one.Authors, one.Start, one.End, one.Encounter, one.Replaces
				switch g.IntN(12) {
				case 0:
					doc.Type = one.Type
				case 1:
					doc.LabelState = one.LabelState
				case 2:
					doc.Sensitivity = one.Sensitivity
				case 3:
					doc.Flags = one.Flags
				case 4:
					doc.Record, doc.Site = one.Record, one.Site
				}
			}
			docs = append(docs, doc)
		}
		q := d.Ask(o.req, o.now)
		out = q.DecideAll(docs, out)
		for j, doc := range docs {
			if one := d.Decide(o.req, doc, o.now); !reflect.DeepEqual(one, out[j]) {
				t.Fatalf("case %d, document %d: alone %v, among many %v\n%s", i, j, one.Reason, out[j].Reason, o.dump())
			}
			kind, row := d.DecideKind(o.req, doc, o.now)
			if k, r := q.DecideKind(doc); !reflect.DeepEqual(k, kind) || r != row {
				t.Fatalf("case %d, document %d: its kind alone %v, of many %v\n%s", i, j, kind.Reason, k.Reason, o.dump())
			}
		}
		documents -= len(docs)
	}
}

func TestEveryAnswerNamesWhatDecidedIt(t *testing.T) {
	n := 4000
	if v, err := strconv.Atoi(os.Getenv("CONCORD_CONSENT_CASES")); err == nil {
		n = v
	}
	for i := range n {
		g := gen{rand.New(rand.NewPCG(uint64(i), 17))}
		o := g.all()
		d := o.engine(t)
		was := d.Explain(o.req, o.doc, o.now)
		checkTrace(t, was, d.Decide(o.req, o.doc, o.now))
		if again := o.engineAt(t).Explain(o.req, o.doc, o.now); !reflect.DeepEqual(was, again) { // replayed from the same inputs
			t.Errorf("replayed it is another answer")
		}
		if t.Failed() {
			t.Fatalf("case %d\n%s", i, o.dump())
		}
	}
}

// TestADeciderMayBeSharedAndAskedAboutAnyInstant holds that what is remembered between decisions changes none.
func TestADeciderMayBeSharedAndAskedAboutAnyInstant(t *testing.T) {
	for i := range 300 {
		g := gen{rand.New(rand.NewPCG(uint64(i), 19))}
		o := g.all()
		shared := o.engine(t)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for j := range 12 {
					now := t0.Add(time.Duration((j*7+w*5)%12-8) * 24 * time.Hour)
					if got, want := shared.Decide(o.req, o.doc, now), o.engineAt(t).Decide(o.req, o.doc, now); !reflect.DeepEqual(got, want) {
						t.Errorf("case %d at %v: %v, afresh %v", i, now, got.Reason, want.Reason)
					}
				}
			})
		}
		wg.Wait()
	}
}

// engineAt compiles afresh without touching o.
func (o *oracle) engineAt(t *testing.T) *consent.Decider {
	c := *o
	return c.engine(t)
}
