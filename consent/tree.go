package consent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

func purposeCode(s string) hie.Purpose { return hie.Purpose(s) }
func siteID(s string) hie.SiteID       { return hie.SiteID(s) }

// maxDepth is how deep a directive may nest; the root is 1.
const maxDepth = 4

// builder reads one directive into nodes.
type builder struct {
	env      *Env
	in       *Directive
	out      *shape
	site     hie.SiteID // of the record it was given on
	zone     *time.Location
	additive bool // every policy is (at least one)
	widening bool
}

func (b *builder) hold(format string, args ...any) {
	b.out.inPerson.held = append(b.out.inPerson.held, fmt.Sprintf(format, args...))
}

// policies looks up what the directive's policies say.
func (b *builder) policies() {
	b.additive, b.widening = len(b.in.Policies) > 0, len(b.in.Policies) > 0
	for i, uri := range b.in.Policies {
		p, ok := b.env.policies[uri]
		if !ok {
			b.hold("policy[%d] is not registered", i)
			b.additive, b.widening, b.out.denyExpiry = false, false, true
			continue
		}
		b.additive, b.widening = b.additive && p.Additive, b.widening && p.Widening
		b.out.denyExpiry = b.out.denyExpiry || p.OnExpiry != "" && p.OnExpiry != "default"
		if p.Instrument != "" {
			b.out.instrument = append(b.out.instrument, p.Instrument)
		}
		b.out.erase = b.out.erase || p.Erase
	}
	b.out.frequency = b.in.Frequency
}

// header holds the directive for what stands outside its tree; who may sign is for [compiled.signers].
//
// Source: spec consent-cases 12.
func (b *builder) header() {
	if b.in.Modified {
		b.hold("modifierExtension is not understood")
	}
	switch b.in.Scope {
	case "patient-privacy":
	case "research":
		b.out.research = true
	default:
		b.hold("scope is absent or not known")
	}
}

// signers holds c for whoever may not sign it, and limits it to the power of who signed in the patient's name.
//
// Source: spec consent-cases 12.
func (c *compiled) signers(in *Directive, proxies []Proxy) {
	if !slices.ContainsFunc(in.Performers, notThePatient) {
		return
	}
	own := *c.signing
	own.grantor, c.signing = grantorOf(in), &own
	for i, ref := range in.Performers {
		if notThePatient(ref) && !c.maySign(ref, in.Signed, proxies) {
			c.held = append(slices.Clip(c.held), fmt.Sprintf("performer[%d] is neither the patient nor a proxy at the time of signing", i))
		}
	}
}

func notThePatient(ref string) bool { return !strings.HasPrefix(ref, "Patient/") }

// maySign reports whether ref might sign for the patient when in was signed, and ends what they permit with their power.
func (c *compiled) maySign(ref string, signed time.Time, proxies []Proxy) bool {
	for _, p := range proxies {
		if p.Ref != ref || signed.IsZero() {
			continue
		}
		if in, ok := p.Period.read(c.zone); ok && in.holds(tickOf(signed)) {
			if !p.Lapses.IsZero() {
				c.lapses = min(c.lapses, tickOf(p.Lapses))
			}
			return true
		}
	}
	return false
}

// base reads what the root says: its type, else the policy rule.
//
// Source: spec consent 2.7; spec consent-cases 11.
func (b *builder) base(root *Provision) sense {
	in, out := slices.Contains(b.in.PolicyRules, "OPTIN"), slices.Contains(b.in.PolicyRules, "OPTOUT")
	switch {
	case root.Type == "permit" && !out, root.Type == "" && in && !out:
		return permitting
	case root.Type == "deny" && !in, root.Type == "" && out && !in:
		return denying
	}
	b.hold("provision.type and policyRule leave open, or contradict each other, whether this permits or denies")
	return denying
}

func (b *builder) span(p *Period) *span {
	in, ok := p.read(b.zone)
	return &span{interval: in, unreadable: !ok, raw: *p}
}

// node reads p, whose parent is up (nil for the root), into a node that acts as as.
func (b *builder) node(p *Provision, up *node, as sense, depth int, path string) *node {
	n := &node{path: path, sense: as, absolute: b.in.Absolute && as == denying}
	if depth > maxDepth {
		b.hold("%s is nested too deeply", path)
	}
	if p.Modified {
		b.hold("%s.modifierExtension is not understood", path)
	}
	own := b.stated(p, up == nil, path, as)
	n.scope = own
	if up == nil {
		if own.source == nil {
			n.scope.source = b.bound()
		}
	} else {
		if as == permitting && !b.widening && !narrows(&own, &up.scope, up.sense) {
			b.hold("%s permits more than what it stands under, and no policy allows that", path)
		}
		inherit(&n.scope, up, as)
	}
	for i := range p.Provisions {
		kid, at := &p.Provisions[i], fmt.Sprintf("%s.provision[%d]", path, i)
		as := denying
		switch kid.Type {
		case "permit":
			as = permitting
		case "deny":
		default:
			b.hold("%s.type is missing or not known", at)
		}
		n.kids = append(n.kids, b.node(kid, n, as, depth+1, at))
	}
	return n
}

