package consent

import (
	"github.com/concord-hie/concord/directory"
)

// The policies a Consent may name without anybody registering more. A policy not known here is held.
const (
	// PolicySharing is the exchange's own form: whom, for what and which documents a patient shares or keeps back.
	// A permit lists all that is allowed; an exception inside it may be wider than what it stands under.
	PolicySharing = "https://concord-hie.org/policies/sharing"
	// PolicyAdditional adds a permission to what holds already.
	PolicyAdditional = "https://concord-hie.org/policies/additional"
	// PolicyHidden is a refusal of some groups of documents, beside whatever else a patient says.
	PolicyHidden = "https://concord-hie.org/policies/hidden-groups"
	// PolicyPart2 is a written consent to disclosures by a Part 2 program. Source: 42 CFR 2.31.
	PolicyPart2 = "https://concord-hie.org/policies/part2-consent"
	// PolicyCounselling and PolicyProceedings are the consents that Part 2 wants by themselves, beside PolicyPart2: to counselling
	// notes, and to use in proceedings against the patient. Source: 42 CFR 2.31(b), (d).
	PolicyCounselling = "https://concord-hie.org/policies/part2-counselling-consent"
	PolicyProceedings = "https://concord-hie.org/policies/part2-proceedings-consent"
	// PolicyPsychotherapy is an authorization for psychotherapy notes, which is combined with no other.
	// Source: 45 CFR 164.508(b)(3)(ii).
	PolicyPsychotherapy = "https://concord-hie.org/policies/psychotherapy-authorization"
	// PolicyAuthorization is a HIPAA authorization for anything else. Source: 45 CFR 164.508.
	PolicyAuthorization = "https://concord-hie.org/policies/hipaa-authorization"
)

// BuiltinPolicies are the exchange's own policies and those IHE PCF names.
func BuiltinPolicies() []Policy {
	return []Policy{
		{URI: PolicySharing, Widening: true},
		{URI: PolicyAdditional, Additive: true},
		{URI: PolicyHidden},
		{URI: PolicyPart2, Instrument: InstrumentPart2},
		{URI: PolicyCounselling, Additive: true, Instrument: InstrumentCounselling},
		{URI: PolicyProceedings, Additive: true, Instrument: InstrumentProceedings},
		{URI: PolicyAuthorization, Additive: true, Instrument: InstrumentAuthorization},
		{URI: PolicyPsychotherapy, Additive: true, Instrument: InstrumentPsychotherapy},
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
	InstrumentPsychotherapy = "psychotherapy-authorization"
)

// Options are what an exchange adds to the directory's picture.
type Options struct {
	// Version tells one set of policies from another.
	Version  int64
	Policies []Policy
	Rules    []Rule
	// Statements are the words of what directives oblige to; with Worded, nothing is released that obliges to what has none.
	Statements []Statement
	Worded     bool
	// Defaults stand beside those of the directory; of rows equally near the most restrictive counts.
	Defaults []Default
	Purposes []LocalPurpose
	// Sensitivities are what the exchange puts under what, besides HL7's list.
	Sensitivities []SensitivityUnder
	// EmergencyHours is how long an emergency holds; 0 means DefaultEmergencyHours.
	EmergencyHours float64
	// Notice is what requesters are told of what is withheld; "" means NoticeGeneric.
	Notice WithheldNotice
}

// FromNetwork makes the Env of an exchange: its directory, the built-in policies, and o, which brings the rules. A site
// without consent defaults of its own has those of its jurisdiction.
//
// Source: DESIGN section 5; spec consent 2.9 and 2.18.
func FromNetwork(n *directory.Network, o Options) (*Env, error) {
	s := Setup{Policies: append(BuiltinPolicies(), o.Policies...), Rules: o.Rules, Purposes: o.Purposes, Sensitivities: o.Sensitivities,
		EmergencyHours: o.EmergencyHours, Notice: o.Notice, Statements: o.Statements, Worded: o.Worded}
	if s.EmergencyHours == 0 {
		s.EmergencyHours = DefaultEmergencyHours
	}
	for _, org := range n.Organizations() {
		s.Organizations = append(s.Organizations, Organization{ID: org.ID, Parent: org.Parent})
	}
	for _, d := range n.Defaults() {
		s.Defaults = append(s.Defaults, Default{Network: d.Network, Site: d.Site, Jurisdiction: d.Jurisdiction,
			PurposeClass: d.PurposeClass, Category: d.Category, Rule: d.Rule})
	}
	s.Defaults = append(s.Defaults, o.Defaults...)
	for _, st := range n.Sites() {
		s.Sites = append(s.Sites, Site{ID: st.ID, Org: st.Org, Jurisdiction: n.Jurisdiction(st.ID), Regimes: append([]string{}, st.Regimes...),
			Zone: st.Zone, Unlabelled: !st.Labelled, PrivilegedRoles: st.PrivilegedRoles})
	}
	s.Defaults = localDefaults(s.Defaults, s.Sites)
	e, err := NewEnv(s)
	if err == nil {
		e.version = int64(mix(mix(fnvOffset, uint64(n.Version())), uint64(o.Version)) >> 1)
	}
	return e, err
}

// fnvOffset and mix are the FNV-1a hash over numbers.
const fnvOffset = 14695981039346656037

func mix(h, v uint64) uint64 {
	for i := range 8 {
		h = (h ^ v>>(8*i)&0xff) * 1099511628211
	}
	return h
}
