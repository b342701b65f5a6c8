package consent

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// An Accounting is a law's idea of which disclosures a patient is owed a list of.
type Accounting struct {
	// Code names it; Source cites its ground.
	Code, Source string
	// Years is how far back it reaches.
	Years int
	// Routine are roots of the purpose tree whose disclosures need not be listed, Own says that those to the patient
	// need not, Authorized that those on the patient's written authorization need not.
	Routine         []hie.Purpose
	Own, Authorized bool
	// Regimes limits it to disclosures of sites under one of these, nil to none.
	Regimes []string
}

// Accountings are the laws' lists, by code. An emergency is listed by each of them, whatever its purpose: the patient
// did not agree to it.
//
// Source: spec consent, vector 94; spec federation 3.3.
func Accountings() []Accounting {
	return []Accounting{
		{Code: "us-hipaa", Years: 6, Routine: []hie.Purpose{"TREAT", "HPAYMT", "HOPERAT"}, Own: true, Authorized: true,
			Source: "45 CFR 164.528(a)(1), (a)(3)"},
		{Code: "us-part2-intermediary", Years: 3, Own: true, Regimes: []string{"part2"}, Source: "42 CFR 2.24 (2024 rule)"},
		{Code: "us-az", Years: 3, Own: true, Source: "Ariz. Rev. Stat. 36-3802(B): the persons who accessed"},
		{Code: "all", Years: 6, Source: "spec federation 3.3: what the patient's own page shows"},
	}
}

// AccountingOf returns the law's list called code.
func AccountingOf(code string) (Accounting, bool) {
	i := slices.IndexFunc(Accountings(), func(a Accounting) bool { return a.Code == code })
	if i < 0 {
		return Accounting{}, false
	}
	return Accountings()[i], true
}

// A Circumstance is what an event does not say of itself, and an Accounting asks.
type Circumstance struct {
	// Regimes are those of the site the disclosure was from.
	Regimes []string
	// Authorized says that it rested on directives that are written authorizations, and on nothing else: see [RestsOn].
	Authorized bool
	// Root returns the root of the purpose tree above a code, "" for an unknown one.
	Root func(hie.Purpose) hie.Purpose
}

// DetailOwed is where a disclosure notes what the exchange came to owe by it: obligations of the engine, with blanks between.
const DetailOwed = "owed"

// Lists reports whether e, in circumstance c, belongs on the list. What cannot be told is listed, and so is what a rule has
// accounted for (AOD), whatever its purpose.
//
// Source: 45 CFR 164.528(a)(1)(i)-(iv); spec consent 2.11.
func (a Accounting) Lists(e audit.Event, c Circumstance) bool {
	if e.Kind != audit.Disclosed || e.Outcome == audit.Failure {
		return false
	}
	if a.Regimes != nil && !meet(a.Regimes, c.Regimes) {
		return false
	}
	if e.Emergency {
		return true
	}
	if a.Own && (e.Actor.Patient != 0 || e.Actor.HasRole(hie.RolePatient)) || a.Authorized && c.Authorized {
		return false
	}
	if len(e.Actor.Purposes) == 0 || a.Routine == nil || slices.Contains(strings.Fields(e.Detail[DetailOwed]), ownDuties[dutyAOD]) {
		return true
	}
	for _, p := range e.Actor.Purposes {
		if !slices.Contains(a.Routine, c.Root(p)) {
			return true
		}
	}
	return false
}

// Since returns the instant from which a lists, asked at now.
func (a Accounting) Since(now time.Time) time.Time { return now.AddDate(-a.Years, 0, 0) }

// A Suspension keeps disclosures to an agency off the list while it lasts, because the agency said in writing that
// telling the patient would impede it.
//
// Source: 45 CFR 164.528(a)(2).
type Suspension struct {
	hie.Private
	ID           int64
	Record       hie.SourcePatientID
	Recipient    hie.OrgID
	Ground       string // as the agency stated it
	Since, Until time.Time
	RecordedBy   string
}

// Hides reports whether s keeps e off a list made at now.
func (s *Suspension) Hides(e audit.Event, now time.Time) bool {
	to := e.Actor.Organization
	if r := e.Detail["recipient"]; r != "" {
		to = hie.OrgID(r)
	}
	return to == s.Recipient && slices.Contains(e.Records, s.Record) && !now.Before(s.Since) && now.Before(s.Until)
}

// SearchTrail returns events newest first, and whether there are more.
type SearchTrail func(ctx context.Context, q audit.Query) (events []audit.Event, more bool, err error)

// maxScan bounds how many events one page of a list reads before it is handed out short.
const maxScan = 20000

// Page returns up to count events of q that lists accepts, newest first, and the id after which the next page goes on:
// "" when there is none. A page may be short, even empty, when much was read that is not listed.
func Page(ctx context.Context, search SearchTrail, q audit.Query, count int, lists func(audit.Event) bool) (out []audit.Event, next string, err error) {
	for scanned := 0; ; {
		q.Limit = min(max(2*count, 100), 1000)
		events, more, err := search(ctx, q)
		if err != nil {
			return nil, "", err
		}
		for i, e := range events {
			if lists(e) {
				out = append(out, e)
			}
			if len(out) == count && (more || i+1 < len(events)) {
				return out, e.ID, nil
			}
			q.Before = e.ID
		}
		if scanned += len(events); !more || scanned >= maxScan {
			if !more {
				return out, "", nil
			}
			return out, q.Before, nil
		}
	}
}

// Root returns the root of the purpose tree above code, "" for one that is not in it.
func (e *Env) Root(code hie.Purpose) hie.Purpose {
	if p := e.purpose(code); p != nil {
		return p.root()
	}
	return ""
}

// Authorizations returns those of directives that are written authorizations under their policies, as "id/version".
//
// Source: 45 CFR 164.508; 164.528(a)(1)(iv).
func (e *Env) Authorizations(directives []Directive) map[string]bool {
	out := map[string]bool{}
	for _, d := range directives {
		for _, uri := range d.Policies {
			if kind := e.policies[uri].Instrument; kind == InstrumentAuthorization || kind == InstrumentPsychotherapy {
				out[d.ID+"/"+strconv.FormatInt(d.Version, 10)] = true
			}
		}
	}
	return out
}

// RestsOn reports whether all that ground, of a disclosure, names are versions of directives among authorizations. Of several documents disclosed
// at once each has its ground there: where one rests on something else, the disclosure is not an authorized one.
//
// Source: 45 CFR 164.528(a)(1)(iv).
func RestsOn(ground []string, authorizations map[string]bool) bool {
	for _, g := range ground {
		if !authorizations[g] {
			return false
		}
	}
	return len(ground) > 0
}
