package consent

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A shape is what a directive says, made ready, without what tells one patient's apart from another's on the same form: who
// said it, on which record, when it was signed and filed, and on what evidence. It does not change, and everybody whose
// directive is of this shape shares it.
//
// Source: spec consent section 4 (templates interned).
type shape struct {
	root *node
	// tombs are the denies that stay when a permit is revoked or expires.
	tombs []*node
	// nodes are what is under the root, the root, and tombs, by their index.
	nodes []*node

	policies []string
	begins   tick // root period
	ends     tick
	zone     *time.Location
	// wish is what two versions of one wish share, but for its grantor and record.
	wish string
	// inPerson is what holds when the patient signs it and that is verified: held lists why it could not be understood whole, so
	// that its denies act and its permits do not.
	inPerson   signing
	instrument []string
	teams      []string

	permits         int32 // how many of nodes permit
	revoked         bool  // its status is inactive, else active
	networkWide     bool
	returnToDefault bool
	// research limits it to research purposes.
	research bool
	// exhaustive permits refuse what they name and do not cover.
	exhaustive bool
	denyExpiry bool
	// erase says that a release its permits give ends with its period.
	erase bool
	// frequency is how often they let somebody ask, "" without limit.
	frequency string
}

// obliges reports whether what its permits release binds who receives it.
func (s *shape) obliges() bool { return s.erase || s.frequency != "" }

// eraseBy is the day by which what its permits release is to be erased, where they end.
func (s *shape) eraseBy() string {
	return s.ends.time().In(s.zone).Format(time.DateOnly)
}

// shapes are the shapes seen under one Env. What a directive says for nobody else is forgotten when there are too many.
type shapes struct {
	mu    sync.RWMutex
	known map[shapeSum]*shape
	// wishes are those of known, each once.
	wishes map[string]string
}

// shapeSum stands for a shapeKey, which is as long as what the directive says.
type shapeSum [sha256.Size]byte

// maxShapes bounds how many shapes are remembered: some megabytes at most. Forms are few, and come back at once.
const maxShapes = 4096

// shapeOf returns the shape of in, given on a record of site.
func (e *Env) shapeOf(in *Directive, site hie.SiteID) *shape {
	var stack [512]byte
	key := shapeSum(sha256.Sum256(shapeKey(stack[:0], in, site)))
	e.shapes.mu.RLock()
	s := e.shapes.known[key]
	e.shapes.mu.RUnlock()
	if s != nil {
		return s
	}
	s = e.makeShape(in, site)
	e.shapes.mu.Lock()
	defer e.shapes.mu.Unlock()
	if first := e.shapes.known[key]; first != nil {
		return first
	}
	if e.shapes.known == nil || len(e.shapes.known) >= maxShapes {
		e.shapes.known, e.shapes.wishes = map[shapeSum]*shape{}, map[string]string{}
	}
	if wish, have := e.shapes.wishes[s.wish]; have {
		s.wish = wish
	} else {
		e.shapes.wishes[s.wish] = s.wish
	}
	e.shapes.known[key] = s
	return s
}

// shapeKey appends everything of in that its shape is made of: two directives of one key have one shape. Lists and texts stand
// behind their length, so that no two run into each other.
func shapeKey(key []byte, in *Directive, site hie.SiteID) []byte {
	key = keyFlags(key, in.Modified, in.NetworkWide, in.Absolute, in.ReturnToDefault, in.Provision != nil)
	key = keyText(key, in.Status)
	key = keyText(key, in.Scope)
	key = keyText(key, string(site))
	key = keyText(key, in.Frequency)
	for _, list := range [...][]string{in.Policies, in.PolicyRules, in.Organizations} {
		key = keyTexts(key, list)
	}
	if in.Provision != nil {
		key = keyProvision(key, in.Provision)
	}
	return key
}

