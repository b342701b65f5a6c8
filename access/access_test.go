package access

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestPurposesInThreeDialectsAreOneFact(t *testing.T) {
	for _, c := range []struct {
		name   string
		coding hie.Coding
		want   hie.Purpose
	}{
		{"a plain code", hie.Coding{Code: "TREAT"}, "TREAT"},
		{"a b2b string", hie.Coding{Code: "urn:oid:2.16.840.1.113883.5.8#BTG"}, "BTG"},
		{"a b2b string with FHIR's system", hie.Coding{Code: ActReasonURI + "#HPAYMT"}, "HPAYMT"},
		{"a Coding by URI", hie.Coding{System: ActReasonURI, Code: "ETREAT"}, "ETREAT"},
		{"a Coding by OID", hie.Coding{System: ActReasonOID, Code: "ETREAT"}, "ETREAT"},
		{"a Coding by bare OID", hie.Coding{System: "2.16.840.1.113883.5.8", Code: "ETREAT"}, "ETREAT"},
		{"an unknown code", hie.Coding{Code: "TREATMENT"}, ""},
		{"a code in lower case", hie.Coding{Code: "treat"}, ""},
		{"an abstract code", hie.Coding{Code: "PurposeOfUse"}, ""},
		{"another system", hie.Coding{System: "2.16.840.1.113883.3.18.7.1", Code: "TREAT"}, ""},
		{"another system in a string", hie.Coding{Code: "urn:oid:1.2#TREAT"}, ""},
		{"a system stated twice", hie.Coding{System: ActReasonURI, Code: ActReasonOID + "#TREAT"}, ""},
		{"nothing", hie.Coding{}, ""},
		{"white space", hie.Coding{Code: "TREAT "}, ""},
	} {
		got, ok := PurposeOf(c.coding)
		if ok != (c.want != "") || (ok && got != c.want) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, ok, c.want)
		}
	}
	// The codes consent decides on (spec consent-cases, "Purposes") must all be statable.
	for _, code := range strings.Fields(`TREAT CLINTRL COC CAREMGT POPHLTH ETREAT BTG ERTREAT HPAYMT CLMATTCH COVAUTH COVERAGE ELIGDTRM ELIGVER
		ENROLLM REMITADV PMTDS HOPERAT HLEGAL HACCRED HCOMPL HQUALIMP PATADMIN PATSFTY RECORDMGT TRAIN HRESCH BIORCH CLINTRCH DSRCH
		POARCH TRANSRCH PATRQT FAMRQT PWATRNY SUPNWK PUBHLTH DISASTER THREAT HMARKT GOVDTRM`) {
		if _, ok := PurposeOf(hie.Coding{Code: code}); !ok {
			t.Errorf("%s cannot be stated", code)
		}
	}
}

