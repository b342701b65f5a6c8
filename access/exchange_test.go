package access

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An exchange code is a dialect of the purpose it stands for; only a client registered for it may assert it, one at a time.
func TestAnExchangeCodeComesWithItsPurpose(t *testing.T) {
	code := func(c string) hie.Coding { return hie.Coding{Code: ExchangeOID + "#" + c} }
	org := Organization{ID: "elm", Active: true}
	for _, tt := range []struct {
		name     string
		asserts  []hie.Coding
		purposes []hie.Purpose
		code     string
		refused  string
	}{
		{"alone it states the purpose it stands for", []hie.Coding{code("T-TRTMNT")}, []hie.Purpose{"TREAT"}, "T-TRTMNT", ""},
		{"as a Coding", []hie.Coding{{System: "2.16.840.1.113883.3.7204.1.5.2.1", Code: "T-TRTMNT"}}, []hie.Purpose{"TREAT"}, "T-TRTMNT", ""},
		{"beside a purpose, that counts, and whether they agree is the network's rule", []hie.Coding{code("T-TRTMNT"), {Code: "HPAYMT"}}, []hie.Purpose{"HPAYMT"}, "T-TRTMNT", ""},
		{"without one there is none", []hie.Coding{{Code: "TREAT"}}, []hie.Purpose{"TREAT"}, "", ""},
		{"two are not one request", []hie.Coding{code("T-TRTMNT"), code("T-PYMNT")}, nil, "", "several exchange codes"},
		{"one the client is not registered for", []hie.Coding{code("T-PYMNT")}, nil, "", "exchange code not the client's"},
		{"one nobody knows", []hie.Coding{code("T-NONE")}, nil, "", "purpose of use unknown"},
		{"one nobody knows beside a purpose", []hie.Coding{code("T-NONE"), {Code: "TREAT"}}, nil, "", "purpose of use unknown"},
	} {
		c := Client{ID: "c", Organization: "elm", Purposes: []hie.Purpose{"TREAT", "HPAYMT"}, Exchanges: []string{"T-TRTMNT"}}
		g, r := considerB2B(Assertion{B2B: &B2B{Version: "1", OrganizationID: "urn:elm", Purposes: tt.asserts}}, c, org, time.Now())
		switch {
		case tt.refused != "" && (r == nil || r.Reason != tt.refused):
			t.Errorf("%s: %v, want %q", tt.name, r, tt.refused)
		case tt.refused == "" && (r != nil || !slices.Equal(g.Purposes, tt.purposes) || g.Exchange != tt.code || g.Actor().Exchange != tt.code):
			t.Errorf("%s: %v, %q, %v", tt.name, g.Purposes, g.Exchange, r)
		}
	}
}

// Who acts in a patient's name is named in the token, beside the patient and as the user.
func TestARepresentativeIsNamedBesideThePatient(t *testing.T) {
	org := Organization{ID: "elm", Active: true}
	b := &B2B{Version: "1", OrganizationID: "urn:elm", SubjectID: "Patient/abc", Purposes: []hie.Coding{{Code: "PATRQT"}}}
	app := Client{ID: "app", Organization: "elm", PatientAccess: true, Purposes: []hie.Purpose{"PATRQT"}}
	g, r := considerB2B(Assertion{B2B: b, ActsFor: "RelatedPerson/son"}, app, org, time.Now())
	if a := g.Actor(); r != nil || g.Patient != "abc" || a.Representative != "RelatedPerson/son" || a.User != "RelatedPerson/son" {
		t.Errorf("%v, %v", g.Actor(), r)
	}
	for name, tt := range map[string]struct {
		client Client
		acts   string
	}{
		"a client of a practice":        {Client{ID: "emr", Organization: "elm", Purposes: []hie.Purpose{"PATRQT"}}, "RelatedPerson/son"},
		"another patient":               {app, "Patient/def"},
		"a name that is not plain text": {app, "RelatedPerson/\nx"},
	} {
		if _, r := considerB2B(Assertion{B2B: b, ActsFor: tt.acts}, tt.client, org, time.Now()); r == nil {
			t.Errorf("%s acts in a patient's name", name)
		}
	}
}

func TestAbilitiesThatMayNotBeRegistered(t *testing.T) {
	for ability, ok := range map[string]bool{"DELAU": true, "P2-NOTICE": false, "DELAU:2026-06-30": false, "": false} {
		c := client()
		c.Abilities = []string{ability}
		if (c.Check() == nil) != ok {
			t.Errorf("%q registered %t, want %t", ability, !ok, ok)
		}
	}
}

func TestExchangesThatMayNotBeRegistered(t *testing.T) {
	for _, code := range []string{"T-NONE", "T-PYMNT"} { // unknown; without the purpose it stands for
		c := client()
		c.Exchanges = []string{code}
		if c.Check() == nil {
			t.Errorf("%s was registered", code)
		}
	}
	c := client()
	c.Exchanges = []string{"T-TRTMNT"}
	after := client()
	if c.Check() != nil || !narrows(c, after) || narrows(after, c) {
		t.Error("taking an exchange code away must end tokens, giving one must not")
	}
}
