package consent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Pack is rules as data: a piece of law, the rules of the network, or those of one site, with the grounds of each
// rule and tests that say in cases what it means.
//
// Source: spec consent 2.18.
type Pack struct {
	// ID names the pack over all its versions; Edition which text of the law it carries ("2026-02-16").
	ID, Edition, Title string
	Kind               PackKind
	// Site is the site whose policy it is; "" unless Kind is PackSite.
	Site hie.SiteID
	// Sources cite what the pack as a whole rests on.
	Sources []string
	// From and Until bound when the law it carries holds: From <= now < Until. Zero is open.
	From, Until time.Time
	Rules       []Rule
	Defaults    []Default
	Policies    []Policy
	// Sensitivities put codes under others, besides HL7's list. Only a network policy may: what a label means is the same at
	// every site.
	Sensitivities []SensitivityUnder
	// Exchanges say what the codes of a network mean.
	Exchanges []ExchangeCode
	// Statements are the words of obligations that the rules and policies attach, told to who receives a document.
	Statements []Statement
	// Withheld is what requesters are told of what is withheld, "" when the pack does not say. Only a network policy may.
	Withheld WithheldNotice
	Tests    []PackTest
}

// A PackKind says whose rules a pack holds.
type PackKind string

// The kinds of pack.
const (
	PackLaw     PackKind = "law"
	PackNetwork PackKind = "network"
	PackSite    PackKind = "site"
)

// An ExchangeCode is a code of a network with the purpose of use it stands for, and what it obliges a responder to.
//
// Source: TEFCA Exchange Purpose SOPs.
type ExchangeCode struct {
	Code    string
	Purpose hie.Purpose
	// Answer is "must", "should", "may" or "push-only".
	Answer string
}

// Validate says what is wrong with p's shape: an *hie.InvalidError, or nil. Whether its rules mean what its tests
// say is for Check.
func (p *Pack) Validate() error {
	switch {
	case !validPackID(p.ID):
		return hie.Invalid("id", "must be 1 to 64 small letters, digits and hyphens")
	case p.Title == "":
		return hie.Required("title")
	case p.Kind != PackLaw && p.Kind != PackNetwork && p.Kind != PackSite:
		return hie.Invalid("kind", "must be law, network or site")
	case (p.Kind == PackSite) != (p.Site != ""):
		return hie.Invalid("site", "must name the site of a site policy, and only there")
	case !p.From.IsZero() && !p.Until.IsZero() && !p.From.Before(p.Until):
		return hie.Invalid("until", "must be after from")
	case p.Withheld != "" && (p.Kind != PackNetwork || !slices.Contains(notices, p.Withheld)):
		return hie.Invalid("withheld", "must be silent, generic or named-category, in a network policy alone")
	case len(p.Sensitivities) > 0 && p.Kind != PackNetwork:
		return hie.Invalid("sensitivities", "must be in a network policy alone")
	case len(p.Rules)+len(p.Defaults)+len(p.Policies)+len(p.Exchanges)+len(p.Sensitivities) == 0 && p.Withheld == "":
		return hie.Invalid("rules", "must not all be absent: a policy without rules, defaults, policies, sensitivities and exchanges says nothing")
	case len(p.Rules) > 0 && len(p.Tests) == 0:
		return hie.Invalid("tests", "are required: a rule nobody tried is not known to mean what it should")
	}
	seen := map[string]bool{}
	for i, r := range p.Rules {
		if err := p.validateRule(i, r, seen); err != nil {
			return err
		}
	}
	if err := p.validateCodes(); err != nil {
		return err
	}
	for i, s := range p.Statements {
		if err := p.validateStatement(i, s); err != nil {
			return err
		}
	}
	for i, d := range p.Defaults {
		at := fmt.Sprintf("defaults[%d]", i)
		switch {
		case p.Kind == PackSite && d.Site != p.Site:
			return hie.Invalid(at+".site", "must be the site of the policy")
		case !d.Network && d.Site == "" && d.Jurisdiction == "":
			return hie.Invalid(at, "must say whose it is: network, site or jurisdiction")
		case d.PurposeClass == "" || d.Category == "":
			return hie.Invalid(at, "must name purposeClass and category, * for any")
		case !slices.Contains([]string{"deny", "btg-only", "basic-normal", "permit"}, d.Rule):
			return hie.Invalid(at+".rule", "must be deny, btg-only, basic-normal or permit")
		}
	}
	return nil
}

