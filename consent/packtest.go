package consent

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A PackTest is one case of a pack: a document of one site, a request, and what the pack's rules alone must make of
// it. Everything it does not say is ordinary: a labelled document of confidentiality N, a physician of another
// organisation who asks for treatment, a patient whose defaults permit.
type PackTest struct {
	Name string
	// Now is when; zero is when the pack's law begins, or 2026-03-01.
	Now     time.Time
	Default string // of the network, "permit" when ""
	Site    Site
	// Consents are on file, given on the document's record for the whole network and verified, a day apart.
	Consents []Directive
	Request  Request
	Document Document
	Died     time.Time
	// Emergency says that a valid emergency is claimed.
	Emergency bool
	Want      PackWant
}

// PackWant is what a test expects.
type PackWant struct {
	Reason string
	// Obligations must all go with the release.
	Obligations []string
	// Rule must have spoken; "" when none need.
	Rule string
	// Told are the obligations whose statements must go with the release in words; Scope is part of what must be explained in
	// English of the scope of the consent, "" when it does not matter.
	Told  []string
	Scope string
}

// A PackFault is a test that came out otherwise, a rule no test shows, or an obligation the pack has no words for.
type PackFault struct {
	Test string // "" for a rule no test shows, and for an obligation without words
	Rule string
	// Got is the reason that came out, and Missing what was expected besides and not there.
	Got, Want string
	Missing   string
}

func (f PackFault) String() string {
	switch {
	case f.Test == "" && f.Rule != "" && f.Missing != "":
		return fmt.Sprintf("rule %s: %s is missing", f.Rule, f.Missing)
	case f.Test == "" && f.Missing != "":
		return fmt.Sprintf("the pack: %s is missing, in which recipients are told of it", f.Missing)
	case f.Test == "":
		return fmt.Sprintf("rule %s: no test shows it", f.Rule)
	case f.Missing != "":
		return fmt.Sprintf("test %q: %s is missing", f.Test, f.Missing)
	}
	return fmt.Sprintf("test %q: %s, want %s", f.Test, f.Got, f.Want)
}

// Check runs p's tests against p's rules alone and returns what came out otherwise, nil when all is as they say. Each
// rule must speak in some test. The error is an *hie.InvalidError for a pack out of shape.
func (p *Pack) Check() ([]PackFault, error) {
	if err := cmp.Or(p.Validate(), p.checkExchanges()); err != nil {
		return nil, err
	}
	var out []PackFault
	shown := map[string]bool{}
	for i := range p.Tests {
		faults, err := p.run(&p.Tests[i], shown)
		if err != nil {
			return nil, err
		}
		out = append(out, faults...)
	}
	for _, r := range p.Rules {
		if !shown[r.ID] {
			out = append(out, PackFault{Rule: r.ID})
		}
	}
	for _, r := range p.Rules {
		for _, o := range r.Obligations {
			if strings.ContainsFunc(o, notInCode) {
				out = append(out, PackFault{Rule: r.ID, Missing: "an obligation in capital letters, digits and hyphens"})
			}
		}
	}
	for _, o := range p.Wordless() {
		out = append(out, PackFault{Missing: "a statement of " + o})
	}
	return out, nil
}

// testOrg asks in a test, testSource holds the document.
const (
	testOrg    hie.OrgID = "requester"
	testSource hie.OrgID = "source"
)

// run decides one test.
func (p *Pack) run(t *PackTest, shown map[string]bool) ([]PackFault, error) {
	now := t.Now
	if now.IsZero() {
		if now = p.From; now.IsZero() {
			now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		}
	}
	d, err := p.testDecider(t, now)
	if err != nil {
		return nil, err
	}
	trace := d.Explain(p.testRequest(t, now), t.document(p.testSite(t).ID), now)
	for _, s := range trace.Steps {
		shown[s.Rule] = true
	}
	var out []PackFault
	got := trace.Decision
	if got.Reason.String() != t.Want.Reason {
		out = append(out, PackFault{Test: t.Name, Got: got.Reason.String(), Want: t.Want.Reason})
	}
	for _, o := range t.Want.Obligations {
		if !slices.Contains(got.Obligations, o) {
			out = append(out, PackFault{Test: t.Name, Missing: "obligation " + o})
		}
	}
	if t.Want.Rule != "" && !slices.ContainsFunc(trace.Steps, func(s Step) bool { return s.Rule == t.Want.Rule }) {
		out = append(out, PackFault{Test: t.Name, Missing: "rule " + t.Want.Rule})
	}
	if len(t.Want.Told) > 0 || t.Want.Scope != "" {
		out = append(out, p.told(t, d.Caveats(p.testRequest(t, now), t.document(p.testSite(t).ID), now))...)
	}
	return out, nil
}

