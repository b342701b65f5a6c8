package consent

import "time"

// A Question is one request about one person at one instant, with everything that does not depend on the document looked
// at once: for many documents it answers faster than [Decider.Decide], and the same. It may be shared.
//
// Source: spec consent section 4 (partial evaluation).
type Question struct {
	d        *Decider
	req      Request
	now      time.Time
	at       tick
	org      *org
	purposes asked
	phase    *phase
	silent   []numbers // for each purpose, the nodes that cannot act whatever the document
	refusal  Reason    // of the gate, ReasonNone when it passed
}

// Ask makes req ready to be answered for many documents at now.
func (d *Decider) Ask(req Request, now time.Time) *Question {
	q := &Question{d: d, req: req, now: now, at: tickOf(now)}
	probe := query{env: d.env, req: &q.req, now: q.at}
	if q.refusal = d.gateRequest(&probe, now, &q.purposes); q.refusal != ReasonNone {
		return q
	}
	q.org, q.phase = probe.org, d.at(q.at)
	for i := range req.Purposes {
		probe.purpose = q.purposes.at(i)
		silent := make(numbers, wordsFor(d.nodes))
		for j := range q.phase.live {
			l := &q.phase.live[j]
			if l.mode == tombstones {
				for _, t := range l.tombs {
					l.quiet(t, &probe, silent)
				}
				continue
			}
			for n := range l.root.all {
				l.quiet(n, &probe, silent)
			}
		}
		q.silent = append(q.silent, silent)
	}
	return q
}

// quiet notes n, of c, when it cannot act on q whatever the document.
func (c *compiled) quiet(n *node, q *query, silent numbers) {
	if !n.actsOnRequest(q) {
		silent.set(int(c.firstNode + n.index))
	}
}

func (q *Question) query(doc *Document) query {
	return query{env: q.d.env, req: &q.req, doc: doc, org: q.org, who: q.d.subject, died: q.d.died(), now: q.at}
}

// Decide answers for doc, as [Decider.Decide] does.
func (q *Question) Decide(doc Document) Decision { return q.decide(&doc) }

func (q *Question) decide(doc *Document) Decision {
	d, _ := q.answer(doc)
	return d
}

// answer is decide, and says whether something of this single document was looked at.
func (q *Question) answer(doc *Document) (out Decision, single bool) {
	if q.refusal != ReasonNone {
		out.refuseAll(doc, q.refusal)
		return out, false
	}
	about, sum := q.query(doc), summary{}
	q.d.sumDocument(&about, q.now, &q.purposes, q.phase, q.silent, &sum, &out)
	return out, sum.row
}

// DecideKind answers for a kind of document, as [Decider.DecideKind] does.
func (q *Question) DecideKind(doc Document) (out Decision, perRow bool) {
	doc.ID, doc.Authors, doc.Encounter, doc.Replaces = "", nil, "", nil
	doc.Start, doc.End = time.Time{}, time.Time{}
	if q.refusal != ReasonNone {
		out.refuseAll(&doc, q.refusal)
		return out, false
	}
	about, sum := q.query(&doc), summary{}
	q.d.sumDocument(&about, q.now, &q.purposes, q.phase, q.silent, &sum, &out)
	return out, sum.row && !sum.settled
}