func TestScopesAreReadInBothVersionsAndKeptInOne(t *testing.T) {
	for in, want := range map[string]string{
		"system/Patient.rs": "system/Patient.rs", "system/Patient.read": "system/Patient.rs", "system/Patient.write": "system/Patient.cud",
		"system/Patient.*": "system/Patient.cruds", "patient/*.r": "patient/*.r", "concord/audit.read": "concord/audit.read",
		"system/Patient.sr": "", "system/Patient.rr": "", "system/Patient.": "", "system/Patient": "", "system/Patient.x": "", "user/Patient.rs": "",
		"system/patient.rs": "", "system/.rs": "", "launch": "", "openid": "", "system/Patient.rs?gender=f": "", "concord/*.read": "",
		"concord/audit.*": "", "": "", "system/../Patient.rs": "", "SYSTEM/Patient.rs": "",
	} {
		got, ok := ParseScope(in)
		if ok != (want != "") || (ok && got.String() != want) {
			t.Errorf("%q: %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestGrantedScopesAreTheIntersection(t *testing.T) {
	registered := []string{"system/Patient.rs", "system/DocumentReference.cruds", "concord/audit.read"}
	wide := []string{"system/*.rs", "system/Patient.cud"}
	for _, c := range []struct {
		name, asked string
		registered  []string
		want        string
	}{
		{"what is registered is granted", "system/Patient.rs", registered, "system/Patient.rs"},
		{"less is granted as less", "system/DocumentReference.r", registered, "system/DocumentReference.r"},
		{"more is cut", "system/Patient.cruds", registered, "system/Patient.rs"},
		{"repeats are one", "system/Patient.r system/Patient.s system/Patient.read", registered, "system/Patient.rs"},
		{"order is the same each time", "system/Patient.r system/DocumentReference.r", registered, "system/DocumentReference.r system/Patient.r"},
		{"unknown kinds are left out", "openid system/Patient.r", registered, "system/Patient.r"},
		{"our own scopes are exact", "concord/audit.read concord/audit.write", registered, "concord/audit.read"},
		{"another level is another thing", "patient/Patient.rs", registered, ""},
		{"nothing left is refused", "system/Consent.rs", registered, ""},
		{"no scope is refused", "", registered, ""},
		{"two spaces are refused", "system/Patient.r  system/Patient.s", registered, ""},
		{"a control character is refused", "system/Patient.r\n", registered, ""},
		{"a wildcard that is not registered is refused", "system/*.rs", registered, ""},
		{"a registered wildcard is granted", "system/*.cruds", wide, "system/*.rs"},
		{"a resource under a registered wildcard is granted", "system/List.cruds", wide, "system/List.rs"},
		{"rights add up over wildcard and resource", "system/Patient.cruds", wide, "system/Patient.cruds"},
	} {
		got, ok := GrantScopes(c.asked, c.registered)
		if strings.Join(got, " ") != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, ok, c.want)
		}
	}
}

func FuzzGrantScopes(f *testing.F) {
	f.Add("system/Patient.cruds system/*.r concord/audit.read", "system/*.rs system/Patient.c")
	f.Fuzz(func(t *testing.T, asked, registered string) {
		have := NormalScopes(strings.Fields(registered))
		got, ok := GrantScopes(asked, have)
		if ok != (len(got) > 0) || !slices.IsSorted(got) {
			t.Fatalf("%q, %v", got, ok)
		}
		for _, g := range got { // no more than asked, no more than registered, right by right
			s, readable := ParseScope(g)
			if !readable {
				t.Fatalf("granted %q", g)
			}
			for _, list := range [][]string{strings.Split(asked, " "), have} {
				for _, right := range s.Rights {
					if s.Level != "concord" && !covers(list, s, right) {
						t.Fatalf("granted %q beyond %q", g, list)
					}
				}
				if s.Level == "concord" && !slices.Contains(list, g) {
					t.Fatalf("granted %q beyond %q", g, list)
				}
			}
		}
	})
}

func covers(list []string, s Scope, right rune) bool {
	return slices.ContainsFunc(list, func(text string) bool {
		have, ok := ParseScope(text)
		return ok && have.Level == s.Level && (have.Resource == s.Resource || have.Resource == "*") && strings.ContainsRune(have.Rights, right)
	})
}

func TestARoleIsWrittenInOneWay(t *testing.T) {
	for _, c := range []struct {
		in   hie.Coding
		want string
	}{
		{hie.Coding{Code: "physician"}, "physician"},
		{hie.Coding{System: RoleSystem, Code: "physician"}, "physician"},
		{hie.Coding{Code: RoleSystem + "#physician"}, "physician"},
		{hie.Coding{System: "urn:oid:2.16.840.1.113883.6.101", Code: "207Q00000X"}, "urn:oid:2.16.840.1.113883.6.101#207Q00000X"},
		{hie.Coding{Code: "urn:oid:2.16.840.1.113883.6.101#207Q00000X"}, "urn:oid:2.16.840.1.113883.6.101#207Q00000X"},
		{hie.Coding{System: "urn:oid:1.2", Code: "steward"}, "urn:oid:1.2#steward"},
		{hie.Coding{System: "urn:x#y", Code: "steward"}, ""},
		{hie.Coding{System: "urn:x", Code: "a#b"}, ""},
		{hie.Coding{Code: "#steward"}, ""},
		{hie.Coding{Code: "a b"}, ""},
		{hie.Coding{}, ""},
	} {
		got, ok := RoleOf(c.in)
		if ok != (c.want != "") || (ok && got != c.want) {
			t.Errorf("%+v: %q, %v; want %q", c.in, got, ok, c.want)
		}
	}
}

func client() Client {
	return Client{ID: "c", Name: "n", Organization: "o", Status: Active, Keys: map[string]Key{"k": {Kid: "k", Alg: "ES384", Thumbprint: "t"}},
		Scopes: []string{"system/Patient.rs"}, Purposes: []hie.Purpose{"TREAT"}, Roles: []string{"physician"}}
}

func TestRegistrationsThatMayNotBe(t *testing.T) {
	if err := client().Check(); err != nil {
		t.Fatalf("a good registration: %v", err)
	}
	app := client()
	app.PatientAccess, app.Scopes, app.Purposes, app.Roles = true, []string{"patient/Patient.rs"}, []hie.Purpose{"PATRQT"}, nil
	if err := app.Check(); err != nil {
		t.Fatalf("a good patients' app: %v", err)
	}
	for _, c := range []struct {
		name   string
		from   Client
		change func(*Client)
		path   string
	}{
		{"an id with a space", client(), func(c *Client) { c.ID = "a b" }, "client_id"},
		{"no organization", client(), func(c *Client) { c.Organization = "" }, "organization"},
		{"no status", client(), func(c *Client) { c.Status = "" }, "status"},
		{"no keys", client(), func(c *Client) { c.Keys = nil }, "jwks"},
		{"no purposes", client(), func(c *Client) { c.Purposes = nil }, "purposes"},
		{"an unknown purpose", client(), func(c *Client) { c.Purposes = append(c.Purposes, "X") }, "purposes[1]"},
		{"an unknown scope", client(), func(c *Client) { c.Scopes = []string{"openid"} }, "scopes[0]"},
		{"a patient scope without patient_access", client(), func(c *Client) { c.Scopes = []string{"patient/Patient.rs"} }, "scopes[0]"},
		{"a system scope with patient_access", app, func(c *Client) { c.Scopes = []string{"system/Patient.rs"} }, "scopes[0]"},
		{"an administration scope with patient_access", app, func(c *Client) { c.Scopes = []string{"concord/audit.read"} }, "scopes[0]"},
		{"treatment with patient_access", app, func(c *Client) { c.Purposes = []hie.Purpose{"PATRQT", "TREAT"} }, "patient_access"},
		{"a role with patient_access", app, func(c *Client) { c.Roles = []string{"physician"} }, "patient_access"},
		{"the role patient", client(), func(c *Client) { c.Roles = []string{"patient"} }, "roles[0]"},
		{"a delegation to itself", client(), func(c *Client) { c.Delegations = []Delegation{{Principal: "o"}} }, "delegations[0].principal"},
		{"65 scopes", client(), func(c *Client) { c.Scopes = make([]string, 65) }, "scopes"},
	} {
		got := c.from
		c.change(&got)
		err := got.Check()
		if inv, ok := errors.AsType[*hie.InvalidError](err); !ok || inv.Path != c.path {
			t.Errorf("%s: %v, want a fault at %s", c.name, err, c.path)
		}
	}
}

func TestOnlyWhatNarrowsEndsTokens(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Client)
		ends   bool
	}{
		{"another name", func(c *Client) { c.Name = "x" }, false},
		{"one more scope", func(c *Client) { c.Scopes = []string{"system/List.rs", "system/Patient.rs"} }, false},
		{"one more key", func(c *Client) {
			c.Keys = map[string]Key{"k": c.Keys["k"], "l": {Kid: "l", Alg: "ES384", Thumbprint: "u"}}
		}, false},
		{"a new delegation", func(c *Client) { c.Delegations = []Delegation{{Principal: "p"}} }, false},
		{"suspension", func(c *Client) { c.Status = Suspended }, true},
		{"another organization", func(c *Client) { c.Organization = "x" }, true},
		{"another scope", func(c *Client) { c.Scopes = []string{"system/Patient.r"} }, true},
		{"a role less", func(c *Client) { c.Roles = nil }, true},
		{"another purpose", func(c *Client) { c.Purposes = []hie.Purpose{"BTG"} }, true},
		{"another key under the same kid", func(c *Client) { c.Keys = map[string]Key{"k": {Kid: "k", Alg: "ES384", Thumbprint: "u"}} }, true},
	} {
		after := client()
		c.change(&after)
		diff := NewSnapshot(1, []Client{client()}, nil, nil).Compare([]Client{after})
		if len(diff) != 1 || diff[0].Verb != "change" || len(diff[0].Fields) != 1 || diff[0].EndsTokens != c.ends {
			t.Errorf("%s: %+v, want one change with EndsTokens %v", c.name, diff, c.ends)
		}
	}
	if diff := NewSnapshot(1, []Client{client()}, nil, nil).Compare([]Client{client()}); diff != nil {
		t.Errorf("the same again: %+v", diff)
	}
	if diff := NewSnapshot(1, nil, nil, nil).Compare([]Client{client()}); len(diff) != 1 || diff[0].Verb != "add" || diff[0].EndsTokens ||
		!strings.Contains(diff.String(), "+ client c\n") || !strings.Contains(diff.String(), "keys: k (ES384 t)") {
		t.Errorf("a new client: %s", diff)
	}
}