// told compares what goes with the release in words with what t wants.
func (p *Pack) told(t *PackTest, caveats []Caveat) (out []PackFault) {
	scope := ""
	for _, c := range caveats {
		scope += ExplainScope(c.Permissions, "en", Names{})
	}
	for _, o := range t.Want.Told {
		if !slices.ContainsFunc(caveats, func(c Caveat) bool { return c.Obligation == o && c.Statement.Pack == p.ID }) {
			out = append(out, PackFault{Test: t.Name, Missing: "the statement of " + o})
		}
	}
	if !strings.Contains(scope, t.Want.Scope) {
		out = append(out, PackFault{Test: t.Name, Missing: "in the scope of the consent, " + strconv.Quote(t.Want.Scope)})
	}
	return out
}

func (p *Pack) testSite(t *PackTest) Site {
	s := t.Site
	if s.ID = p.Site; s.ID == "" {
		s.ID = "site"
	}
	s.Org = testSource
	if s.Regimes == nil {
		s.Regimes = []string{}
	}
	if s.PrivilegedRoles == nil {
		s.PrivilegedRoles = []string{"ed"}
	}
	return s
}

func (p *Pack) testDecider(t *PackTest, now time.Time) (*Decider, error) {
	rule := t.Default
	if rule == "" {
		rule = "permit"
	}
	setup := Setup{Organizations: []Organization{{ID: testOrg}, {ID: testSource}}, Sites: []Site{p.testSite(t)}, EmergencyHours: DefaultEmergencyHours,
		Policies: append(BuiltinPolicies(), p.Policies...), Defaults: p.Defaults, Sensitivities: p.Sensitivities, Statements: p.spoken(0), Worded: true}
	for _, r := range p.rules() {
		r.speak(setup.Statements)
		setup.Rules = append(setup.Rules, r)
	}
	if t.Default != "" || !slices.ContainsFunc(p.Defaults, func(d Default) bool { return d.Network || d.Jurisdiction == t.Site.Jurisdiction }) {
		setup.Defaults = append([]Default{{Network: true, PurposeClass: "*", Category: "*", Rule: rule}}, setup.Defaults...)
	}
	setup.Defaults = localDefaults(setup.Defaults, setup.Sites)
	env, err := NewEnv(setup)
	if err != nil {
		return nil, err
	}
	var given []Directive
	for i, d := range t.Consents {
		d.ID, d.Record = fmt.Sprintf("consents[%d]", i), "record"
		d.Filed = now.AddDate(0, -6, i)
		d.Signed, d.Verified, d.NetworkWide = d.Filed, true, true
		if d.Status == "" {
			d.Status = "active"
		}
		if d.Scope == "" {
			d.Scope = "patient-privacy"
		}
		given = append(given, d)
	}
	subject := Subject{Records: []Record{{ID: "record", Site: setup.Sites[0].ID, Link: hie.LinkConfirmed}}, Died: t.Died}
	return Compile(env, subject, given), nil
}

func (p *Pack) testRequest(t *PackTest, now time.Time) Request {
	r := t.Request
	r.Organization = testOrg
	if r.Roles == nil {
		r.Roles = []string{"physician"}
	}
	if r.Kinds == nil {
		r.Kinds = []string{"practice"}
	}
	if len(r.Purposes) == 0 {
		r.Purposes = []hie.Purpose{hie.PurposeTreat}
	}
	if r.Abilities == nil {
		for _, rule := range p.Rules {
			for _, o := range rule.Obligations {
				r.Abilities = append(r.Abilities, dutyName(o))
			}
		}
	}
	if t.Emergency {
		r.Roles = []string{p.testSite(t).PrivilegedRoles[0]}
		r.Emergency = &Emergency{ReasonCode: "unconscious", Text: "found unconscious and brought in", Role: r.Roles[0], At: now.Add(-time.Minute), Attested: Attestations()}
	}
	return r
}

func (t *PackTest) document(site hie.SiteID) Document {
	d := t.Document
	d.ID, d.Record, d.Site = "document", "record", site
	if d.Class == "" {
		d.Class = "lab"
	}
	if d.Confidentiality == "" {
		d.Confidentiality = "N"
	}
	if d.Flags == nil {
		d.Flags = []string{}
	}
	d.LabelState = Labelled
	return d
}

// localDefaults gives each site without defaults of its own those of its jurisdiction.
func localDefaults(defaults []Default, sites []Site) []Default {
	own := map[hie.SiteID]bool{}
	for _, d := range defaults {
		own[d.Site] = true
	}
	out := defaults
	for _, s := range sites {
		if own[s.ID] || s.Jurisdiction == "" {
			continue
		}
		for _, d := range defaults {
			if d.Jurisdiction == s.Jurisdiction {
				out = append(out, Default{Site: s.ID, PurposeClass: d.PurposeClass, Category: d.Category, Rule: d.Rule})
			}
		}
	}
	return out
}
