package consent_test

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// The oracle on several directives.

func same(a, b []string) bool {
	x, y := map[string]bool{}, map[string]bool{}
	for _, v := range a {
		x[v] = true
	}
	for _, v := range b {
		y[v] = true
	}
	if len(x) != len(y) {
		return false
	}
	for v := range x {
		if !y[v] {
			return false
		}
	}
	return true
}

func allIn[T any](a, b []T, in func(x, y T) bool) bool {
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y T) bool { return in(x, y) }) {
			return false
		}
	}
	return true
}

// dimIn reports whether a's dimension lies within b's; ad and bd say whether each acts as a deny.
func (o *oracle) dimIn(dim string, a *oscope, ad bool, b *oscope, bd bool) bool {
	limits := func(na, nb int) (bool, bool) { return nb == 0, na == 0 } // b unlimited; a unlimited
	strs := func(x, y []string, in func(p, q string) bool) bool {
		if bu, au := limits(len(x), len(y)); bu || au {
			return bu
		}
		return allIn(x, y, in)
	}
	eq := func(p, q string) bool { return p == q }
	switch dim {
	case "recipient":
		if bu, au := limits(len(a.recipients), len(b.recipients)); bu || au {
			return bu
		}
		return allIn(a.recipients, b.recipients, o.recipientIn)
	case "source":
		return strs(a.sources, b.sources, func(p, q string) bool {
			if p == q {
				return true
			}
			pk, pid := ref(p)
			qk, qid := ref(q)
			if qk != "Organization" || !o.listed(qid) {
				return false
			}
			if pk == "Location" {
				st := o.site(pid)
				return st != nil && o.orgUnder(string(st.Org), qid)
			}
			return pk == "Organization" && o.listed(pid) && o.orgUnder(pid, qid)
		})
	case "purpose":
		return strs(a.purposes, b.purposes, func(p, q string) bool {
			if !o.knownPurpose(p) || !o.knownPurpose(q) {
				return p == q
			}
			return o.purposeUnder(p, q)
		})
	case "label":
		return labelIn(a, ad, b, bd)
	case "class":
		return strs(a.classes, b.classes, eq)
	case "code":
		return strs(a.codes, b.codes, eq)
	case "times":
		switch {
		case b.times == nil:
			return true
		case a.times == nil:
			return false
		case a.times.bad || b.times.bad:
			return a.times.bad && b.times.bad && a.times.raw == b.times.raw
		}
		return a.times.inside(b.times)
	case "data":
		if bu, au := limits(len(a.data), len(b.data)); bu || au {
			return bu
		}
		return allIn(a.data, b.data, func(p, q consent.Data) bool { return p == q })
	}
	panic(dim)
}

func labelIn(a *oscope, ad bool, b *oscope, bd bool) bool {
	al, as := a.codesOf()
	bl, bs := b.codesOf()
	switch {
	case bl == nil && bs == nil:
		return true
	case al == nil && as == nil:
		return false
	case ad != bd && as == nil && bs == nil:
		return true
	}
	odd := func(codes []string) bool {
		return slices.ContainsFunc(codes, func(c string) bool { _, ok := sensParent[c]; return !ok })
	}
	if odd(as) || odd(bs) {
		list := func(lv []int, sens []string) []string {
			out := slices.Clone(sens)
			for _, l := range lv {
				out = append(out, string(levels[l]))
			}
			return out
		}
		return same(list(al, as), list(bl, bs))
	}
	atoms := []string{"plain"}
	for c := range sensParent {
		atoms = append(atoms, c)
	}
	for l := range len(levels) {
		for _, at := range atoms {
			if a.labelMatch(l, at, true, ad) == yes3 && b.labelMatch(l, at, true, bd) != yes3 {
				return false
			}
		}
	}
	return true
}

// oteam is a recipient taken apart.
type oteam struct {
	raw, org, prac, team string
	hasOrg, hasPrac      bool
	codes                []string
	odd                  bool
}

