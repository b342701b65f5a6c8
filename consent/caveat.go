package consent

import (
	"slices"
	"strings"
	"time"
)

// A Caveat is what is told in words to who receives one document: a statement, and the scope of the patient's consent where
// the statement asks for that and the document leaves by one.
//
// Source: spec consent 2.11; 42 CFR 2.32; HL7 FHIR security labels ("handling caveats").
type Caveat struct {
	// Obligation is what the statement is of, whole.
	Obligation string
	Statement  Statement
	// Until is when the emergency ends that this was released in, and Nature its coded reason; zero for every other obligation.
	Until  time.Time
	Nature string
	// Permissions are the consents whose scope goes with it, in no telling order, each once; nil for none.
	Permissions []Permission
}

// Words returns c's statement in a language, English where there is none in that one.
func (c Caveat) Words(lang string) StatementWords {
	w, ok := c.Statement.Words[lang]
	if !ok {
		w = c.Statement.Words[Languages()[0]]
	}
	_, value, _ := strings.Cut(c.Obligation, ":")
	if !c.Until.IsZero() {
		value = c.Until.UTC().Format("2006-01-02 15:04 UTC")
	}
	fill := strings.NewReplacer(valuePlace, value)
	return StatementWords{Long: fill.Replace(w.Long), Short: fill.Replace(w.Short)}
}

// notes are what a decision is asked to keep for the caveats that go with a release.
type notes struct {
	rules []*rule // that spoke and have statements
	// instruments are the permits that met a rule's requirement, permits those that decided.
	instruments, permits []said
}

// Caveats returns what is told in words with doc when Decide releases it: in the order of their obligations, nil when there
// is nothing to tell, or nothing is released. Where requirements of law were met by consents on file, those are the ones
// whose scope is told, all of them, since each was needed; else those that decided.
//
// It tells nothing of what is withheld, of other documents, of directives that this document did not leave by, or of other
// recipients: of what a consent lists only what fits this request and this document is named.
func (d *Decider) Caveats(req Request, doc Document, now time.Time) []Caveat {
	n := notes{}
	q := query{req: &req, doc: &doc, notes: &n}
	out := d.sum(&q, now, &summary{})
	if !out.Release {
		return nil
	}
	leant := n.instruments
	switch {
	case out.Reason == ReasonEmergency:
		leant = nil // it leaves by the emergency, whatever else permits it
	case leant == nil:
		leant = n.permits
	}
	var permissions []Permission
	for _, p := range leant {
		permissions = addPermission(permissions, d.permission(&q, p))
	}
	var caveats []Caveat
	for _, o := range out.Obligations {
		for _, s := range n.statements(d.env, o) {
			x := Caveat{Obligation: o, Statement: s}
			if s.Scope {
				x.Permissions = permissions
			}
			caveats = append(caveats, x)
		}
		if o == reviewed.Code {
			x := Caveat{Obligation: o, Statement: reviewed}
			x.Until, x.Nature = d.emergency(&q, now)
			caveats = append(caveats, x)
		}
	}
	return caveats
}

// statements are the words of obligation o, each text once: those of the packs whose rules attached it, else, for what a
// directive brings, those of any pack.
func (n *notes) statements(e *Env, o string) []Statement {
	if !Spoken(o) {
		return nil
	}
	var out []Statement
	add := func(s Statement) {
		same := func(x Statement) bool { return x.Words["en"] == s.Words["en"] && x.Scope == s.Scope }
		if !slices.ContainsFunc(out, same) {
			out = append(out, s)
		}
	}
	for _, r := range n.rules {
		if s := statement(r.Statements, o); s != nil && slices.Contains(r.Obligations, o) {
			add(*s)
		}
	}
	if s := statement(e.statements, o); out == nil && s != nil {
		add(*s)
	}
	return out
}

// emergency is until when the emergency lasts that holds for q at now, and its coded reason; of several the one that lasts longest.
func (d *Decider) emergency(q *query, now time.Time) (until time.Time, nature string) {
	if c := q.req.Emergency; c != nil {
		return c.At.Add(d.env.window), c.ReasonCode
	}
	for i := range d.subject.Grants {
		g := &d.subject.Grants[i]
		if !d.grantHolds(q, g, now) {
			continue
		}
		if ends := earliest(g.Until, g.At.Add(d.env.window)); ends.After(until) {
			until, nature = ends, g.ReasonCode
		}
	}
	return until, nature
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// met returns the outermost node of c that permits q: the one that says most of what c permits.
func (d *Decider) met(q *query, c *compiled) said {
	rep := d.report(nil, nil)
	c.root.eval(q, c, false, &rep)
	return d.last(rep.permits, c)
}

// widest returns the outermost of the winners that stand in p's directive.
func (d *Decider) widest(winners numbers, p said) said { return d.last(winners, p.compiled) }

// last returns the last of permits that stands in c: a node follows those under it.
func (d *Decider) last(permits numbers, c *compiled) (out said) {
	for i := range permits.all {
		if p := d.permit(i); p.compiled == c {
			out = p
		}
	}
	return out
}
