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

// compiled is a directive made ready: what it says, and what is this patient's own. It is all that a person on a form costs
// besides what somebody who never said anything does: 64 bytes.
//
// Source: spec consent section 4.
type compiled struct {
	*signing        // of most, what everybody who signed the same in person, as is verified, shares
	id       string // with version, names it
	version  int64
	filed    tick
	signed   tick  // by the patient; always where that is not known
	record   int32 // its place among the person's, -1 when it is none of them
	// Its nodes and permits are numbered through from these on.
	firstNode, firstPermit int32
	within                 uint32 // how many seconds after signed it may have been signed
}

// signing is what a directive says, with what follows from who signed it, the patient in person or somebody for them, and on what
// evidence.
type signing struct {
	*shape         // nil for one that does not count, whatever the time
	grantor string // as grantorOf says
	lapses  tick   // when a proxy's permit ends with their power
	// held lists why only what it denies acts; of one that does not count, why that is.
	held     []string
	verified bool // its evidence is
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

// place is where the record of this id is among the person's, -1 when it is none of them.
func (d *Decider) place(id string) int32 {
	for i := range d.records {
		if d.records[i].ID == id {
			return int32(i)
		}
	}
	return -1
}

// record is the record of this id, nil when it is none of the person's.
func (d *Decider) record(id string) *Record {
	if at := d.place(id); at >= 0 {
		return &d.records[at]
	}
	return nil
}

// givenOn is the record that c, which counts, was given on.
func (d *Decider) givenOn(c *compiled) *Record { return &d.records[c.record] }

// compile reads one directive into c.
func (d *Decider) compile(c *compiled, in *Directive) {
	c.id, c.version, c.record, c.filed = in.ID, in.Version, d.place(in.Record), tickOf(in.Filed)
	if why := c.ignore(in); why != "" {
		c.signing = &signing{held: []string{why}, verified: in.Verified}
		return
	}
	if c.signed = always; !in.Signed.IsZero() {
		c.signed, c.within = tickOf(in.Signed), seconds(in.SignedWithin)
	}
	if c.signing = &d.env.shapeOf(in, d.givenOn(c).Site).inPerson; !in.Verified {
		own := *c.signing
		own.verified, c.signing = false, &own
	}
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
	case c.record < 0:
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
	signed := n.signed
	if n.within > 0 {
		signed = tickOf(signed.time().Add(time.Duration(n.within) * time.Second))
	}
	if n.tombstone && n.revoked {
		signed = max(n.filed, signed)
	}
	return signed != always && c.signed > signed && c.filed > n.filed
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
