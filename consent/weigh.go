package consent

// A report is which of a person's nodes matched with the winning type of their directive.
type report struct {
	denies  numbers // by their number among all nodes
	permits numbers // by their number among the permits
	// missing are the exhaustive permits that do not cover this.
	missing  []*compiled
	absolute bool // one of denies is
}

// reportRoom is how many words a report takes of most people.
const reportRoom = 4

// report returns one without an entry that lies in room, where that suffices, and in holes.
func (d *Decider) report(room []uint64, holes []*compiled) report {
	n, p := wordsFor(d.nodes), wordsFor(d.permits)
	if n+p > len(room) {
		room = make([]uint64, n+p)
	}
	return report{denies: room[:n], permits: room[n : n+p], missing: holes}
}

func (r *report) deny(c *compiled, n *node) {
	if r != nil {
		r.denies.set(int(c.firstNode + n.index))
		r.absolute = r.absolute || n.absolute
	}
}

func (r *report) permit(c *compiled, n *node) {
	if r != nil {
		r.permits.set(int(c.firstPermit + n.place))
	}
}

// takeBack removes what n, of c, and the nodes under it permitted; of what comes after it nothing stands there yet.
func (r *report) takeBack(c *compiled, n *node) {
	if r != nil {
		r.permits.cut(int(c.firstPermit + n.first))
	}
}

// node and permit return the node, or the permit, of a number.
func (d *Decider) node(number int) said {
	i := len(d.dirs) - 1
	for d.dirs[i].shape == nil || int(d.dirs[i].firstNode) > number {
		i--
	}
	c := &d.dirs[i]
	return said{c, c.nodes[number-int(c.firstNode)]}
}

func (d *Decider) permit(number int) said {
	i := len(d.dirs) - 1
	for d.dirs[i].shape == nil || int(d.dirs[i].firstPermit) > number {
		i--
	}
	c := &d.dirs[i]
	return said{c, c.shape.permit(int32(number) - c.firstPermit)}
}

// weigh compares what was reported: a permit wins that beats every deny and was signed and filed after every exhaustive permit
// that does not cover this.
//
// Source: spec consent 2.8c-d.
func (d *Decider) weigh(q *query, rep *report) Reason {
	var room [2]uint64
	winners, refused := rep.permits, len(rep.missing) > 0 || rep.denies.next(0) >= 0
	if refused {
		winners = append(room[:0], rep.permits...)
		d.outweigh(winners, rep)
	}
	if first := winners.next(0); first >= 0 {
		p := d.permit(first)
		if p.obliges() {
			p = d.binding(q, winners, p)
		}
		if q.notes != nil {
			q.notes.permits = append(q.notes.permits, d.widest(winners, p))
		}
		if q.trace != nil {
			d.weighed(q, rep, p, ReasonPermit)
		}
		return ReasonPermit
	}
	if !refused {
		return ReasonNone
	}
	r := d.refusal(rep)
	if q.trace != nil {
		d.weighed(q, rep, said{}, r)
	}
	return r
}

// outweigh takes out of winners each permit that some deny, or some permit that does not cover this, keeps from releasing.
func (d *Decider) outweigh(winners numbers, rep *report) {
	for n := range rep.denies.all {
		winners.keep(d.beating(n))
	}
	for _, c := range rep.missing {
		for p := range winners.all {
			if !d.permit(p).afterRoot(c) {
				winners.unset(p)
			}
		}
	}
}

// binding returns the permit a release rests on when the first that gives one binds who receives it: one that does not, else the
// one that lasts longest, whose end and frequency become obligations.
//
// Source: spec consent 2.11 (DELAU), 2.18 f; ABDM consent artefact, dataEraseAt and frequency.
func (d *Decider) binding(q *query, winners numbers, best said) said {
	for i := range winners.all {
		p := d.permit(i)
		if !p.obliges() {
			return p
		}
		if p.ends > best.ends {
			best = p
		}
	}
	if best.erase && best.ends != forever { // what never ends has no day to erase by
		d.demand(q, dutyErase, best.eraseBy())
	}
	if best.frequency != "" {
		d.demand(q, dutyFrequency, best.frequency)
	}
	return best
}

// demand adds an obligation that a directive brings, which nothing is released under where nobody has words for it.
func (d *Decider) demand(q *query, name, value string) {
	q.duties.addText(name + ":" + value)
	q.mute = q.mute || d.env.worded && statement(d.env.statements, name) == nil
}

// refusal names why no permit released: an absolute deny, another deny that no permit beats, only tombstones,
// or an exhaustive permit that does not cover this. Where each deny is beaten by some permit, but no permit
// beats them all, the weightiest deny counts.
//
// Source: spec consent-cases, reasons ABSOLUTE to NOT_COVERED.
func (d *Decider) refusal(rep *report) Reason {
	standing, all := reasons, reasons
	for i := range rep.denies.all {
		r := d.node(i).refuses()
		all = min(all, r)
		if !rep.permits.meets(d.beating(i)) {
			standing = min(standing, r)
		}
	}
	switch {
	case standing != reasons:
		return standing
	case len(rep.missing) > 0:
		return ReasonNotCovered
	}
	return all
}

// refuses is the reason of a deny that is not beaten.
func (n *node) refuses() Reason {
	switch {
	case n.absolute:
		return ReasonAbsolute
	case n.tombstone:
		return ReasonTombstone
	}
	return ReasonDeny
}
