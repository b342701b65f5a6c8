package consent

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/hie"
)

func orgID(s string) hie.OrgID { return hie.OrgID(s) }

// A node is one node of a directive's tree, or a tombstone left by a revoked or expired one.
type node struct {
	acts  actsOn // of scope
	sense sense
	// Of a deny: whether it is absolute, and whether it is a tombstone.
	absolute  bool
	tombstone bool
	// index is its place among all nodes of its shape, those under it before it. place is that of a permit among the permits,
	// first that of the first permit under n or n itself.
	index, place, first int32

	kids  []*node
	path  string // "provision.provision[1]"
	scope scope
}

// compiled is a directive made ready: its shape, and what is this patient's own.
type compiled struct {
	*shape          // nil for one that does not count, whatever the time
	*signing        // of most, what everybody of that shape shares
	id       string // with version, names it
	version  int64
	record   *Record // nil when it is not one of the subject's
	filed    tick
	// signed is when the patient signed it; it counts for nothing where hasSigned is false.
	signed tick
	// Its nodes and permits are numbered through from these on.
	firstNode, firstPermit int32
	hasSigned, verified    bool
	// within is how many seconds after signed it may have been signed.
	within uint32
}

// signing is what follows from who signed a directive: the patient in person, or somebody for them.
type signing struct {
	grantor string // as grantorOf says
	lapses  tick   // when a proxy's permit ends with their power
	// held lists why only what it denies acts; of one that does not count, why that is.
	held []string
}

// restricted reports whether only what d denies acts, whatever document it is about.
func (d *compiled) restricted() bool { return d.held != nil || !d.verified }

// sameWish reports whether c and o are versions of one wish.
//
// Source: spec consent 2.8b; spec consent-cases 16.
func (c *compiled) sameWish(o *compiled) bool {
	return c.record == o.record && c.grantor == o.grantor && c.wish == o.wish
}

// A said is a node of one of a person's directives.
type said struct {
	*compiled
	*node
}

// A Decider decides about one person: their directives, compiled against one Env. It may be shared.
type Decider struct {
	env     *Env
	records []Record
	subject *Subject // besides the records, which it has none of
	dirs    []compiled
	// nodes and permits are how many nodes there are, and how many of them permit.
	nodes, permits int32
	// beats is, for each node that denies, the set of the permits that beat it, each of as many words as that takes; nil while
	// there is only one directive, since none beats itself.
	beats []uint64
	phase atomic.Pointer[phase]
	fault bool // a directive without a filing time: nothing can be said
}

