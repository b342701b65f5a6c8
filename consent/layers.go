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
			if q.holds(r.Kind) || d.instrumentOnFile(q, ph, r.Kind) {
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
		rep := report{dirs: d.dirs}
		if l.root.eval(q, l.compiled, false, &rep) == answerPermit {
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
	return c.record == q.rec || c.networkWide && c.record.Link == hie.LinkConfirmed && q.rec.Link == hie.LinkConfirmed
}

// An answer is what one directive says.
type answer uint8

const (
	answerNothing answer = iota
	answerPermit
	answerDeny
)

// report is every node that matched with the winning type, of one or several of a person's directives.
type report struct {
	dirs            []compiled
	denies, permits nodeList
}

// deny and permit return the i-th of those reported.
func (r *report) deny(i int) said   { return r.denies.at(i).in(r.dirs) }
func (r *report) permit(i int) said { return r.permits.at(i).in(r.dirs) }

// A reported node is named by numbers: its directive's, and its own within the shape.
type reported struct{ directive, node uint32 }

func (r reported) in(dirs []compiled) said {
	c := &dirs[r.directive]
	return said{c, c.nodes[r.node]}
}

// nodeList is a list that stays on the stack while it is short.
type nodeList struct {
	n     int
	first [24]reported
	more  []reported
}

func (l *nodeList) add(c *compiled, n *node) {
	r := reported{uint32(c.number), uint32(n.index)}
	if l.n < len(l.first) {
		l.first[l.n] = r
	} else {
		l.more = append(l.more, r)
	}
	l.n++
}

func (l *nodeList) cut(to int) {
	if l.n > len(l.first) {
		l.more = l.more[:max(0, to-len(l.first))]
	}
	l.n = to
}

func (l *nodeList) at(i int) reported {
	if i < len(l.first) {
		return l.first[i]
	}
	return l.more[i-len(l.first)]
}

// eval answers for the tree under n: any child's deny, else any child's permit, else n's own type if it
// matches. Children are evaluated whatever n itself does. With permitsOff only denies act. rep gets the nodes
// that matched with the winning type, n among them.
//
// Source: spec consent 2.6; spec consent-cases 13.
func (n *node) eval(q *query, c *compiled, permitsOff bool, rep *report) answer {
	if len(n.kids) == 0 { // nothing to take back
		switch {
		case n.sense == denying && n.matches(q, c, denying):
			rep.denies.add(c, n)
			return answerDeny
		case n.sense == permitting && !permitsOff && n.matches(q, c, permitting):
			rep.permits.add(c, n)
			return answerPermit
		}
		return answerNothing
	}
	denies, permits := rep.denies.n, rep.permits.n
	out := answerNothing
	for _, k := range n.kids {
		out = max(out, k.eval(q, c, permitsOff, rep))
	}
	if n.sense == denying {
		if out != answerPermit && n.matches(q, c, denying) {
			rep.denies.add(c, n)
			out = answerDeny
		}
	} else if !permitsOff && out != answerDeny && n.matches(q, c, permitting) {
		rep.permits.add(c, n)
		out = answerPermit
	}
	if out != answerDeny {
		rep.denies.cut(denies)
	}
	if out != answerPermit {
		rep.permits.cut(permits)
	}
	return out
}

// patient answers from the directives in force: a permit releases only if it beats every matched deny and was
// given after every exhaustive permit that does not cover this. ReasonNone means that no directive speaks.
// absolute says that a matched deny is absolute.
//
// Source: spec consent 2.8; spec consent-cases 20-23.
func (d *Decider) patient(q *query, ph *phase) (_ Reason, absolute bool) {
	rep := report{dirs: d.dirs}
	var uncovered [8]*compiled
	missing := uncovered[:0]
	for i := range ph.live {
		l := &ph.live[i]
		if l.research && !q.purpose.research {
			continue
		}
		switch l.mode {
		case tombstones:
			for _, t := range l.tombs {
				if t.matches(q, l.compiled, denying) {
					rep.denies.add(l.compiled, t)
				}
			}
		case expiredDeny:
			l.root.eval(q, l.compiled, true, &rep)
		case inForce:
			if d.permitsReach(l.compiled, q) {
				if l.root.eval(q, l.compiled, false, &rep) == answerNothing && l.uncovers(q) {
					missing = append(missing, l.compiled)
				}
				continue
			}
			l.root.eval(q, l.compiled, true, &rep)
			if l.exhaustive {
				asWritten := report{dirs: d.dirs}
				if l.root.eval(q, l.compiled, false, &asWritten) == answerNothing && l.uncovers(q) {
					missing = append(missing, l.compiled)
				}
			}
		}
	}
	for i := range rep.denies.n {
		absolute = absolute || rep.deny(i).absolute
	}
	return d.weigh(q, &rep, missing), absolute
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

// weigh compares what was reported.
func (d *Decider) weigh(q *query, rep *report, missing []*compiled) Reason {
	if rep.denies.n == 0 && rep.permits.n == 0 && len(missing) == 0 {
		return ReasonNone
	}
	for i := range rep.permits.n {
		p := rep.permit(i)
		if d.beatsAll(p, rep) && coversAll(p, missing) {
			if p.erase {
				p = d.erase(q, rep, missing, i)
			}
			d.weighed(q, rep, missing, p, ReasonPermit)
			return ReasonPermit
		}
	}
	r := d.refusal(rep, missing)
	d.weighed(q, rep, missing, said{}, r)
	return r
}

// erase returns the permit a release rests on when the first that gives one, at place first, obliges to erase: one that
// does not, else the one that lasts longest, whose end becomes an obligation.
//
// Source: spec consent 2.11 (DELAU); ABDM consent artefact, dataEraseAt.
func (d *Decider) erase(q *query, rep *report, missing []*compiled, first int) said {
	best := rep.permit(first)
	for i := first + 1; i < rep.permits.n; i++ {
		p := rep.permit(i)
		if !d.beatsAll(p, rep) || !coversAll(p, missing) {
			continue
		}
		if !p.erase {
			return p
		}
		if p.ends > best.ends {
			best = p
		}
	}
	q.duties.addText("DELAU:" + best.eraseBy())
	return best
}

func (d *Decider) beatsAll(p said, rep *report) bool {
	for i := range rep.denies.n {
		if !d.beat(p, rep.deny(i)) {
			return false
		}
	}
	return true
}

// coversAll reports whether p was signed and filed after every exhaustive permit that does not cover this.
func coversAll(p said, missing []*compiled) bool {
	for _, c := range missing {
		if !p.compiled.afterRoot(c) {
			return false
		}
	}
	return true
}

// refusal names why no permit released: an absolute deny, another deny that no permit beats, only tombstones,
// or an exhaustive permit that does not cover this. Where each deny is beaten by some permit, but no permit
// beats them all, the weightiest deny counts.
//
// Source: spec consent-cases, reasons ABSOLUTE to NOT_COVERED.
func (d *Decider) refusal(rep *report, missing []*compiled) Reason {
	standing, all := reasons, reasons
	for i := range rep.denies.n {
		n := rep.deny(i)
		r := ReasonDeny
		switch {
		case n.absolute:
			r = ReasonAbsolute
		case n.tombstone:
			r = ReasonTombstone
		}
		all = min(all, r)
		if !d.beaten(n, rep) {
			standing = min(standing, r)
		}
	}
	switch {
	case standing != reasons:
		return standing
	case len(missing) > 0:
		return ReasonNotCovered
	}
	return all
}

// beaten reports whether some reported permit beats n.
func (d *Decider) beaten(n said, rep *report) bool {
	for i := range rep.permits.n {
		if d.beat(rep.permit(i), n) {
			return true
		}
	}
	return false
}