// validateCodes checks what the pack says of codes.
func (p *Pack) validateCodes() error {
	for i, s := range p.Sensitivities {
		if readSensitivity(s.Code) == other || readSensitivity(s.Under) == other || s.Code == s.Under {
			return hie.Invalid(fmt.Sprintf("sensitivities[%d]", i), "must put one sensitivity code under another, of "+strings.Join(Sensitivities(), ", "))
		}
	}
	return nil
}

// checkExchanges checks what is said of the codes of a network, when a pack is drafted; nothing is decided by it, and one in force
// stays so.
func (p *Pack) checkExchanges() error {
	for i, x := range p.Exchanges {
		at := fmt.Sprintf("exchanges[%d]", i)
		switch {
		case x.Code == "":
			return hie.Required(at + ".code")
		case !StandardPurpose(string(x.Purpose)):
			return hie.Invalid(at+".purpose", "must be a purpose of use of HL7's list")
		case !slices.Contains([]string{"must", "should", "may", "push-only"}, x.Answer):
			return hie.Invalid(at+".answer", "must be must, should, may or push-only")
		}
	}
	return nil
}

func validPackID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (p *Pack) validateRule(i int, r Rule, seen map[string]bool) error {
	at := fmt.Sprintf("rules[%d]", i)
	switch {
	case r.ID == "" || seen[r.ID]:
		return hie.Invalid(at+".id", "must be there and name one rule only")
	case r.Layer != Layer(p.Kind):
		return hie.Invalid(at+".layer", "must be the layer of the pack's kind")
	case r.Source == "":
		return hie.Required(at + ".source")
	case r.Effect != Forbid && r.Effect != Require && r.Effect != Mandate && r.Effect != Neutral:
		return hie.Invalid(at+".effect", "must be FORBID, REQUIRE, MANDATE or NEUTRAL")
	case r.Effect == Mandate && p.Kind != PackLaw:
		return hie.Invalid(at+".effect", "must not be MANDATE: network and site rules may only narrow")
	case r.Effect == Require && r.Kind == "":
		return hie.Required(at + ".kind")
	case r.Overridable && p.Kind == PackLaw:
		return hie.Invalid(at+".overridable", "is for network and site rules; a law gives way by its own emergencyClause")
	case r.EmergencyClause && (p.Kind != PackLaw || r.Effect != Require):
		return hie.Invalid(at+".emergencyClause", "is for REQUIREs of law")
	case p.Kind == PackSite && !slices.Equal(r.Scope.Sites, []hie.SiteID{p.Site}):
		return hie.Invalid(at+".scope.sites", "must be the site of the policy alone")
	}
	for _, code := range r.Scope.Labels {
		if !StandardLabel(code) || readConfidentiality(code) != noConfidentiality {
			return hie.Invalid(at+".scope.labels", "must be sensitivity codes")
		}
	}
	seen[r.ID] = true
	return nil
}

// during is r as far as it holds within [from, until); ok is false when it does not at all.
func (r Rule) during(from, until time.Time) (_ Rule, ok bool) {
	if !from.IsZero() && (r.Start.IsZero() || r.Start.Before(from)) {
		r.Start = from
	}
	if !until.IsZero() && (r.End.IsZero() || r.End.After(until)) {
		r.End = until
	}
	return r, r.Start.IsZero() || r.End.IsZero() || r.Start.Before(r.End)
}

// rules are the pack's rules within the time its law holds.
func (p *Pack) rules() []Rule {
	var out []Rule
	for _, r := range p.Rules {
		if r, ok := r.during(p.From, p.Until); ok {
			out = append(out, r)
		}
	}
	return out
}

// Shows returns the instant at which a look at what p changes is to be taken at now: now, or when its law, or the first of its rules
// where none has begun, begins.
func (p *Pack) Shows(now time.Time) time.Time {
	first := time.Time{}
	for _, r := range p.Rules {
		if r.Start.IsZero() || !r.Start.After(now) {
			first = time.Time{}
			break
		}
		if first.IsZero() || r.Start.Before(first) {
			first = r.Start
		}
	}
	if len(p.Defaults)+len(p.Sensitivities)+len(p.Policies) > 0 || p.Withheld != "" {
		first = time.Time{} // those have no time of their own
	}
	return later(later(now, p.From), first)
}

// Holds reports whether the law p carries holds at now.
func (p *Pack) Holds(now time.Time) bool {
	return (p.From.IsZero() || !now.Before(p.From)) && (p.Until.IsZero() || now.Before(p.Until))
}
