package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Asker is somebody whose requests a preview supposes. The zero Asker is an organisation the patient named nowhere.
type Asker struct {
	Organization hie.OrgID
	Practitioner string
	Roles        []string
}

// A Sight is a kind of request and document of which a preview says whether it is answered.
type Sight struct {
	Site    hie.SiteID
	Asker   Asker
	Purpose hie.Purpose // BTG supposes a valid emergency
	// Kind is "ordinary", "restricted", or a sensitivity code.
	Kind string
}

// An Outlook says who can see what, as it is and as it would be.
type Outlook struct {
	Sight
	Now, Then bool
}

// SightKinds are the kinds of document of a preview, in order: what most documents are, what is restricted, and the
// groups a patient is asked about.
//
// Source: spec ux P5 (sensitive groups).
func SightKinds() []string {
	return []string{"ordinary", "restricted", "MH", "SUD", "SEX", "HIV", "REPRO", "SDV", "GDIS"}
}

// SightPurposes are the purposes of a preview, in order; BTG stands for an emergency.
func SightPurposes() []hie.Purpose {
	return []hie.Purpose{"TREAT", hie.PurposeBreakGlass, "HPAYMT", "HOPERAT", "HRESCH", "HMARKT"}
}

// Preview says who can see what of a person under now's wishes and under then's: for each of sites that holds a record
// of the person, every asker, purpose and kind, in that order. Nothing is disclosed by it, and nothing written.
//
// Source: spec consent 2.20 ("who can see what now", shown before signing); spec ux finding 6.
func Preview(now, then *Decider, sites []hie.SiteID, askers []Asker, at time.Time) []Outlook {
	var out []Outlook
	seen := map[hie.SiteID]bool{}
	for _, rec := range then.records {
		site := then.env.sites[rec.Site]
		if site == nil || seen[rec.Site] || !slices.Contains(sites, rec.Site) {
			continue
		}
		seen[rec.Site] = true
		for _, asker := range askers {
			for _, purpose := range SightPurposes() {
				for _, kind := range SightKinds() {
					s := Sight{Site: rec.Site, Asker: asker, Purpose: purpose, Kind: kind}
					req, doc := s.supposed(then.env, site, rec, at)
					out = append(out, Outlook{Sight: s, Now: now.Decide(req, doc, at).Release, Then: then.Decide(req, doc, at).Release})
				}
			}
		}
	}
	return out
}

// supposed is a request and a document of s, with nothing unknown that need not be.
func (s Sight) supposed(env *Env, site *site, rec Record, at time.Time) (Request, Document) {
	req := Request{Organization: s.Asker.Organization, Practitioner: s.Asker.Practitioner, Roles: s.Asker.Roles, CareTeams: []string{},
		Purposes: []hie.Purpose{s.Purpose}, Abilities: env.Abilities()}
	if req.Roles == nil {
		req.Roles = []string{"physician"}
	}
	if s.Purpose == hie.PurposeBreakGlass && len(site.PrivilegedRoles) > 0 {
		role := site.PrivilegedRoles[0]
		req.Roles = append(slices.Clone(req.Roles), role)
		req.Emergency = &Emergency{ReasonCode: "unconscious", Text: "an emergency supposed by a preview", Role: role, At: at, Attested: Attestations()}
	}
	doc := Document{ID: "preview", Record: rec.ID, Site: rec.Site, Class: "11488-4", Type: "11488-4", Confidentiality: "N", Sensitivity: []string{}, LabelState: Labelled}
	switch s.Kind {
	case "ordinary":
	case "restricted":
		doc.Confidentiality = "R"
	default:
		doc.Confidentiality, doc.Sensitivity = "R", []string{s.Kind}
	}
	return req, doc
}

// PreviewAskers are the askers a preview of directives supposes: each organisation they name as a recipient, and one
// they do not, which stands for everybody else (one without a record of the person, if there is); at most limit. more
// are put first.
func (e *Env) PreviewAskers(subject Subject, directives []Directive, more []Asker, limit int) []Asker {
	out := slices.Clone(more)
	named := map[hie.OrgID]bool{}
	var walk func(*Provision)
	walk = func(p *Provision) {
		for _, a := range p.Actors {
			ref := a.Reference
			if a.Team != nil {
				ref = a.Team.Organization
			}
			if kind, id := splitReference(ref); kind == "Organization" && a.Role != "CST" && a.Role != "INF" && !named[orgID(id)] {
				named[orgID(id)] = true
				if e.orgs[orgID(id)] != nil {
					out = append(out, Asker{Organization: orgID(id)})
				}
			}
		}
		for i := range p.Provisions {
			walk(&p.Provisions[i])
		}
	}
	for _, d := range directives {
		if d.Provision != nil {
			walk(d.Provision)
		}
	}
	var somebody hie.OrgID
	for _, s := range e.inOrder {
		o := s.org
		if o == nil || slices.ContainsFunc(o.up, func(u *org) bool { return named[u.id] }) {
			continue
		}
		stranger := !slices.ContainsFunc(subject.Records, func(r Record) bool { return r.Site == s.ID })
		if somebody == "" || stranger {
			somebody = o.id
		}
		if stranger {
			break
		}
	}
	if somebody != "" {
		out = append(out[:min(len(out), limit-1)], Asker{Organization: somebody})
	}
	return out[:min(len(out), limit)]
}
