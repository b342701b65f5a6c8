package consent_test

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
)

// The oracle on one node and one directive.

// oscope is an effective scope; nil slices and pointers are unlimited.
type oscope struct {
	period           *window
	recipients       []consent.Actor
	sources          []string
	purposes         []string
	labels           []string // codes
	noLevel          bool     // confidentiality among labels does not limit
	labelsFromPermit bool
	classes, codes   []string
	times            *window
	data             []consent.Data
	actions          []string
}

type onode struct {
	dir            *odir
	deny, absolute bool
	tomb           bool
	s              oscope
	kids           []*onode
	filed          time.Time
	signed         time.Time // zero: not known
}

type odir struct {
	consent.Directive
	root       *onode
	held       bool
	from, to   *time.Time
	additive   bool
	expiryDeny bool
	rec        *consent.Record
}

func (o *oracle) build(d consent.Directive) *odir {
	out := &odir{Directive: d, rec: o.rec(d.Record)}
	z := time.UTC
	if s := o.site(string(out.rec.Site)); s != nil {
		z = zoneNamed(s.Zone)
	}
	if len(d.Organizations) > 0 {
		for _, s := range o.setup.Sites {
			if d.Organizations[0] == "Organization/"+string(s.Org) {
				z = zoneNamed(s.Zone)
				break
			}
		}
	}
	widening := len(d.Policies) > 0
	out.additive = len(d.Policies) > 0
	for _, uri := range d.Policies {
		i := slices.IndexFunc(o.setup.Policies, func(p consent.Policy) bool { return p.URI == uri })
		if i < 0 {
			out.held, widening, out.additive, out.expiryDeny = true, false, false, true
			continue
		}
		p := o.setup.Policies[i]
		widening = widening && p.Widening
		out.additive = out.additive && p.Additive
		out.expiryDeny = out.expiryDeny || p.OnExpiry != "" && p.OnExpiry != "default"
	}
	if d.Modified || d.Scope != "patient-privacy" && d.Scope != "research" {
		out.held = true
	}
	for _, p := range d.Performers {
		signs := strings.HasPrefix(p, "Patient/")
		for _, x := range o.subj.Proxies {
			if w := readWindow(&x.Period, z); x.Ref == p && !d.Signed.IsZero() && !w.bad && w.holds(d.Signed) {
				signs = true
			}
		}
		out.held = out.held || !signs
	}
	root := consent.Provision{}
	if d.Provision != nil {
		root = *d.Provision
	}
	says := map[string]bool{}
	if root.Type != "" {
		says[root.Type] = true
	}
	if slices.Contains(d.PolicyRules, "OPTIN") {
		says["permit"] = true
	}
	if slices.Contains(d.PolicyRules, "OPTOUT") {
		says["deny"] = true
	}
	deny := true
	if len(says) == 1 && says["permit"] {
		deny = false
	} else if len(says) != 1 || !says["deny"] {
		out.held = true
	}
	var walk func(p consent.Provision, up *onode, deny bool, depth int) *onode
	walk = func(p consent.Provision, up *onode, deny bool, depth int) *onode {
		n := &onode{dir: out, deny: deny, absolute: deny && d.Absolute, filed: d.Filed, signed: d.Signed}
		if depth > 4 || p.Modified {
			out.held = true
		}
		if up != nil {
			n.s = up.s
			n.s.noLevel = false
		}
		var stated []string
		if w := readWindow(p.Period, z); w != nil {
			out.held = out.held || w.bad
			if up == nil {
				if !w.bad {
					out.from, out.to = w.from, w.to
				}
			} else {
				n.s.period = w
			}
		}
		var rcpt []consent.Actor
		var srcs []string
		for _, a := range p.Actors {
			if a.Role == "CST" || a.Role == "INF" {
				srcs = append(srcs, a.Reference)
			} else {
				rcpt = append(rcpt, a)
			}
		}
		if rcpt != nil {
			n.s.recipients, stated = rcpt, append(stated, "recipient")
		}
		if srcs != nil {
			n.s.sources, stated = srcs, append(stated, "source")
		} else if up == nil && !d.NetworkWide {
			for _, g := range d.Organizations {
				if k, _ := ref(g); k != "Organization" {
					g = "?" + g
				}
				n.s.sources = append(n.s.sources, g)
			}
			if len(d.Organizations) == 0 {
				n.s.sources = []string{"Location/" + string(out.rec.Site)}
			}
		}
		if len(p.Purposes) > 0 {
			n.s.purposes, stated = p.Purposes, append(stated, "purpose")
		}
		if len(p.Labels) > 0 {
			n.s.labels, n.s.labelsFromPermit, stated = p.Labels, !deny, append(stated, "label")
		} else if n.s.labels != nil && deny && n.s.labelsFromPermit {
			n.s.noLevel = true
		}
		if len(p.Classes) > 0 {
			n.s.classes, stated = p.Classes, append(stated, "class")
		}
		if len(p.Codes) > 0 {
			n.s.codes, stated = p.Codes, append(stated, "code")
		}
		if w := readWindow(p.DataPeriod, z); w != nil {
			out.held = out.held || w.bad
			n.s.times, stated = w, append(stated, "times")
		}
		if len(p.Data) > 0 {
			n.s.data, stated = p.Data, append(stated, "data")
		}
		if len(p.Actions) > 0 {
			n.s.actions = p.Actions
		}
		if up != nil && !deny && !widening {
			for _, dim := range stated {
				if !o.dimIn(dim, &n.s, false, &up.s, up.deny) {
					out.held = true
				}
			}
		}
		for _, k := range p.Provisions {
			kd := k.Type != "permit"
			if k.Type != "permit" && k.Type != "deny" {
				out.held = true
			}
			n.kids = append(n.kids, walk(k, n, kd, depth+1))
		}
		return n
	}
	out.root = walk(root, nil, deny, 1)
	return out
}

