package consent_test

import (
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// The oracle is a second reading of spec consent section 2 and spec consent-cases: slow, compiled from nothing,
// without a line in common with the engine. It goes through every rule anew for each atom and purpose, keeps
// codes as strings and looks nothing up in advance.

type oracle struct {
	setup consent.Setup
	subj  consent.Subject
	dirs  []consent.Directive
	req   consent.Request
	doc   consent.Document
	now   time.Time
	// start and end are the document's times as a case writes them; doc.Start and doc.End are what they mean.
	start, end string

	parents map[string]string // of purposes, read once a case
}

type verdict struct {
	release     bool
	atoms       map[string]bool
	reason      string
	obligations []string
}

const (
	no3 = iota
	unk3
	yes3
)

func tri3(b bool) int {
	if b {
		return yes3
	}
	return no3
}

// any3 is OR over values: TRUE if any, else UNKNOWN if any, else FALSE.
func any3(vs ...int) int {
	out := no3
	for _, v := range vs {
		out = max(out, v)
	}
	return out
}

var oracleOrder = []string{"INPUT", "LABEL_STALE", "EMERGENCY_INVALID", "LAW_FORBID", "LAW_REQUIRE", "NETWORK_FORBID", "NETWORK_REQUIRE",
	"SITE_FORBID", "SITE_REQUIRE", "BTG_ONLY", "LINK_DISPUTED", "ABSOLUTE", "DENY", "TOMBSTONE", "NOT_COVERED", "DEFAULT_DENY",
	"DEFAULT_BTG", "DEFAULT_NORMAL", "OBLIGATION", "EMERGENCY", "MANDATE", "PERMIT", "DEFAULT"}

// ---- code lists

var sensParent = map[string]string{"BH": "", "MH": "BH", "PSY": "BH", "PSYTHPN": "BH", "SUD": "BH", "ETHUD": "SUD", "OPIOIDUD": "SUD",
	"HIV": "", "SDV": "", "SEX": "", "STD": "", "GDIS": "", "REPRO": "", "SICKLE": "", "VIO": ""}

const levels = "ULMNRV"

func level(code string) int {
	if len(code) != 1 {
		return -1
	}
	return strings.Index(levels, code)
}

func syn(code string) string {
	if code == "ETH" {
		return "SUD"
	}
	return code
}

// sensUnder reports whether a is b or under it.
func sensUnder(a, b string) bool {
	for ; a != ""; a = sensParent[a] {
		if a == b {
			return true
		}
	}
	return false
}

var builtinParents = sync.OnceValue(readPurposes)

func purposeParents(local []consent.LocalPurpose) map[string]string {
	m := maps.Clone(builtinParents())
	for _, l := range local {
		if _, ok := m[string(l.Code)]; !ok {
			m[string(l.Code)] = string(l.Parent)
		}
	}
	return m
}

func readPurposes() map[string]string {
	m := map[string]string{}
	for _, line := range []string{
		"TREAT CLINTRL COC CAREMGT POPHLTH ETREAT", "ETREAT BTG ERTREAT",
		"HPAYMT CLMATTCH COVAUTH COVERAGE ELIGDTRM ELIGVER ENROLLM REMITADV PMTDS",
		"HOPERAT HLEGAL HACCRED HCOMPL HQUALIMP PATADMIN PATSFTY RECORDMGT TRAIN",
		"HRESCH BIORCH CLINTRCH DSRCH POARCH TRANSRCH", "PATRQT FAMRQT PWATRNY SUPNWK",
		"PUBHLTH DISASTER THREAT", "HMARKT", "GOVDTRM",
	} {
		f := strings.Fields(line)
		if _, ok := m[f[0]]; !ok {
			m[f[0]] = ""
		}
		for _, c := range f[1:] {
			m[c] = f[0]
		}
	}
	return m
}

func (o *oracle) chain(p string) []string {
	if o.parents == nil {
		o.parents = purposeParents(o.setup.Purposes)
	}
	m := o.parents
	var out []string
	for {
		if _, ok := m[p]; !ok || slices.Contains(out, p) {
			return out
		}
		out = append(out, p)
		p = m[p]
	}
}

func (o *oracle) knownPurpose(p string) bool    { return len(o.chain(p)) > 0 }
func (o *oracle) purposeUnder(p, q string) bool { return slices.Contains(o.chain(p), q) }

// speaks matches a stated purpose code against the asked one.
func (o *oracle) speaks(code, asked string, deny bool) int {
	switch {
	case !o.knownPurpose(code):
		return unk3
	case deny:
		return tri3(o.purposeUnder(asked, code))
	case o.purposeUnder(asked, "BTG"):
		return tri3(o.purposeUnder(code, "BTG") && o.purposeUnder(asked, code))
	}
	return tri3(o.purposeUnder(asked, code))
}

// ---- organisations and sites

func (o *oracle) listed(id string) bool {
	return slices.ContainsFunc(o.setup.Organizations, func(g consent.Organization) bool { return string(g.ID) == id })
}

func (o *oracle) orgUnder(a, b string) bool {
	seen := map[string]bool{}
	for a != "" && !seen[a] && o.listed(a) {
		if a == b {
			return true
		}
		seen[a] = true
		i := slices.IndexFunc(o.setup.Organizations, func(g consent.Organization) bool { return string(g.ID) == a })
		a = string(o.setup.Organizations[i].Parent)
	}
	return false
}

func (o *oracle) site(id string) *consent.Site {
	for i := range o.setup.Sites {
		if string(o.setup.Sites[i].ID) == id {
			return &o.setup.Sites[i]
		}
	}
	return nil
}

func (o *oracle) rec(id string) *consent.Record {
	for i := range o.subj.Records {
		if o.subj.Records[i].ID == id {
			return &o.subj.Records[i]
		}
	}
	return nil
}

var zonesRead sync.Map

func zoneNamed(name string) *time.Location {
	if z, ok := zonesRead.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		z = time.UTC
	}
	zonesRead.Store(name, z)
	return z
}