func takeApart(a consent.Actor) oteam {
	t := oteam{raw: a.Reference}
	if a.Role != "" && a.Role != "IRCP" {
		t.odd, t.raw = true, a.Role+" "+a.Reference
		return t
	}
	k, id := ref(a.Reference)
	switch {
	case strings.HasPrefix(a.Reference, "#") && a.Team != nil:
		t.org, t.hasOrg, t.prac, t.hasPrac, t.codes = a.Team.Organization, a.Team.HasOrganization, a.Team.Practitioner, a.Team.HasPractitioner, a.Team.Codes
		t.odd = !t.hasOrg && !t.hasPrac && len(t.codes) == 0
	case k == "Organization":
		t.org, t.hasOrg = a.Reference, true
	case k == "Practitioner":
		t.prac, t.hasPrac = a.Reference, true
	case k == "CareTeam":
		t.team = id
	default:
		t.odd = true
	}
	return t
}

func (o *oracle) recipientIn(pa, da consent.Actor) bool {
	p, d := takeApart(pa), takeApart(da)
	if p.odd || d.odd {
		return p.odd && d.odd && p.raw == d.raw
	}
	if d.hasOrg {
		pk, pid := ref(p.org)
		dk, did := ref(d.org)
		resolved := pk == "Organization" && dk == "Organization" && o.listed(pid) && o.listed(did)
		if !p.hasOrg || resolved && !o.orgUnder(pid, did) || !resolved && p.org != d.org {
			return false
		}
	}
	if d.hasPrac && (!p.hasPrac || p.prac != d.prac) || d.team != "" && p.team != d.team {
		return false
	}
	return len(d.codes) == 0 || len(p.codes) > 0 && allIn(p.codes, d.codes, func(x, y string) bool { return x == y })
}

var oracleDims = []string{"recipient", "source", "purpose", "label", "class", "code", "times", "data"}

func (o *oracle) beats(p, d *onode) bool {
	if d.absolute || p.signed.IsZero() || d.signed.IsZero() || !p.signed.After(d.signed) || !p.filed.After(d.filed) {
		return false
	}
	smaller := false
	for _, dim := range oracleDims {
		if !o.dimIn(dim, &p.s, p.deny, &d.s, d.deny) {
			return false
		}
		if !o.dimIn(dim, &d.s, d.deny, &p.s, p.deny) {
			smaller = true
		}
	}
	return smaller
}

type standing struct {
	d    *odir
	kind string // "force", "tombs", "expired deny"
}

func (o *oracle) inForce() []standing {
	var begun []*odir
	for _, d := range o.dirs {
		if d.Status != "active" && d.Status != "inactive" || d.Scope == "adr" || d.Scope == "treatment" || o.rec(d.Record) == nil || d.Filed.After(o.now) {
			continue
		}
		b := o.build(d)
		if b.from != nil && b.from.After(o.now) {
			continue
		}
		begun = append(begun, b)
	}
	key := func(d *odir) string {
		p, g := slices.Clone(d.Policies), slices.Clone(d.Organizations)
		sort.Strings(p)
		sort.Strings(g)
		who := ""
		if len(d.Performers) > 0 && !strings.HasPrefix(d.Performers[0], "Patient/") {
			who = "by " + d.Performers[0]
		}
		return strings.Join(p, "\x01") + "\x00" + strings.Repeat("+", len(g)) + strings.Join(g, "\x01") + "\x00" + d.Scope + "\x00" + who + "\x00" + d.Record
	}
	latest := map[string]time.Time{}
	for _, d := range begun {
		if latest[key(d)].Before(d.Filed) {
			latest[key(d)] = d.Filed
		}
	}
	var out []standing
	for _, d := range begun {
		if d.Filed.Before(latest[key(d)]) {
			continue
		}
		expired := d.Status == "active" && d.to != nil && !o.now.Before(*d.to)
		switch {
		case d.Status == "inactive" && !d.root.deny && !d.ReturnToDefault, expired && d.expiryDeny && !d.root.deny:
			out = append(out, standing{d, "tombs"})
		case d.Status == "inactive":
		case expired && d.expiryDeny:
			out = append(out, standing{d, "expired deny"})
		case !expired:
			out = append(out, standing{d, "force"})
		}
	}
	return out
}

