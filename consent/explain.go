package consent

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Step is one rule, directive node, default or emergency that spoke about one atom for one purpose.
type Step struct {
	Atom    string
	Purpose hie.Purpose
	Layer   Layer
	// Rule names what spoke: a rule's id, a directive as "id/version", a default's rule.
	Rule string
	// Node is the place in a directive's tree, or "".
	Node string
	// Effect says what it said: "FORBID", "permits", "denies", "tombstone denies", "does not cover", ...
	Effect string
	// Decides marks the step that gave the answer.
	Decides bool
	// Note adds why, in plain words without personal data.
	Note string
	// Source cites the ground of a rule, or "".
	Source string
}

// A Standing says what part a directive plays at the time of the decision.
type Standing struct {
	ID      string
	Version int64
	// State is "in force", "held", "not verified", "replaced", "not begun", "revoked", "expired", "lapsed", "tombstone",
	// or "does not count".
	State string
	Why   []string
}

// A Trace is a decision with everything that spoke, in the order of the rules.
type Trace struct {
	Decision   Decision
	Directives []Standing
	// Steps are grouped by atom and purpose, in the order of layers within each.
	Steps []Step
	// Answers are the reasons for each atom and purpose.
	Answers []Answer
	// Basis is what the decision rests on besides the request, nil where the caller did not say.
	Basis *Basis

	told int // steps of answers given already
}

// A Basis is what a decision at an instant rests on, as it stood then.
type Basis struct {
	At time.Time
	// Directory is the number of its picture; Kept is false when none is kept from then and the earliest there is stands in.
	Directory int64
	Kept      bool
	Policies  []PackVersion
	// Records are the person's, with the state of each link. Epochs guard them, by record; of an instant from before epochs
	// were kept a record has none.
	Records []Record
	Epochs  map[string]int64
	// Teams are the care teams that the directives name, nil where they name none.
	Teams []TeamVersion
}

// A TeamVersion is a care team as it was recorded then: Version is 0 where there was none. Doubtful means that it was not
// known whether the requester was a Member.
type TeamVersion struct {
	Team             string
	Version          int64
	Member, Doubtful bool
}

// An Answer is the reason for one atom and purpose.
type Answer struct {
	Atom    string
	Purpose hie.Purpose
	Reason  Reason
}

// Explain gives the decision Decide gives, with everything that spoke. It is for privacy officers, the source
// site and the audit trail; a requester must not see it.
//
// Source: spec consent 2.12 and 2.17 (every refused atom names its deciding rule, every permit its ground).
func (d *Decider) Explain(req Request, doc Document, now time.Time) Trace {
	t := Trace{Answers: make([]Answer, 0, 2)} // as many as are often made
	q := query{req: &req, doc: &doc, trace: &t}
	t.Decision = d.sum(&q, now, &summary{})
	t.Directives = d.standings(tickOf(now))
	switch t.Decision.Reason {
	case ReasonInput, ReasonLabelStale, ReasonEmergencyInvalid:
		t.Decision.Atoms.Each(func(label string, _ bool) {
			t.Steps = append(t.Steps, Step{Atom: label, Layer: t.Decision.Layer, Rule: t.Decision.Reason.String(), Effect: "refuses", Decides: true})
		})
	case ReasonObligation:
		t.Steps = append(t.Steps, Step{Layer: LayerObligation, Rule: "obligations", Effect: "refuses", Decides: true, Note: "the requester did not declare that it honours every mandatory obligation, or a policy has no words for one"})
	}
	return t
}

func (q *query) step(s Step) {
	if q.trace == nil {
		return
	}
	s.Atom, s.Purpose = q.atom.kept(), q.purpose.code
	q.trace.Steps = append(q.trace.Steps, s)
}

// kept is a's name for a trace: cloned where it comes from a document, or the whole query would move to the heap.
func (a atom) kept() string {
	if a.kind == other {
		return strings.Clone(a.name)
	}
	return atom{kind: a.kind}.String()
}

// answered records the reason of the answer under way, and leaves the mark of the one step that decided: what a
// later rule replaced did not.
func (q *query) answered(r Reason) {
	q.trace.Answers = append(q.trace.Answers, Answer{Atom: q.atom.kept(), Purpose: q.purpose.code, Reason: r})
	steps, found := q.trace.Steps[q.trace.told:], false
	for i := range steps {
		s := &steps[i]
		s.Decides = !found && s.gives(r)
		found = found || s.Decides
	}
	q.trace.told = len(q.trace.Steps)
}

// gives reports whether s is what an answer with reason r rests on.
func (s *Step) gives(r Reason) bool {
	switch r {
	case ReasonEmergency:
		return s.Layer == LayerEmergency || strings.HasSuffix(s.Effect, replacedByEmergency)
	case ReasonMandate:
		return s.Effect == string(Mandate)
	}
	return s.Decides && s.Layer == r.Layer()
}

