package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A ResidualRule is one of the rules a site that filters for itself is given with a permission: what it forbids may not
// leave, but for what a rule that permits names.
//
// Source: IHE PCF, ITI-71 3.71.4.2.2.1.4 (ihe_pcf, residual).
type ResidualRule struct {
	Permit bool
	// Labels are confidentiality or sensitivity codes, any of which a document bears; Period is when its data is from; Data
	// names it. None of them stated: everything.
	Labels []string
	Period *Period
	Data   []Data
	// Masters are the unique ids of the documents that Data names, one for each in the same order, zero where a document has
	// none; nil where Data is as a wish states it.
	Masters []hie.Identifier
}

// A Residual is what a site must do beside trusting a permission. The zero Residual refuses.
type Residual struct {
	// Permit is whether anything may leave; Rules are then what must not, in order, nil for nothing.
	Permit bool
	Rules  []ResidualRule
	// Directive is what it rests on, zero for the defaults.
	Directive DirectiveName
	Policies  []string
}

// Asks reports whether the rules are exact only at a site that asks for each document that bears several sensitivity labels
// or lacks what a rule looks at. A site that follows them lets a document go for one of its labels whatever the others are, and
// takes no forbidding rule to be about a document that does not say; here what is not known is forbidden.
//
// Source: spec consent section 1 (the residual rule releases a PSY and HIV document to who is permitted PSY only), 2.2, vector 93.
func (r Residual) Asks() bool {
	return slices.ContainsFunc(r.Rules, func(x ResidualRule) bool {
		if !x.Permit {
			return !x.all()
		}
		return slices.ContainsFunc(x.Labels, func(l string) bool { return !StandardConfidentiality(l) }) ||
			slices.ContainsFunc(x.Data, func(d Data) bool { return d.Meaning == "related" }) // of several encounters none is the one
	})
}

// A Listed is a document that a permission may name: Parts are what is decided about it, one for each of its classes and
// types, each of which must be permitted; Name is its id, as directives name it; Master its unique id, zero for none.
type Listed struct {
	hie.Private
	Parts  []Document
	Name   string
	Master hie.Identifier
}

// List says by name what of docs a site may give to req by itself at now: everything is forbidden but the first most that
// Decide releases and that nothing need be told with: a token has no words, so what a statement goes with is left to be asked
// for. So it is exact whatever the documents' labels are and whatever law asks of them, and what is not listed, or not known here,
// does not leave.
//
// Source: spec consent vector 93 (documents of several labels are sent as an explicit list); 42 CFR 2.32.
func (d *Decider) List(req Request, docs []Listed, most int, now time.Time) Residual {
	named := ResidualRule{Permit: true}
	for i := range docs {
		released := len(docs[i].Parts) > 0
		for _, part := range docs[i].Parts {
			got := d.Decide(req, part, now)
			released = released && got.Release && !slices.ContainsFunc(got.Obligations, Spoken)
		}
		if released && len(named.Data) < most {
			named.Data = append(named.Data, Data{Meaning: "instance", Reference: "DocumentReference/" + docs[i].Name})
			named.Masters = append(named.Masters, docs[i].Master)
		}
	}
	if named.Data == nil {
		return Residual{}
	}
	out := Residual{Permit: true, Rules: []ResidualRule{{}, named}}
	if ph := d.at(tickOf(now)); len(ph.live) == 1 {
		out.Directive, out.Policies = ph.live[0].named(), ph.live[0].policies
	}
	return out
}

// Residual says in rules what a site with record's documents may give to req by itself at now. What the rules cannot say
// is refused, and may be listed, or the exchange asked document by document: residuals have no word for "every label covered",
// for classes, for roles, or for several wishes weighed against each other. What a site lets go by them, Decide releases; where
// they Ask, of documents that bear one label at most and say what the rules look at.
//
// Source: spec consent vector 93 and section 1 (why PCF's own combining leaks).
func (d *Decider) Residual(req Request, record string, now time.Time) Residual {
	rec := d.record(record)
	if rec == nil {
		return Residual{}
	}
	doc := Document{Record: record, Site: rec.Site, Class: "11488-4", Type: "11488-4", Confidentiality: "N", LabelState: Labelled}
	q := query{env: d.env, who: d.subject, died: d.died(), now: tickOf(now), req: &req, doc: &doc}
	var purposes asked
	if len(req.Purposes) != 1 || d.gateRequest(&q, now, &purposes) != ReasonNone || rec.Link != hie.LinkConfirmed {
		return Residual{}
	}
	if _, refused := d.gateDocument(&q); refused != ReasonNone {
		return Residual{}
	}
	q.purpose = purposes.at(0)
	if q.purpose.breakGlass {
		return Residual{} // needs an emergency, which is not the site's to judge
	}
	if slices.ContainsFunc(q.site.rules, func(r siteRule) bool { return r.mayMatter(&q) }) {
		return Residual{}
	}
	ph := d.at(q.now)
	switch len(ph.live) {
	case 0:
		return Residual{Permit: d.sameDefault(req, doc, now)}
	case 1:
	default:
		return Residual{}
	}
	l := &ph.live[0]
	if l.mode != inForce || !d.permitsReach(l.compiled, &q) || l.research || l.obliges() {
		return Residual{} // a token obliges nobody
	}
	rules, ok := l.root.residual(&q)
	return Residual{Permit: ok, Rules: rules, Directive: l.named(), Policies: l.policies}
}

