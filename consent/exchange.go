package consent

import (
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// The policies a Consent may name without anybody registering more. A policy not known here is held.
const (
	// PolicySharing is the exchange's own form: whom, for what and which documents a patient shares or keeps back.
	// A permit lists all that is allowed; an exception inside it may be wider than what it stands under.
	PolicySharing = "https://concord-hie.org/policies/sharing"
	// PolicyAdditional adds a permission to what holds already.
	PolicyAdditional = "https://concord-hie.org/policies/additional"
	// PolicyPart2 is a written consent to disclosures by a Part 2 program. Source: 42 CFR 2.31.
	PolicyPart2 = "https://concord-hie.org/policies/part2-consent"
	// PolicyAuthorization is a HIPAA authorization. Source: 45 CFR 164.508.
	PolicyAuthorization = "https://concord-hie.org/policies/hipaa-authorization"
)

// BuiltinPolicies are the exchange's own policies and those IHE PCF names.
func BuiltinPolicies() []Policy {
	return []Policy{
		{URI: PolicySharing, Widening: true},
		{URI: PolicyAdditional, Additive: true},
		{URI: PolicyPart2, Instrument: InstrumentPart2},
		{URI: PolicyAuthorization, Additive: true, Instrument: InstrumentAuthorization},
		{URI: "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal"},
		{URI: "https://profiles.ihe.net/ITI/PCF/Policy-break-glass-only"},
	}
}

// The kinds of legal instrument the built-in rules ask for.
const (
	InstrumentPart2         = "part2-consent"
	InstrumentProceedings   = "part2-proceedings-consent"
	InstrumentCounselling   = "part2-counselling-consent"
	InstrumentAuthorization = "hipaa-authorization"
)

// BuiltinRules is the law every exchange in the United States is under, as far as Concord carries it out of the
// box. What a permit on file under a policy registered as an instrument covers satisfies a REQUIRE of its kind.
func BuiltinRules() []Rule {
	part2 := []string{"part2"}
	return []Rule{
		{ID: "us-42cfr2.31", Layer: LayerLaw, Effect: Require, Kind: InstrumentPart2, EmergencyClause: true,
			Obligations: []string{"P2-NOTICE", "NORDSCLCD", "NO-PROCEEDINGS"}, Scope: Scope{Regimes: part2, Requester: AllButPatient},
			Source: "42 CFR 2.31, 2.32 (notice), 2.33 (redisclosure), 2.51 (emergencies), 2.23 (patient access)"},
		{ID: "us-42cfr2.33-proceedings", Layer: LayerLaw, Effect: Require, Kind: InstrumentProceedings,
			Scope:  Scope{Regimes: part2, Purposes: []hie.Purpose{"HLEGAL"}, Requester: AllButPatient},
			Source: "42 CFR 2.31(d), 2.33(b)(1)"},
		{ID: "us-42cfr2.31-counselling", Layer: LayerLaw, Effect: Require, Kind: InstrumentCounselling, Presume: true,
			Scope:  Scope{Regimes: part2, Classes: []string{"sud-counselling-note"}, Requester: AllButPatient},
			Source: "42 CFR 2.31(b)"},
		{ID: "us-45cfr164.508-psychotherapy-class", Layer: LayerLaw, Effect: Require, Kind: InstrumentAuthorization, Presume: true,
			Scope:  Scope{Classes: []string{"psychotherapy-note"}},
			Source: "45 CFR 164.508(a)(2); 164.524(a)(1)(i) takes them out of the patient's own access too"},
		{ID: "us-45cfr164.508-psychotherapy-label", Layer: LayerLaw, Effect: Require, Kind: InstrumentAuthorization, Presume: true,
			Scope:  Scope{Labels: []string{"PSYTHPN"}},
			Source: "45 CFR 164.508(a)(2); 164.524(a)(1)(i)"},
		{ID: "us-45cfr164.508-marketing", Layer: LayerLaw, Effect: Require, Kind: InstrumentAuthorization,
			Scope:  Scope{Purposes: []hie.Purpose{"HMARKT"}, Requester: AllButPatient},
			Source: "45 CFR 164.508(a)(3)"},
		{ID: "us-45cfr164.524", Layer: LayerLaw, Effect: Mandate,
			Scope:  Scope{Purposes: []hie.Purpose{hie.PurposePatientRequest}, Requester: PatientOnly},
			Source: "45 CFR 164.524 (access of individuals); 42 CFR 2.23"},
		{ID: "network-own-request", Layer: LayerNetwork, Effect: Forbid, Presume: true,
			Scope:  Scope{Purposes: []hie.Purpose{hie.PurposePatientRequest}, Requester: AllButPatient},
			Source: "spec federation 2.7: only a client bound to the patient asks in the patient's name"},
	}
}

// Options are what an exchange adds to the directory's picture.
type Options struct {
	Policies []Policy
	Rules    []Rule
	Purposes []LocalPurpose
	// HomeDefault says that the defaults of the patient's home jurisdiction count too.
	HomeDefault bool
	// EmergencyHours is how long an emergency holds; 0 means DefaultEmergencyHours.
	EmergencyHours float64
}

// FromNetwork makes the Env of an exchange: its directory, the built-in policies and rules, and o. A site
// without consent defaults of its own has those of its jurisdiction.
//
// Source: DESIGN section 5; spec consent 2.9 and 2.18.
func FromNetwork(n *directory.Network, o Options) (*Env, error) {
	s := Setup{Policies: append(BuiltinPolicies(), o.Policies...), Rules: append(BuiltinRules(), o.Rules...), Purposes: o.Purposes,
		HomeDefault: o.HomeDefault, EmergencyHours: o.EmergencyHours}
	if s.EmergencyHours == 0 {
		s.EmergencyHours = DefaultEmergencyHours
	}
	for _, org := range n.Organizations() {
		s.Organizations = append(s.Organizations, Organization{ID: org.ID, Parent: org.Parent})
	}
	own := map[hie.SiteID]bool{}
	for _, d := range n.Defaults() {
		own[d.Site] = true
		s.Defaults = append(s.Defaults, Default{Network: d.Network, Site: d.Site, Jurisdiction: d.Jurisdiction,
			PurposeClass: d.PurposeClass, Category: d.Category, Rule: d.Rule})
	}
	for _, st := range n.Sites() {
		in := Site{ID: st.ID, Org: st.Org, Jurisdiction: n.Jurisdiction(st.ID), Regimes: append([]string{}, st.Regimes...),
			Zone: st.Zone, Unlabelled: !st.Labelled, PrivilegedRoles: st.PrivilegedRoles}
		s.Sites = append(s.Sites, in)
		if own[st.ID] || in.Jurisdiction == "" {
			continue
		}
		for _, d := range n.Defaults() {
			if d.Jurisdiction == in.Jurisdiction {
				s.Defaults = append(s.Defaults, Default{Site: st.ID, PurposeClass: d.PurposeClass, Category: d.Category, Rule: d.Rule})
			}
		}
	}
	return NewEnv(s)
}
