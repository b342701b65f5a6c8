package directory

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Agreement is what was signed with a site.
//
// Source: spec ux O8 (a site cannot go live without one); 45 CFR 164.504(e).
type Agreement struct {
	Site   hie.SiteID
	Number int64 // from 1
	// Kind is one of AgreementKinds.
	Kind string
	// SignedBy says who signed for the site.
	SignedBy string
	// From and Until are the first and the last day it holds, as midnight UTC; a zero Until is no end.
	From, Until time.Time
	// Hash is the SHA-256 of the document, in lower-case hex.
	Hash     string
	Recorded time.Time
	By       string
}

// AgreementKinds are the kinds of agreement: participation, business associate, qualified service organisation.
func AgreementKinds() []string { return []string{"participation", "baa", "qsoa"} }

// Check returns what is wrong with a, an *hie.InvalidError, or nil.
func (a Agreement) Check() error {
	sum, err := hex.DecodeString(a.Hash)
	switch {
	case !slices.Contains(AgreementKinds(), a.Kind):
		return hie.Invalid("kind", "must be participation, baa or qsoa")
	case strings.TrimSpace(a.SignedBy) == "":
		return hie.Required("signed_by")
	case len(a.SignedBy) > 200:
		return hie.Invalid("signed_by", "must not be longer than 200 bytes")
	case a.From.IsZero():
		return hie.Required("from")
	case !a.Until.IsZero() && a.Until.Before(a.From):
		return hie.Invalid("until", "must not be before from")
	case err != nil || len(sum) != 32 || a.Hash != strings.ToLower(a.Hash):
		return hie.Invalid("document_hash", "must be the SHA-256 of the document, 64 lower-case hex digits")
	}
	return nil
}

// Holds reports whether a holds on the day of now, in UTC.
func (a Agreement) Holds(now time.Time) bool {
	return !now.Before(a.From) && (a.Until.IsZero() || now.Before(a.Until.AddDate(0, 0, 1)))
}

// EndingWithin is how long before its end an agreement is told of.
const EndingWithin = 60 * 24 * time.Hour