// codesOf splits effective label codes into levels and sensitivity codes.
func (s *oscope) codesOf() (lv []int, sens []string) {
	for _, c := range s.labels {
		if l := level(c); l >= 0 {
			if !s.noLevel {
				lv = append(lv, l)
			}
		} else {
			sens = append(sens, syn(c))
		}
	}
	return lv, sens
}

// sensMatch matches stated sensitivity codes against one atom; full says the document's labels are complete.
func sensMatch(codes []string, atom string, full, deny bool) int {
	out := no3
	for _, c := range codes {
		_, knownCode := sensParent[c]
		_, knownAtom := sensParent[atom]
		switch {
		case atom == "plain" && !full:
			out = any3(out, unk3)
		case !knownCode:
			if c == atom && atom != "plain" && c != "" {
				out = yes3
			} else {
				out = any3(out, unk3)
			}
		case atom == "plain":
		case !knownAtom:
			out = any3(out, unk3)
		default:
			out = any3(out, tri3(sensUnder(atom, c) || deny && sensUnder(c, atom)))
		}
	}
	return out
}

func (s *oscope) labelMatch(docLevel int, atom string, full, deny bool) int {
	lv, sens := s.codesOf()
	axes := []int{}
	if lv != nil {
		m := unk3
		if docLevel >= 0 {
			m = no3
			for _, l := range lv {
				m = any3(m, tri3(!deny && docLevel <= l || deny && docLevel >= l))
			}
		}
		axes = append(axes, m)
	}
	if sens != nil {
		axes = append(axes, sensMatch(sens, atom, full, deny))
	}
	if len(axes) == 0 {
		return yes3 // only levels that do not limit
	}
	if deny {
		return slices.Max(axes)
	}
	return slices.Min(axes)
}

func (o *oracle) orgRef(refID, asked string) int {
	if !o.listed(refID) {
		return unk3
	}
	return tri3(o.orgUnder(asked, refID))
}

func (o *oracle) recipientMatch(a consent.Actor) int {
	if a.Role != "" && a.Role != "IRCP" {
		return unk3
	}
	who := func(reference string) int {
		switch k, id := ref(reference); {
		case k == "Organization":
			return o.orgRef(id, string(o.req.Organization))
		case k == "Practitioner" && o.req.Practitioner != "":
			return tri3(id == o.req.Practitioner)
		case k == "CareTeam" && o.req.CareTeams != nil:
			return tri3(slices.Contains(o.req.CareTeams, id))
		}
		return unk3
	}
	if !strings.HasPrefix(a.Reference, "#") {
		return who(a.Reference)
	}
	if a.Team == nil || !a.Team.HasOrganization && !a.Team.HasPractitioner && len(a.Team.Codes) == 0 {
		return unk3
	}
	m := yes3
	if a.Team.HasOrganization {
		if k, _ := ref(a.Team.Organization); k != "Organization" {
			m = min(m, unk3)
		} else {
			m = min(m, who(a.Team.Organization))
		}
	}
	if a.Team.HasPractitioner {
		if k, _ := ref(a.Team.Practitioner); k != "Practitioner" {
			m = min(m, unk3)
		} else {
			m = min(m, who(a.Team.Practitioner))
		}
	}
	if len(a.Team.Codes) > 0 {
		r := no3
		for _, c := range a.Team.Codes {
			switch {
			case c == "" || o.req.Roles == nil:
				r = any3(r, unk3)
			default:
				r = any3(r, tri3(slices.Contains(o.req.Roles, c)))
			}
		}
		m = min(m, r)
	}
	return m
}

