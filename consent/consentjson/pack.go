// Package consentjson reads and writes policy packs (law, network and site rules as data) as JSON, signs them and
// checks their signatures, and holds those that come with the program.
//
//	{
//	  "id", "edition", "title", "kind": "law | network | site", "site", "sources": [], "from", "until",
//	  "rules": [{"id", "effect": "FORBID | REQUIRE | MANDATE | NEUTRAL", "kind", "overridable", "emergencyClause", "presume",
//	             "obligations": [], "start", "end", "source", "words",
//	             "scope": {"purposes", "sites", "regimes", "jurisdictions", "requesterJurisdictions", "classes", "labels", "orgs", "roles",
//	                       "requester": "patient | others | representative", "kinds", "exceptKinds", "exceptRequesterJurisdictions",
//	                       "instruments", "exchanges", "flags",
//	                       "unrelated", "diedWithin"}}],
//	  "defaults": [{"network", "site", "jurisdiction", "purposeClass", "category", "rule"}],
//	  "policies": [{"uri", "additive", "onExpiry", "widening", "instrument", "erase"}],
//	  "statements": [{"code", "source", "scope", "words": {"en": {"long", "short"}, "es": {"long", "short"}}}],
//	  "sensitivities": [{"code", "under"}],
//	  "withheld": "silent | generic | named-category",
//	  "exchanges": [{"code", "purpose", "answer": "must | should | may | push-only"}],
//	  "tests": [{"name", "now", "default", "site": {}, "consents": [], "request": {}, "document": {}, "died", "emergency",
//	             "want": {"reason", "obligations", "rule", "told", "scope"}}]
//	}
//
// It is read strictly: a member it does not know is a mistake in what decides about disclosures. What the members mean
// is said in package consent.
package consentjson

import (
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/strict"
)

type pack struct {
	ID         string      `json:"id"`
	Edition    string      `json:"edition,omitzero"`
	Title      string      `json:"title"`
	Kind       string      `json:"kind"`
	Site       hie.SiteID  `json:"site,omitzero"`
	Sources    []string    `json:"sources,omitempty"`
	From       time.Time   `json:"from,omitzero"`
	Until      time.Time   `json:"until,omitzero"`
	Rules      []rule      `json:"rules,omitempty"`
	Defaults   []row       `json:"defaults,omitempty"`
	Policies   []policy    `json:"policies,omitempty"`
	Exchanges  []exchange  `json:"exchanges,omitempty"`
	Statements []statement `json:"statements,omitempty"`
	Kinship    []kin       `json:"sensitivities,omitempty"`
	Withheld   string      `json:"withheld,omitzero"`
	Tests      []test      `json:"tests,omitempty"`
}

type statement struct {
	Code   string `json:"code"`
	Source string `json:"source"`
	Scope  bool   `json:"scope,omitzero"`
	Words  struct {
		EN words `json:"en,omitzero"`
		ES words `json:"es,omitzero"`
	} `json:"words"`
}

type words struct {
	Long  string `json:"long"`
	Short string `json:"short,omitzero"`
}

type rule struct {
	ID              string    `json:"id"`
	Effect          string    `json:"effect"`
	Kind            string    `json:"kind,omitzero"`
	Overridable     bool      `json:"overridable,omitzero"`
	EmergencyClause bool      `json:"emergencyClause,omitzero"`
	Presume         bool      `json:"presume,omitzero"`
	Obligations     []string  `json:"obligations,omitempty"`
	Start           time.Time `json:"start,omitzero"`
	End             time.Time `json:"end,omitzero"`
	Source          string    `json:"source"`
	Words           string    `json:"words,omitzero"`
	Scope           scope     `json:"scope,omitzero"`
}

