package consentfhir

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/google/go-cmp/cmp"
)

// travelled files b as a version of record at filed, exports it and files what was exported.
func travelled(t *testing.T, b []byte, id int64, record hie.SourcePatientID, filed time.Time) (first, second consent.Version) {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	first, _, err = ReadFiling(b, noon, zone)
	if err != nil {
		t.Fatal(err)
	}
	first.ID, first.Number, first.Record, first.Filed = id, 1, record, filed
	line, err := Exported(first, hie.Identifier{System: "urn:x", Value: "1"})
	if err != nil || strings.ContainsRune(string(line), '\n') {
		t.Fatalf("%v: one line is wanted", err)
	}
	second, patient, err := ReadFiling(line, noon, zone)
	if err != nil || patient.Identifier == nil || patient.Identifier.Value != "1" {
		t.Fatalf("what was exported cannot be filed: %v", err)
	}
	var h fhir.Header
	if err := fhir.Decode(line, &h); err != nil {
		t.Fatal(err)
	}
	if second.Filed, err = time.Parse(time.RFC3339Nano, h.Meta.LastUpdated); err != nil {
		t.Fatal(err)
	}
	second.ID, second.Number, second.Record = id, 1, record
	return first, second
}

// TestEveryPublishedConsentTravelsAndDecidesTheSame imports every consent IHE PCF publishes, with such as HL7's R4 examples and LEAP's
// tests are, and R5 ones, refusals, absolute and unverified ones beside them, exports and imports them again, and decides 100,000 made-up requests both ways.
//
// Source: issue 4; spec consent, scenario 10.
func TestEveryPublishedConsentTravelsAndDecidesTheSame(t *testing.T) {
	pcf(t, "ex-consent-basic-treat")
	files, err := filepath.Glob("../../../shared/data/messages/fhir/ihe-pcf/Consent-*.json")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var published [][]byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		published = append(published, b)
	}
	published = append(published, []byte(r5OptOut), []byte(filing), []byte(strings.Replace(filing, "OPTIN", "OPTOUT", 1)),
		[]byte(strings.Replace(filing, `"status":"active",`, `"status":"active","modifierExtension":[{"url":"urn:x"}],`, 1)),
		[]byte(strings.Replace(filing, `"status":"active",`, `"status":"inactive","verification":[{"verified":true},{"verified":false}],`, 1)),
		[]byte(strings.Replace(r5OptOut, `"decision":"deny"`, `"decision":"permit","expression":{"x":1}`, 1)),
		[]byte(strings.Replace(strings.Replace(filing, "OPTIN", "OPTOUT", 1), `"status":"active",`, `"status":"active","extension":[{"url":"`+AbsoluteURL+`","valueBoolean":true},{"url":"`+ReachURL+`","valueCode":"site"}],`, 1)))

	published = append(published, examples()...)
	rng := rand.New(rand.NewPCG(4, 10))
	env := pcfEnv(t, "permit")
	subject := consent.Subject{Records: []consent.Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}, {ID: "2", Site: "s", Link: hie.LinkTentative}}}
	differ, released := 0, 0
	const persons, requests = 200, 500 // 100,000 decisions
	for range persons {
		var before, after []consent.Directive
		for i := range 1 + rng.IntN(3) {
			filed := time.Date(2022+rng.IntN(4), time.Month(1+rng.IntN(12)), 1+rng.IntN(28), rng.IntN(24), 0, 0, rng.IntN(1e6)*1000, time.UTC)
			a, b := travelled(t, published[rng.IntN(len(published))], int64(i+1), hie.SourcePatientID(1+rng.IntN(2)), filed)
			x, err1 := Directive(a)
			y, err2 := Directive(b)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			before, after = append(before, x), append(after, y)
		}
		one, two := consent.Compile(env, subject, before), consent.Compile(env, subject, after)
		for range requests {
			req, doc, now := madeUp(rng)
			p, q := one.Decide(req, doc, now), two.Decide(req, doc, now)
			if p.Release {
				released++
			}
			if diff := cmp.Diff(fmt.Sprint(p.Release, p.Reason, p.Obligations), fmt.Sprint(q.Release, q.Reason, q.Obligations)); diff != "" {
				if differ++; differ < 4 {
					t.Errorf("decided otherwise: %s", diff)
				}
			}
		}
	}
	if differ > 0 || released < 5000 {
		t.Errorf("%d of %d decided otherwise; %d released", differ, persons*requests, released)
	}
	t.Logf("%d decisions, %d released, none otherwise", persons*requests, released)
}

// madeUp is a request, a document and an instant.
func madeUp(rng *rand.Rand) (consent.Request, consent.Document, time.Time) {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	now := time.Date(2022+rng.IntN(6), time.Month(1+rng.IntN(12)), 1+rng.IntN(28), rng.IntN(24), 0, 0, 0, time.UTC)
	req := consent.Request{Organization: hie.OrgID(one("ex-organization", "ex-org-researcher", "other")), Practitioner: one("", "ex-practitioner"),
		Roles: []string{one("ed", "physician")}, Purposes: []hie.Purpose{hie.Purpose(one("TREAT", "HPAYMT", "HOPERAT", "HRESCH", "FooBar", "COC", "BTG"))}}
	if rng.IntN(4) == 0 {
		req.Emergency = &consent.Emergency{ReasonCode: "unconscious", Text: "found unconscious at the bus stop", Role: "ed", At: now, Attested: consent.Attestations()}
	}
	doc := consent.Document{ID: one("ex-documentreference", "d"), Record: one("1", "2"), Site: "s", Class: one("", "lab", "note"), Type: one("", "lab"),
		Confidentiality: one("", "L", "N", "R", "V"), LabelState: consent.LabelState(rng.IntN(4)), Encounter: one("", "ex-encounter", "e2")}
	if doc.LabelState == consent.Labelled && rng.IntN(2) == 0 {
		doc.Sensitivity = []string{one("HIV", "PSY", "SUD", "ETHUD")}
	}
	if rng.IntN(2) == 0 {
		doc.Start = time.Date(2021+rng.IntN(3), 6, 1, 0, 0, 0, 0, time.UTC)
		doc.End = doc.Start.AddDate(0, rng.IntN(14), 0)
	}
	return req, doc, now
}
