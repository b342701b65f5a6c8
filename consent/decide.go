package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Decision says whether one document may be released to one request, and why. The zero Decision denies.
type Decision struct {
	// Release is true only if every atom is permitted for every purpose and no obligation refuses.
	Release bool
	Atoms   Atoms
	// Reason is the first in the order of the reasons among all atoms and purposes; Layer is where it arose.
	// Neither may reach a requester.
	Reason Reason
	Layer  Layer
	// Obligations go with a release, sorted, each once; nil on a refusal. The slice is shared: do not write to it.
	Obligations []string
	// Emergency says that a valid emergency claim was at hand, used or not.
	Emergency bool
}

// atom is one sensitivity label of a document, or plain.
type atom struct {
	kind atomKind
	name string // of an other atom
}

func (a atom) String() string {
	switch a.kind {
	case plain, vague:
		return "plain"
	case other:
		return a.name
	}
	return sensitivities[a.kind].code
}

// Atoms are the parts a document was decided by: each of its sensitivity labels, or "plain".
//
// Source: spec consent 2.3.
type Atoms struct {
	asked, permitted atomSet // of the listed codes and plain
	others           []otherAtom
}

type otherAtom struct {
	name   string
	permit bool
}

func (a *Atoms) add(at atom, permit bool) {
	if at.kind == other {
		a.others = append(a.others, otherAtom{at.name, permit})
		return
	}
	k := at.kind
	if k == vague {
		k = plain
	}
	a.asked |= 1 << k
	if permit {
		a.permitted |= 1 << k
	}
}

// Each calls f with every atom and whether it is permitted: listed codes in the order of the list, plain, then
// codes outside the list as they stood on the document.
func (a Atoms) Each(f func(label string, permit bool)) {
	for k := range plain + 1 {
		if a.asked.has(k) {
			f(atom{kind: k}.String(), a.permitted.has(k))
		}
	}
	for _, o := range a.others {
		f(o.name, o.permit)
	}
}

func (a *Atoms) denyAll() {
	a.permitted = 0
	for i := range a.others {
		a.others[i].permit = false
	}
}

// query is one decision under way.
type query struct {
	env  *Env
	req  *Request
	doc  *Document
	org  *org
	site *site
	rec  *Record
	who  *Subject // but for the records
	died tick     // always: not known, or alive
	now  tick

	level confidentiality
	times interval

	emergency   bool // a valid claim is at hand
	part2Clause bool // the emergency clause of a rule that requires a Part 2 consent was used
	duties      dutySet
	mute        bool   // an obligation is attached that there are no words for
	notes       *notes // nil unless what goes with the release is asked for
	trace       *Trace
	rules       []siteRule // those that may speak of purpose and of the document's class
	silent      numbers    // nodes that cannot act whatever the document; nil when that was not looked at

	// What changes from answer to answer.
	atom    atom
	purpose *purpose
	row     bool // something of single documents was looked at
}

// Decide answers req for doc from what is in force at now. The answer depends on nothing else.
//
// Source: spec consent 2.5; README.md in this package, "The order of rules".
func (d *Decider) Decide(req Request, doc Document, now time.Time) Decision {
	q := query{req: &req, doc: &doc} // set here, where q is local, so that nothing moves to the heap
	return d.sum(&q, now, &summary{})
}

// DecideKind answers for a kind of document: doc without what belongs to single documents (ID, Authors, Start,
// End, Encounter, Replaces). perRow says that some rule which could matter reads those, so that the answer must
// be had from Decide for each document; otherwise d holds for every document of the kind.
//
// Source: DESIGN idea 4 (decide, then read).
func (d *Decider) DecideKind(req Request, doc Document, now time.Time) (_ Decision, perRow bool) {
	q := query{req: &req, doc: &doc}
	doc.ID, doc.Authors, doc.Encounter, doc.Replaces = "", nil, "", nil
	doc.Start, doc.End = time.Time{}, time.Time{}
	sum := summary{}
	out := d.sum(&q, now, &sum)
	return out, sum.row && !sum.settled
}

// summary tells what the answers of one decision have in common.
type summary struct {
	row     bool // some answer looked at what belongs to single documents
	settled bool // some refusal did not
}