// CareTeams are the ids of the care teams that the directives name, each once: those of which a request must say whether the
// requester belongs to them. The slice is shared: do not write to it.
//
// Source: spec consent 2.4.
func (d *Decider) CareTeams() []string {
	var out []string
	for i := range d.dirs {
		c := &d.dirs[i]
		switch {
		case c.shape == nil:
		case out == nil:
			out = slices.Clip(c.teams) // the shape's own, which nobody may change
		default:
			for _, t := range c.teams {
				if !slices.Contains(out, t) {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

// Compile makes the directives of a person ready for decisions. The order of directives does not matter. What
// cannot be understood is held: its denies act, its permits do not. It copies nothing; the caller leaves
// subject and directives alone afterwards.
//
// Source: spec consent 2.6-2.8, 2.13.
func Compile(env *Env, subject Subject, directives []Directive) *Decider {
	d := &Decider{env: env, records: subject.Records, subject: &nothingKnown}
	if subject.Home != "" || subject.Proxies != nil || subject.Grants != nil || subject.Instruments != nil || !subject.Died.IsZero() {
		rest := subject
		rest.Records, d.subject = nil, &rest
	}
	if len(directives) > 0 {
		d.dirs = make([]compiled, len(directives))
	}
	for i := range directives {
		if directives[i].Filed.IsZero() {
			d.fault = true
		}
		d.compile(&d.dirs[i], &directives[i])
	}
	d.compare()
	return d
}

// nothingKnown is what is known of most people besides their records and wishes.
var nothingKnown Subject

// died is when the person died, always when that is not known, or they live.
func (d *Decider) died() tick {
	if d.subject.Died.IsZero() {
		return always
	}
	return tickOf(d.subject.Died)
}

func (d *Decider) record(id string) *Record {
	for i := range d.records {
		if d.records[i].ID == id {
			return &d.records[i]
		}
	}
	return nil
}

// compile reads one directive into c.
func (d *Decider) compile(c *compiled, in *Directive) {
	c.id, c.version, c.record, c.filed, c.verified = in.ID, in.Version, d.record(in.Record), tickOf(in.Filed), in.Verified
	if why := c.ignore(in); why != "" {
		c.signing = &signing{held: []string{why}}
		return
	}
	if !in.Signed.IsZero() {
		c.signed, c.hasSigned, c.within = tickOf(in.Signed), true, seconds(in.SignedWithin)
	}
	c.shape = d.env.shapeOf(in, c.record.Site)
	c.signing = &c.shape.inPerson
	c.signers(in, d.subject.Proxies)
}

// ignore says why in does not count, whatever the time; "" when it does.
//
// Source: spec consent-cases 15 and 23.
func (c *compiled) ignore(in *Directive) string {
	switch {
	case in.Status != "active" && in.Status != "inactive":
		return "status " + strconv.Quote(in.Status) + " does not count"
	case in.Scope == "adr" || in.Scope == "treatment":
		return "scope " + in.Scope + " is not about privacy"
	case c.record == nil:
		return "given on a record that is not this person's"
	}
	return ""
}

// compare settles which permits beat which denies: signed and recorded strictly after, contained in its scope
// and smaller in at least one dimension, and the deny not absolute.
//
// Source: spec consent 2.8c; spec consent-cases 20 and 21.
func (d *Decider) compare() {
	counted := 0
	for i := range d.dirs {
		c := &d.dirs[i]
		if c.shape == nil {
			continue
		}
		c.firstNode, c.firstPermit = d.nodes, d.permits
		d.nodes += int32(len(c.nodes))
		d.permits += c.permits
		counted++
	}
	if counted < 2 || d.permits == 0 {
		return
	}
	d.beats = make([]uint64, int(d.nodes)*wordsFor(d.permits))
	for i := range d.dirs {
		for j := range d.dirs {
			deny, permit := &d.dirs[i], &d.dirs[j]
			if i != j && deny.shape != nil && permit.shape != nil && permit.permits > 0 {
				d.compareTwo(deny, permit)
			}
		}
	}
}

// compareTwo settles which of permit's permits beat which of deny's denies.
func (d *Decider) compareTwo(deny, permit *compiled) {
	for _, n := range deny.nodes {
		if n.sense != denying || n.absolute || !permit.after(said{deny, n}) {
			continue
		}
		beatenBy := d.beatenBy(said{deny, n})
		for _, p := range permit.nodes {
			if p.sense == permitting && narrower(p, n) {
				beatenBy.set(int(permit.firstPermit + p.place))
			}
		}
	}
}

// beatenBy is the set of permits that beat n, nil where none is.
func (d *Decider) beatenBy(n said) numbers {
	return d.beating(int(n.firstNode + n.index))
}

// beating is the set of permits that beat the node of this number, nil where none is.
func (d *Decider) beating(number int) numbers {
	if d.beats == nil {
		return nil
	}
	words := wordsFor(d.permits)
	return numbers(d.beats[number*words : (number+1)*words])
}

// beat reports whether p beats n.
func (d *Decider) beat(p, n said) bool {
	b := d.beatenBy(n)
	return b != nil && b.has(int(p.firstPermit+p.place))
}

// after reports whether what c permits was signed and recorded strictly after n. A signing time not known is never later; of one
// known to the day c's is the earliest it may have been, n's the latest. A
// revocation dates from its filing; what an expired directive leaves keeps its times.
//
// Source: spec consent-cases 18 and 20.
func (c *compiled) after(n said) bool {
	signed, known, filed := n.signed, n.hasSigned, n.filed
	if n.within > 0 {
		signed = tickOf(signed.time().Add(time.Duration(n.within) * time.Second))
	}
	if n.tombstone && n.revoked {
		if !known {
			signed = filed
		}
		signed, known = max(filed, signed), true
	}
	return c.hasSigned && known && c.signed > signed && c.filed > filed
}

// afterRoot is after of the root of o.
func (c *compiled) afterRoot(o *compiled) bool { return c.after(said{o, o.root}) }

// all yields n and everything under it.
func (n *node) all(yield func(*node) bool) { n.walk(yield) }

func (n *node) walk(yield func(*node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, k := range n.kids {
		if !k.walk(yield) {
			return false
		}
	}
	return true
}

// A phase is the directives in force over a stretch of time in which none begins, ends or is replaced.
type phase struct {
	from, to tick // holds at from <= now <= to
	live     []live
}

// live is a directive in force and in which way.
type live struct {
	*compiled
	mode mode
}

type mode uint8

const (
	inForce     mode = iota
	tombstones       // revoked or expired: only the denies it left
	expiredDeny      // a deny that outlives its period, without its exceptions
)

// at returns the phase now is in.
//
// Source: spec consent 2.8a-b; spec consent-cases 15-17.
func (d *Decider) at(now tick) *phase {
	if p := d.phase.Load(); p != nil && p.from <= now && now <= p.to {
		return p
	}
	p := &phase{from: always, to: forever}
	var begun []*compiled
	for i := range d.dirs {
		c := &d.dirs[i]
		if c.shape == nil {
			continue
		}
		if p.turn(now, c.filed) && p.turn(now, c.begins) {
			begun = append(begun, c)
		}
	}
	for _, c := range begun {
		newest := !slices.ContainsFunc(begun, func(o *compiled) bool { return o.sameWish(c) && o.filed > c.filed })
		if !newest {
			continue
		}
		permit := c.root.sense == permitting
		if permit && c.lapses != forever && p.turn(now, c.lapses) {
			continue // the default holds: the patient speaks for themselves now
		}
		switch {
		case c.revoked:
			if permit && !c.returnToDefault {
				p.live = append(p.live, live{c, tombstones})
			}
		case c.ends == forever || !p.turn(now, c.ends+1):
			p.live = append(p.live, live{c, inForce})
		case c.denyExpiry && permit:
			p.live = append(p.live, live{c, tombstones})
		case c.denyExpiry:
			p.live = append(p.live, live{c, expiredDeny})
		}
	}
	d.phase.Store(p)
	return p
}

// turn reports whether t has come by now, and narrows p so that it does not reach across t.
func (p *phase) turn(now, t tick) bool {
	if t <= now {
		p.from = max(p.from, t)
		return true
	}
	p.to = min(p.to, t-1)
	return false
}