func TestATokenIssuedInTheSecondOfAKillLivesAndOneIssuedBeforeDoesNot(t *testing.T) {
	killed := time.Date(2026, 11, 22, 10, 0, 0, 500e6, time.UTC)
	s := NewSnapshot(1, []Client{client()}, []Kill{{Kind: "user", Subject: UserSubject("o", "u"), Before: killed}}, nil)
	g := Grant{Issuer: "i", Audience: "a", Client: "c", Organization: "o", User: "u"}
	before := g.stamp(killed.Add(-time.Millisecond), time.Time{}, "1")
	after := g.stamp(killed.Add(time.Millisecond), s.Killed("c", "o", "u"), "2")
	now := killed.Add(time.Second)
	if got := checkToken(before, "i", "a", s, now); got != "token ended" {
		t.Errorf("a token from before: %q", got)
	}
	if got := checkToken(after, "i", "a", s, now); got != "" {
		t.Errorf("a token from after: %q", got)
	}
	other := before
	other.User = "v"
	if got := checkToken(other, "i", "a", s, now); got != "" {
		t.Errorf("another user's token: %q", got)
	}
	if after.Expires.Sub(after.NotBefore) != TokenLife {
		t.Errorf("lives %v", after.Expires.Sub(after.NotBefore))
	}
}