// sameDefault reports whether the defaults permit every kind of document alike.
func (d *Decider) sameDefault(req Request, doc Document, now time.Time) bool {
	for _, class := range append([]string{"", doc.Class}, d.env.classes...) {
		doc.Class, doc.Type = class, class
		for _, level := range []string{"", "U", "N", "V"} {
			doc.Confidentiality = level
			for _, state := range []LabelState{Labelled, LabelsUnknown} {
				for _, labels := range [][]string{nil, {"HIV"}} {
					if doc.LabelState, doc.Sensitivity = state, labels; !d.Decide(req, doc, now).Release {
						return false
					}
				}
			}
		}
	}
	return true
}

// residual writes a tree of two levels as rules; ok is false when they cannot say it, or nothing is permitted.
func (n *node) residual(q *query) (rules []ResidualRule, ok bool) {
	whose, known := n.scope.asks(q)
	if !known || !whose {
		return nil, false // what it does not name is another default's matter
	}
	own, said := n.limit()
	if !said {
		return nil, false
	}
	var permits, forbids []ResidualRule
	for _, k := range n.kids {
		whose, known := k.scope.asks(q)
		limit, said := k.limit()
		if !known || !said || len(k.kids) > 0 {
			return nil, false
		}
		if !whose {
			continue
		}
		if limit.Permit = k.sense == permitting; limit.Permit {
			permits = append(permits, limit)
		} else {
			forbids = append(forbids, limit)
		}
	}
	if n.sense == denying {
		return underDeny(own, permits, forbids)
	}
	own.Permit = true
	switch {
	case own.all():
		return forbids, len(permits) == 0 && !slices.ContainsFunc(forbids, ResidualRule.all)
	case len(forbids) > 0:
		return nil, false // a permit overrides a forbid there; here it is the other way round
	}
	return append([]ResidualRule{{}, own}, permits...), true
}

// underDeny writes the permissions under a refusal of everything.
func underDeny(own ResidualRule, permits, forbids []ResidualRule) ([]ResidualRule, bool) {
	if !own.all() || len(permits) == 0 || len(forbids) > 0 {
		return nil, false
	}
	if slices.ContainsFunc(permits, ResidualRule.all) {
		return nil, true
	}
	return append([]ResidualRule{{}}, permits...), true
}

func (r ResidualRule) all() bool { return r.Labels == nil && r.Period == nil && r.Data == nil }

// asks matches what of s belongs to the request, which the permission itself carries: whose is whether it is about q.
func (s *scope) asks(q *query) (whose, known bool) {
	m := yes
	if s.purpose != nil {
		m = min(m, s.purpose.match(q.purpose, permitting))
	}
	if s.recipient != nil {
		m = min(m, matchRecipients(s.recipient, q))
	}
	if s.source != nil {
		m = min(m, matchSources(s.source, q))
	}
	if s.action != nil {
		m = min(m, *s.action)
	}
	if s.period != nil {
		return false, false
	}
	return m == yes, m != unknown
}

// limit writes what of n's scope is about data, in one dimension at most; ok is false for more.
func (n *node) limit() (r ResidualRule, ok bool) {
	s := &n.scope
	if s.class != nil || s.code != nil {
		return r, false
	}
	stated := 0
	if s.label != nil {
		stated++
		if r.Labels, ok = s.label.codes(n.sense); !ok {
			return r, false
		}
	}
	if s.times != nil {
		stated++
		if s.times.unreadable {
			return r, false
		}
		r.Period = &Period{Start: s.times.from.instant(), End: s.times.to.instant()}
	}
	for _, v := range s.data {
		if !v.plain() {
			return r, false
		}
		r.Data = append(r.Data, v.Data)
	}
	if s.data != nil {
		stated++
	}
	return r, stated <= 1
}

// plain reports whether v names something known, so that a document's own references tell whether it is meant.
func (v *datum) plain() bool {
	switch v.Meaning {
	case "instance":
		return v.kind == "DocumentReference"
	case "related":
		return v.kind == "DocumentReference" || v.kind == "Encounter"
	case "authoredby":
		return v.kind != "" && (v.kind != "Organization" || v.org != nil)
	}
	return false
}

// codes lists the codes a document of which l matches, read as s; ok is false when both axes are stated.
func (l *labels) codes(s sense) (out []string, ok bool) {
	switch {
	case l.odd != nil || l.sensitive && l.confidential():
		return nil, false
	case l.confidential():
		for _, code := range confidentialities {
			if c := readConfidentiality(code); s == permitting && c <= l.high || s == denying && c >= l.low {
				out = append(out, code)
			}
		}
	default:
		named := l.covers
		if s == denying {
			named = l.touches
		}
		for k := range plain {
			if named.has(k) {
				out = append(out, atom{kind: k}.String())
			}
		}
	}
	return out, true
}

// mayMatter reports whether r may speak of some document of q's record: whatever it asks of documents is left open. A neutral
// rule matters for what it obliges to.
func (r *siteRule) mayMatter(q *query) bool {
	if r.Effect == Neutral && !slices.ContainsFunc(r.duties, func(n int) bool { return q.env.duties[n].mandatory }) {
		return false
	}
	if q.now < r.from || q.now >= r.to || r.Scope.Requester == PatientOnly && !q.req.OwnRecord || r.Scope.Requester == AllButPatient && q.req.OwnRecord {
		return false
	}
	if len(r.Scope.Purposes) > 0 && !r.oddPurpose {
		return slices.ContainsFunc(r.purposes, func(p *purpose) bool { return q.purpose.coveredBy(p, denying) })
	}
	return true
}

// instant writes t with its offset, so that it means the same in every zone; "" for an open end.
func (t tick) instant() string {
	if t == always || t == forever {
		return ""
	}
	return t.time().Format(time.RFC3339Nano)
}