func (o *oracle) tombs(d *odir) []*onode {
	var out []*onode
	var walk func(n *onode)
	walk = func(n *onode) {
		whole := &onode{dir: d, deny: true, absolute: n.absolute, tomb: true, s: n.s, filed: n.filed, signed: n.signed}
		whole.s.period, whole.s.actions = nil, nil
		bare := &onode{dir: d, deny: true, absolute: n.absolute, tomb: true, filed: n.filed, signed: n.signed}
		bare.s = oscope{purposes: n.s.purposes, sources: n.s.sources}
		if d.additive {
			bare.s.recipients = n.s.recipients
		}
		for _, t := range []*onode{whole, bare} {
			if d.Status == "inactive" && t.signed.Before(t.filed) {
				t.signed = t.filed
			}
		}
		out = append(out, whole, bare)
		for _, k := range n.kids {
			walk(k)
		}
	}
	walk(d.root)
	return out
}

func (o *oracle) effective(d *odir) bool {
	mine := o.rec(o.doc.Record)
	if d.held || !d.Verified {
		return false
	}
	return d.rec.ID == mine.ID || d.NetworkWide && d.rec.Link == hie.LinkConfirmed && mine.Link == hie.LinkConfirmed
}

func (o *oracle) patientSays(atom, purpose string) (reason string, absolute bool) {
	var denies, permits []*onode
	var uncovered []*odir
	for _, s := range o.inForce() {
		d := s.d
		if d.Scope == "research" && !o.purposeUnder(purpose, "HRESCH") {
			continue
		}
		switch s.kind {
		case "tombs":
			for _, t := range o.tombs(d) {
				if o.hits(t, atom, purpose) {
					denies = append(denies, t)
				}
			}
			continue
		case "expired deny":
			_, ns := o.ask(d.root, atom, purpose, true)
			denies = append(denies, ns...)
			continue
		}
		written, ns := o.ask(d.root, atom, purpose, false)
		if o.effective(d) {
			switch written {
			case "deny":
				denies = append(denies, ns...)
			case "permit":
				permits = append(permits, ns...)
			}
		} else {
			_, ns := o.ask(d.root, atom, purpose, true)
			denies = append(denies, ns...)
		}
		if written == "" && !d.root.deny && !d.additive {
			bare := &onode{deny: true, s: oscope{purposes: d.root.s.purposes, sources: d.root.s.sources}}
			if o.hits(bare, atom, purpose) {
				uncovered = append(uncovered, d)
			}
		}
	}
	for _, n := range denies {
		absolute = absolute || n.absolute
	}
	if len(denies)+len(permits)+len(uncovered) == 0 {
		return "", false
	}
	for _, p := range permits {
		ok := true
		for _, n := range denies {
			ok = ok && o.beats(p, n)
		}
		for _, u := range uncovered {
			ok = ok && !p.signed.IsZero() && !u.Signed.IsZero() && p.signed.After(u.Signed) && p.filed.After(u.Filed)
		}
		if ok {
			return "PERMIT", absolute
		}
	}
	name := func(n *onode) string {
		if n.absolute {
			return "ABSOLUTE"
		}
		if n.tomb {
			return "TOMBSTONE"
		}
		return "DENY"
	}
	worst := func(only func(*onode) bool) string {
		best := ""
		for _, n := range denies {
			if only(n) && (best == "" || slices.Index(oracleOrder, name(n)) < slices.Index(oracleOrder, best)) {
				best = name(n)
			}
		}
		return best
	}
	if r := worst(func(n *onode) bool {
		return !slices.ContainsFunc(permits, func(p *onode) bool { return o.beats(p, n) })
	}); r != "" {
		return r, absolute
	}
	if len(uncovered) > 0 {
		return "NOT_COVERED", absolute
	}
	return worst(func(*onode) bool { return true }), absolute
}
