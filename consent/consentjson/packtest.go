package consentjson

import (
	"strconv"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

func itoa(i int) string { return strconv.Itoa(i) }

// test is one case of a pack.
type test struct {
	Name      string       `json:"name"`
	Now       time.Time    `json:"now,omitzero"`
	Default   string       `json:"default,omitzero"`
	Site      testSite     `json:"site,omitzero"`
	Consents  []testWish   `json:"consents,omitempty"`
	Request   testRequest  `json:"request,omitzero"`
	Document  testDocument `json:"document,omitzero"`
	Died      time.Time    `json:"died,omitzero"`
	Emergency bool         `json:"emergency,omitzero"`
	Want      struct {
		Reason      string   `json:"reason"`
		Obligations []string `json:"obligations,omitempty"`
		Rule        string   `json:"rule,omitzero"`
		Told        []string `json:"told,omitempty"`
		Scope       string   `json:"scope,omitzero"`
	} `json:"want"`
}

type testSite struct {
	Jurisdiction    string   `json:"jurisdiction,omitzero"`
	Regimes         []string `json:"regimes,omitempty"`
	PrivilegedRoles []string `json:"privilegedRoles,omitempty"`
}

type testWish struct {
	Type       string     `json:"type"`
	Policy     string     `json:"policy,omitzero"`
	Status     string     `json:"status,omitzero"`
	Absolute   bool       `json:"absolute,omitzero"`
	Frequency  string     `json:"frequency,omitzero"`
	Purposes   []string   `json:"purposes,omitempty"`
	Classes    []string   `json:"classes,omitempty"`
	Labels     []string   `json:"labels,omitempty"`
	To         []string   `json:"to,omitempty"`
	Period     *period    `json:"period,omitzero"`
	DataPeriod *period    `json:"dataPeriod,omitzero"`
	But        []testWish `json:"but,omitempty"`
}

type period struct {
	Start string `json:"start,omitzero"`
	End   string `json:"end,omitzero"`
}

type testRequest struct {
	Purposes     []hie.Purpose `json:"purposes,omitempty"`
	Roles        []string      `json:"roles,omitempty"`
	Kinds        []string      `json:"kinds,omitempty"`
	Exchange     string        `json:"exchange,omitzero"`
	Jurisdiction string        `json:"jurisdiction,omitzero"`
	Requester    string        `json:"requester,omitzero"`
	Relationship string        `json:"relationship,omitzero"`
	Instruments  []string      `json:"instruments,omitempty"`
	Abilities    []string      `json:"abilities,omitempty"`
	NoAbilities  bool          `json:"noAbilities,omitzero"`
	Practitioner string        `json:"practitioner,omitzero"`
}

type testDocument struct {
	Class           string    `json:"class,omitzero"`
	Type            string    `json:"type,omitzero"`
	Confidentiality string    `json:"confidentiality,omitzero"`
	Sensitivity     []string  `json:"sensitivity,omitempty"`
	Flags           []string  `json:"flags,omitempty"`
	Start           time.Time `json:"start,omitzero"`
	End             time.Time `json:"end,omitzero"`
}

func (t *test) read(at string) (consent.PackTest, error) {
	if t.Name == "" || t.Want.Reason == "" {
		return consent.PackTest{}, hie.Invalid(at, "must have a name and a want.reason")
	}
	r := t.Request
	out := consent.PackTest{Name: t.Name, Now: t.Now.UTC(), Default: t.Default, Died: t.Died.UTC(), Emergency: t.Emergency,
		Site: consent.Site{Jurisdiction: t.Site.Jurisdiction, Regimes: t.Site.Regimes, PrivilegedRoles: t.Site.PrivilegedRoles},
		Request: consent.Request{Purposes: r.Purposes, Roles: r.Roles, Kinds: r.Kinds, Exchange: r.Exchange, Jurisdiction: r.Jurisdiction,
			Instruments: r.Instruments, Abilities: r.Abilities, Practitioner: r.Practitioner},
		Document: consent.Document{Class: t.Document.Class, Type: t.Document.Type, Confidentiality: t.Document.Confidentiality, Sensitivity: t.Document.Sensitivity,
			Flags: t.Document.Flags, Start: t.Document.Start.UTC(), End: t.Document.End.UTC()},
		Want: consent.PackWant{Reason: t.Want.Reason, Obligations: t.Want.Obligations, Rule: t.Want.Rule, Told: t.Want.Told, Scope: t.Want.Scope}}
	if r.NoAbilities {
		out.Request.Abilities = []string{}
	}
	switch r.Requester {
	case "":
	case "patient":
		out.Request.OwnRecord = true
	case "representative":
		out.Request.OwnRecord, out.Request.Representative = true, true
	default:
		return consent.PackTest{}, hie.Invalid(at+".request.requester", "must be patient or representative")
	}
	switch r.Relationship {
	case "":
	case "treating":
		out.Request.Relationship = consent.Treating
	case "none":
		out.Request.Relationship = consent.Unrelated
	default:
		return consent.PackTest{}, hie.Invalid(at+".request.relationship", "must be treating or none")
	}
	for _, w := range t.Consents {
		d := consent.Directive{Status: w.Status, Absolute: w.Absolute, Frequency: w.Frequency}
		if w.Policy != "" {
			d.Policies = []string{w.Policy}
		}
		p := w.provision()
		d.Provision = &p
		out.Consents = append(out.Consents, d)
	}
	return out, nil
}

func (w *testWish) provision() consent.Provision {
	p := consent.Provision{Type: w.Type, Purposes: w.Purposes, Classes: w.Classes, Labels: w.Labels}
	for _, ref := range w.To {
		p.Actors = append(p.Actors, consent.Actor{Role: "IRCP", Reference: ref})
	}
	if w.Period != nil {
		p.Period = &consent.Period{Start: w.Period.Start, End: w.Period.End}
	}
	if w.DataPeriod != nil {
		p.DataPeriod = &consent.Period{Start: w.DataPeriod.Start, End: w.DataPeriod.End}
	}
	for i := range w.But {
		p.Provisions = append(p.Provisions, w.But[i].provision())
	}
	return p
}