// sum gives the answer for every atom and purpose and sums them up.
func (d *Decider) sum(q *query, now time.Time, sum *summary) (out Decision) {
	var purposes asked
	q.env, q.who, q.died, q.now = d.env, d.subject, d.died(), tickOf(now)
	if r := d.gateRequest(q, now, &purposes); r != ReasonNone {
		out.refuseAll(q.doc, r)
		return out
	}
	d.sumDocument(q, now, &purposes, d.at(q.now), nil, sum, &out)
	return out
}

// sumDocument is sum for a request that passed the gate. silent are, for each purpose, the nodes that cannot act; nil when
// that was not looked at. out is the zero Decision.
func (d *Decider) sumDocument(q *query, now time.Time, purposes *asked, ph *phase, silent []numbers, sum *summary, out *Decision) {
	req, doc := q.req, q.doc
	site, r := d.gateDocument(q)
	if r != ReasonNone {
		out.refuseAll(doc, r)
		return
	}
	holds, refuse := d.emergencyHolds(q, now)
	if refuse {
		out.refuseAll(doc, ReasonEmergencyInvalid)
		return
	}
	q.emergency, out.Emergency = holds, holds
	mandated, first := false, reasons
	answerAtom := func(a atom) {
		q.atom = a
		permit := true
		for i := range req.Purposes {
			p := purposes.at(i) // looked at here, and not in q, for the same reason as site
			q.purpose, q.rules = p, site.rulesFor(p).about(doc.Class)
			if silent != nil {
				q.silent = silent[i]
			}
			q.row = false
			r := d.answer(q, ph)
			if q.trace != nil {
				q.answered(r)
			}
			permit = permit && r.Permits()
			mandated = mandated || r == ReasonMandate
			first = min(first, r)
			sum.row = sum.row || q.row
			sum.settled = sum.settled || !q.row && !r.Permits()
		}
		out.Atoms.add(a, permit)
	}
	eachAtom(doc, answerAtom)
	out.Reason = first
	if first.Permits() {
		out.Release = true
		for i := range req.Purposes {
			if !purposes.at(i).treatment {
				q.duties.addOwn(dutyMinec)
			}
		}
		d.oblige(q, out, mandated)
	}
	out.Layer = out.Reason.Layer()
}

// asked are the purposes of a request, looked up once; few requests have more than four.
type asked struct {
	first [4]*purpose
	more  []*purpose
}

func (a *asked) add(i int, p *purpose) {
	if i < len(a.first) {
		a.first[i] = p
	} else {
		a.more = append(a.more, p)
	}
}

func (a *asked) at(i int) *purpose {
	if i < len(a.first) {
		return a.first[i]
	}
	return a.more[i-len(a.first)]
}

// gateRequest refuses a request that cannot be decided at all, and otherwise fills q and purposes.
//
// Source: spec consent 2.5, L0; spec consent-cases, reason INPUT.
func (d *Decider) gateRequest(q *query, now time.Time, purposes *asked) Reason {
	e, req := d.env, q.req
	q.org = e.orgs[req.Organization]
	if d.fault || e.closed || now.IsZero() || len(req.Purposes) == 0 || q.org == nil {
		return ReasonInput
	}
	for i, code := range req.Purposes {
		p := e.purpose(code)
		if p == nil {
			return ReasonInput
		}
		purposes.add(i, p)
	}
	return ReasonNone
}

// gateDocument refuses a document that cannot be decided about, and otherwise fills q and returns its site: what is taken
// from q.site would move every query to the heap.
//
// Source: spec consent 2.5, L0; spec consent-cases, reasons INPUT and LABEL_STALE.
func (d *Decider) gateDocument(q *query) (*site, Reason) {
	doc, at := q.doc, d.env.sites[q.doc.Site]
	q.site, q.rec = at, d.record(doc.Record)
	if at == nil || q.rec == nil {
		return nil, ReasonInput
	}
	if doc.LabelState == LabelsStale {
		return nil, ReasonLabelStale
	}
	q.level = readConfidentiality(doc.Confidentiality)
	q.times = interval{always, forever}
	if !doc.Start.IsZero() {
		q.times.from = tickOf(doc.Start)
	}
	if !doc.End.IsZero() {
		q.times.to = tickOf(doc.End)
	}
	if q.times.from > q.times.to {
		q.times = interval{always, forever}
	}
	return at, ReasonNone
}

