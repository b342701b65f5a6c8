package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// ruleValue marks a Consent that holds one rule made on these pages, beside choiceSystem; pausedValue one that is paused.
const (
	ruleValue   = "rule"
	pausedValue = "paused"
)

// What an actor of a rule is: who holds the records, and who would receive them.
const (
	custodianRole = "CST"
	recipientRole = "IRCP"
)

// A rule keeps something back, except in an emergency: what × from whom × asked for why × until when. At most one of Site,
// Class, Group and Document is set; none is everything, and then Org or Purpose is.
type rule struct {
	// Org is whom it is kept back from, its units included, "" for everybody. Purpose is what for, what stands below it in
	// the tree of purposes included, "" for whatever reason.
	Org     hie.OrgID
	Purpose string
	Site    hie.SiteID
	Class   string
	// Group is a subject patients know: one of groups.
	Group string
	// Document is the public id of one document, Title what it is called.
	Document, Title string
	// Until is the last day it holds, as "2027-01-31", "" for no end.
	Until string
	// Paused says that it keeps nothing back for the time being.
	Paused bool
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

// rulePurposes are the reasons a rule can be for: roots of the tree of purposes that practices ask under.
var rulePurposes = []string{"TREAT", "HPAYMT", "HOPERAT", "HRESCH"}

// Everything reports whether r is about all there is and not one place, kind, subject or document.
func (r rule) Everything() bool {
	return r.Site == "" && r.Class == "" && r.Group == "" && r.Document == ""
}

// fromAll reports whether r keeps something back from everybody for whatever reason.
func (r rule) fromAll() bool { return r.Org == "" && r.Purpose == "" }

// isZero reports whether r keeps nothing back.
func (r rule) isZero() bool { return r.Everything() && r.fromAll() }

// Last is the last day r holds, the zero Time for no end.
func (r rule) Last() time.Time {
	t, _ := time.Parse(time.DateOnly, r.Until)
	return t
}

// over reports whether the last day of r is past on a day.
func (r rule) over(today string) bool { return r.Until != "" && r.Until < today }

// dayHere is the day it is for whoever is signed in.
func (v *visit) dayHere() string { return v.now.In(v.zone()).Format(time.DateOnly) }

// writeRule writes r as a Consent of patient.
//
// Source: FHIR R4 Consent.provision (actor, purpose, period, data with meaning instance); spec ux P4 and P5.
func (v *visit) writeRule(r rule, patient string) wireConsent {
	c := v.signed(writeWish(wish{Pick: pickEmergency}, patient, v.now))
	c.Identifier = []fhir.Identifier{{System: choiceSystem, Value: ruleValue}}
	c.Extension = []fhir.Extension{{URL: consentfhir.ReachURL, ValueCode: "network"}}
	if r.Paused {
		c.Status = "inactive"
		c.Identifier = append(c.Identifier, fhir.Identifier{System: choiceSystem, Value: pausedValue})
	}
	p := c.Provision
	if r.Until != "" {
		p.Period = &fhir.Period{End: r.Until}
	}
	if r.Org != "" {
		p.Actor = []wireActor{{Role: fhir.CodeableConcept{Coding: []fhir.Coding{{System: participation, Code: recipientRole}}},
			Reference: fhir.Reference{Reference: "Organization/" + string(r.Org)}}}
	}
	if r.Purpose != "" {
		p.Purpose = []fhir.Coding{{System: actReason, Code: r.Purpose}}
	}
	switch {
	case r.Site != "":
		p.Actor = append(p.Actor, wireActor{Role: fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-RoleClass", Code: custodianRole}}},
			Reference: fhir.Reference{Reference: "Location/" + string(r.Site)}})
	case r.Class != "":
		p.Class = []fhir.Coding{{System: "http://loinc.org", Code: r.Class}}
	case r.Document != "":
		p.Data = []wireData{{Meaning: "instance", Reference: fhir.Reference{Reference: "DocumentReference/" + r.Document, Display: r.Title}}}
	case r.Group != "":
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
	marked := func(value string) bool {
		return slices.ContainsFunc(c.Identifier, func(i fhir.Identifier) bool { return i.System == choiceSystem && i.Value == value })
	}
	if p == nil || p.Type != "deny" || len(p.Provision)+len(p.Code) > 0 || len(p.Purpose) > 1 || p.Period != nil && p.Period.Start != "" || !marked(ruleValue) {
		return rule{}, false
	}
	r := rule{Paused: marked(pausedValue)}
	if p.Period != nil {
		r.Until = p.Period.End
	}
	ok := true
	for _, c := range p.Purpose {
		r.Purpose = c.Code
	}
	sources := 0
	for _, a := range p.Actor {
		role, known := "", false
		if len(a.Role.Coding) == 1 {
			role = a.Role.Coding[0].Code
		}
		switch {
		case role == custodianRole && r.Site == "":
			var site string
			site, known = strings.CutPrefix(a.Reference.Reference, "Location/")
			r.Site, sources = hie.SiteID(site), 1
		case role == recipientRole && r.Org == "":
			var org string
			org, known = strings.CutPrefix(a.Reference.Reference, "Organization/")
			r.Org = hie.OrgID(org)
		}
		ok = ok && known
	}
	switch {
	case sources+min(len(p.Class), 1)+min(len(p.Data), 1)+min(len(p.Label), 1) > 1, len(p.Class) > 1, len(p.Data) > 1:
		return rule{}, false
	case len(p.Class) == 1:
		r.Class = p.Class[0].Code
	case len(p.Data) == 1:
		var instance bool
		r.Document, instance = strings.CutPrefix(p.Data[0].Reference.Reference, "DocumentReference/")
		r.Title, ok = p.Data[0].Reference.Display, ok && instance && p.Data[0].Meaning == "instance"
	case len(p.Label) > 0:
		for _, g := range groups {
			if g.Codes[0] == p.Label[0].Code && len(g.Codes) == len(p.Label) {
				r.Group = g.Name
			}
		}
		ok = ok && r.Group != ""
	}
	if !ok || r.isZero() {
		return rule{}, false
	}
	return r, true
}

// formRule reads the rule a form names, and checks that there is such a thing.
func (v *visit) formRule(form url.Values) (rule, error) {
	r := rule{Org: hie.OrgID(form.Get("org")), Purpose: form.Get("purpose"), Site: hie.SiteID(form.Get("site")), Class: form.Get("class"), Group: form.Get("group"), Document: form.Get("document"), Title: form.Get("title"), Until: form.Get("until")}
	parts := 0
	for _, p := range []string{string(r.Site), r.Class, r.Group, r.Document} {
		if p != "" {
			parts++
		}
	}
	known := parts <= 1 && (parts == 1 || !r.fromAll()) && (r.Purpose == "" || slices.Contains(rulePurposes, r.Purpose)) &&
		(r.Org == "" || slices.ContainsFunc(v.sharers(), func(o directory.Organization) bool { return o.ID == r.Org }))
	switch {
	case r.Site != "":
		_, there := v.deps.Network().Site(r.Site)
		known = known && there
	case r.Document != "":
		_, _, err := v.id("document", r.Document)
		known = known && err == nil
	case r.Class != "":
		known = known && len(r.Class) <= 32
	case r.Group != "":
		named := false
		for _, g := range groups {
			named = named || g.Name == r.Group
		}
		known = known && named
	}
	if !known {
		return rule{}, hie.Invalid("rule", "must name something, somebody or a reason of the lists")
	}
	return r, nil
}

// checkUntil reports whether until can be the last day of a rule: none, or a day that is not past.
func (v *visit) checkUntil(until string) bool {
	_, err := time.Parse(time.DateOnly, until)
	return until == "" || err == nil && until >= v.dayHere()
}

// keptBack returns the rules the patient has made here and not ended, paused ones among them, newest first, and the other
// active consents on file.
func (v *visit) keptBack() (mine, others []filed, err error) {
	all, err := v.consentsWith("active,inactive", "")
	if err != nil {
		return nil, nil, err
	}
	for _, f := range all {
		f.At = f.At.In(v.zone())
		switch {
		case !f.Rule.isZero() && (f.Status == "active" || f.Rule.Paused):
			f.Over = f.Rule.over(v.dayHere())
			mine = append(mine, f)
		case f.Status == "active":
			others = append(others, f)
		}
	}
	return mine, others, nil
}

// changeRule files the rule of a consent anew as change leaves it. hie.ErrNotFound stands for what is no rule of theirs.
func (v *visit) changeRule(id string, change func(c *wireConsent, r rule) wireConsent) error {
	a, err := v.call(http.MethodGet, "/fhir/Consent/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	var c wireConsent
	if err := a.into(&c); err != nil {
		return err
	}
	r, ok := readRule(&c)
	if !ok || c.Meta == nil {
		return hie.ErrNotFound
	}
	version, err := strconv.ParseInt(c.Meta.VersionID, 10, 64)
	if err != nil {
		return hie.ErrNotFound
	}
	changed := change(&c, r)
	changed.ID = c.ID
	_, err = v.call(http.MethodPut, "/fhir/Consent/"+url.PathEscape(id), changed, "Content-Type", "application/fhir+json", "If-Match", `W/"`+strconv.FormatInt(version, 10)+`"`)
	return err
}
