package consentfhir

import (
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

type (
	// A SetupJSON is what decisions rest on besides a person's own directives, as members of a case.
	SetupJSON struct {
		EmergencyHours float64            `json:"emergencyHours"`
		HomeDefault    bool               `json:"homeDefault"`
		Purposes       []purposeJSON      `json:"purposes"`
		Sensitivities  []sensitivityJSON  `json:"sensitivities"`
		Defaults       []defaultJSON      `json:"defaults"`
		Organizations  []organizationJSON `json:"organizations"`
		Sites          []siteJSON         `json:"sites"`
		Policies       []policyJSON       `json:"policies"`
		Rules          []ruleJSON         `json:"rules"`
		// Worded are the obligations there are words for; null when none are needed.
		Worded []string `json:"worded"`
	}
	purposeJSON struct {
		Code   hie.Purpose `json:"code"`
		Parent hie.Purpose `json:"parent,omitzero"`
	}
	sensitivityJSON struct {
		Code  string `json:"code"`
		Under string `json:"under"`
	}
	defaultJSON struct {
		Network      bool       `json:"network,omitzero"`
		Site         hie.SiteID `json:"site,omitzero"`
		Jurisdiction string     `json:"jurisdiction,omitzero"`
		PurposeClass string     `json:"purposeClass"`
		Category     string     `json:"category"`
		Rule         string     `json:"default"`
	}
	organizationJSON struct {
		ID     hie.OrgID `json:"id"`
		Parent hie.OrgID `json:"parent,omitzero"`
	}
	ruleJSON struct {
		ID              string     `json:"id"`
		Layer           string     `json:"layer"`
		Effect          string     `json:"effect"`
		Kind            string     `json:"kind,omitzero"`
		Overridable     bool       `json:"overridable,omitzero"`
		EmergencyClause bool       `json:"emergencyClause,omitzero"`
		Presume         bool       `json:"presume,omitzero"`
		Obligations     []string   `json:"obligations,omitempty"`
		Start           *time.Time `json:"start,omitempty"`
		End             *time.Time `json:"end,omitempty"`
		Scope           scopeJSON  `json:"scope"`
		Source          string     `json:"source,omitzero"`
		Words           string     `json:"words,omitzero"`
	}
	scopeJSON struct {
		Purposes               []hie.Purpose `json:"purposes,omitempty"`
		Sites                  []hie.SiteID  `json:"sites,omitempty"`
		Regimes                []string      `json:"regimes,omitempty"`
		Jurisdictions          []string      `json:"jurisdictions,omitempty"`
		RequesterJurisdictions []string      `json:"requesterJurisdictions,omitempty"`
		Classes                []string      `json:"classes,omitempty"`
		Labels                 []string      `json:"labels,omitempty"`
		Orgs                   []hie.OrgID   `json:"orgs,omitempty"`
		Roles                  []string      `json:"roles,omitempty"`
		Requester              string        `json:"requester,omitzero"`
		Kinds                  []string      `json:"kinds,omitempty"`
		ExceptKinds            []string      `json:"exceptKinds,omitempty"`
		ExceptJurisdictions    []string      `json:"exceptRequesterJurisdictions,omitempty"`
		Instruments            []string      `json:"instruments,omitempty"`
		Exchanges              []string      `json:"exchanges,omitempty"`
		Flags                  []string      `json:"flags,omitempty"`
		Unrelated              bool          `json:"unrelated,omitzero"`
		DiedWithin             int           `json:"diedWithin,omitzero"`
	}
)

// requesters are the words of a rule's scope for who asks.
var requesters = map[consent.Requester]string{consent.PatientOnly: "patient", consent.AllButPatient: "others", consent.RepresentativeOnly: "representative"}

// WriteSetup returns s as members of a case.
func WriteSetup(s consent.Setup) SetupJSON {
	out := SetupJSON{EmergencyHours: s.EmergencyHours, HomeDefault: s.HomeDefault, Purposes: []purposeJSON{}, Sensitivities: []sensitivityJSON{}, Defaults: []defaultJSON{},
		Organizations: []organizationJSON{}, Sites: []siteJSON{}, Policies: []policyJSON{}, Rules: []ruleJSON{}}
	for _, p := range s.Purposes {
		out.Purposes = append(out.Purposes, purposeJSON(p))
	}
	for _, x := range s.Sensitivities {
		out.Sensitivities = append(out.Sensitivities, sensitivityJSON(x))
	}
	for _, d := range s.Defaults {
		out.Defaults = append(out.Defaults, defaultJSON(d))
	}
	for _, o := range s.Organizations {
		out.Organizations = append(out.Organizations, organizationJSON(o))
	}
	for _, x := range s.Sites {
		site := siteJSON{x.ID, x.Org, x.Jurisdiction, x.Regimes, x.Zone, "labelled", x.PrivilegedRoles}
		if x.Unlabelled {
			site.Labels = "unlabelled"
		}
		out.Sites = append(out.Sites, site)
	}
	for _, p := range s.Policies {
		out.Policies = append(out.Policies, policyJSON(p))
	}
	for _, r := range s.Rules {
		sc := r.Scope
		out.Rules = append(out.Rules, ruleJSON{r.ID, string(r.Layer), string(r.Effect), r.Kind, r.Overridable, r.EmergencyClause, r.Presume, r.Obligations, moment(r.Start), moment(r.End),
			scopeJSON{sc.Purposes, sc.Sites, sc.Regimes, sc.Jurisdictions, sc.RequesterJurisdictions, sc.Classes, sc.Labels, sc.Orgs, sc.Roles, requesters[sc.Requester], sc.Kinds,
				sc.ExceptKinds, sc.ExceptRequesterJurisdictions, sc.Instruments, sc.Exchanges, sc.Flags, sc.Unrelated, sc.DiedWithin}, r.Source, r.Words})
	}
	if s.Worded {
		out.Worded = []string{}
		for _, x := range s.Statements {
			out.Worded = append(out.Worded, x.Code)
		}
	}
	return out
}

func (w SetupJSON) setup() consent.Setup {
	out := consent.Setup{EmergencyHours: w.EmergencyHours, HomeDefault: w.HomeDefault, Worded: w.Worded != nil}
	for _, p := range w.Purposes {
		out.Purposes = append(out.Purposes, consent.LocalPurpose(p))
	}
	for _, x := range w.Sensitivities {
		out.Sensitivities = append(out.Sensitivities, consent.SensitivityUnder(x))
	}
	for _, d := range w.Defaults {
		out.Defaults = append(out.Defaults, consent.Default(d))
	}
	for _, o := range w.Organizations {
		out.Organizations = append(out.Organizations, consent.Organization(o))
	}
	for _, s := range w.Sites {
		out.Sites = append(out.Sites, s.site())
	}
	for _, p := range w.Policies {
		out.Policies = append(out.Policies, consent.Policy(p))
	}
	for _, r := range w.Rules {
		sc, who := r.Scope, consent.Anybody
		for requester, word := range requesters {
			if word == sc.Requester {
				who = requester
			}
		}
		out.Rules = append(out.Rules, consent.Rule{ID: r.ID, Layer: consent.Layer(r.Layer), Effect: consent.Effect(r.Effect), Kind: r.Kind, Overridable: r.Overridable,
			EmergencyClause: r.EmergencyClause, Presume: r.Presume, Obligations: r.Obligations, Start: stated(r.Start), End: stated(r.End), Source: r.Source, Words: r.Words,
			Scope: consent.Scope{Purposes: sc.Purposes, Sites: sc.Sites, Regimes: sc.Regimes, Jurisdictions: sc.Jurisdictions, RequesterJurisdictions: sc.RequesterJurisdictions,
				Classes: sc.Classes, Labels: sc.Labels, Orgs: sc.Orgs, Roles: sc.Roles, Requester: who, Kinds: sc.Kinds, ExceptKinds: sc.ExceptKinds,
				ExceptRequesterJurisdictions: sc.ExceptJurisdictions, Instruments: sc.Instruments, Exchanges: sc.Exchanges, Flags: sc.Flags, Unrelated: sc.Unrelated, DiedWithin: sc.DiedWithin}})
	}
	for _, code := range w.Worded {
		out.Statements = append(out.Statements, consent.Statement{Code: code})
	}
	return out
}
