package directory

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// ready is the evidence of a site that passes every check at onboardNow.
func ready() Evidence {
	measured := onboardNow.Add(-time.Hour)
	filled := map[string]int{"family": 20, "given": 20, "birth-date": 20, "sex": 20, "address": 18, "phone": 4}
	return Evidence{
		Site: Site{ID: "oak", Org: "oak", Publishes: true, Labelled: true, PrivilegedRoles: []string{"ed"}, Regimes: []string{"part2"}, Membership: Joining,
			Endpoints: []Endpoint{{ID: "e", Protocol: "fhir-r4", Address: "https://oak.example/fhir"}}},
		Agreements: []Agreement{{Kind: "baa", SignedBy: "Oak", From: onboardDay(-30), Until: onboardDay(0), Hash: strings.Repeat("0a", 32), Recorded: measured}},
		Contacts:   []Contact{{Role: "technical", Name: "T"}, {Role: "privacy", Name: "P"}, {Role: "on-call", Name: "N"}},
		Clients:    1, Keys: 1,
		Endpoint:  EndpointEvidence{Asked: measured, Took: 12 * time.Millisecond, Answered: true, Software: "Oak EMR", Version: "3", FHIRVersion: "4.0.1", CertificateUntil: onboardNow.AddDate(0, 0, 21)},
		Published: 10, Newest: measured,
		Quality: QualityEvidence{At: measured, Records: 20, Filled: filled, Placeholders: map[string]int{"birth-date": 1}},
		Consent: ConsentEvidence{Default: "permit", DefaultOf: "network", Jurisdiction: "US-VA", Packs: []string{"us-hipaa"}},
		Asked:   measured, AskedAs: TestMark + "1",
		Trials: []Trial{{Kind: TrialQuery, At: measured, Passed: true, Detail: "a document"}, {Kind: TrialAlert, At: measured, Passed: true, Detail: "technical"}},
	}
}

var onboardNow = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func onboardDay(n int) time.Time { return time.Date(2026, 3, 10+n, 0, 0, 0, 0, time.UTC) }

func TestAnAgreementThatEndsWaitsForTheNext(t *testing.T) {
	of := func(site, kind string, from, until int) Agreement {
		a := Agreement{Site: hie.SiteID(site), Kind: kind, From: onboardDay(from)}
		if until != 0 {
			a.Until = onboardDay(until)
		}
		return a
	}
	got := Ending([]Agreement{
		of("oak", "baa", -400, 30), of("oak", "participation", -400, 0), // soon; without end
		of("elm", "baa", -400, -30), of("elm", "baa", -29, 400), of("elm", "qsoa", -400, 59), // followed; on the last day it is told of
		of("ash", "baa", -400, -3), of("ash", "qsoa", -400, 61), // ended; not yet
		of("fir", "baa", -400, 20), of("fir", "baa", 21, 0), // one without end follows
	}, onboardNow)
	var said []string
	for _, a := range got {
		said = append(said, string(a.Site)+" "+a.Kind)
	}
	if want := []string{"ash baa", "oak baa", "elm qsoa"}; !slices.Equal(said, want) {
		t.Errorf("%v, want %v", said, want)
	}
}