func TestABoundCountsWhatItDrops(t *testing.T) {
	b := bound{perSecond: 2}
	now := time.Unix(100, 0)
	for i, want := range []bool{true, true, false, false} {
		if _, ok := b.take(now); ok != want {
			t.Errorf("event %d: %v", i, ok)
		}
	}
	if dropped, ok := b.take(now.Add(time.Second)); !ok || dropped != 2 {
		t.Errorf("next second: %v, dropped %d; want 2", ok, dropped)
	}
	if dropped, _ := b.take(now.Add(time.Second)); dropped != 0 {
		t.Errorf("counted twice: %d", dropped)
	}
}

func TestTheZeroClientAndSnapshotAllowNothing(t *testing.T) {
	if (Client{}).Represents("", time.Now()) || (Client{}).Represents("o", time.Now()) {
		t.Error("the zero client represents somebody")
	}
	s := NewSnapshot(0, nil, nil, nil)
	g := Grant{Issuer: "i", Audience: "a", ID: "1"}.stamp(time.Now(), time.Time{}, "1")
	if checkToken(g, "i", "a", s, time.Now()) == "" {
		t.Error("a token of no client was taken")
	}
}

func TestWhatANodeHasTakenItRemembersAsLongAsItCouldBeTakenAgain(t *testing.T) {
	var s seen
	start := time.Unix(1000, 0)
	if !s.first("c", "j", start) || s.first("c", "j", start) {
		t.Fatal("not once")
	}
	if !s.first("c", "k", start) || !s.first("d", "j", start) {
		t.Error("another jti or client counts as the same")
	}
	for at := time.Duration(0); at <= ReplayWindow; at += time.Second { // others come and go
		s.first("d", at.String(), start.Add(at))
	}
	if s.first("c", "j", start.Add(ReplayWindow)) {
		t.Error("forgotten too early")
	}
	s.first("d", "x", start.Add(2*ReplayWindow))
	s.first("d", "y", start.Add(4*ReplayWindow))
	if n := len(s.recent) + len(s.older); n > 3 {
		t.Errorf("%d kept for ever", n)
	}
}
