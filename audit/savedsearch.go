package audit

import (
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A SavedSearch is a search of the trail that somebody keeps for themselves, to be made again over the last days.
type SavedSearch struct {
	hie.Private
	ID int64
	// Name is what its owner calls it: one of theirs has it.
	Name string
	// Days is how far back it looks, from 1 to 366.
	Days int
	// What is sought; the zero value of each is any. Outcome is an AuditEvent's: "0", "4" or "8".
	Organization hie.OrgID
	User         string
	Kind         Kind
	Outcome      string
	Purpose      hie.Purpose
	Emergency    bool
	Record       hie.SourcePatientID
	Saved        time.Time
}

// MaxSavedDays bounds how far back a saved search looks.
const MaxSavedDays = 366

// Check returns what is wrong with s, an *hie.InvalidError, or nil.
func (s SavedSearch) Check() error {
	switch {
	case strings.TrimSpace(s.Name) == "":
		return hie.Required("name")
	case len(s.Name) > 80 || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' }):
		return hie.Invalid("name", "must be one line of at most 80 bytes")
	case s.Days < 1 || s.Days > MaxSavedDays:
		return hie.Invalid("days", "must be from 1 to 366")
	case len(s.User) > 200:
		return hie.Invalid("user", "must not be longer than 200 bytes")
	}
	return nil
}