// eachAtom calls f with each atom of doc once: its labels; plain when it is known to have none, and beside its
// labels when it is not known that they are all.
//
// Source: spec consent 2.3; spec consent-cases 4.
func eachAtom(doc *Document, f func(atom)) {
	var seen atomSet
	complete := doc.LabelState == Labelled
	if !complete {
		f(atom{kind: vague})
	} else if len(doc.Sensitivity) == 0 {
		f(atom{kind: plain})
	}
	for i, code := range doc.Sensitivity {
		k := readSensitivity(code)
		if k == other {
			if !slices.Contains(doc.Sensitivity[:i], code) {
				f(atom{kind: other, name: code})
			}
		} else if !seen.has(k) {
			seen |= 1 << k
			f(atom{kind: k})
		}
	}
}

// refuseAll refuses doc whole, for this reason.
func (out *Decision) refuseAll(doc *Document, r Reason) {
	out.Reason, out.Layer = r, r.Layer()
	eachAtom(doc, func(a atom) { out.Atoms.add(a, false) })
}

// RefuseInput refuses doc because something needed for a decision cannot be read.
func RefuseInput(doc Document) (out Decision) {
	out.refuseAll(&doc, ReasonInput)
	return out
}

// answer decides one atom for one purpose: gate passed, then law, network, site, break-glass, link, patient,
// default, each of which may be replaced by a valid emergency where it allows that.
//
// Source: spec consent 2.5; spec consent-cases 25-28.
func (d *Decider) answer(q *query, ph *phase) Reason {
	law := d.evaluate(q, ph)
	if law.refusal != ReasonNone {
		return law.refusal
	}
	if q.purpose.breakGlass && !q.emergency {
		q.step(Step{Layer: LayerEmergency, Rule: "break-glass", Effect: "refuses", Decides: true, Note: "no valid emergency is at hand"})
		return ReasonBTGOnly
	}
	if law.mandate && q.rec.Link != hie.LinkDisputed {
		if law.replaced {
			return ReasonEmergency
		}
		return ReasonMandate
	}
	r, absolute := d.patient(q, ph)
	if q.rec.Link == hie.LinkDisputed {
		if r != ReasonPermit {
			q.step(Step{Layer: LayerIdentity, Rule: "link", Effect: "refuses", Decides: true, Note: "the record's link is disputed and no directive given on it permits"})
			return ReasonLinkDisputed
		}
	} else if r == ReasonNone {
		var rule defaultRule
		r, rule = d.env.byDefault(q)
		if q.trace != nil {
			q.step(Step{Layer: LayerDefault, Rule: rule.String(), Effect: effectOf(r), Decides: true})
		}
	}
	if !r.Permits() {
		if !q.emergency || absolute || q.shielded() {
			return r
		}
		if q.trace != nil {
			q.step(Step{Layer: LayerEmergency, Rule: "break-glass", Effect: "permits", Decides: true, Note: "replaces " + r.String()})
		}
		return ReasonEmergency
	}
	if law.replaced {
		return ReasonEmergency
	}
	return r
}

func effectOf(r Reason) string {
	if r.Permits() {
		return "permits"
	}
	return "refuses"
}

// shielded reports whether no emergency opens the atom: it is, or may contain, a psychotherapy note, or the
// document is a note of a class kept apart.
//
// Source: spec consent 2.10; spec consent-cases 27; 45 CFR 164.508(a)(2), 42 CFR 2.31(b).
func (q *query) shielded() bool {
	switch q.doc.Class {
	case "psychotherapy-note", "sud-counselling-note", "":
		return true
	}
	switch q.atom.kind {
	case vague:
		return !q.site.Unlabelled
	case other:
		return true
	case plain:
		return false
	}
	return q.env.kin.around[psychotherapyNote].has(q.atom.kind)
}

// oblige adds what goes with a release, and turns it into a refusal when the requester cannot honour it.
func (d *Decider) oblige(q *query, out *Decision, mandated bool) {
	duties := &q.duties
	duties.addOwn(dutyAudit)
	duties.addOwn(dutyRecheck)
	if q.level != noConfidentiality || len(q.doc.Sensitivity) > 0 {
		duties.addOwn(dutyLabels)
	}
	if mandated {
		duties.addOwn(dutyAOD)
	}
	if q.emergency {
		duties.addOwn(dutyReview)
		duties.addOwn(dutyNotifyPatient)
		duties.addOwn(dutyNotifySite)
	}
	if q.part2Clause {
		duties.addOwn(dutyPart2Record)
	}
	if q.mute || !duties.honoured(d.env, q.req.Abilities) {
		out.Release, out.Reason = false, ReasonObligation
		out.Atoms.denyAll()
		return
	}
	out.Obligations = duties.texts(d.env)
}