func TestEachCheckIsWhatWasMeasured(t *testing.T) {
	long := onboardNow.AddDate(0, 0, -8)
	for _, tt := range []struct {
		name  string
		edit  func(*Evidence)
		check CheckID
		want  Result
		code  string // of the finding that says so
	}{
		{"an agreement on its last day holds", func(*Evidence) {}, CheckAgreement, Pass, "agreement.held"},
		{"no agreement is not yet", func(e *Evidence) { e.Agreements = nil }, CheckAgreement, Pending, "agreement.none"},
		{"an agreement that ended yesterday fails", func(e *Evidence) { e.Agreements[0].Until = onboardDay(-1) }, CheckAgreement, Fail, "agreement.ended"},
		{"one that begins tomorrow is not yet", func(e *Evidence) { e.Agreements[0].From, e.Agreements[0].Until = onboardDay(1), time.Time{} }, CheckAgreement, Pending, "agreement.ahead"},
		{"an ended one beside one that holds is no bar", func(e *Evidence) {
			e.Agreements = append([]Agreement{{Kind: "baa", From: onboardDay(-60), Until: onboardDay(-31)}}, e.Agreements...)
		}, CheckAgreement, Pass, "agreement.held"},
		{"nobody on call is not yet", func(e *Evidence) { e.Contacts = e.Contacts[:2] }, CheckContacts, Pending, "contacts.none"},
		{"no client is not yet", func(e *Evidence) { e.Clients, e.Keys = 0, 0 }, CheckKeys, Pending, "keys.client.none"},
		{"no endpoint is not yet", func(e *Evidence) { e.Site.Endpoints = nil }, CheckKeys, Pending, "keys.endpoint.none"},
		{"a certificate good for 21 days passes", func(*Evidence) {}, CheckKeys, Pass, "keys.certificate"},
		{"one second less fails", func(e *Evidence) { e.Endpoint.CertificateUntil = onboardNow.AddDate(0, 0, 21).Add(-time.Second) }, CheckKeys, Fail, "keys.ending"},
		{"plain HTTP fails", func(e *Evidence) { e.Site.Endpoints[0].Address = "http://oak.example/fhir" }, CheckKeys, Fail, "keys.plain"},
		{"plain HTTP on this machine is said", func(e *Evidence) { e.Site.Endpoints[0].Address = "http://127.0.0.1:1/fhir" }, CheckKeys, Pass, "keys.loopback"},
		{"a host that begins like this machine is not it", func(e *Evidence) { e.Site.Endpoints[0].Address = "http://localhost.example/fhir" }, CheckKeys, Fail, "keys.plain"},
		{"an endpoint never asked is not yet", func(e *Evidence) { e.Endpoint = EndpointEvidence{} }, CheckConnect, Pending, "connect.unmeasured"},
		{"one that did not answer fails", func(e *Evidence) { e.Endpoint.Answered, e.Endpoint.Reason = false, "http 500" }, CheckConnect, Fail, "connect.failed"},
		{"an answer of last week is not yet", func(e *Evidence) { e.Endpoint.Asked = long }, CheckConnect, Pending, "connect.old"},
		{"another version of FHIR fails", func(e *Evidence) { e.Endpoint.FHIRVersion = "3.0.2" }, CheckConnect, Fail, "connect.version"},
		{"nine references are not yet", func(e *Evidence) { e.Published = 9 }, CheckPublish, Pending, "publish.accepted"},
		{"refusals on the way are no bar once ten went through", func(e *Evidence) { e.Refusals = []Refusal{{Reason: "x", Count: 3, Last: onboardNow}} }, CheckPublish, Pass, "publish.refused"},
		{"a site that is asked publishes nothing", func(e *Evidence) { e.Site.Publishes, e.Published = false, 0 }, CheckPublish, Pass, "publish.live"},
		{"nine patients are not yet", func(e *Evidence) { e.Quality.Records = 9 }, CheckQuality, Pending, "quality.few"},
		{"one in twenty without a name passes", func(e *Evidence) { e.Quality.Filled["family"] = 19 }, CheckQuality, Pass, "quality.filled"},
		{"two in twenty fail", func(e *Evidence) { e.Quality.Filled["family"] = 18 }, CheckQuality, Fail, "quality.filled"},
		{"two placeholders in twenty fail", func(e *Evidence) { e.Quality.Placeholders["birth-date"] = 2 }, CheckQuality, Fail, "quality.placeholder"},
		{"people nobody can be reached by fail", func(e *Evidence) { e.Quality.Filled["address"] = 15 }, CheckQuality, Fail, "quality.reach"},
		{"records twice fail", func(e *Evidence) { e.Quality.Duplicates = 1 }, CheckQuality, Fail, "quality.duplicates"},
		{"a record in dispute fails", func(e *Evidence) { e.Quality.Disputed = 1 }, CheckQuality, Fail, "quality.disputed"},
		{"no default is not yet", func(e *Evidence) { e.Consent.Default = "" }, CheckConsent, Pending, "consent.default.none"},
		{"no privileged role is not yet", func(e *Evidence) { e.Site.PrivilegedRoles = nil }, CheckConsent, Pending, "consent.roles.none"},
		{"no jurisdiction is not yet", func(e *Evidence) { e.Consent.Jurisdiction = "" }, CheckConsent, Pending, "consent.jurisdiction.none"},
		{"no law in force is not yet", func(e *Evidence) { e.Consent.Packs = nil }, CheckConsent, Pending, "consent.law.none"},
		{"law at hand and not in force is not yet", func(e *Evidence) { e.Consent.AtHand = []string{"us-va"} }, CheckConsent, Pending, "consent.law.athand"},
		{"a regime without a pack fails", func(e *Evidence) { e.Consent.Unheld = []string{"part2"} }, CheckConsent, Fail, "consent.regime.none"},
		{"no marked query is not yet", func(e *Evidence) { e.Asked = time.Time{} }, CheckQuery, Pending, "query.in.none"},
		{"a marked query of last week is not yet", func(e *Evidence) { e.Asked = long }, CheckQuery, Pending, "query.in.old"},
		{"no query of ours is not yet", func(e *Evidence) { e.Trials = e.Trials[1:] }, CheckQuery, Pending, "query.out.none"},
		{"one that was not answered fails", func(e *Evidence) { e.Trials[0].Passed = false }, CheckQuery, Fail, "query.out.failed"},
		{"no notice is not yet", func(e *Evidence) { e.Trials = e.Trials[:1] }, CheckAlert, Pending, "alert.sent.none"},
		{"one the mail server did not take fails", func(e *Evidence) { e.Trials[1].Passed = false }, CheckAlert, Fail, "alert.sent.failed"},
		{"one of last week is not yet", func(e *Evidence) { e.Trials[1].At = long }, CheckAlert, Pending, "alert.sent.old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := ready()
			if missing := Missing(Checks(e, onboardNow)); missing != nil {
				t.Fatalf("a site that is ready misses %v", missing)
			}
			tt.edit(&e)
			checks := Checks(e, onboardNow)
			i := slices.IndexFunc(checks, func(c Check) bool { return c.ID == tt.check })
			if checks[i].Result != tt.want || !slices.ContainsFunc(checks[i].Findings, func(f Finding) bool { return f.Code == tt.code }) {
				t.Errorf("%s with %v, want %s with %s", checks[i].Result, checks[i].Findings, tt.want, tt.code)
			}
			if missing := Missing(checks); slices.Contains(missing, string(tt.check)) != (tt.want != Pass) {
				t.Errorf("missing %v", missing)
			}
			for _, c := range checks {
				for _, f := range c.Findings {
					said, fix := f.Text()
					if said == "" || strings.ContainsAny(said+fix, "{}") || (fix == "") != (f.Result == Pass) {
						t.Errorf("%s: %q, %q", f.Code, said, fix)
					}
				}
			}
		})
	}
}

