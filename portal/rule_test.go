package portal

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/fhir"
)

func TestARuleIsReadAsItWasWritten(t *testing.T) {
	v := &visit{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	for name, r := range map[string]rule{
		"a place, from everybody":            {Site: "harbor-main"},
		"a kind, until a day":                {Class: "11506-3", Until: "2027-01-31"},
		"a subject, paused":                  {Group: "violence", Paused: true},
		"a document":                         {Document: "abc", Title: "Visit"},
		"everything, from one":               {Org: "riverside"},
		"everything, for one reason":         {Purpose: "HPAYMT"},
		"a place, from one":                  {Site: "harbor-main", Org: "riverside"},
		"a subject, from one for one reason": {Group: "hiv", Org: "riverside", Purpose: "HRESCH", Until: "2027-01-31"},
		"a kind, from one for one reason":    {Class: "11506-3", Org: "riverside", Purpose: "TREAT"},
	} {
		raw := fhir.Encode(v.writeRule(r, "p"))
		f, err := readFiled(raw)
		if err != nil || f.Rule != r {
			t.Errorf("%s: read %+v, %v; want %+v", name, f.Rule, err, r)
		}
		if !f.Other {
			t.Errorf("%s counts as the patient's choice", name)
		}
	}
}

func TestWhatSaysMoreThanARuleIsNone(t *testing.T) {
	v := &visit{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	for name, change := range map[string]func(*wireProvision){
		"nothing at all":    func(p *wireProvision) { p.Actor, p.Purpose = nil, nil },
		"two organizations": func(p *wireProvision) { p.Actor = append(p.Actor, p.Actor[0]) },
		"two reasons":       func(p *wireProvision) { p.Purpose = append(p.Purpose, p.Purpose[0]) },
		"a kind and a subject": func(p *wireProvision) {
			p.Class = []fhir.Coding{{Code: "11506-3"}}
			p.Label = []fhir.Coding{{Code: "HIV"}}
		},
		"a subject nobody knows":    func(p *wireProvision) { p.Label = []fhir.Coding{{Code: "XX"}} },
		"a person and not a place":  func(p *wireProvision) { p.Actor[0].Reference.Reference = "Practitioner/x" },
		"a part the pages know not": func(p *wireProvision) { p.Provision = []wireProvision{{Type: "permit"}} },
		"a later beginning":         func(p *wireProvision) { p.Period = &fhir.Period{Start: "2030-01-01"} },
		"a permit":                  func(p *wireProvision) { p.Type = "permit" },
	} {
		c := v.writeRule(rule{Org: "riverside", Purpose: "HPAYMT"}, "p")
		change(c.Provision)
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := readFiled(raw); err != nil || !f.Rule.isZero() {
			t.Errorf("%s is read as %+v, %v", name, f.Rule, err)
		}
	}
}
