package consent

import (
	"reflect"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// axes are the values that something in one of two environments tells apart, and one value for all the others. Only what
// changed between the two is asked about; what did not change divides the answers further where it names a class or label.
type axes struct {
	none      bool // nothing changed
	sites     []hie.SiteID
	all       bool // every site may be concerned
	emergency bool // the change shows in emergencies too
	purposes  []hie.Purpose
	classes   []string
	labels    []string
	levels    []string
	// requesters are the kinds of requester.
	requesters []requester
	orgs       []hie.OrgID
	other      hie.OrgID   // an organisation nothing names
	flags      []string    // "" for none
	kin        [2]*kinship // before and after
}

// A requester is one kind of requester, with its name.
type requester struct {
	name    string
	request Request
}

const otherClass = "\x00other" // no class is called so

// newAxes are the axes of a change of policy, wholeAxes those of all there is.
func newAxes(before, after *Env) axes {
	return makeAxes(before, after, changedRules(before.setup.Rules, after.setup.Rules), false)
}

func wholeAxes(env *Env) axes { return makeAxes(env, env, env.setup.Rules, true) }

func makeAxes(before, after *Env, rules []Rule, whole bool) axes {
	a, b := &before.setup, &after.setup
	ax := axes{kin: [2]*kinship{before.kin, after.kin}, emergency: true, labels: []string{"plain"}, levels: []string{"N", "R"}, classes: []string{otherClass}, flags: []string{""}}
	rest := whole || !reflect.DeepEqual(a.Defaults, b.Defaults) || !reflect.DeepEqual(a.Policies, b.Policies) || !reflect.DeepEqual(a.Organizations, b.Organizations) ||
		!reflect.DeepEqual(a.Sites, b.Sites) || !reflect.DeepEqual(a.Purposes, b.Purposes) || !reflect.DeepEqual(a.Sensitivities, b.Sensitivities) || a.HomeDefault != b.HomeDefault || a.EmergencyHours != b.EmergencyHours
	ax.none = len(rules) == 0 && !rest
	ax.all = rest
	for _, r := range rules {
		ax.all = ax.all || len(r.Scope.Sites) == 0
		ax.sites = append(ax.sites, r.Scope.Sites...)
		ax.flags = unique(append(ax.flags, r.Scope.Flags...))
	}
	codes := []string{"TREAT", "BTG", "ETREAT", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT", "PUBHLTH", "HMARKT", "GOVDTRM"}
	for _, s := range []*Setup{a, b} {
		for _, r := range s.Rules {
			for _, p := range r.Scope.Purposes {
				codes = append(codes, string(p))
			}
			ax.classes = append(ax.classes, r.Scope.Classes...)
			ax.labels = append(ax.labels, r.Scope.Labels...)
		}
		for _, d := range s.Defaults {
			if d.PurposeClass != "*" {
				codes = append(codes, d.PurposeClass)
			}
			if d.Category != "*" {
				ax.classes = append(ax.classes, d.Category)
			}
		}
		for _, p := range s.Purposes {
			codes = append(codes, string(p.Code))
		}
		for _, x := range s.Sensitivities {
			ax.labels = append(ax.labels, x.Code, x.Under)
		}
	}
	for _, c := range unique(codes) {
		if before.KnowsPurpose(hie.Purpose(c)) && after.KnowsPurpose(hie.Purpose(c)) {
			ax.purposes = append(ax.purposes, hie.Purpose(c))
		}
	}
	ax.classes = append(ax.classes, "psychotherapy-note", "sud-counselling-note") // no emergency opens them
	ax.labels = append(ax.labels, sensitivities[psychotherapyNote].code)
	ax.classes, ax.labels = unique(ax.classes), ax.kinOf(ax.labels)
	ax.nameRequesters(rules, b)
	return ax
}

// nameRequesters makes a requester for each value the changed rules tell apart, and for anybody else.
func (ax *axes) nameRequesters(rules []Rule, s *Setup) {
	named := map[hie.OrgID]bool{}
	for _, r := range rules {
		for _, o := range r.Scope.Orgs {
			named[o] = true
			ax.orgs = append(ax.orgs, o)
		}
	}
	for _, o := range s.Organizations {
		if !named[o.ID] && !named[o.Parent] {
			ax.other = o.ID
			break
		}
	}
	base := Request{Organization: ax.other, Roles: []string{}, CareTeams: []string{}, Kinds: []string{}, Relationship: Treating, Abilities: everyAbility(s)}
	add := func(name string, change func(*Request)) {
		if slices.ContainsFunc(ax.requesters, func(r requester) bool { return r.name == name }) {
			return
		}
		r := base
		change(&r)
		ax.requesters = append(ax.requesters, requester{name, r})
	}
	add("any organisation", func(*Request) {})
	for _, o := range ax.orgs {
		add("organisation "+string(o), func(r *Request) { r.Organization = o })
	}
	for _, rule := range rules {
		sc := rule.Scope
		for _, k := range slices.Concat(sc.Kinds, sc.ExceptKinds) {
			add("kind "+k, func(r *Request) { r.Kinds = []string{k} })
			for _, x := range sc.Exchanges {
				add("kind "+k+" asserting "+x, func(r *Request) { r.Kinds, r.Exchange = []string{k}, x })
			}
			for _, i := range sc.Instruments {
				add("kind "+k+" with "+i, func(r *Request) { r.Kinds, r.Instruments = []string{k}, []string{i} })
			}
		}
		for _, role := range sc.Roles {
			add("role "+role, func(r *Request) { r.Roles = []string{role} })
		}
		for _, j := range slices.Concat(sc.RequesterJurisdictions, sc.ExceptRequesterJurisdictions) {
			add("from "+j, func(r *Request) { r.Jurisdiction = j })
			add("from elsewhere", func(r *Request) { r.Jurisdiction = "elsewhere" })
		}
		for _, x := range sc.Exchanges {
			add("asserting "+x, func(r *Request) { r.Exchange = x })
		}
		if rule.Effect == Require {
			add("with "+rule.Kind, func(r *Request) { r.Instruments = []string{rule.Kind} })
		}
		if sc.Unrelated {
			add("without a treating relationship", func(r *Request) { r.Relationship = Unrelated })
		}
		if sc.Requester != Anybody {
			add("the patient", func(r *Request) { r.OwnRecord = true })
			add("who represents the patient", func(r *Request) { r.OwnRecord, r.Representative = true, true })
		}
		if len(rule.Obligations) > 0 {
			add("who honours no obligation", func(r *Request) { r.Abilities = nil })
		}
	}
}

func everyAbility(s *Setup) []string {
	var out []string
	for _, r := range s.Rules {
		for _, o := range r.Obligations {
			out = append(out, dutyName(o))
		}
	}
	return append(unique(out), dutyErase, dutyFrequency)
}

// unique keeps the first of each value.
func unique[T comparable](list []T) []T {
	var out []T
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// kinOf adds to labels what is under them and what they are under, which a deny on them reaches, before or after.
func (ax *axes) kinOf(labels []string) []string {
	out := labels
	for _, l := range labels {
		if k := readSensitivity(l); k != other {
			for j := range sensitivities {
				if (ax.kin[0].around[k] | ax.kin[1].around[k]).has(atomKind(j)) {
					out = append(out, sensitivities[j].code)
				}
			}
		}
	}
	return unique(out)
}

func (ax *axes) site(id hie.SiteID) bool { return ax.all || slices.Contains(ax.sites, id) }

func (ax *axes) className(class string) string {
	if class == otherClass {
		return "other"
	}
	return class
}

// with returns a copy of ax that also tells apart what a person's directives do, and who has a legal basis to ask.
func (ax *axes) with(directives []Directive, bases []Instrument) *axes {
	out := *ax
	out.classes, out.labels, out.levels = slices.Clone(ax.classes), slices.Clone(ax.labels), slices.Clone(ax.levels)
	out.purposes, out.requesters = slices.Clone(ax.purposes), slices.Clone(ax.requesters)
	base := ax.requesters[0].request
	add := func(name string, change func(*Request)) {
		if !slices.ContainsFunc(out.requesters, func(r requester) bool { return r.name == name }) {
			r := base
			change(&r)
			out.requesters = append(out.requesters, requester{name, r})
		}
	}
	var walk func(p *Provision)
	walk = func(p *Provision) {
		out.classes = append(out.classes, p.Classes...)
		for _, l := range p.Labels {
			if readConfidentiality(l) != noConfidentiality {
				out.levels = append(out.levels, l)
			} else if l != "" {
				out.labels = append(out.labels, sensitivityName(l))
			}
		}
		for _, code := range p.Purposes {
			if StandardPurpose(code) && !slices.Contains(out.purposes, hie.Purpose(code)) {
				out.purposes = append(out.purposes, hie.Purpose(code))
			}
		}
		for _, a := range p.Actors {
			refs := []string{a.Reference}
			if a.Team != nil {
				refs = []string{a.Team.Organization, a.Team.Practitioner}
				for _, code := range a.Team.Codes {
					add("role "+code, func(r *Request) { r.Roles = []string{code} })
				}
			}
			for _, ref := range refs {
				switch kind, id := splitReference(ref); kind {
				case "Organization":
					add("organisation "+id, func(r *Request) { r.Organization = hie.OrgID(id) })
				case "Practitioner":
					add("practitioner "+id, func(r *Request) { r.Practitioner = id })
				case "CareTeam":
					add("care team "+id, func(r *Request) { r.CareTeams = []string{id} })
				}
			}
		}
		for i := range p.Provisions {
			walk(&p.Provisions[i])
		}
	}
	for i := range directives {
		if p := directives[i].Provision; p != nil {
			walk(p)
		}
	}
	for i := range bases {
		o := bases[i].Organization
		add("organisation "+string(o), func(r *Request) { r.Organization = o })
		for _, who := range ax.requesters[1:] { // a rule that reads a basis may ask for more: a kind of requester, an exchange code
			if who.request.Organization == base.Organization {
				add(who.name+", organisation "+string(o), func(r *Request) { *r = who.request; r.Organization = o })
			}
		}
		out.purposes = append(out.purposes, bases[i].Purposes...)
	}
	out.purposes = unique(out.purposes)
	out.classes, out.labels, out.levels = unique(out.classes), ax.kinOf(out.labels), unique(out.levels)
	slices.SortFunc(out.levels, strings.Compare)
	return &out
}

// documents calls f with one document for each class, label, confidentiality and flag.
func (ax *axes) documents(rec Record, f func(doc *Document, label string)) {
	for _, class := range ax.classes {
		for _, label := range ax.labels {
			for _, level := range ax.levels {
				for _, flag := range ax.flags {
					doc := Document{ID: otherClass, Record: rec.ID, Site: rec.Site, Class: class, Type: otherClass, Confidentiality: level, LabelState: Labelled, Flags: []string{}}
					name := label
					if label != "plain" {
						doc.Sensitivity = []string{label}
					}
					if flag != "" {
						doc.Flags, name = []string{flag}, label+" "+flag
					}
					f(&doc, name)
				}
			}
		}
	}
}
