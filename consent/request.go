package consent

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-hie/concord/hie"
)

// A Request says who asks and what for. It is established by the doors; nothing in it is a default.
type Request struct {
	Organization hie.OrgID
	// Practitioner is who asks, as Practitioner references in directives name them; "" is not known.
	Practitioner string
	// Roles and CareTeams hold now. nil is not known, empty is none.
	Roles, CareTeams []string
	// DoubtfulTeams are care teams of which it is not known whether the requester belongs to them, whatever CareTeams says.
	DoubtfulTeams []string
	// Purposes must all be permitted.
	Purposes []hie.Purpose
	// Emergency is a claim made with this request, or nil. Claims made earlier are the Subject's Grants.
	Emergency *Emergency
	// Instruments are kinds of legal instrument in force, besides those on file as directives and the Subject's. What a
	// requester says of itself is none: the doors leave it nil.
	Instruments []string
	// Abilities are the obligations the requester declares that it honours.
	Abilities []string
	// Jurisdiction is the requester's; "" is not known.
	Jurisdiction string
	// User is the person asking, as their organisation names them; it must be a grant's for the grant to hold.
	User string
	// OwnRecord says that the patient asks for their own record, through a client bound to it; Representative that
	// somebody who may does so for them.
	OwnRecord, Representative bool
	// Kinds are the kinds of the requester's organisation and of those it is a unit of. nil is not known.
	Kinds []string
	// Exchange is the network exchange code asserted ("T-TRTMNT"), "" for none.
	Exchange string
	// Relationship says whether the requester treats the patient.
	Relationship Relationship
}

// A Relationship says whether a requester treats the patient. The zero value is not known.
type Relationship uint8

// The relationships.
const (
	RelationshipUnknown Relationship = iota
	Unrelated
	Treating
)

func (r Relationship) unrelated() tri {
	switch r {
	case Unrelated:
		return yes
	case Treating:
		return no
	}
	return unknown
}

// A LabelState says what is known of a document's labels. The zero value is the least.
type LabelState uint8

// The label states.
const (
	LabelsUnknown  LabelState = iota
	Unlabelled                // the site is known not to have labelled it
	LabelledInPart            // labelled, but its sensitivity is not stated
	Labelled                  // Sensitivity is complete; empty means ordinary
	LabelsStale               // labels are being remade; nothing is released meanwhile
)

// A Document is what a decision is about. Empty members are not known.
type Document struct {
	ID string
	// Record is the source patient's record, one of the Subject's.
	Record string
	Site   hie.SiteID
	// Class and Type are its class (category) and type codes.
	Class, Type string
	// Confidentiality is a v3 code; Sensitivity its sensitivity codes.
	Confidentiality string
	Sensitivity     []string
	LabelState      LabelState
	// Authors are references: "Practitioner/q", "Organization/a".
	Authors []string
	// Start and End bound the service it documents, both included; the zero Time is open.
	Start, End time.Time
	// Encounter is the bare id of its encounter.
	Encounter string
	// Replaces are ids of documents it supersedes.
	Replaces []string
	// Flags are what its site says of it besides labels ("self-pay", "minor-consented"). nil is not known.
	Flags []string
}

// An Emergency is a break-glass claim.
//
// Source: spec consent 2.10; spec consent-cases 26.
type Emergency struct {
	hie.Private
	ReasonCode string // one of EmergencyReasons
	Text       string // at least 20 characters without white space around
	Role       string // the privileged role claimed
	At         time.Time
	Attested   []string // all of Attestations
}

// EmergencyReasons are the coded reasons of an emergency.
func EmergencyReasons() []string {
	return []string{"unconscious", "life-threat", "severe-harm", "incapacity", "disaster"}
}

// Attestations are what the claimant of an emergency must attest, all three.
func Attestations() []string {
	return []string{"emergency-exists", "consent-not-obtainable-in-time", "not-refused-if-able"}
}

// minEmergencyText is how many characters the free text of a claim needs.
const minEmergencyText = 20

// Check says what is wrong with the claim itself, whoever the patient is: an *hie.InvalidError whose Path is
// "reason", "text" or "attested", or nil.
//
// Source: spec consent 2.10 and 2.21 (an error depends on the claim alone).
func (c *Emergency) Check() error {
	switch {
	case !slices.Contains(EmergencyReasons(), c.ReasonCode):
		return &hie.InvalidError{Path: "reason", Rule: "must be one of " + strings.Join(EmergencyReasons(), ", "), Code: "code-invalid"}
	case utf8.RuneCountInString(strings.TrimSpace(c.Text)) < minEmergencyText:
		return &hie.InvalidError{Path: "text", Rule: "must say in at least 20 characters what the emergency is", Code: "value"}
	}
	for _, a := range Attestations() {
		if !slices.Contains(c.Attested, a) {
			return &hie.InvalidError{Path: "attested", Rule: "must hold " + strings.Join(Attestations(), ", "), Code: "required"}
		}
	}
	return nil
}

