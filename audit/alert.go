package audit

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An AlertKind is something a patient can be told of as it happens.
type AlertKind string

// The kinds of alert. Each says that something happened, never what was in it.
const (
	AlertEmergency   AlertKind = "emergency"    // emergency access was used
	AlertFirstAccess AlertKind = "first-access" // an organisation was shown something for the first time
	AlertChoice      AlertKind = "choice"       // what the patient shares was changed
	AlertIdentity    AlertKind = "identity"     // registrations were joined with theirs, or taken apart
	AlertEnding      AlertKind = "ending"       // a choice or a rule of theirs ends within thirty days
)

// AlertCode is the message that carries a code; nobody chooses it.
const AlertCode AlertKind = "code"

// AlertKinds lists what can be chosen, in the order they are shown.
var AlertKinds = []AlertKind{AlertEmergency, AlertFirstAccess, AlertChoice, AlertIdentity, AlertEnding}

// AlertOf returns what kind of alert e is to the patients whose records it touches, "" for none. first says that e's
// organisation was shown nothing of the patient's before.
//
// Source: spec ux P7; CMS-0057 drafts, "activity notices with no clinical content".
func AlertOf(e Event, first bool) AlertKind {
	if e.Outcome != Success || len(e.Records) == 0 {
		return ""
	}
	switch e.Kind {
	case EmergencyClaimed:
		return AlertEmergency
	case ConsentChanged:
		return AlertChoice
	case LinkChanged:
		return AlertIdentity
	case Disclosed:
		if first && !slices.Contains(e.Actor.Roles, hie.RolePatient) {
			return AlertFirstAccess
		}
	}
	return ""
}

// AlertAhead is how long before an end a patient is told of it.
//
// Source: spec ux P7 (rule ending in 30 days).
const AlertAhead = 30 * 24 * time.Hour

// An Ending is something a patient said that ends soon. Nothing happens in the trail when time passes, so what the patient is
// told of is named by what ends: Name is the same whenever it is found, and another after it was changed.
type Ending struct{ Name string }

// Event returns the name of the message about x in the outbox, a UUID made of x's name alone: however often and by however
// many nodes it is found, there is one message.
//
// Source: RFC 9562 section 5.8 (version 8).
func (x Ending) Event() string {
	sum := sha256.Sum256([]byte("ending " + x.Name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// An AlertSetting is what a patient wants to be told, and where. The zero setting is nothing, nowhere.
type AlertSetting struct {
	hie.Private
	Record hie.SourcePatientID
	// Address is an e-mail address, "" for none.
	Address string
	// Language is what the messages are in: "en", "es".
	Language string
	Kinds    []AlertKind
	Changed  time.Time
	// Confirmed is when the address proved to be the patient's, zero while it has not: nothing but a code is sent there.
	Confirmed time.Time
}

// addressPattern is narrower than RFC 5321: no quotes, no comments, nothing that could end a header.
var addressPattern = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,200}[A-Za-z0-9])?$`)

// Check returns what is wrong with s, an *hie.InvalidError, or nil.
func (s AlertSetting) Check() error {
	for _, k := range s.Kinds {
		if !slices.Contains(AlertKinds, k) {
			return &hie.InvalidError{Path: "kinds", Rule: "must be kinds of alert", Code: "code-invalid"}
		}
	}
	switch {
	case s.Address == "" && len(s.Kinds) > 0:
		return hie.Required("address")
	case s.Address != "" && !addressPattern.MatchString(s.Address):
		return &hie.InvalidError{Path: "address", Rule: "must be an e-mail address", Code: "value"}
	}
	return nil
}

// An Alert is one message to send.
type Alert struct {
	hie.Private
	// Event and Record name it; together they are unique. Event is that of the trail, or of an [Ending].
	Event    string
	Record   hie.SourcePatientID
	Kind     AlertKind
	Address  string
	Language string
	// Code is what the message is to carry when it is an AlertCode, "" in any other.
	Code string
	// Attempts is how often it was tried.
	Attempts int
}

// maxAlertAttempts is after how many failures a message is given up: the history still tells.
const maxAlertAttempts = 8

// Retry says when a message that failed attempts times is tried again after now; false gives it up.
func Retry(attempts int, now time.Time) (time.Time, bool) {
	if attempts >= maxAlertAttempts {
		return time.Time{}, false
	}
	return now.Add(time.Minute << (2 * min(attempts, 5))), true // 1 min, 4, 16, 64, then about 4 and 17 hours
}

// A Question is what a patient asks about a line of their access history.
type Question struct {
	hie.Private
	ID     int64
	Record hie.SourcePatientID
	// Event is the line it is about.
	Event string
	Asked time.Time
	Words string
	// Answered is zero while it is open.
	Answered   time.Time
	AnsweredBy string
	Answer     string
}

// maxQuestion bounds what is asked and answered, in bytes.
const maxQuestion = 2000

// CheckWords returns what is wrong with the words of a question or an answer, an *hie.InvalidError, or nil.
func CheckWords(words string) error {
	switch {
	case words == "":
		return hie.Required("words")
	case len(words) > maxQuestion:
		return &hie.InvalidError{Path: "words", Rule: "must not be longer than 2000 bytes", Code: "too-long"}
	}
	return nil
}