type scope struct {
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

type row struct {
	Network      bool       `json:"network,omitzero"`
	Site         hie.SiteID `json:"site,omitzero"`
	Jurisdiction string     `json:"jurisdiction,omitzero"`
	PurposeClass string     `json:"purposeClass"`
	Category     string     `json:"category"`
	Rule         string     `json:"rule"`
}

type policy struct {
	URI        string `json:"uri"`
	Additive   bool   `json:"additive,omitzero"`
	OnExpiry   string `json:"onExpiry,omitzero"`
	Widening   bool   `json:"widening,omitzero"`
	Instrument string `json:"instrument,omitzero"`
	Erase      bool   `json:"erase,omitzero"`
}

type kin struct {
	Code  string `json:"code"`
	Under string `json:"under"`
}

type exchange struct {
	Code    string      `json:"code"`
	Purpose hie.Purpose `json:"purpose"`
	Answer  string      `json:"answer"`
}

var requesters = map[string]consent.Requester{"": consent.Anybody, "patient": consent.PatientOnly, "others": consent.AllButPatient, "representative": consent.RepresentativeOnly}

// ReadPack reads a pack. An *hie.InvalidError names the place of the first fault; that the pack is in shape and means
// what its tests say is for [consent.Pack.Check].
func ReadPack(content []byte) (consent.Pack, error) {
	var in pack
	if err := strict.Decode("", content, &in); err != nil {
		return consent.Pack{}, err
	}
	out := consent.Pack{ID: in.ID, Edition: in.Edition, Title: in.Title, Kind: consent.PackKind(in.Kind), Site: in.Site, Sources: in.Sources, From: in.From.UTC(), Until: in.Until.UTC(), Withheld: consent.WithheldNotice(in.Withheld)}
	for i, r := range in.Rules {
		who, known := requesters[r.Scope.Requester]
		if !known {
			return consent.Pack{}, hie.Invalid("rules["+itoa(i)+"].scope.requester", "must be patient, others or representative")
		}
		s := r.Scope
		out.Rules = append(out.Rules, consent.Rule{ID: r.ID, Layer: consent.Layer(in.Kind), Effect: consent.Effect(r.Effect), Kind: r.Kind, Overridable: r.Overridable,
			EmergencyClause: r.EmergencyClause, Presume: r.Presume, Obligations: r.Obligations, Start: r.Start.UTC(), End: r.End.UTC(), Source: r.Source, Words: r.Words,
			Scope: consent.Scope{Purposes: s.Purposes, Sites: s.Sites, Regimes: s.Regimes, Jurisdictions: s.Jurisdictions, RequesterJurisdictions: s.RequesterJurisdictions,
				Classes: s.Classes, Labels: s.Labels, Orgs: s.Orgs, Roles: s.Roles, Requester: who, Kinds: s.Kinds, ExceptKinds: s.ExceptKinds,
				ExceptRequesterJurisdictions: s.ExceptJurisdictions, Instruments: s.Instruments,
				Exchanges: s.Exchanges, Flags: s.Flags, Unrelated: s.Unrelated, DiedWithin: s.DiedWithin}})
	}
	for _, d := range in.Defaults {
		out.Defaults = append(out.Defaults, consent.Default(d))
	}
	for _, p := range in.Policies {
		out.Policies = append(out.Policies, consent.Policy(p))
	}
	for _, k := range in.Kinship {
		out.Sensitivities = append(out.Sensitivities, consent.SensitivityUnder(k))
	}
	for _, e := range in.Exchanges {
		out.Exchanges = append(out.Exchanges, consent.ExchangeCode(e))
	}
	for _, s := range in.Statements {
		out.Statements = append(out.Statements, consent.Statement{Code: s.Code, Source: s.Source, Scope: s.Scope,
			Words: map[string]consent.StatementWords{"en": consent.StatementWords(s.Words.EN), "es": consent.StatementWords(s.Words.ES)}})
	}
	for i := range in.Tests {
		t, err := in.Tests[i].read("tests[" + itoa(i) + "]")
		if err != nil {
			return consent.Pack{}, err
		}
		out.Tests = append(out.Tests, t)
	}
	return out, nil
}
