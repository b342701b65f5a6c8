package audit

import (
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
)

// AlertCode is the message that carries a code; nobody chooses it.
const AlertCode AlertKind = "code"

// AlertKinds lists what can be chosen, in the order they are shown.
var AlertKinds = []AlertKind{AlertEmergency, AlertFirstAccess, AlertChoice, AlertIdentity}

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
	// Event and Record name it; together they are unique.
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
