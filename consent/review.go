package consent

import (
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Task asks a privacy officer to review an emergency.
type Task struct {
	hie.Private
	ID      int64
	Opened  time.Time
	Actor   hie.Actor // organisation, client, user and roles of the claimant
	Claim   Emergency
	Until   time.Time
	Records []hie.SourcePatientID // nil when the claim named nobody known here
	// Owners are the organisations whose registrations it opened; they may contest it.
	Owners []hie.OrgID
	// Escalated is when it was found to have waited too long, zero when it has not.
	Escalated time.Time
	// Contested is when an owner contested it, zero when none did; by whom, "org/user", and in which words.
	Contested            time.Time
	ContestedBy, Contest string
	// Ended is when it was ended before Until, zero when it was not; by whom, "org/user", and in which words, "" where the
	// claimant said none.
	Ended              time.Time
	EndedBy, EndReason string
	Closed             time.Time // zero while open
	ClosedBy           string
	Finding            string // "justified" or "unjustified", "" while open
	Note               string
	// Claims counts what the claimant claimed in the ReviewWindow up to this claim, this one among them; Unjustified
	// those of them that were found so.
	Claims, Unjustified int
}

// How emergency reviews age, and what raises an alarm. An alarm names a person whose claims are looked at together; it
// accuses nobody.
//
// Source: spec consent section 5 (emergency abuse: review queue with ageing, per-user rate alarms) and scenario 9.
const (
	ReviewDue         = 72 * time.Hour      // after this a review is overdue
	ReviewEscalate    = 7 * 24 * time.Hour  // after this the network's officers are to look
	ReviewWindow      = 30 * 24 * time.Hour // over which claims are counted
	AlarmClaims       = 5                   // claims in the window
	AlarmUnjustified  = 2                   // unjustified ones
	maxReviewHoldDays = 90
)

// Due is when the review should be done.
func (t *Task) Due() time.Time { return t.Opened.Add(ReviewDue) }

// Overdue reports whether the review should have been done at now.
func (t *Task) Overdue(now time.Time) bool { return t.Closed.IsZero() && !now.Before(t.Due()) }

// Alarm reports whether the claimant's claims are to be looked at together.
func (t *Task) Alarm() bool { return t.Claims >= AlarmClaims || t.Unjustified >= AlarmUnjustified }

// MayClose says whether officer, who acts for the network itself or not, may settle the review: nobody settles their
// own claim, and a contested one is settled by the network, since each side judges its own cause.
// Errors: hie.ErrForbidden.
//
// Source: spec federation 2.7 (separation of duties); scenario 9 (the source site can contest).
func (t *Task) MayClose(officer hie.Actor, network bool) error {
	switch {
	case officer.User == "", officer.User == t.Actor.User && officer.Organization == t.Actor.Organization:
		return hie.ErrForbidden
	case !network && (!t.Contested.IsZero() || officer.Organization != t.Actor.Organization):
		return hie.ErrForbidden
	}
	return nil
}

// Holds reports whether what the claim opened is open at now.
func (t *Task) Holds(now time.Time) bool { return t.Ended.IsZero() && now.Before(t.Until) }

// MayEnd says whether actor may end the emergency before its time for reason: who claimed it, whose word is enough, and the
// officers of their organisation and of the network, who say why. network says that actor acts for the network itself.
// Errors: hie.ErrForbidden, and an *hie.InvalidError for a reason that is missing or too long.
//
// Source: spec consent 2.10 (a claim holds while the emergency does); spec federation 2.7.
func (t *Task) MayEnd(actor hie.Actor, network bool, reason string) error {
	claimant := actor.User == t.Actor.User && actor.Organization == t.Actor.Organization
	switch {
	case actor.User == "", !claimant && !actor.HasRole(hie.RolePrivacyOfficer), !network && actor.Organization != t.Actor.Organization:
		return hie.ErrForbidden
	case !claimant && strings.TrimSpace(reason) == "":
		return hie.Required("reason")
	case len(reason) > maxEndReason:
		return &hie.InvalidError{Path: "reason", Rule: "must not be longer than 4000 bytes", Code: "too-long"}
	}
	return nil
}

// maxEndReason bounds the words with which an emergency is ended, in bytes.
const maxEndReason = 4000

// A TaskFilter selects review tasks, oldest first.
type TaskFilter struct {
	Closed bool
	// Organization selects claims of one organisation's people and those that opened its registrations, "" all.
	Organization hie.OrgID
	// OpenedBefore selects what was opened before an instant, zero all; Escalated, Contested and Alarm what is.
	OpenedBefore                time.Time
	Escalated, Contested, Alarm bool
	// Claimant selects claims of one person, as Organization names them, "" all. HoldsAt selects what holds then, whether its
	// review is closed or not; zero selects by Closed.
	Claimant string
	HoldsAt  time.Time
	// After continues a list: only tasks with a larger id.
	After int64
	Limit int
}

// A Notice tells a patient of something beside their access history.
type Notice struct {
	hie.Private
	Record  hie.SourcePatientID
	ID      int64
	Kind    string // "emergency"
	About   int64  // the review task
	Created time.Time
	// HeldUntil holds it back, for HeldReason, which HeldBy ("org/user") recorded; zero when nobody does.
	HeldUntil          time.Time
	HeldBy, HeldReason string
}

// Shown reports whether the patient may be told at now.
func (n *Notice) Shown(now time.Time) bool { return !now.Before(n.HeldUntil) }

// CheckHold says what is wrong with holding a notice back at now until until for reason: an *hie.InvalidError, or nil.
// Only the safety of somebody is a reason, stated in words, and it is stated again when it goes on.
func CheckHold(now, until time.Time, reason string) error {
	switch {
	case !until.After(now) || until.After(now.AddDate(0, 0, maxReviewHoldDays)):
		return &hie.InvalidError{Path: "until", Rule: "must be an instant to come within 90 days", Code: "value"}
	case len(reason) < minEmergencyText || len(reason) > 4000:
		return &hie.InvalidError{Path: "reason", Rule: "must say in 20 to 4000 bytes whose safety asks for it", Code: "value"}
	}
	return nil
}