func TestWhatIsRecordedIsChecked(t *testing.T) {
	a := Agreement{Site: "oak", Kind: "baa", SignedBy: "Oak", From: onboardDay(0), Hash: strings.Repeat("0a", 32)}
	for path, edit := range map[string]func(*Agreement){"": func(*Agreement) {}, "kind": func(a *Agreement) { a.Kind = "handshake" }, "signed_by": func(a *Agreement) { a.SignedBy = " " },
		"from": func(a *Agreement) { a.From = time.Time{} }, "until": func(a *Agreement) { a.Until = onboardDay(-1) }, "document_hash": func(a *Agreement) { a.Hash = strings.Repeat("0A", 32) }} {
		b := a
		edit(&b)
		if got := pathOf(b.Check()); got != path {
			t.Errorf("an agreement is refused at %q, want %q", got, path)
		}
	}
	c := Contact{Site: "oak", Role: "technical", Name: "Desk", Email: "desk@oak.example", Phone: "410-555-0100"}
	for path, edits := range map[string][]func(*Contact){"": {func(*Contact) {}, func(c *Contact) { c.Role, c.Email = "on-call", "" }}, "role": {func(c *Contact) { c.Role = "owner" }},
		"name": {func(c *Contact) { c.Name = "" }}, "email": {func(c *Contact) { c.Email = "" }, func(c *Contact) { c.Email = "a@b\r\nBcc: x@y" }},
		"phone": {func(c *Contact) { c.Phone = "call me" }, func(c *Contact) { c.Role, c.Phone = "on-call", "" }}} {
		for _, edit := range edits {
			d := c
			edit(&d)
			if got := pathOf(d.Check()); got != path {
				t.Errorf("a contact is refused at %q, want %q", got, path)
			}
		}
	}
}

func pathOf(err error) string {
	if inv, ok := errors.AsType[*hie.InvalidError](err); ok {
		return inv.Path
	}
	return ""
}
