package consent

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/hie"
)

func orgID(s string) hie.OrgID { return hie.OrgID(s) }

// A node is one node of a directive's tree, or a tombstone left by a revoked or expired one.
type node struct {
	dir   *compiled
	path  string // "provision.provision[1]"
	sense sense
	scope scope
	kids  []*node
	index int // among all nodes of the person

	// Of a permit: its place among all permits. Of a deny: the permits that beat it, whether it is absolute and
	// whether it is a tombstone.
	place     int
	beatenBy  bits
	absolute  bool
	tombstone bool
	// When it was recorded and signed; signed is always (the beginning of time) when not known.
	filed, signed micros
	hasSigned     bool
}

// bits is a set of permit places.
type bits []uint64

func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }

// compiled is a directive made ready.
type compiled struct {
	*Directive
	record *Record // nil when it is not one of the subject's
	root   *node
	tombs  []*node
	begins micros // root period
	ends   micros
	lapses micros // when a proxy's permit ends with their power
	key    string
	// held lists why the directive could not be understood whole; its denies act, its permits do not.
	held []string
	// research limits it to research purposes; ignored takes it out for good.
	research bool
	ignored  string
	// exhaustive permits refuse what they name and do not cover.
	exhaustive bool
	denyExpiry bool
	instrument []string
	// erase says that a release its permits give ends with its period, on day eraseBy.
	erase   bool
	eraseBy string
	later   bits // permits filed and signed after it: what lifts a NOT_COVERED
}

// restricted reports whether only what d denies acts, whatever document it is about.
func (d *compiled) restricted() bool { return d.held != nil || !d.Verified }

// A Decider decides about one person: their directives, compiled against one Env. It may be shared.
type Decider struct {
	env     *Env
	subject Subject
	grants  []Grant
	died    micros
	dirs    []*compiled
	nodes   int // how many nodes there are
	phase   atomic.Pointer[phase]
	fault   bool // a directive without a filing time: nothing can be said
	teams   []string
}

// CareTeams are the ids of the care teams that the directives name, each once: those of which a request must say whether the
// requester belongs to them. The slice is shared: do not write to it.
//
// Source: spec consent 2.4.
func (d *Decider) CareTeams() []string { return d.teams }

// Compile makes the directives of a person ready for decisions. The order of directives does not matter. What
// cannot be understood is held: its denies act, its permits do not. It copies nothing; the caller leaves
// subject and directives alone afterwards.
//
// Source: spec consent 2.6-2.8, 2.13.
func Compile(env *Env, subject Subject, directives []Directive) *Decider {
	d := &Decider{env: env, subject: subject, grants: subject.Grants, died: always}
	if !subject.Died.IsZero() {
		d.died = directiveTime(subject.Died)
	}
	for i := range directives {
		if directives[i].Filed.IsZero() {
			d.fault = true
		}
		d.dirs = append(d.dirs, d.compile(&directives[i]))
	}
	d.compare()
	return d
}

func (d *Decider) record(id string) *Record {
	for i := range d.subject.Records {
		if d.subject.Records[i].ID == id {
			return &d.subject.Records[i]
		}
	}
	return nil
}

// compile reads one directive.
func (d *Decider) compile(in *Directive) *compiled {
	c := &compiled{Directive: in, record: d.record(in.Record), begins: always, ends: forever, lapses: forever}
	switch {
	case in.Status != "active" && in.Status != "inactive":
		c.ignored = "status " + strconv.Quote(in.Status) + " does not count"
	case in.Scope == "adr" || in.Scope == "treatment":
		c.ignored = "scope " + in.Scope + " is not about privacy"
	case c.record == nil:
		c.ignored = "given on a record that is not this person's"
	}
	if c.ignored != "" {
		return c
	}
	zone := d.env.zoneOf(in.Organizations, c.record.Site)
	b := builder{env: d.env, c: c, zone: zone}
	b.policies()
	b.header(d.subject.Proxies)
	c.key = directiveKey(in)
	root := in.Provision
	if root == nil {
		root = &Provision{}
	}
	base := b.base(root)
	if root.Period != nil {
		if span := b.span(root.Period); !span.unreadable {
			c.begins, c.ends = span.from, span.to
		}
	}
	if c.eraseBy = "never"; c.ends != forever {
		c.eraseBy = time.UnixMicro(int64(c.ends)).In(zone).Format(time.DateOnly)
	}
	c.root = b.node(root, nil, base, 1, "provision")
	b.times(c.root)
	if base == permitting && (in.Status == "inactive" && !in.ReturnToDefault || c.denyExpiry && c.ends != forever) {
		b.tombstones(c.root)
	}
	c.exhaustive = base == permitting && (!b.additive || len(in.Policies) == 0)
	return c
}