func keyProvision(key []byte, p *Provision) []byte {
	key = keyFlags(key, p.Modified, p.Period != nil, p.DataPeriod != nil)
	key = keyText(key, p.Type)
	for _, period := range [...]*Period{p.Period, p.DataPeriod} {
		if period != nil {
			key = keyText(keyText(key, period.Start), period.End)
		}
	}
	for _, list := range [...][]string{p.Actions, p.Labels, p.Purposes, p.Classes, p.Codes} {
		key = keyTexts(key, list)
	}
	key = binary.AppendUvarint(key, uint64(len(p.Actors)))
	for i := range p.Actors {
		a := &p.Actors[i]
		key = keyText(keyText(key, a.Role), a.Reference)
		if key = keyFlags(key, a.Team != nil); a.Team != nil {
			key = keyFlags(key, a.Team.HasOrganization, a.Team.HasPractitioner)
			key = keyTexts(keyText(keyText(key, a.Team.Organization), a.Team.Practitioner), a.Team.Codes)
		}
	}
	key = binary.AppendUvarint(key, uint64(len(p.Data)))
	for _, d := range p.Data {
		key = keyText(keyText(key, d.Meaning), d.Reference)
	}
	key = binary.AppendUvarint(key, uint64(len(p.Provisions)))
	for i := range p.Provisions {
		key = keyProvision(key, &p.Provisions[i])
	}
	return key
}

func keyText(key []byte, s string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(s))), s...)
}

func keyTexts(key []byte, list []string) []byte {
	key = binary.AppendUvarint(key, uint64(len(list)))
	for _, s := range list {
		key = keyText(key, s)
	}
	return key
}

func keyFlags(key []byte, flags ...bool) []byte {
	b := byte(0)
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	return append(key, b)
}

// makeShape reads what in says.
func (e *Env) makeShape(in *Directive, site hie.SiteID) *shape {
	s := &shape{revoked: in.Status == "inactive", policies: in.Policies, networkWide: in.NetworkWide, returnToDefault: in.ReturnToDefault, begins: always, ends: forever,
		zone: e.zoneOf(in.Organizations, site), wish: wishOf(in)}
	s.inPerson = signing{shape: s, lapses: forever, verified: true}
	b := builder{env: e, in: in, out: s, site: site, zone: s.zone}
	b.policies()
	b.header()
	root := in.Provision
	if root == nil {
		root = &Provision{}
	}
	base := b.base(root)
	if root.Period != nil {
		if span := b.span(root.Period); !span.unreadable {
			s.begins, s.ends = span.from, span.to
		}
	}
	s.root = b.node(root, nil, base, 1, "provision")
	if base == permitting && (in.Status == "inactive" && !in.ReturnToDefault || s.denyExpiry && s.ends != forever) {
		b.tombstones(s.root)
	}
	s.exhaustive = base == permitting && (!b.additive || len(in.Policies) == 0)
	s.number(s.root)
	for _, t := range s.tombs {
		s.number(t)
	}
	s.nodes = append(make([]*node, 0, len(s.nodes)), s.nodes...)
	for n := range s.root.all {
		s.name(n)
	}
	return s
}

// permit returns the permit of this place.
func (s *shape) permit(place int32) *node {
	for _, n := range s.nodes {
		if n.sense == permitting && n.place == place {
			return n
		}
	}
	return nil // there is one for each place below permits
}

// number gives n and what is under it their places, and makes them ready.
func (s *shape) number(n *node) {
	n.first = s.permits
	for _, k := range n.kids {
		s.number(k)
	}
	if n.sense == permitting {
		n.place = s.permits
		s.permits++
	}
	n.index = int32(len(s.nodes))
	s.nodes = append(s.nodes, n)
	n.acts = n.scope.actsOf(n.sense)
}

// name notes the care teams n names; a tombstone names none but those of its node.
func (s *shape) name(n *node) {
	for i := range n.scope.recipient {
		if team := n.scope.recipient[i].team; team != "" && !slices.Contains(s.teams, team) {
			s.teams = append(s.teams, team)
		}
	}
}

// wishOf is what two versions of one wish share besides grantor and record: sorted policies, sorted organisations and scope.
//
// Source: spec consent 2.8b; spec consent-cases 16.
func wishOf(d *Directive) string {
	policies, orgs := slices.Sorted(slices.Values(d.Policies)), slices.Sorted(slices.Values(d.Organizations))
	return string(keyText(keyTexts(keyTexts(nil, policies), orgs), d.Scope))
}

// grantorOf is who gave d: "" the patient, otherwise = and the first performer, also one without a name, who is not the
// patient and whose wish replaces none of the patient's.
func grantorOf(d *Directive) string {
	if len(d.Performers) > 0 && notThePatient(d.Performers[0]) {
		return "=" + d.Performers[0]
	}
	return ""
}
