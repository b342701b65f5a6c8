package consent

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A ReportKind is something a patient can ask for about their records.
type ReportKind string

// The kinds of report. The first two the exchange makes of its own trail; the others only an organisation that holds records
// can answer, since the exchange holds none.
const (
	ReportAccounting ReportKind = "accounting" // the disclosures a law owes them a list of
	ReportAccess     ReportKind = "access"     // a copy of who looked
	ReportCopy       ReportKind = "copy"       // a copy of what an organisation holds
	ReportCorrection ReportKind = "correction" // an organisation is to mend what it holds
)

// ReportKinds lists them in the order they are shown.
var ReportKinds = []ReportKind{ReportAccounting, ReportAccess, ReportCopy, ReportCorrection}

// ofExchange reports whether the exchange answers k itself, at once.
func (k ReportKind) ofExchange() bool { return k == ReportAccounting || k == ReportAccess }

// Term is within how many days k is owed an answer, 0 for a kind nobody knows.
//
// Source: 45 CFR 164.524(b)(2)(i) (copies: 30 days), 164.526(b)(2)(i) (corrections: 60 days), 164.528(c)(1)(i) (accounting: 60 days). A copy
// of the access history is owed as other copies are.
func (k ReportKind) Term() int {
	switch k {
	case ReportAccess, ReportCopy:
		return 30
	case ReportAccounting, ReportCorrection:
		return 60
	}
	return 0
}

// ReportExtension is by how many days an answer may be put off, once, in writing and with the reason.
//
// Source: 45 CFR 164.524(b)(2)(ii), 164.526(b)(2)(ii), 164.528(c)(1)(ii).
const ReportExtension = 30

// A ReportOutcome says what became of a request.
type ReportOutcome string

// The outcomes; "" is none yet.
const (
	ReportGiven   ReportOutcome = "given"
	ReportRefused ReportOutcome = "refused"
)

// A ReportRequest is what a patient asks for about their records, of whom, by when it is owed, and what became of it.
type ReportRequest struct {
	hie.Private
	ID     int64
	Record hie.SourcePatientID
	Kind   ReportKind
	// Law is the code of the Accounting that is asked for, "" for another kind.
	Law string
	// Organization is whom it is asked of, "" for the exchange itself.
	Organization hie.OrgID
	// Words say what is wanted: of a correction what is wrong, of a copy what of.
	Words string
	Asked time.Time
	// Due is the last instant at which an answer is in time; Extended is when it was put off, zero for not, and Extension why.
	Due, Extended time.Time
	Extension     string
	// Answered is zero while it is open. AnsweredBy is "org/user", "" for the exchange on its own.
	Answered   time.Time
	AnsweredBy string
	Outcome    ReportOutcome
	Answer     string
}

// maxReportWords bounds what is asked and answered, in bytes.
const maxReportWords = 2000

// NewReportRequest is r as asked at now: due in as many days as its kind is owed, and answered when the exchange makes it
// itself. A list ends with what had been recorded by then, so that it is the same whenever it is read. An *hie.InvalidError
// says what is wrong.
func NewReportRequest(r ReportRequest, now time.Time) (ReportRequest, error) {
	r.Words = strings.TrimSpace(r.Words)
	_, law := AccountingOf(r.Law)
	switch {
	case !slices.Contains(ReportKinds, r.Kind):
		return r, hie.Invalid("kind", "must be accounting, access, copy or correction")
	case (r.Kind == ReportAccounting) != law || !law && r.Law != "":
		return r, hie.Invalid("law", "must name the list an accounting is of, and nothing else")
	case r.Kind.ofExchange() != (r.Organization == ""):
		return r, hie.Invalid("organization", "must name who holds the records to copy or to mend, and nobody else")
	case r.Kind == ReportCorrection && r.Words == "":
		return r, hie.Required("words")
	case len(r.Words) > maxReportWords:
		return r, hie.Invalid("words", "must not be longer than 2000 bytes")
	}
	r.Asked, r.Due = now, now.AddDate(0, 0, r.Kind.Term())
	if r.Kind.ofExchange() {
		r.Answered, r.Outcome = now, ReportGiven
	}
	return r, nil
}

// CheckReportAnswer returns what is wrong with an answer, an *hie.InvalidError, or nil. A refusal says why.
//
// Source: 45 CFR 164.524(d)(2), 164.526(d)(1).
func CheckReportAnswer(outcome ReportOutcome, words string) error {
	switch {
	case outcome != ReportGiven && outcome != ReportRefused:
		return hie.Invalid("outcome", "must be given or refused")
	case words == "":
		return hie.Required("words")
	case len(words) > maxReportWords:
		return hie.Invalid("words", "must not be longer than 2000 bytes")
	}
	return nil
}

// CheckReportExtension returns what is wrong with why an answer is put off, an *hie.InvalidError, or nil.
func CheckReportExtension(why string) error { return CheckReportAnswer(ReportGiven, why) }

// Late reports whether r should have been answered before now.
func (r *ReportRequest) Late(now time.Time) bool { return r.Answered.IsZero() && now.After(r.Due) }