// directiveKey is what two versions of one wish share: sorted policies, sorted organisations, scope, grantor
// and record.
//
// Source: spec consent 2.8b; spec consent-cases 16.
func directiveKey(d *Directive) string {
	grantor := ""
	if len(d.Performers) > 0 && !strings.HasPrefix(d.Performers[0], "Patient/") {
		grantor = "=" + d.Performers[0] // also one without a name: it is not the patient, whose wish it must not replace
	}
	policies, orgs := slices.Sorted(slices.Values(d.Policies)), slices.Sorted(slices.Values(d.Organizations))
	var b []byte
	for _, list := range [][]string{policies, orgs, {d.Scope, grantor, d.Record}} {
		b = strconv.AppendInt(b, int64(len(list)), 10)
		for _, s := range list {
			b = strconv.AppendQuote(b, s)
		}
	}
	return string(b)
}

// compare settles which permits beat which denies: signed and recorded strictly after, contained in its scope
// and smaller in at least one dimension, and the deny not absolute.
//
// Source: spec consent 2.8c; spec consent-cases 20 and 21.
func (d *Decider) compare() {
	var permits, denies []*node
	for _, c := range d.dirs {
		if c.root == nil {
			continue
		}
		for n := range c.root.all {
			n.index = d.nodes
			d.nodes++
			d.nameTeams(n)
			if n.sense == denying {
				denies = append(denies, n)
			} else {
				n.place = len(permits)
				permits = append(permits, n)
			}
		}
		for _, t := range c.tombs {
			t.index = d.nodes
			d.nodes++
		}
		denies = append(denies, c.tombs...)
	}
	words := (len(permits) + 63) / 64
	for _, n := range denies {
		n.beatenBy = make(bits, words)
		for _, p := range permits {
			if !n.absolute && p.after(n) && narrower(p, n) {
				n.beatenBy.set(p.place)
			}
		}
	}
	for _, c := range d.dirs {
		if c.root == nil || !c.exhaustive {
			continue
		}
		c.later = make(bits, words)
		for _, p := range permits {
			if p.after(c.root) {
				c.later.set(p.place)
			}
		}
	}
}

func (d *Decider) nameTeams(n *node) {
	for i := range n.scope.recipient {
		if team := n.scope.recipient[i].team; team != "" && !slices.Contains(d.teams, team) {
			d.teams = append(d.teams, team)
		}
	}
}

// after reports whether p was signed and recorded strictly after n. A signing time not known is never later.
func (p *node) after(n *node) bool {
	return p.hasSigned && n.hasSigned && p.signed > n.signed && p.filed > n.filed
}

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
	from, to micros // holds at from <= now <= to
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
func (d *Decider) at(now micros) *phase {
	if p := d.phase.Load(); p != nil && p.from <= now && now <= p.to {
		return p
	}
	p := &phase{from: always, to: forever}
	var begun []*compiled
	for _, c := range d.dirs {
		if c.ignored != "" {
			continue
		}
		if filed := micros(c.Filed.UnixMicro()); p.turn(now, filed) && p.turn(now, c.begins) {
			begun = append(begun, c)
		}
	}
	for _, c := range begun {
		newest := !slices.ContainsFunc(begun, func(o *compiled) bool { return o.key == c.key && o.Filed.After(c.Filed) })
		if !newest {
			continue
		}
		permit := c.root.sense == permitting
		if permit && c.lapses != forever && p.turn(now, c.lapses) {
			continue // the default holds: the patient speaks for themselves now
		}
		switch {
		case c.Status == "inactive":
			if permit && !c.ReturnToDefault {
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
func (p *phase) turn(now, t micros) bool {
	if t <= now {
		p.from = max(p.from, t)
		return true
	}
	p.to = min(p.to, t-1)
	return false
}

// directiveTime brings a time to microseconds.
func directiveTime(t time.Time) micros { return micros(t.UnixMicro()) }