// inherit fills what n does not state from up. Confidentiality is read in the inheriting node's own direction,
// but a deny that inherits it from a permit is not limited by it.
//
// Source: spec consent 2.6; spec consent-cases 3.
func inherit(s *scope, up *node, as sense) {
	u := &up.scope
	if s.period == nil {
		s.period = u.period
	}
	if s.recipient == nil {
		s.recipient = u.recipient
	}
	if s.source == nil {
		s.source = u.source
	}
	if s.purpose == nil {
		s.purpose = u.purpose
	}
	if s.label == nil && u.stated != nil {
		s.stated, s.label = u.stated, u.stated
		if as == denying && s.stated.as == permitting {
			s.label = s.stated.withoutConfidentiality()
		}
	}
	if s.class == nil {
		s.class = u.class
	}
	if s.code == nil {
		s.code = u.code
	}
	if s.times == nil {
		s.times = u.times
	}
	if s.data == nil {
		s.data = u.data
	}
	if s.action == nil {
		s.action = u.action
	}
}

// stated reads what p itself states. The root's period bounds the whole directive and is no dimension.
//
// Source: spec consent 2.7; spec consent-cases, "Consent elements read".
func (b *builder) stated(p *Provision, root bool, path string, as sense) scope {
	var s scope
	if p.Period != nil {
		if s.period = b.span(p.Period); s.period.unreadable {
			b.hold("%s.period is inverted or cannot be read", path)
		}
		if root {
			s.period = nil
		}
	}
	if p.DataPeriod != nil {
		if s.times = b.span(p.DataPeriod); s.times.unreadable {
			b.hold("%s.dataPeriod is inverted or cannot be read", path)
		}
	}
	for _, a := range p.Actors {
		if a.Role == "CST" || a.Role == "INF" {
			s.source = append(s.source, b.source(a.Reference))
		} else {
			s.recipient = append(s.recipient, b.recipient(a))
		}
	}
	if len(p.Purposes) > 0 {
		s.purpose = &purposes{}
		for _, code := range p.Purposes {
			if q := b.env.purpose(purposeCode(code)); q != nil {
				s.purpose.add(q)
			} else {
				s.purpose.odd = append(s.purpose.odd, code)
			}
		}
	}
	if len(p.Labels) > 0 {
		s.label = readLabels(p.Labels, as, b.env.kin)
		s.stated = s.label
	}
	if len(p.Actions) > 0 {
		m := matchActions(p.Actions)
		s.action = &m
	}
	s.class, s.code = some(p.Classes), some(p.Codes)
	for _, d := range p.Data {
		v := datum{Data: d}
		v.kind, v.id = splitReference(d.Reference)
		if v.kind == "Organization" {
			v.org = b.env.orgs[orgID(v.id)]
		}
		s.data = append(s.data, v)
	}
	return s
}

// some returns list, nil when it is empty: an empty list states nothing.
func some(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// bound is the source scope of a directive whose root states none: unlimited when it was meant for the whole
// network, else its organisations, else the site of its record.
//
// Source: spec consent-cases 8.
func (b *builder) bound() []source {
	switch {
	case b.in.NetworkWide:
		return nil
	case len(b.in.Organizations) == 0:
		return []source{b.source("Location/" + string(b.site))}
	}
	var out []source
	for _, ref := range b.in.Organizations {
		if kind, _ := splitReference(ref); kind == "Organization" {
			out = append(out, b.source(ref))
		} else {
			out = append(out, source{raw: "organization " + ref}) // unknown, also when an actor names the same as a source
		}
	}
	return out
}

func (b *builder) source(ref string) source {
	s := source{raw: ref}
	switch kind, id := splitReference(ref); kind {
	case "Organization":
		s.org = b.env.orgs[orgID(id)]
	case "Location":
		s.site = b.env.sites[siteID(id)]
	}
	return s
}

func (b *builder) recipient(a Actor) recipient {
	r := recipient{raw: a.Role + " " + a.Reference}
	if a.Role != "" && a.Role != "IRCP" {
		r.unresolved = true
		return r
	}
	r.raw = a.Reference
	kind, id := splitReference(a.Reference)
	switch {
	case a.Team != nil:
		if a.Team.HasOrganization {
			r.organization = b.party(a.Team.Organization, "Organization")
		}
		if a.Team.HasPractitioner {
			r.practitioner = b.party(a.Team.Practitioner, "Practitioner")
		}
		r.roles = some(a.Team.Codes)
		r.unresolved = r.organization == nil && r.practitioner == nil && r.roles == nil // names nobody
	case kind == "Organization":
		r.organization = b.party(a.Reference, kind)
	case kind == "Practitioner":
		r.practitioner = b.party(a.Reference, kind)
	case kind == "CareTeam":
		r.team = id
	default:
		r.unresolved = true
	}
	return r
}

func (b *builder) party(ref, want string) *party {
	p := &party{raw: ref}
	if kind, id := splitReference(ref); kind == want {
		if want == "Organization" {
			p.org = b.env.orgs[orgID(id)]
		} else {
			p.id = id
		}
	}
	return p
}

// tombstones are what a revoked or expired permit leaves: each node's scope as a deny, and its purpose and
// source alone, without the limits on data. Otherwise revoking "ordinary data only" would open everything.
//
// Source: spec consent 2.8f; spec consent-cases 18.
func (b *builder) tombstones(root *node) {
	for n := range root.all {
		whole, bare := *n, *n
		whole.scope.period, whole.scope.action = nil, nil
		if n.sense == permitting {
			whole.scope.label = n.scope.stated
		}
		bare.scope = scope{purpose: n.scope.purpose, source: n.scope.source}
		if b.additive {
			bare.scope.recipient = n.scope.recipient
		}
		for _, t := range []*node{&whole, &bare} {
			t.sense, t.tombstone, t.kids = denying, true, nil
			b.out.tombs = append(b.out.tombs, t)
		}
	}
}
