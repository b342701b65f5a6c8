package directory

import (
	"slices"
	"time"
)

// A CheckID names one thing that must hold before a site goes live.
//
// Source: spec ux A3, in its order.
type CheckID string

// The checks there are.
const (
	CheckAgreement CheckID = "agreement"
	CheckContacts  CheckID = "contacts"
	CheckKeys      CheckID = "keys"
	CheckConnect   CheckID = "connect"
	CheckPublish   CheckID = "publish"
	CheckQuality   CheckID = "quality"
	CheckConsent   CheckID = "consent"
	CheckQuery     CheckID = "query"
	CheckAlert     CheckID = "alert"
)

// CheckIDs returns the checks there are, in the order they are best done in.
func CheckIDs() []CheckID {
	return []CheckID{CheckAgreement, CheckContacts, CheckKeys, CheckConnect, CheckPublish, CheckQuality, CheckConsent, CheckQuery, CheckAlert}
}

// A Result says how a check stands. The zero Result is that of one that was not made.
type Result string

// The results there are.
const (
	Pass Result = "pass"
	Fail Result = "fail"
	// Pending is "not yet": nothing speaks against it, and something is still to be done or measured.
	Pending Result = "pending"
)

// A Finding is one thing that was measured: what the result of a check rests on.
type Finding struct {
	// Code says what was found ("agreement.ended"); texts about it go by this.
	Code   string
	Result Result
	// Values fill the text, by name. They name no patient.
	Values map[string]string
}

// A Check is how one of the checks stands.
type Check struct {
	ID     CheckID
	Result Result
	// Findings are what it rests on, in the order they were looked at; never none.
	Findings []Finding
	// Owner is who has to see to it: "site" or "exchange".
	Owner string
	// At is when the newest of what it rests on was measured or recorded; zero when nothing was.
	At time.Time
}

// Missing returns the checks that do not pass in checks, those that are not there among them, in their order.
func Missing(checks []Check) []string {
	var out []string
	for _, id := range CheckIDs() {
		if !slices.ContainsFunc(checks, func(c Check) bool { return c.ID == id && c.Result == Pass }) {
			out = append(out, string(id))
		}
	}
	return out
}
