package consent

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// ruled is what the rules of law, network and site say about one atom for one purpose.
type ruled struct {
	refusal  Reason // of the first layer that refuses, ReasonNone when none does
	mandate  bool
	replaced bool // a valid emergency replaced a refusal
}

// evaluate goes through all rules of the document's site; none is skipped, since obligations add up.
//
// Source: spec consent 2.5; spec consent-cases 25 and 28.
func (d *Decider) evaluate(q *query, ph *phase) ruled {
	out := ruled{}
	worst, lawUnmet := reasons, false
	rules := q.rules
	for i := range rules {
		m := rules[i].match(q)
		r := rules[i].rule
		if m == no || r.Presume && m != yes {
			continue
		}
		for _, n := range r.duties {
			q.duties.addRule(n)
		}
		q.mute = q.mute || r.mute
		if q.notes != nil && r.Statements != nil {
			q.notes.rules = append(q.notes.rules, r)
		}
		switch r.Effect {
		case Forbid:
			if q.emergency && r.Overridable && r.Layer != LayerLaw {
				out.replaced = true
				q.ruleStep(r, replacedByEmergency)
				continue
			}
			q.ruleStep(r, "")
			worst = min(worst, forbids(r.Layer))
		case Require:
			if r.Kind != "" && (q.holds(r.Kind) || d.instrumentOnFile(q, ph, r.Kind)) { // no instrument is of no kind
				q.ruleStep(r, "met")
				continue
			}
			if q.emergency && (r.Layer == LayerLaw && r.EmergencyClause || r.Layer != LayerLaw && r.Overridable) {
				out.replaced = true
				lawUnmet = lawUnmet || r.Layer == LayerLaw
				q.part2Clause = q.part2Clause || r.Layer == LayerLaw && r.Kind == InstrumentPart2
				q.ruleStep(r, replacedByEmergency)
				continue
			}
			q.ruleStep(r, "not met")
			worst = min(worst, forbids(r.Layer)+1)
		case Mandate:
			if m == yes && r.Layer == LayerLaw {
				out.mandate = true
				q.ruleStep(r, "")
			}
		case Neutral:
			q.ruleStep(r, "")
		}
	}
	out.mandate = out.mandate && !lawUnmet // an emergency does not meet a requirement: it outranks the mandate all the same
	if worst != reasons {
		out.refusal = worst
		q.decided(worst)
	}
	return out
}

// forbids returns the reason of a layer's FORBID; the reason of its unmet REQUIRE follows it.
func forbids(l Layer) Reason {
	switch l {
	case LayerLaw:
		return ReasonLawForbid
	case LayerNetwork:
		return ReasonNetworkForbid
	}
	return ReasonSiteForbid
}

// instrumentOnFile reports whether a directive on file is the legal instrument of this kind for q: a permit in
// force and effective for the document, under a policy registered as that kind, which covers this recipient,
// purpose, source and atom.
func (d *Decider) instrumentOnFile(q *query, ph *phase, kind string) bool {
	for i := range ph.live {
		l := &ph.live[i]
		if l.mode != inForce || !slices.Contains(l.instrument, kind) || !d.permitsReach(l.compiled, q) || l.research && !q.purpose.research {
			continue
		}
		if l.root.eval(q, l.compiled, false, nil) == answerPermit {
			if q.notes != nil {
				q.notes.instruments = append(q.notes.instruments, d.met(q, l.compiled))
			}
			return true
		}
	}
	return false
}

// permitsReach reports whether c's permits are effective for q's document: c was understood and verified, and
// the document is on the record it was given on, or c was meant for the network and both links are confirmed.
//
// Source: spec consent 2.13; spec consent-cases 13 and 23.
func (d *Decider) permitsReach(c *compiled, q *query) bool {
	if c.restricted() {
		return false
	}
	given := d.givenOn(c)
	return given == q.rec || c.networkWide && given.Link == hie.LinkConfirmed && q.rec.Link == hie.LinkConfirmed
}

// An answer is what one directive says.
type answer uint8

const (
	answerNothing answer = iota
	answerPermit
	answerDeny
)

// eval answers for the tree under n: any child's deny, else any child's permit, else n's own type if it
// matches. Children are evaluated whatever n itself does. With permitsOff only denies act. rep, unless nil, gets the nodes
// that matched with the winning type, n among them.
//
// Source: spec consent 2.6; spec consent-cases 13.
func (n *node) eval(q *query, c *compiled, permitsOff bool, rep *report) answer {
	kids, permitted := answerNothing, false
	for _, k := range n.kids {
		var a answer
		switch { // most have nothing under them
		case k.kids != nil:
			a = k.eval(q, c, permitsOff, rep)
		case k.sense == permitting && permitsOff || !k.matches(q, c):
			continue
		case k.sense == denying:
			a = answerDeny
			rep.deny(c, k)
		default:
			a = answerPermit
			rep.permit(c, k)
		}
		kids, permitted = max(kids, a), permitted || a == answerPermit
	}
	out := kids
	switch {
	case n.sense == denying:
		if kids != answerPermit && n.matches(q, c) {
			out = answerDeny
			rep.deny(c, n)
		}
	case !permitsOff && kids != answerDeny && n.matches(q, c):
		out = answerPermit
		rep.permit(c, n)
	}
	if permitted && out == answerDeny { // what one child permitted, another denied
		rep.takeBack(c, n)
	}
	return out
}

// patient answers from the directives in force: a permit releases only if it beats every matched deny and was
// given after every exhaustive permit that does not cover this. ReasonNone means that no directive speaks.
// absolute says that a matched deny is absolute.
//
// Source: spec consent 2.8; spec consent-cases 20-23.
func (d *Decider) patient(q *query, ph *phase) (_ Reason, absolute bool) {
	if len(ph.live) == 0 {
		return ReasonNone, false
	}
	var room [reportRoom]uint64
	var holes [4]*compiled
	rep := d.report(room[:], holes[:0])
	for i := range ph.live {
		l := &ph.live[i]
		if l.research && !q.purpose.research {
			continue
		}
		switch l.mode {
		case tombstones:
			for _, t := range l.tombs {
				if t.matches(q, l.compiled) {
					rep.deny(l.compiled, t)
				}
			}
		case expiredDeny:
			l.root.eval(q, l.compiled, true, &rep)
		case inForce:
			if d.permitsReach(l.compiled, q) {
				if l.root.eval(q, l.compiled, false, &rep) == answerNothing && l.uncovers(q) {
					rep.missing = append(rep.missing, l.compiled)
				}
				continue
			}
			l.root.eval(q, l.compiled, true, &rep)
			if l.exhaustive && l.root.eval(q, l.compiled, false, nil) == answerNothing && l.uncovers(q) {
				rep.missing = append(rep.missing, l.compiled)
			}
		}
	}
	return d.weigh(q, &rep), rep.absolute
}

// uncovers reports whether c is an exhaustive permit that names q's purpose and source.
//
// Source: spec consent 2.8d; spec consent-cases 22.
func (c *compiled) uncovers(q *query) bool {
	if !c.exhaustive {
		return false
	}
	s := &c.root.scope
	return (s.purpose == nil || denying.acts(s.purpose.match(q.purpose, denying))) &&
		(s.source == nil || denying.acts(matchSources(s.source, q)))
}
