package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// P4 and P5, rules: what a patient keeps back beside their choice, by place, by kind and by subject.

// ruleValue marks a Consent that holds one rule made on these pages, beside choiceSystem.
const ruleValue = "rule"

// A rule keeps something back from everybody, except in an emergency. One of its parts is set.
type rule struct {
	Site  hie.SiteID
	Class string
	// Group is a subject patients know: one of groups.
	Group string
}

// groups are the subjects that are especially private, with the sensitivity codes each stands for. Their words are
// group.NAME.
//
// Source: spec ux P5; HL7 v3 ActCode, InformationSensitivityPolicy.
var groups = []struct {
	Name  string
	Codes []string
}{
	{"mental", []string{"MH", "PSY"}}, {"substance", []string{"SUD"}}, {"sexual", []string{"SEX", "STD"}}, {"hiv", []string{"HIV"}},
	{"reproductive", []string{"REPRO"}}, {"violence", []string{"VIO", "SDV"}},
}

// isZero reports whether r keeps nothing back.
func (r rule) isZero() bool { return r == rule{} }

// Words is the key of what r keeps back, "rule.site", "rule.class" or "rule.group".
func (r rule) Words() string {
	switch {
	case r.Site != "":
		return "rule.site"
	case r.Class != "":
		return "rule.class"
	}
	return "rule.group"
}

// writeRule writes r as a Consent of patient.
func (v *visit) writeRule(r rule, patient string) wireConsent {
	c := writeWish(wish{Pick: pickEmergency}, patient, v.now)
	c.Identifier = []fhir.Identifier{{System: choiceSystem, Value: ruleValue}}
	c.Extension = []fhir.Extension{{URL: consentfhir.ReachURL, ValueCode: "network"}}
	p := c.Provision
	switch {
	case r.Site != "":
		p.Actor = []wireActor{{Role: fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-RoleClass", Code: "CST"}}},
			Reference: fhir.Reference{Reference: "Location/" + string(r.Site)}}}
	case r.Class != "":
		p.Class = []fhir.Coding{{System: "http://loinc.org", Code: r.Class}}
	default:
		for _, g := range groups {
			if g.Name == r.Group {
				for _, code := range g.Codes {
					p.Label = append(p.Label, fhir.Coding{System: actCode, Code: code})
				}
			}
		}
	}
	return c
}

// readRule says which rule c is, if it is one made here.
func readRule(c *wireConsent) (rule, bool) {
	p := c.Provision
	if p == nil || p.Type != "deny" || len(p.Provision)+len(p.Purpose)+len(p.Code)+len(p.Data) > 0 || p.Period != nil ||
		!slices.ContainsFunc(c.Identifier, func(i fhir.Identifier) bool { return i.System == choiceSystem && i.Value == ruleValue }) {
		return rule{}, false
	}
	switch {
	case len(p.Actor) == 1 && len(p.Class)+len(p.Label) == 0:
		id, ok := strings.CutPrefix(p.Actor[0].Reference.Reference, "Location/")
		return rule{Site: hie.SiteID(id)}, ok
	case len(p.Class) == 1 && len(p.Actor)+len(p.Label) == 0:
		return rule{Class: p.Class[0].Code}, true
	case len(p.Label) > 0 && len(p.Actor)+len(p.Class) == 0:
		for _, g := range groups {
			if g.Codes[0] == p.Label[0].Code && len(g.Codes) == len(p.Label) {
				return rule{Group: g.Name}, true
			}
		}
	}
	return rule{}, false
}

// formRule reads the rule a form names, and checks that there is such a thing.
func (v *visit) formRule(form url.Values) (rule, error) {
	r := rule{Site: hie.SiteID(form.Get("site")), Class: form.Get("class"), Group: form.Get("group")}
	switch {
	case r.Site != "" && r.Class == "" && r.Group == "":
		if _, ok := v.deps.Network().Site(r.Site); ok {
			return r, nil
		}
	case r.Class != "" && r.Site == "" && r.Group == "":
		if len(r.Class) <= 32 {
			return r, nil
		}
	case r.Group != "" && r.Site == "" && r.Class == "":
		for _, g := range groups {
			if g.Name == r.Group {
				return r, nil
			}
		}
	}
	return rule{}, hie.Invalid("rule", "must name one place, kind or subject of the lists")
}