const replacedByEmergency = "replaced by the emergency"

// ruleStep records that a rule spoke, and what came of it.
func (q *query) ruleStep(r *rule, outcome string) {
	if q.trace == nil {
		return
	}
	effect := string(r.Effect)
	if r.Effect == Require {
		effect += " " + r.Kind
	}
	if outcome != "" {
		effect += ", " + outcome
	}
	q.step(Step{Layer: r.Layer, Rule: r.ID, Effect: effect, Source: r.Source})
}

// decided marks the first rule step of the answer under way that gave reason r.
func (q *query) decided(r Reason) {
	if q.trace == nil {
		return
	}
	steps := q.trace.Steps
	for i := range steps {
		s := &steps[i]
		if s.Atom == q.atom.String() && s.Purpose == q.purpose.code && s.Layer == r.Layer() && !s.Decides && ruleRefuses(s.Effect, r) {
			s.Decides = true
			return
		}
	}
}

func ruleRefuses(effect string, r Reason) bool {
	if effect == "FORBID" {
		return r == ReasonLawForbid || r == ReasonNetworkForbid || r == ReasonSiteForbid
	}
	return len(effect) > 7 && effect[:7] == "REQUIRE" && effect[len(effect)-7:] == "not met" &&
		(r == ReasonLawRequire || r == ReasonNetworkRequire || r == ReasonSiteRequire)
}

// weighed records what the patient's directives said; winner is the permit that releases, zero on a refusal.
func (d *Decider) weighed(q *query, rep *report, winner said, r Reason) {
	decided := winner.node != nil
	parted := rep.permits.next(0) >= 0 && d.allBeaten(rep)                                                // each by some permit, and by none of them all
	q.trace.Steps = slices.Grow(q.trace.Steps, rep.denies.count()+len(rep.missing)+rep.permits.count()+1) // one may follow
	for i := range rep.denies.all {
		n := d.node(i)
		s := Step{Layer: LayerPatient, Rule: n.name(), Node: n.path, Effect: "denies"}
		switch {
		case n.absolute:
			s.Effect = "denies absolutely"
		case n.tombstone:
			s.Effect = "tombstone denies"
		}
		switch {
		case winner.node != nil:
			s.Note = "beaten by a later and narrower permit"
		case !decided && n.refuses() == r && (parted || !rep.permits.meets(d.beating(i))):
			s.Decides, decided = true, true
		}
		q.step(s)
	}
	for _, c := range rep.missing {
		s := Step{Layer: LayerPatient, Rule: c.name(), Node: "provision", Effect: "does not cover"}
		if winner.node != nil {
			s.Note = "a later permit does"
		} else if !decided && r == ReasonNotCovered {
			s.Decides, decided = true, true
		}
		q.step(s)
	}
	for i := range rep.permits.all {
		n := d.permit(i)
		q.step(Step{Layer: LayerPatient, Rule: n.name(), Node: n.path, Effect: "permits", Decides: n == winner})
	}
}

// allBeaten reports whether each deny is beaten by some permit.
func (d *Decider) allBeaten(rep *report) bool {
	for i := range rep.denies.all {
		if !rep.permits.meets(d.beating(i)) {
			return false
		}
	}
	return true
}

func (c *compiled) name() string {
	if c.version == 0 {
		return c.id
	}
	return c.id + "/" + strconv.FormatInt(c.version, 10)
}

// standings says what part each directive plays at now.
func (d *Decider) standings(now tick) []Standing {
	live := d.at(now).live // in the order of the directives
	out := make([]Standing, len(d.dirs))
	for i := range d.dirs {
		c, s := &d.dirs[i], &out[i]
		s.ID, s.Version, s.State, s.Why = c.id, c.version, "replaced", c.held
		switch {
		case c.shape == nil:
			s.State = "does not count"
		case c.filed > now || c.begins > now:
			s.State = "not begun"
		case len(live) > 0 && live[0].compiled == c:
			s.State, live = live[0].standing(), live[1:]
		case d.newestOf(c, now):
			s.State = "revoked"
			if !c.revoked {
				s.State = "expired"
			}
			if c.root.sense == permitting && c.lapses <= now {
				s.State = "lapsed"
			}
		}
	}
	return out
}

func (l *live) standing() string {
	switch {
	case l.mode == tombstones:
		return "tombstone"
	case l.mode == expiredDeny:
		return "expired, still denies"
	case l.held != nil:
		return "held"
	case !l.verified:
		return "not verified"
	}
	return "in force"
}

// newestOf reports whether no begun directive of c's key was filed after c.
func (d *Decider) newestOf(c *compiled, now tick) bool {
	for i := range d.dirs {
		o := &d.dirs[i]
		if o.shape != nil && o.sameWish(c) && o.filed > c.filed && o.filed <= now && o.begins <= now {
			return false
		}
	}
	return true
}
