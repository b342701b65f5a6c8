package accessjwt

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
)

func codec(t testing.TB) (*Codec, *token.Signer) {
	t.Helper()
	s, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return New(s), s
}

func grant() access.Grant {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return access.Grant{Issuer: "https://c.example.org", Audience: "https://c.example.org/fhir", Client: "elm-emr", Organization: "elm",
		OrganizationURI: "https://elm.example.org", OrganizationName: "Elm", User: "dr-lee", UserName: "Dr. Lee",
		Roles: []string{"physician", "urn:oid:2.16.840.1.113883.6.101#207Q00000X"}, Purposes: []hie.Purpose{"BTG", "TREAT"},
		Scopes: []string{"system/DocumentReference.rs", "system/Patient.rs"}, ID: "jti-1", IssuedAt: now, NotBefore: now, Expires: now.Add(5 * time.Minute)}
}

func TestAGrantComesBackAsItWas(t *testing.T) {
	c, _ := codec(t)
	alone := grant()
	alone.User, alone.UserName, alone.Roles = "", "", nil
	patient := grant()
	patient.Patient, patient.User, patient.Roles = "abc", "Patient/abc", []string{"patient"}
	acts := patient
	acts.Representative, acts.User = "RelatedPerson/son", "RelatedPerson/son"
	coded := grant()
	coded.Exchange = "T-TRTMNT"
	for name, want := range map[string]access.Grant{"a person": grant(), "a representative": acts, "a network's code": coded, "a system": alone, "a patient": patient} {
		minted, err := c.Mint(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.OpenToken(minted)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.User != want.User || got.Representative != want.Representative || got.Exchange != want.Exchange || got.UserName != want.UserName || got.Patient != want.Patient || got.Organization != want.Organization ||
			got.OrganizationURI != want.OrganizationURI || got.OrganizationName != want.OrganizationName ||
			got.Client != want.Client || got.ID != want.ID || !slices.Equal(got.Roles, want.Roles) ||
			!slices.Equal(got.Purposes, want.Purposes) || !slices.Equal(got.Scopes, want.Scopes) || got.Issuer != want.Issuer ||
			got.Audience != want.Audience || !got.IssuedAt.Equal(want.IssuedAt) || !got.NotBefore.Equal(want.NotBefore) || !got.Expires.Equal(want.Expires) {
			t.Errorf("%s: came back as %#v, %v, %v", name, got.Actor(), got.ID, got.Expires)
		}
	}
}

func TestTokensOfAnOldKeyHoldWhileItIsPublished(t *testing.T) {
	_, old := codec(t)
	_, fresh := codec(t)
	minted, err := New(old).Mint(grant())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(fresh, old).OpenToken(minted); err != nil {
		t.Errorf("during the overlap: %v", err)
	}
	if _, err := New(fresh).OpenToken(minted); err == nil {
		t.Error("after the old key was dropped its token was taken")
	}
	set, err := token.ParseSet(New(fresh, old).KeySet())
	if err != nil || len(set) != 2 || set[0].Kid != fresh.Public().Kid {
		t.Errorf("published: %v, %v", set, err)
	}
}

func TestTheExtensionIsReadInAllItsForms(t *testing.T) {
	read := func(extension string) access.Assertion {
		t.Helper()
		a, err := assertionOf([]byte(`{"iss":"c","extensions":{"hl7-b2b":` + extension + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := read(`{"version":"1","subject_id":"u","subject_name":"U","subject_role":["physician",{"system":"urn:oid:1.2","code":"x"}],
		"organization_id":"https://o","organization_name":"O","purpose_of_use":["urn:oid:2.16.840.1.113883.5.8#TREAT",{"system":"s","code":"c"}],
		"consent_policy":["urn:oid:1"],"consent_reference":["https://x/Consent/1"],"other":{}}`)
	want := access.B2B{Version: "1", SubjectID: "u", SubjectName: "U", OrganizationID: "https://o", OrganizationName: "O",
		SubjectRoles:  []hie.Coding{{Code: "physician"}, {System: "urn:oid:1.2", Code: "x"}},
		Purposes:      []hie.Coding{{Code: "urn:oid:2.16.840.1.113883.5.8#TREAT"}, {System: "s", Code: "c"}},
		ConsentPolicy: []string{"urn:oid:1"}, ConsentReference: []string{"https://x/Consent/1"}}
	if a.B2BFault || a.B2B == nil {
		t.Fatal("a good extension was not read")
	}
	if b := *a.B2B; b.Version != want.Version || b.SubjectID != want.SubjectID || b.SubjectName != want.SubjectName ||
		b.OrganizationID != want.OrganizationID || !slices.Equal(b.SubjectRoles, want.SubjectRoles) || !slices.Equal(b.Purposes, want.Purposes) ||
		!slices.Equal(b.ConsentPolicy, want.ConsentPolicy) || !slices.Equal(b.ConsentReference, want.ConsentReference) {
		t.Error("the extension was read as something else")
	}
	if a := read(`{"subject_role":{"code":"nurse"}}`); a.B2BFault || !slices.Equal(a.B2B.SubjectRoles, []hie.Coding{{Code: "nurse"}}) {
		t.Error("a single Coding as role was not read")
	}
	for _, bad := range []string{`null`, `1`, `[]`, `{"version":1}`, `{"purpose_of_use":"TREAT"}`, `{"purpose_of_use":[1]}`, `{"purpose_of_use":[null]}`,
		`{"purpose_of_use":[{"system":"s"}]}`, `{"purpose_of_use":[""]}`, `{"subject_role":1}`, `{"subject_role":[[]]}`, `{"subject_id":{}}`,
		`{"purpose_of_use":[` + strings.TrimSuffix(strings.Repeat(`"TREAT",`, 17), ",") + `]}`} {
		if a := read(bad); !a.B2BFault || a.B2B != nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestDatesAndAudiences(t *testing.T) {
	for in, ok := range map[string]bool{`1763805600`: true, `1763805600.5`: true, `1.7638056e9`: true, `"1763805600"`: false, `0`: false, `-1`: false,
		`1e300`: false, `null`: false, `true`: false} {
		a, err := assertionOf([]byte(`{"exp":` + in + `}`))
		if (err == nil) != ok || (ok && a.Expires.Unix() != 1763805600) {
			t.Errorf("exp %s: %v, %v", in, a.Expires, err)
		}
	}
	for in, want := range map[string]int{`"a"`: 1, `["a"]`: 1, `["a","b"]`: 2, `[]`: 0, `1`: -1, `null`: -1, `[1]`: -1, `[null]`: -1} {
		a, err := assertionOf([]byte(`{"aud":` + in + `}`))
		if (want < 0) != (err != nil) || (err == nil && len(a.Audience) != want) {
			t.Errorf("aud %s: %q, %v", in, a.Audience, err)
		}
	}
}

func FuzzAssertion(f *testing.F) {
	f.Add([]byte(`{"iss":"c","sub":"c","aud":["a"],"exp":1763805600,"nbf":1.5,"jti":"j","extensions":{"hl7-b2b":{"version":"1",
		"subject_role":[{"code":"x"}],"purpose_of_use":["TREAT"],"consent_policy":["a"]}}}`))
	f.Add([]byte(`{"extensions":{"hl7-b2b":{"subject_role":"x#y"}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := assertionOf(payload)
		if err != nil {
			return
		}
		if a.B2BFault && a.B2B != nil {
			t.Error("an unreadable extension was kept")
		}
		if a.B2B != nil {
			for _, c := range slices.Concat(a.B2B.SubjectRoles, a.B2B.Purposes) {
				if c.Code == "" {
					t.Error("a Coding without a code")
				}
			}
		}
		if a.Expires.Year() > 9999 {
			t.Errorf("exp in the year %d", a.Expires.Year())
		}
	})
}

func FuzzOpenToken(f *testing.F) {
	c, s := codec(f)
	minted, err := c.Mint(grant())
	if err != nil {
		f.Fatal(err)
	}
	parsed, err := token.Parse(minted)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(parsed.Payload)
	f.Add([]byte(`{"client_id":"c","exp":1,"nbf":1,"iat":1,"extensions":{"ihe_iua":{"purpose_of_use":[{"code":"TREAT"}]}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		signed, err := s.Sign(typ, payload)
		if err != nil {
			t.Fatal(err)
		}
		g, err := c.OpenToken(signed)
		if err == nil && (g.Client == "" || len(g.Purposes) == 0 || g.Expires.IsZero()) {
			t.Error("a token that says too little was taken")
		}
	})
}