func (o *oracle) sourceMatch(reference string) int {
	st := o.site(string(o.doc.Site))
	switch k, id := ref(reference); k {
	case "Location":
		if o.site(id) == nil {
			return unk3
		}
		return tri3(id == string(st.ID))
	case "Organization":
		if !o.listed(string(st.Org)) {
			return unk3
		}
		return o.orgRef(id, string(st.Org))
	}
	return unk3
}

func (o *oracle) docWindow() *window {
	w := &window{}
	if !o.doc.Start.IsZero() {
		w.from = &o.doc.Start
	}
	if !o.doc.End.IsZero() {
		end := o.doc.End.Add(time.Nanosecond)
		w.to = &end
	}
	if w.from != nil && w.to != nil && !w.from.Before(*w.to) {
		return &window{}
	}
	return w
}

func (o *oracle) dataMatch(d consent.Data, deny bool) int {
	k, id := ref(d.Reference)
	switch d.Meaning {
	case "instance", "related":
		if k == "DocumentReference" {
			if o.doc.ID == "" && !(deny && slices.Contains(o.doc.Replaces, id)) {
				return unk3
			}
			return tri3(id == o.doc.ID || deny && slices.Contains(o.doc.Replaces, id))
		}
		if d.Meaning == "related" && k == "Encounter" && o.doc.Encounter != "" {
			return tri3(id == o.doc.Encounter)
		}
	case "authoredby":
		var ms, odd []int
		for _, a := range o.doc.Authors {
			ak, aid := ref(a)
			if ak == "" {
				odd = append(odd, unk3)
			}
			if k != "" && ak == k {
				switch {
				case k != "Organization":
					ms = append(ms, tri3(aid == id))
				case !o.listed(aid):
					ms = append(ms, unk3)
				default:
					ms = append(ms, o.orgRef(id, aid))
				}
			}
		}
		if len(ms) > 0 && (k != "Organization" || o.listed(id)) {
			return any3(append(ms, odd...)...)
		}
	}
	return unk3
}

// hits reports whether n acts on the atom for the purpose.
func (o *oracle) hits(n *onode, atom string, purpose string) bool {
	full := o.doc.LabelState == consent.Labelled
	dims := []int{}
	s := &n.s
	each := func(count int, f func(i int) int) {
		if count > 0 {
			m := no3
			for i := range count {
				m = any3(m, f(i))
			}
			dims = append(dims, m)
		}
	}
	if s.period != nil {
		if s.period.bad {
			dims = append(dims, unk3)
		} else {
			dims = append(dims, tri3(s.period.holds(o.now)))
		}
	}
	each(len(s.recipients), func(i int) int { return o.recipientMatch(s.recipients[i]) })
	each(len(s.sources), func(i int) int { return o.sourceMatch(s.sources[i]) })
	each(len(s.purposes), func(i int) int { return o.speaks(s.purposes[i], purpose, n.deny) })
	if s.labels != nil {
		dims = append(dims, s.labelMatch(level(o.doc.Confidentiality), atom, full, n.deny))
	}
	exact := func(v string) func(c string) int {
		return func(c string) int {
			if v == "" || c == "" {
				return unk3
			}
			return tri3(c == v)
		}
	}
	each(len(s.classes), func(i int) int { return exact(o.doc.Class)(s.classes[i]) })
	each(len(s.codes), func(i int) int { return exact(o.doc.Type)(s.codes[i]) })
	if s.times != nil {
		switch {
		case s.times.bad:
			dims = append(dims, unk3)
		case n.deny:
			dims = append(dims, tri3(o.docWindow().overlaps(s.times)))
		default:
			dims = append(dims, tri3(o.docWindow().inside(s.times)))
		}
	}
	each(len(s.data), func(i int) int { return o.dataMatch(s.data[i], n.deny) })
	each(len(s.actions), func(i int) int {
		switch s.actions[i] {
		case "access", "disclose":
			return yes3
		case "collect", "use", "correct":
			return no3
		}
		return unk3
	})
	m := yes3
	for _, d := range dims {
		m = min(m, d)
	}
	return m == yes3 || n.deny && m == unk3
}

// ask answers a tree: "deny", "permit" or "", and the nodes reported.
func (o *oracle) ask(n *onode, atom, purpose string, permitsOff bool) (string, []*onode) {
	says := map[string][]*onode{}
	for _, k := range n.kids {
		a, ns := o.ask(k, atom, purpose, permitsOff)
		if a != "" {
			says[a] = append(says[a], ns...)
		}
	}
	own := ""
	if o.hits(n, atom, purpose) {
		own = "permit"
		if n.deny {
			own = "deny"
		}
		if own == "permit" && permitsOff {
			own = ""
		}
	}
	win := own
	if len(says["permit"]) > 0 {
		win = "permit"
	}
	if len(says["deny"]) > 0 {
		win = "deny"
	}
	if win == "" {
		return "", nil
	}
	out := says[win]
	if own == win {
		out = append(out, n)
	}
	return win, out
}
