package consent

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Template is one version of a form: what a patient is asked in plain words, and the rule that their signature makes.
// Versions are never changed; a consent keeps the version it was signed on.
//
// Source: spec consent 2.20; 42 CFR 2.31(a); 45 CFR 164.508(c).
type Template struct {
	ID      string
	Version int64
	State   TemplateState
	// Jurisdictions are where it is offered, nil everywhere.
	Jurisdictions []string
	// Policies are the URIs the consent names; Absolute that what it refuses holds in an emergency too.
	Policies []string
	Absolute bool
	// Root is its rule. An actor with reference "?organizations" stands for the organisations the patient chooses, a
	// label "?labels" for the groups they choose.
	Root Provision
	// Asks are what the patient fills in.
	Asks []Ask
	// Words are what it says, by language: "en" and "es" always.
	Words map[string]Words
	// Proposed and Decided are who proposed it and who put it in force, "org/user", and when.
	ProposedBy, DecidedBy string
	Proposed, Decided     time.Time
}

// A TemplateState says what may be done with a version.
type TemplateState string

// The states of a template version.
const (
	TemplateDraft    TemplateState = "draft"    // proposed by one person
	TemplateActive   TemplateState = "active"   // put in force by another
	TemplateRejected TemplateState = "rejected" // not put in force
	TemplateRetired  TemplateState = "retired"  // no longer offered; what was signed on it stands
)

// An Ask is something a patient fills in.
type Ask string

// What can be asked.
const (
	AskOrganizations Ask = "organizations"
	AskLabels        Ask = "labels"
	AskUntil         Ask = "until"
)

// Words are a form's plain words in one language.
type Words struct {
	// Choice is the choice in one line, Happens what happens when it is signed, Anyway what happens all the same, Undo how
	// it is taken back.
	Choice, Happens, Anyway, Undo string
}

// Answers are what a patient filled in.
type Answers struct {
	Organizations []hie.OrgID
	Labels        []string
	// Until is a FHIR date, "" for no end.
	Until string
}

const (
	askedOrganizations = "?organizations"
	askedLabels        = "?labels"
)

var templateID = regexp.MustCompile(`^[a-z][a-z0-9-]{1,62}$`)

// Check says what is wrong with t: an *hie.InvalidError naming the member, or nil.
func (t *Template) Check() error {
	invalid := func(path, rule string) error { return &hie.InvalidError{Path: path, Rule: rule, Code: "value"} }
	if !templateID.MatchString(t.ID) {
		return invalid("id", "must be 2 to 63 of a-z, 0-9 and -, beginning with a letter")
	}
	if t.Root.Type != "permit" && t.Root.Type != "deny" {
		return invalid("root.type", "must be permit or deny")
	}
	for _, lang := range []string{"en", "es"} {
		w := t.Words[lang]
		for _, text := range []string{w.Choice, w.Happens, w.Anyway, w.Undo} {
			if strings.TrimSpace(text) == "" {
				return invalid("words."+lang, "must say choice, happens, anyway and undo")
			}
		}
	}
	organizations, labels := t.Root.holes()
	for _, hole := range []struct {
		ask  Ask
		open bool
	}{{AskOrganizations, organizations}, {AskLabels, labels}} {
		if hole.open != slices.Contains(t.Asks, hole.ask) {
			return invalid("asks", "must name what the rule leaves open, and nothing else")
		}
	}
	for _, a := range t.Asks {
		if a != AskOrganizations && a != AskLabels && a != AskUntil {
			return invalid("asks", "may be organizations, labels and until")
		}
	}
	return nil
}

// holes reports what p and what is nested in it leave open.
func (p *Provision) holes() (organizations, labels bool) {
	for _, a := range p.Actors {
		organizations = organizations || a.Reference == askedOrganizations
	}
	labels = slices.Contains(p.Labels, askedLabels)
	for i := range p.Provisions {
		o, l := p.Provisions[i].holes()
		organizations, labels = organizations || o, labels || l
	}
	return organizations, labels
}

// Fill returns the rule of t with a's answers in its places. Errors: *hie.InvalidError naming the answer; what is not
// asked must not be answered, since nobody would know what was meant.
func (t *Template) Fill(a Answers) (Provision, error) {
	invalid := func(path, rule string) (Provision, error) {
		return Provision{}, &hie.InvalidError{Path: path, Rule: rule, Code: "value"}
	}
	for _, given := range []struct {
		ask      Ask
		answered bool
		required bool
	}{{AskOrganizations, len(a.Organizations) > 0, true}, {AskLabels, len(a.Labels) > 0, true}, {AskUntil, a.Until != "", false}} {
		asked := slices.Contains(t.Asks, given.ask)
		switch {
		case given.answered && !asked:
			return invalid(string(given.ask), "is not asked by this form")
		case asked && given.required && !given.answered:
			return Provision{}, hie.Required(string(given.ask))
		}
	}
	for _, l := range a.Labels {
		if readSensitivity(l) == other {
			return invalid("labels", "must be sensitivity codes")
		}
	}
	root := t.Root.filled(a)
	if a.Until != "" {
		root.Period = &Period{End: a.Until}
		if _, ok := root.Period.read(time.UTC); !ok {
			return invalid("until", "must be a FHIR date")
		}
	}
	return root, nil
}

func (p *Provision) filled(a Answers) Provision {
	out := *p
	out.Actors, out.Labels, out.Provisions = nil, nil, nil
	for _, actor := range p.Actors {
		if actor.Reference != askedOrganizations {
			out.Actors = append(out.Actors, actor)
			continue
		}
		for _, o := range a.Organizations {
			out.Actors = append(out.Actors, Actor{Role: actor.Role, Reference: "Organization/" + string(o)})
		}
	}
	for _, l := range p.Labels {
		if l == askedLabels {
			out.Labels = append(out.Labels, a.Labels...)
		} else {
			out.Labels = append(out.Labels, l)
		}
	}
	for i := range p.Provisions {
		out.Provisions = append(out.Provisions, p.Provisions[i].filled(a))
	}
	return out
}

// MayDecide reports whether by ("org/user") may put t in force or reject it: somebody else than who proposed it.
//
// Source: spec ux O6 (two-person approve).
func (t *Template) MayDecide(by string) bool {
	return t.State == TemplateDraft && by != "" && by != t.ProposedBy
}

// Offered returns of templates, in any order, the active version of each with the highest number that is offered in
// jurisdiction, ordered by id.
func Offered(templates []Template, jurisdiction string) []Template {
	newest := map[string]Template{}
	for _, t := range templates {
		if t.State == TemplateActive && t.Version > newest[t.ID].Version && (t.Jurisdictions == nil || slices.Contains(t.Jurisdictions, jurisdiction)) {
			newest[t.ID] = t
		}
	}
	out := make([]Template, 0, len(newest))
	for _, t := range newest {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Template) int { return strings.Compare(a.ID, b.ID) })
	return out
}