// PrivilegedAnywhere returns the first of roles that may claim an emergency towards some site's content.
func (e *Env) PrivilegedAnywhere(roles []string) (string, bool) {
	for _, r := range roles {
		for _, s := range e.inOrder {
			if slices.Contains(s.PrivilegedRoles, r) {
				return r, true
			}
		}
	}
	return "", false
}

// Window is how long an emergency claim holds.
func (e *Env) Window() time.Duration { return e.window }

// A Grant is an emergency claim on file for one record: from At until before Until, for one person of one
// organisation. Where it does not hold it is as if it had never been made.
type Grant struct {
	Emergency
	ID           int64
	Record       string
	Organization hie.OrgID
	User         string
	Until        time.Time
}

// emergencyHolds reports whether a valid emergency covers q's document: the claim made with the request, else
// one on file. refuse is set when a claim made with the request fails any condition, which refuses everything.
//
// Source: spec consent 2.10, 2.21; spec consent-cases 26.
func (d *Decider) emergencyHolds(q *query, now time.Time) (holds, refuse bool) {
	if c := q.req.Emergency; c != nil {
		ok := d.env.allTreatment(q.req.Purposes) && c.Check() == nil && c.Role != "" &&
			slices.Contains(q.req.Roles, c.Role) && slices.Contains(q.site.PrivilegedRoles, c.Role) &&
			!c.At.IsZero() && inWindow(now, c.At, d.env.window)
		return ok, !ok
	}
	if len(d.subject.Grants) == 0 || q.req.User == "" || !emergencyPurposes(q.req.Purposes) {
		return false, false
	}
	for i := range d.subject.Grants {
		if d.grantHolds(q, &d.subject.Grants[i], now) {
			return true, false
		}
	}
	return false, false
}

// grantHolds reports whether g covers q's document at now.
func (d *Decider) grantHolds(q *query, g *Grant, now time.Time) bool {
	return g.Record == q.doc.Record && g.Organization == q.req.Organization && g.User == q.req.User &&
		!now.Before(g.At) && now.Before(g.Until) && inWindow(now, g.At, d.env.window) && meet(q.req.Roles, q.site.PrivilegedRoles)
}

// inWindow reports whether at <= now < at + window.
func inWindow(now, at time.Time, window time.Duration) bool {
	elapsed := now.Sub(at)
	return 0 <= elapsed && elapsed < window
}

// hours is h hours as the decimal number it is written as, so that 1.1 is 66 minutes and not a trifle more; what lies
// between two nanoseconds is the later one. It is at most 292 years.
//
// Source: spec consent-cases 26 (at <= now < at + emergencyHours).
func hours(h float64) time.Duration {
	if whole := int64(h); float64(whole) == h && -1e6 < whole && whole < 1e6 {
		return time.Duration(whole) * time.Hour
	}
	n, ok := new(big.Rat).SetString(strconv.FormatFloat(h, 'f', -1, 64))
	if !ok || n.Cmp(big.NewRat(math.MaxInt64/int64(time.Hour), 1)) > 0 { // infinite, or as good as
		return math.MaxInt64
	}
	if n.Sign() < 0 {
		return 0
	}
	n.Mul(n, new(big.Rat).SetInt64(int64(time.Hour)))
	up, rest := new(big.Int).QuoRem(n.Num(), n.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		up.Add(up, big.NewInt(1))
	}
	return time.Duration(up.Int64())
}

func (e *Env) allTreatment(purposes []hie.Purpose) bool {
	for _, p := range purposes {
		if !e.Treatment(p) {
			return false
		}
	}
	return true
}

// emergencyPurposes reports whether every purpose is one an emergency on file serves.
func emergencyPurposes(purposes []hie.Purpose) bool {
	for _, p := range purposes {
		if !EmergencyPurpose(p) {
			return false
		}
	}
	return len(purposes) > 0
}

// EmergencyPurpose reports whether p is a purpose under which an emergency is claimed and used: BTG, ETREAT or
// ERTREAT.
func EmergencyPurpose(p hie.Purpose) bool {
	return p == hie.PurposeBreakGlass || p == hie.PurposeEmergency || p == "ERTREAT"
}

// DefaultEmergencyHours is how long an emergency claim holds unless a Setup says otherwise.
const DefaultEmergencyHours = 4