func ref(s string) (kind, id string) {
	parts := strings.Split(s, "/")
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return "", ""
	}
	return parts[0], parts[1]
}

// ---- times

// fhirOffset is how the pattern of FHIR R4's dateTime ends.
var fhirOffset = regexp.MustCompile(`(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))$`)

// widest reads a date as its widest interval [from, to) or a dateTime as an instant.
func widest(s string, z *time.Location) (from, to time.Time, ok bool) {
	if strings.HasPrefix(s, "0000") { // FHIR has no year 0
		return time.Time{}, time.Time{}, false
	}
	for layout, add := range map[string][3]int{"2006": {1, 0, 0}, "2006-01": {0, 1, 0}, "2006-01-02": {0, 0, 1}} {
		if t, err := time.ParseInLocation(layout, s, z); err == nil && len(s) == len(layout) {
			return t, t.AddDate(add[0], add[1], add[2]), true
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && fhirOffset.MatchString(s) {
		return t, t.Add(time.Microsecond), true
	}
	return time.Time{}, time.Time{}, false
}

type window struct {
	from, to *time.Time // [from, to)
	bad      bool
	raw      consent.Period
}

func (w *window) holds(t time.Time) bool {
	return (w.from == nil || !t.Before(*w.from)) && (w.to == nil || t.Before(*w.to))
}

func (w *window) inside(v *window) bool {
	return (v.from == nil || w.from != nil && !w.from.Before(*v.from)) && (v.to == nil || w.to != nil && !w.to.After(*v.to))
}

func (w *window) overlaps(v *window) bool {
	return (w.from == nil || v.to == nil || w.from.Before(*v.to)) && (v.from == nil || w.to == nil || v.from.Before(*w.to))
}

func readWindow(p *consent.Period, z *time.Location) *window {
	if p == nil {
		return nil
	}
	w := &window{raw: *p}
	if p.Start != "" {
		f, _, ok := widest(p.Start, z)
		if w.from = &f; !ok {
			w.bad = true
		}
	}
	if p.End != "" {
		_, t, ok := widest(p.End, z)
		if w.to = &t; !ok {
			w.bad = true
		}
	}
	if !w.bad && w.from != nil && w.to != nil && !w.from.Before(*w.to) {
		w.bad = true
	}
	return w
}

// documentTimes reads the document's dates in its site's zone: the first instant of start, the last of end.
func (o *oracle) documentTimes() {
	z := time.UTC
	if s := o.site(string(o.doc.Site)); s != nil {
		z = zoneNamed(s.Zone)
	}
	o.doc.Start, o.doc.End = time.Time{}, time.Time{}
	if from, _, ok := widest(o.start, z); ok {
		o.doc.Start = from
	}
	if _, to, ok := widest(o.end, z); ok {
		o.doc.End = to.Add(-time.Microsecond)
	}
}

// ---- one node

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
		end := o.doc.End.Add(time.Microsecond)
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
		var ms []int
		for _, a := range o.doc.Authors {
			if ak, aid := ref(a); k != "" && ak == k {
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
			return any3(ms...)
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

// ---- containment

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

// ---- several directives

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
			who = d.Performers[0]
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

// ---- rules, defaults, emergency

func (o *oracle) ruleMatch(r consent.Rule, atom, purpose string) int {
	if !r.Start.IsZero() && o.now.Before(r.Start) || !r.End.IsZero() && !o.now.Before(r.End) {
		return no3
	}
	deny := r.Effect == consent.Forbid || r.Effect == consent.Require
	st := o.site(string(o.doc.Site))
	m := yes3
	list := func(n int, f func(i int) int) {
		if n > 0 {
			v := no3
			for i := range n {
				v = any3(v, f(i))
			}
			m = min(m, v)
		}
	}
	one := func(values []string, have string) {
		list(len(values), func(i int) int {
			if have == "" {
				return unk3
			}
			return tri3(values[i] == have)
		})
	}
	many := func(values, have []string) {
		list(len(values), func(i int) int {
			if have == nil {
				return unk3
			}
			return tri3(slices.Contains(have, values[i]))
		})
	}
	s := r.Scope
	list(len(s.Purposes), func(i int) int { return o.speaks(string(s.Purposes[i]), purpose, deny) })
	list(len(s.Sites), func(i int) int { return tri3(s.Sites[i] == o.doc.Site) })
	many(s.Regimes, st.Regimes)
	one(s.Jurisdictions, st.Jurisdiction)
	one(s.RequesterJurisdictions, o.req.Jurisdiction)
	one(s.Classes, o.doc.Class)
	if len(s.Labels) > 0 {
		var codes []string
		for _, c := range s.Labels {
			codes = append(codes, syn(c))
		}
		m = min(m, sensMatch(codes, atom, o.doc.LabelState == consent.Labelled, deny))
	}
	list(len(s.Orgs), func(i int) int { return o.orgRef(string(s.Orgs[i]), string(o.req.Organization)) })
	many(s.Roles, o.req.Roles)
	return m
}

var defaultOrder = []string{"permit", "basic-normal", "btg-only", "deny"}

func (o *oracle) defaultSays(purpose string) string {
	ch := o.chain(purpose)
	root := ch[len(ch)-1]
	classes := []string{o.doc.Class}
	if o.doc.Class == "" {
		classes = []string{"\x00nowhere"}
		for _, d := range o.setup.Defaults {
			if d.Category != "*" {
				classes = append(classes, d.Category)
			}
		}
	}
	worst := 0
	for _, class := range classes {
		var origins [][]consent.Default
		pick := func(f func(d consent.Default) bool) {
			var rows []consent.Default
			for _, d := range o.setup.Defaults {
				if f(d) && (d.PurposeClass == "*" || d.PurposeClass == root) && (d.Category == "*" || d.Category == class) {
					rows = append(rows, d)
				}
			}
			origins = append(origins, rows)
		}
		pick(func(d consent.Default) bool { return d.Network })
		pick(func(d consent.Default) bool { return d.Site == o.doc.Site })
		if o.setup.HomeDefault {
			if o.subj.Home == "" {
				return "deny"
			}
			pick(func(d consent.Default) bool { return d.Jurisdiction == o.subj.Home })
		}
		answered := false
		for _, rows := range origins {
			rank := func(d consent.Default) int {
				n := 0
				if d.PurposeClass != "*" {
					n += 2
				}
				if d.Category != "*" {
					n++
				}
				return n
			}
			top := -1
			for _, d := range rows {
				top = max(top, rank(d))
			}
			for _, d := range rows {
				if rank(d) == top {
					i := slices.Index(defaultOrder, d.Rule)
					if i < 0 {
						i = 3
					}
					worst, answered = max(worst, i), true
				}
			}
		}
		if !answered {
			return "deny"
		}
	}
	return defaultOrder[worst]
}

// emergency returns whether a claim was made and whether it is valid.
func (o *oracle) emergency() (claimed, valid bool) {
	e := o.req.Emergency
	if e == nil {
		return false, false
	}
	ok := utf8.RuneCountInString(strings.TrimSpace(e.Text)) >= 20 && strings.Contains(" unconscious life-threat severe-harm incapacity disaster ", " "+e.ReasonCode+" ") && e.ReasonCode != ""
	for _, p := range o.req.Purposes {
		ok = ok && o.purposeUnder(string(p), "TREAT")
	}
	for _, a := range []string{"emergency-exists", "consent-not-obtainable-in-time", "not-refused-if-able"} {
		ok = ok && slices.Contains(e.Attested, a)
	}
	ok = ok && slices.Contains(o.req.Roles, e.Role) && slices.Contains(o.site(string(o.doc.Site)).PrivilegedRoles, e.Role)
	until := e.At.Add(time.Duration(o.setup.EmergencyHours * float64(time.Hour)))
	return true, ok && !e.At.IsZero() && !o.now.Before(e.At) && o.now.Before(until)
}

func (o *oracle) decide() verdict {
	full := o.doc.LabelState == consent.Labelled
	var atoms []string
	if !full || len(o.doc.Sensitivity) == 0 {
		atoms = append(atoms, "plain")
	}
	for _, l := range o.doc.Sensitivity {
		if !slices.Contains(atoms, syn(l)) {
			atoms = append(atoms, syn(l))
		}
	}
	v := verdict{atoms: map[string]bool{}}
	refuse := func(reason string) verdict {
		for _, a := range atoms {
			v.atoms[a] = false
		}
		v.reason, v.release, v.obligations = reason, false, nil
		return v
	}
	bad := len(o.req.Purposes) == 0 || !o.listed(string(o.req.Organization)) || o.site(string(o.doc.Site)) == nil || o.rec(o.doc.Record) == nil || o.now.IsZero()
	for _, p := range o.req.Purposes {
		bad = bad || !o.knownPurpose(string(p))
	}
	if bad {
		return refuse("INPUT")
	}
	if o.doc.LabelState == consent.LabelsStale {
		return refuse("LABEL_STALE")
	}
	claimed, valid := o.emergency()
	if claimed && !valid {
		return refuse("EMERGENCY_INVALID")
	}
	duties := map[string]bool{}
	ruleDuties := map[string]bool{}
	st := o.site(string(o.doc.Site))
	disputed := o.rec(o.doc.Record).Link == hie.LinkDisputed
	best := ""
	for _, atom := range atoms {
		v.atoms[atom] = true
		for _, pp := range o.req.Purposes {
			r := o.pair(atom, string(pp), valid, disputed, st, duties, ruleDuties)
			if slices.Index(oracleOrder, r) < slices.Index(oracleOrder, "EMERGENCY") {
				v.atoms[atom] = false
			}
			if best == "" || slices.Index(oracleOrder, r) < slices.Index(oracleOrder, best) {
				best = r
			}
		}
	}
	v.reason = best
	if slices.Index(oracleOrder, best) < slices.Index(oracleOrder, "EMERGENCY") {
		return v
	}
	duties["AUDIT"], duties["RECHECK"] = true, true
	if level(o.doc.Confidentiality) >= 0 || len(o.doc.Sensitivity) > 0 {
		duties["LABELS"] = true
	}
	for _, p := range o.req.Purposes {
		if !o.purposeUnder(string(p), "TREAT") {
			duties["MINEC"] = true
		}
	}
	if valid {
		duties["BTG-REVIEW"], duties["NOTIFY-PATIENT"], duties["NOTIFY-SITE"] = true, true, true
	}
	for d := range ruleDuties {
		name := strings.SplitN(d, ":", 2)[0]
		if name != "AOD" && name != "P2-EMERGENCY-RECORD" && !slices.Contains(o.req.Abilities, name) {
			return refuse("OBLIGATION")
		}
		duties[d] = true
	}
	v.release = true
	for d := range duties {
		v.obligations = append(v.obligations, d)
	}
	sort.Strings(v.obligations)
	return v
}

func (o *oracle) pair(atom, purpose string, valid, disputed bool, st *consent.Site, duties, ruleDuties map[string]bool) string {
	refusals := map[string]bool{}
	mandate, replaced := false, false
	for _, r := range o.setup.Rules {
		m := o.ruleMatch(r, atom, purpose)
		if m == no3 {
			continue
		}
		for _, d := range r.Obligations {
			ruleDuties[d] = true
		}
		name := strings.ToUpper(string(r.Layer)) + "_" + string(r.Effect)
		switch {
		case r.Effect == consent.Mandate:
			mandate = mandate || m == yes3 && r.Layer == consent.LayerLaw
		case r.Effect == consent.Neutral, r.Effect == consent.Require && slices.Contains(o.req.Instruments, r.Kind):
		case valid && r.Layer != consent.LayerLaw && r.Overridable:
			replaced = true
		case valid && r.Layer == consent.LayerLaw && r.Effect == consent.Require && r.EmergencyClause:
			replaced = true
			if r.Kind == "part2-consent" {
				duties["P2-EMERGENCY-RECORD"] = true
			}
		default:
			refusals[name] = true
		}
	}
	for _, name := range oracleOrder {
		if refusals[name] {
			return name
		}
	}
	permit := func(r string) string {
		if replaced {
			return "EMERGENCY"
		}
		return r
	}
	if o.purposeUnder(purpose, "BTG") && !valid {
		return "BTG_ONLY"
	}
	if mandate && !disputed {
		if !replaced {
			duties["AOD"] = true
		}
		return permit("MANDATE")
	}
	r, absolute := o.patientSays(atom, purpose)
	if r == "PERMIT" {
		return permit("PERMIT")
	}
	if disputed {
		return "LINK_DISPUTED"
	}
	if r == "" {
		switch o.defaultSays(purpose) {
		case "permit":
			return permit("DEFAULT")
		case "basic-normal":
			l := level(o.doc.Confidentiality)
			if l < 0 && st.Unlabelled && o.doc.LabelState != consent.Labelled && o.doc.LabelState != consent.LabelledInPart {
				l = 3
			}
			if l >= 0 && l <= 3 && o.purposeUnder(purpose, "TREAT") && !o.purposeUnder(purpose, "BTG") {
				return permit("DEFAULT")
			}
			r = "DEFAULT_NORMAL"
		case "btg-only":
			r = "DEFAULT_BTG"
		default:
			r = "DEFAULT_DENY"
		}
	}
	if !valid || absolute || slices.Contains([]string{"", "psychotherapy-note", "sud-counselling-note"}, o.doc.Class) {
		return r
	}
	full := o.doc.LabelState == consent.Labelled
	vague := atom == "plain" && !full
	if vague && !st.Unlabelled || !vague && sensMatch([]string{"PSYTHPN"}, atom, full, true) != no3 {
		return r
	}
	return "EMERGENCY"
}