// Ending returns, of all agreements there are, those that hold or held last of a site and kind and end within EndingWithin of now,
// or have ended: what waits for one that follows it. Soonest first, by site and kind where the day is the same.
//
// Source: spec ux O1 (agreements expiring), O8.
func Ending(all []Agreement, now time.Time) (out []Agreement) {
	type of struct {
		site hie.SiteID
		kind string
	}
	last := map[of]Agreement{}
	for _, a := range all {
		k := of{a.Site, a.Kind}
		if b, there := last[k]; !there || !b.Until.IsZero() && (a.Until.IsZero() || a.Until.After(b.Until)) {
			last[k] = a
		}
	}
	for _, a := range last {
		if !a.Until.IsZero() && a.Until.Before(now.Add(EndingWithin)) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Agreement) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// A Contact is whom to turn to at a site: staff, who are named to operators alone.
type Contact struct {
	Site hie.SiteID
	// Role is one of ContactRoles.
	Role               string
	Name, Email, Phone string
	Changed            time.Time
}

// ContactRoles are the contacts every site has: technical, privacy, and one who answers the telephone day and night.
func ContactRoles() []string { return []string{"technical", "privacy", "on-call"} }

var (
	emailPattern = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,200}[A-Za-z0-9])?$`)
	phonePattern = regexp.MustCompile(`^\+?[0-9][0-9 ().-]{5,30}$`)
)

// Check returns what is wrong with c, an *hie.InvalidError, or nil. The one on call needs a telephone, the others an e-mail
// address.
func (c Contact) Check() error {
	switch {
	case !slices.Contains(ContactRoles(), c.Role):
		return hie.Invalid("role", "must be technical, privacy or on-call")
	case strings.TrimSpace(c.Name) == "":
		return hie.Required("name")
	case len(c.Name) > 200:
		return hie.Invalid("name", "must not be longer than 200 bytes")
	case c.Email == "" && c.Role != "on-call":
		return hie.Required("email")
	case c.Email != "" && !emailPattern.MatchString(c.Email):
		return hie.Invalid("email", "must be an e-mail address")
	case c.Phone == "" && c.Role == "on-call":
		return hie.Required("phone")
	case c.Phone != "" && !phonePattern.MatchString(c.Phone):
		return hie.Invalid("phone", "must be a telephone number")
	}
	return nil
}

// The kinds of trial: our query to the site, and a notice sent to its technical contact.
const (
	TrialQuery = "query"
	TrialAlert = "alert"
)

// A Trial is something that was tried with a site on purpose.
type Trial struct {
	Site   hie.SiteID
	Kind   string
	At     time.Time
	Passed bool
	// Detail is a coded reason ("http 500"), or what came of it. It names no patient.
	Detail string
	Took   time.Duration
}

// A Refusal counts what was refused of what an organisation sent to publish, for one reason.
type Refusal struct {
	Reason string
	Count  int64
	Last   time.Time
}

// An Onboarding is how far a site is on its way to its go-live.
type Onboarding struct {
	Evidence
	Checks []Check
	// Steps are those taken, in order.
	Steps []Step
}

// Proposed returns the open proposal; ok is false when there is none.
func (o Onboarding) Proposed() (s Step, ok bool) {
	if n := len(o.Steps); n > 0 && o.Steps[n-1].Move == MoveProposed {
		return o.Steps[n-1], true
	}
	return Step{}, false
}

// TestMark begins the X-Request-Id of a query that a site makes to show that it can.
const TestMark = "onboarding-test-"

// What the checks ask for.
//
// Source: spec ux A3 (10 test references) and 1.5 (certificate < 21 days). The shares are what the index needs to tell people
// apart (spec mpi); they are the network's, not a law's.
const (
	testReferences  = 10
	testPatients    = 10
	certificateLeft = 21
	// evidenceLife is how long something measured counts.
	evidenceLife = 7 * 24 * time.Hour
	mostMissing  = 5  // percent of records without a name, birth date or sex, or with a placeholder there
	mostMute     = 20 // percent without address and telephone both counted apart
	mostTwice    = 2  // percent of records the site has twice
)

// Evidence is everything the checks of one site are made of, as it stands now.
type Evidence struct {
	Site       Site
	Agreements []Agreement
	Contacts   []Contact
	// Clients are the organisation's active clients, Keys theirs.
	Clients, Keys int
	// Endpoint is what the site's first endpoint last said, zero when it was never asked.
	Endpoint EndpointEvidence
	// Since is when what it published and asked begins to count: its suspension, or zero.
	Since time.Time
	// Published counts the references accepted, Newest is when the last was.
	Published int
	Newest    time.Time
	Refusals  []Refusal
	Quality   QualityEvidence
	Consent   ConsentEvidence
	// Asked is when its last marked query was answered, AskedAs the request id.
	Asked   time.Time
	AskedAs string
	Trials  []Trial
}

// EndpointEvidence is what an endpoint last said of itself.
type EndpointEvidence struct {
	Asked                          time.Time
	Took                           time.Duration
	Answered                       bool
	Reason                         string
	Software, Version, FHIRVersion string
	// CertificateUntil is zero where there is no TLS.
	CertificateUntil time.Time
}

// QualityEvidence counts the site's latest registrations.
type QualityEvidence struct {
	At                            time.Time
	Records, Duplicates, Disputed int
	// Filled and Placeholders count records by field, as package mpi names fields.
	Filled, Placeholders map[string]int
}

// ConsentEvidence is what decides about the site's content when no directive speaks.
type ConsentEvidence struct {
	// Default is the rule for treatment, "" for none; DefaultOf whose it is: "site", a jurisdiction, or "network".
	Default, DefaultOf string
	// Jurisdiction is the site's; Packs are the law packs in force that speak of it or of its regimes, by id.
	Jurisdiction string
	Packs        []string
	// AtHand are law packs of the jurisdiction that come with the program and are not in force.
	AtHand []string
	// Unheld are the site's regimes of which no pack in force speaks.
	Unheld []string
}

// Checks says how each check stands by e at now, in their order.
func Checks(e Evidence, now time.Time) []Check {
	out := make([]Check, 0, len(CheckIDs()))
	for _, c := range []struct {
		id    CheckID
		owner string
		look  func(*Check, Evidence, time.Time)
	}{
		{CheckAgreement, "exchange", checkAgreement}, {CheckContacts, "site", checkContacts}, {CheckKeys, "site", checkKeys}, {CheckConnect, "site", checkConnect},
		{CheckPublish, "site", checkPublish}, {CheckQuality, "site", checkQuality}, {CheckConsent, "exchange", checkConsent}, {CheckQuery, "site", checkQuery},
		{CheckAlert, "exchange", checkAlert},
	} {
		check := Check{ID: c.id, Owner: c.owner, Result: Pass}
		c.look(&check, e, now)
		for _, f := range check.Findings {
			switch {
			case f.Result == Fail:
				check.Result = Fail
			case f.Result != Pass && check.Result == Pass:
				check.Result = Pending
			}
		}
		if len(check.Findings) == 0 {
			check.Result = Pending // nothing was looked at
		}
		out = append(out, check)
	}
	return out
}

// found adds a finding, measured at an instant; values are names and values in turn.
func (c *Check) found(r Result, at time.Time, code string, values ...any) {
	f := Finding{Code: string(c.ID) + "." + code, Result: r, Values: map[string]string{}}
	for i := 0; i+1 < len(values); i += 2 {
		f.Values[fmt.Sprint(values[i])] = fmt.Sprint(values[i+1])
	}
	c.Findings = append(c.Findings, f)
	if at.After(c.At) {
		c.At = at
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func checkAgreement(c *Check, e Evidence, now time.Time) {
	if len(e.Agreements) == 0 {
		c.found(Pending, time.Time{}, "none")
		return
	}
	for _, a := range slices.Backward(e.Agreements) {
		if a.Holds(now) {
			until := "-"
			if !a.Until.IsZero() {
				until = day(a.Until)
			}
			c.found(Pass, a.Recorded, "held", "kind", a.Kind, "by", a.SignedBy, "from", day(a.From), "until", until, "hash", a.Hash)
			return
		}
	}
	if last := e.Agreements[len(e.Agreements)-1]; now.Before(last.From) {
		c.found(Pending, last.Recorded, "ahead", "from", day(last.From))
	} else {
		c.found(Fail, last.Recorded, "ended", "until", day(last.Until))
	}
}

func checkContacts(c *Check, e Evidence, _ time.Time) {
	for _, role := range ContactRoles() {
		i := slices.IndexFunc(e.Contacts, func(k Contact) bool { return k.Role == role })
		if i < 0 {
			c.found(Pending, time.Time{}, "none", "role", role)
		} else {
			c.found(Pass, e.Contacts[i].Changed, "held", "role", role, "name", e.Contacts[i].Name)
		}
	}
}

// loopback reports whether address is on this machine.
func loopback(u *url.URL) bool {
	h := u.Hostname()
	return h == "localhost" || h == "::1" || strings.HasPrefix(h, "127.")
}

func checkKeys(c *Check, e Evidence, now time.Time) {
	if e.Clients == 0 || e.Keys == 0 {
		c.found(Pending, time.Time{}, "client.none")
	} else {
		c.found(Pass, time.Time{}, "client", "clients", e.Clients, "keys", e.Keys)
	}
	if len(e.Site.Endpoints) == 0 {
		c.found(Pending, time.Time{}, "endpoint.none")
		return
	}
	p := e.Endpoint
	u, err := url.Parse(e.Site.Endpoints[0].Address)
	switch {
	case err != nil:
		c.found(Fail, time.Time{}, "plain")
	case u.Scheme != "https" && loopback(u):
		c.found(Pass, p.Asked, "loopback")
	case u.Scheme != "https":
		c.found(Fail, p.Asked, "plain")
	case p.CertificateUntil.IsZero():
		c.found(Pending, p.Asked, "unmeasured")
	default:
		days := int(p.CertificateUntil.Sub(now).Hours() / 24)
		if p.CertificateUntil.Sub(now) < certificateLeft*24*time.Hour {
			c.found(Fail, p.Asked, "ending", "days", days, "least", certificateLeft)
		} else {
			c.found(Pass, p.Asked, "certificate", "days", days)
		}
	}
}

func checkConnect(c *Check, e Evidence, now time.Time) {
	p := e.Endpoint
	ms := strconv.FormatFloat(float64(p.Took.Microseconds())/1000, 'f', 1, 64)
	switch {
	case p.Asked.IsZero():
		c.found(Pending, time.Time{}, "unmeasured")
	case !p.Answered:
		c.found(Fail, p.Asked, "failed", "reason", cmp.Or(p.Reason, "no answer"))
	case now.Sub(p.Asked) > evidenceLife:
		c.found(Pending, p.Asked, "old", "days", int(evidenceLife.Hours()/24))
	case !strings.HasPrefix(p.FHIRVersion, "4."):
		c.found(Fail, p.Asked, "version", "fhir", cmp.Or(p.FHIRVersion, "-"))
	default:
		c.found(Pass, p.Asked, "answered", "software", cmp.Or(strings.TrimSpace(p.Software+" "+p.Version), "-"), "fhir", p.FHIRVersion, "ms", ms)
	}
}

func checkPublish(c *Check, e Evidence, _ time.Time) {
	if !e.Site.Publishes {
		c.found(Pass, time.Time{}, "live") // it is asked instead: the check of queries shows that
		return
	}
	r := Pending
	if e.Published >= testReferences {
		r = Pass
	}
	c.found(r, e.Newest, "accepted", "n", e.Published, "least", testReferences)
	for _, f := range e.Refusals { // what was refused on the way is told, and no bar once enough went through
		c.found(r, f.Last, "refused", "n", f.Count, "reason", f.Reason)
	}
}

func checkQuality(c *Check, e Evidence, _ time.Time) {
	q := e.Quality
	if q.Records < testPatients {
		c.found(Pending, q.At, "few", "n", q.Records, "least", testPatients)
		return
	}
	share := func(n int) int { return (100*n + q.Records/2) / q.Records }
	at := func(most, n int) Result {
		if 100*n > most*q.Records {
			return Fail
		}
		return Pass
	}
	for _, field := range []string{"family", "given", "birth-date", "sex"} {
		c.found(at(mostMissing, q.Records-q.Filled[field]), q.At, "filled", "field", field, "percent", share(q.Filled[field]), "least", 100-mostMissing)
		if n := q.Placeholders[field]; n > 0 {
			c.found(at(mostMissing, n), q.At, "placeholder", "field", field, "percent", share(n), "most", mostMissing)
		}
	}
	reach := max(q.Filled["address"], q.Filled["phone"])
	c.found(at(mostMute, q.Records-reach), q.At, "reach", "percent", share(reach), "least", 100-mostMute)
	c.found(at(mostTwice, q.Duplicates), q.At, "duplicates", "percent", share(q.Duplicates), "most", mostTwice)
	c.found(at(0, q.Disputed), q.At, "disputed", "n", q.Disputed)
}

func checkConsent(c *Check, e Evidence, _ time.Time) {
	q := e.Consent
	if q.Default == "" {
		c.found(Pending, time.Time{}, "default.none")
	} else {
		c.found(Pass, time.Time{}, "default", "rule", q.Default, "of", q.DefaultOf)
	}
	if len(e.Site.PrivilegedRoles) == 0 {
		c.found(Pending, time.Time{}, "roles.none")
	} else {
		c.found(Pass, time.Time{}, "roles", "roles", strings.Join(e.Site.PrivilegedRoles, ", "))
	}
	if e.Site.Labelled {
		c.found(Pass, time.Time{}, "labelled")
	} else {
		c.found(Pass, time.Time{}, "unlabelled")
	}
	switch {
	case q.Jurisdiction == "":
		c.found(Pending, time.Time{}, "jurisdiction.none")
	case len(q.Packs) == 0:
		c.found(Pending, time.Time{}, "law.none", "jurisdiction", q.Jurisdiction)
	default:
		c.found(Pass, time.Time{}, "law", "jurisdiction", q.Jurisdiction, "packs", strings.Join(q.Packs, ", "))
	}
	for _, pack := range q.AtHand {
		c.found(Pending, time.Time{}, "law.athand", "pack", pack, "jurisdiction", q.Jurisdiction)
	}
	for _, regime := range q.Unheld {
		c.found(Fail, time.Time{}, "regime.none", "regime", regime)
	}
}

func checkQuery(c *Check, e Evidence, now time.Time) {
	switch {
	case e.Asked.IsZero():
		c.found(Pending, time.Time{}, "in.none", "mark", TestMark)
	case now.Sub(e.Asked) > evidenceLife:
		c.found(Pending, e.Asked, "in.old", "mark", TestMark, "days", int(evidenceLife.Hours()/24))
	default:
		c.found(Pass, e.Asked, "in", "request", e.AskedAs)
	}
	c.tried(e.Trials, TrialQuery, "out", now)
}

func checkAlert(c *Check, e Evidence, now time.Time) { c.tried(e.Trials, TrialAlert, "sent", now) }

// tried adds how the last trial of a kind went.
func (c *Check) tried(trials []Trial, kind, code string, now time.Time) {
	i := slices.IndexFunc(trials, func(t Trial) bool { return t.Kind == kind })
	if i < 0 {
		c.found(Pending, time.Time{}, code+".none")
		return
	}
	t := trials[i]
	switch {
	case !t.Passed:
		c.found(Fail, t.At, code+".failed", "reason", t.Detail)
	case now.Sub(t.At) > evidenceLife:
		c.found(Pending, t.At, code+".old", "days", int(evidenceLife.Hours()/24))
	default:
		c.found(Pass, t.At, code, "detail", t.Detail, "ms", strconv.FormatFloat(float64(t.Took.Microseconds())/1000, 'f', 1, 64))
	}
}
