package consent_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// letsGo is what a site that follows residuals does with a document of its own: what a rule forbids stays, but for what a rule
// permits, and where nothing forbids it goes. A rule is about a document that says so. asks is for a site that has declared that it
// asks the exchange for each document of several labels, or of which it cannot tell whether a rule is about it.
//
// Source: IHE PCF, ITI-71 3.71.4.2.2.1.4.
func letsGo(r consent.Residual, doc consent.Document, asks bool) bool {
	if !r.Permit || asks && (len(doc.Sensitivity) > 1 || doc.LabelState != consent.Labelled || doc.Confidentiality == "" || doc.Start.IsZero() || doc.End.IsZero() ||
		doc.Start.After(doc.End) || doc.Encounter == "" || len(doc.Authors) == 0 || len(doc.Replaces) > 0 || !known(doc)) {
		return false
	}
	about := func(x consent.ResidualRule) bool {
		switch {
		case x.Labels != nil:
			return slices.Contains(x.Labels, doc.Confidentiality) || slices.ContainsFunc(doc.Sensitivity, func(s string) bool { return slices.Contains(x.Labels, s) })
		case x.Period != nil:
			from, errFrom := time.Parse(time.RFC3339Nano, x.Period.Start)
			to, errTo := time.Parse(time.RFC3339Nano, x.Period.End)
			from0, to0 := errFrom != nil, errTo != nil // open ends
			if doc.Start.IsZero() || doc.End.IsZero() || doc.Start.After(doc.End) {
				return false // undated
			}
			if x.Permit {
				return (from0 || !doc.Start.Before(from)) && (to0 || !doc.End.After(to))
			}
			return (from0 || !doc.End.Before(from)) && (to0 || !doc.Start.After(to))
		case x.Data != nil:
			return slices.ContainsFunc(x.Data, func(d consent.Data) bool {
				switch d.Meaning {
				case "instance":
					return d.Reference == "DocumentReference/"+doc.ID
				case "related":
					return d.Reference == "DocumentReference/"+doc.ID || d.Reference == "Encounter/"+doc.Encounter
				}
				return slices.Contains(doc.Authors, d.Reference)
			})
		}
		return true
	}
	forbidden, permitted := false, false
	for _, x := range r.Rules {
		if about(x) {
			forbidden, permitted = forbidden || !x.Permit, permitted || x.Permit
		}
	}
	return !forbidden || permitted
}

// known reports whether all of doc's labels and authors are ones the exchange knows too: a site asks about others.
func known(doc consent.Document) bool {
	return !slices.ContainsFunc(doc.Sensitivity, func(l string) bool { return !consent.StandardLabel(l) }) && consent.StandardConfidentiality(doc.Confidentiality) &&
		!slices.ContainsFunc(doc.Authors, func(a string) bool { return !strings.HasPrefix(a, "Practitioner/") })
}

// TestNothingLeavesByAPermissionThatTheEngineWouldNotRelease gives random people's permissions to a site, by rules and by list, and
// has it filter random documents of the record: whatever it lets go, the engine releases; and of the documents listed, all
// that the engine releases go.
//
// Source: spec consent 2.2, 2.19, vector 93.
func TestNothingLeavesByAPermissionThatTheEngineWouldNotRelease(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n /= 20
	}
	byRules, byList, shown := 0, 0, 0
	for i := range n {
		g := gen{rand.New(rand.NewPCG(uint64(i), 59))}
		o := g.all()
		if g.chance(70) {
			o.dirs = o.dirs[:min(1, len(o.dirs))]
		}
		if g.chance(50) {
			o.setup.Rules = nil
		}
		if g.chance(30) && len(o.dirs) > 0 {
			d := &o.dirs[0]
			d.Verified, d.NetworkWide, d.Status, d.Modified, d.Scope, d.Performers, d.Policies = true, true, "active", false, "patient-privacy", nil, nil
		}
		for j := range o.subj.Records {
			if g.chance(60) {
				o.subj.Records[j].Link = hie.LinkConfirmed
			}
		}
		o.req.Emergency, o.req.Roles, o.req.Abilities = nil, nil, nil
		o.req.Purposes = o.req.Purposes[:min(1, len(o.req.Purposes))]
		d := o.engine(t)
		r := d.Residual(o.req, o.doc.Record, o.now)
		var docs []consent.Document
		for range 12 {
			doc := g.document()
			doc.Record, doc.Site = o.doc.Record, o.doc.Site
			if at := slices.IndexFunc(o.subj.Records, func(r consent.Record) bool { return r.ID == doc.Record }); at >= 0 {
				doc.Site = o.subj.Records[at].Site
			}
			if doc.LabelState != consent.LabelsStale { // while labels are being made anew, the site knows of it
				docs = append(docs, doc)
			}
		}
		if r.Permit {
			byRules++
		}
		var listed []consent.Listed
		for _, doc := range docs {
			if doc.ID != "" {
				listed = append(listed, consent.Listed{Parts: []consent.Document{doc}, Name: doc.ID})
			}
			if letsGo(r, doc, r.Asks()) {
				shown++
				if got := d.Decide(o.req, doc, o.now); !got.Release {
					t.Fatalf("case %d: by %+v the site lets go what the engine refuses for %v: %+v\n%s", i, r.Rules, got.Reason, doc, o.dump())
				}
			}
		}
		// Names are unique in an exchange; here the same document may be drawn twice.
		slices.SortFunc(listed, func(a, b consent.Listed) int { return strings.Compare(a.Name, b.Name) })
		listed = slices.CompactFunc(listed, func(a, b consent.Listed) bool { return a.Name == b.Name })
		l := d.List(o.req, listed, 100, o.now)
		if l.Permit {
			byList++
		}
		for _, x := range listed {
			if got, want := letsGo(l, x.Parts[0], false), d.Decide(o.req, x.Parts[0], o.now).Release; got != want {
				t.Fatalf("case %d: by a list the site lets go %t, the engine %t", i, got, want)
			}
		}
	}
	if byRules < n/100 || byList < n/100 || shown < n/100 {
		t.Errorf("of %d cases %d were given rules, %d lists, and %d documents went: little is shown", n, byRules, byList, shown)
	}
}