// rules answers GET /my/rules: what is kept back, and the subjects that can be.
func (v *visit) rules() error {
	all, err := v.consentsOf("")
	if err != nil {
		return err
	}
	now, others := standing(all)
	var mine, elsewhere []filed
	kept := map[string]bool{}
	for _, f := range others {
		f.At = f.At.In(v.zone())
		if f.Rule.isZero() {
			elsewhere = append(elsewhere, f)
		} else {
			mine = append(mine, f)
			kept[f.Rule.Group] = true
		}
	}
	v.show(http.StatusOK, "rules", map[string]any{"Now": now, "Mine": mine, "Elsewhere": elsewhere, "Groups": groups, "Kept": kept})
	return nil
}

// addRule answers POST /my/rules: the rule is kept for checking.
func (v *visit) addRule() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if _, err := v.formRule(form); err != nil {
		return err
	}
	if err := v.keepDraft("rule", url.Values{"site": form["site"], "class": form["class"], "group": form["group"]}); err != nil {
		return err
	}
	return v.redirect("/my/rules/check")
}

// checkRule answers GET /my/rules/check: what the rule would keep back, decided as requests are.
func (v *visit) checkRule() error {
	d := v.draft("rule")
	if d == nil {
		return v.redirect("/my/rules")
	}
	r, err := v.formRule(d)
	if err != nil {
		return err
	}
	directive, err := v.proposed(v.writeRule(r, v.myID()))
	if err != nil {
		return err
	}
	as := v.doctorAt("")
	before, err := v.deps.Preview.Preview(v.ctx, v.actor(), federation.Preview{As: as})
	if err != nil {
		return err
	}
	after, err := v.deps.Preview.Preview(v.ctx, v.actor(), federation.Preview{As: as,
		Propose: func(onFile []consent.Directive) []consent.Directive { return append(onFile, directive) }})
	if err != nil {
		return err
	}
	type change struct {
		federation.Outlook
		Before int64
	}
	shown := map[federation.Outlook]int64{}
	for _, b := range before {
		shown[federation.Outlook{Site: b.Site, Class: b.Class}] = b.Shown
	}
	var changes []change
	for _, a := range after {
		if b := shown[federation.Outlook{Site: a.Site, Class: a.Class}]; b != a.Shown {
			changes = append(changes, change{a, b})
		}
	}
	v.show(http.StatusOK, "rulecheck", map[string]any{"Rule": r, "Changes": changes, "Proven": v.session.SteppedUp(v.now)})
	return nil
}

// confirmRule answers POST /my/rules/confirm.
func (v *visit) confirmRule() error {
	d := v.draft("rule")
	if d == nil {
		return v.redirect("/my/rules")
	}
	r, err := v.formRule(d)
	if err != nil {
		return err
	}
	if _, err := v.call(http.MethodPost, "/fhir/Consent", v.writeRule(r, v.myID()), "Content-Type", "application/fhir+json"); err != nil {
		return err
	}
	if err := v.keepDraft("rule", nil); err != nil {
		return err
	}
	if err := v.say("rules.added"); err != nil {
		return err
	}
	return v.redirect("/my/rules")
}

// endRule answers POST /my/rules/:consent/end: the rule holds no longer.
func (v *visit) endRule() error {
	back := map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{{"name": "returnToDefault", "valueBoolean": true}}}
	if _, err := v.call(http.MethodPost, "/fhir/Consent/"+url.PathEscape(v.c.Param("consent"))+"/$revoke-consent", back, "Content-Type", "application/fhir+json"); err != nil {
		return err
	}
	if err := v.say("rules.ended"); err != nil {
		return err
	}
	return v.redirect("/my/rules")
}
