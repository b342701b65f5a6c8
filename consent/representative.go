package consent

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Representative is somebody who may act for a patient: one version of what is recorded of them. Versions are only
// ever added; the one with the highest number is current.
//
// Source: 45 CFR 164.502(g) (personal representatives); spec consent 2.20; spec ux P8.
type Representative struct {
	hie.Private
	// Record is the record they were named on; ID names them within it, Number counts versions from 1.
	Record     hie.SourcePatientID
	ID, Number int64
	// Ref is how Consents name them, "RelatedPerson/x"; Name is for people to read.
	Ref, Name string
	Capacity  Capacity
	Rights    Rights
	// Start and End are FHIR dates, "" for open, in the zone of the record's site; both days included.
	Start, End string
	// Lapses is when their power ends by law, zero for never: a parent's when the child comes of age.
	Lapses time.Time
	// Evidence is the hash of the paper it rests on, "" for none.
	Evidence string
	// Withdrawn says that the record of them was an error: they never could act.
	Withdrawn bool
	Recorded  time.Time
	By        hie.OrgID
}

// A Capacity says by what right somebody acts for a patient.
type Capacity string

// The capacities.
const (
	CapacityPatient  Capacity = "patient"  // nobody else: the patient signed
	CapacityParent   Capacity = "parent"   // until the child comes of age
	CapacityGuardian Capacity = "guardian" // by order of a court
	CapacityAgent    Capacity = "agent"    // health care power of attorney
	CapacityExecutor Capacity = "executor" // of a patient who died
	CapacityHelper   Capacity = "helper"   // named by the patient
)

// Capacities are those a representative can have, in order.
func Capacities() []Capacity {
	return []Capacity{CapacityParent, CapacityGuardian, CapacityAgent, CapacityExecutor, CapacityHelper}
}

// Rights say what a representative may do. The zero value is the least.
type Rights string

// The rights.
const (
	RightsView   Rights = "view"   // look, and see who looked
	RightsManage Rights = "manage" // state the patient's wishes too
)

// Check says what is wrong with r apart from whom it is about: an *hie.InvalidError naming the member, or nil.
func (r *Representative) Check() error {
	invalid := func(path, rule string) error { return &hie.InvalidError{Path: path, Rule: rule, Code: "value"} }
	kind, id := splitReference(r.Ref)
	switch {
	case kind != "RelatedPerson" && kind != "Practitioner" && kind != "Organization" || id == "" || len(r.Ref) > 256:
		return invalid("ref", "must be RelatedPerson/id, Practitioner/id or Organization/id")
	case len(r.Name) > 200:
		return invalid("name", "must not be longer than 200 bytes")
	case !slices.Contains(Capacities(), r.Capacity):
		return invalid("capacity", "must be parent, guardian, agent, executor or helper")
	case r.Rights != RightsView && r.Rights != RightsManage:
		return invalid("rights", "must be view or manage")
	case r.Evidence != "" && !isHash(r.Evidence):
		return invalid("evidence", "must be a SHA-256 in 64 hexadecimal digits")
	}
	if _, ok := r.period().read(time.UTC); !ok {
		return invalid("start", "and end must be FHIR dates, the end not before the start")
	}
	return nil
}

// Appoint makes r ready to be recorded at now for a patient born on the day given at a site of jurisdiction and zone: a
// parent's power lapses when the child comes of age, and a minor without a full date of birth (a zero year, month or day) has
// no parent on record. Errors: *hie.InvalidError naming the member.
//
// Source: 45 CFR 164.502(g)(3); spec consent 2.20.
func (r *Representative) Appoint(year, month, day int, jurisdiction string, zone *time.Location, now time.Time) error {
	if err := r.Check(); err != nil || r.Capacity != CapacityParent {
		return err
	}
	lapses, known := Majority(year, month, day, jurisdiction, zone)
	switch {
	case !known:
		return hie.Invalid("capacity", "cannot be parent: the registration has no full date of birth, so nobody can tell when it ends")
	case !now.Before(lapses):
		return hie.Invalid("capacity", "cannot be parent: the patient is of age")
	}
	r.Lapses = lapses
	return nil
}

// Ended returns r as it is when its power ends with the day end, a FHIR date, or, withdrawn, never was; one of the two must be
// given. Errors: *hie.InvalidError naming the member.
func (r Representative) Ended(end string, withdrawn bool) (Representative, error) {
	if end = strings.TrimSpace(end); end == "" && !withdrawn {
		return r, hie.Required("end")
	}
	if r.Withdrawn = withdrawn; end != "" {
		r.End = end
	}
	return r, r.Check()
}

func (r *Representative) period() *Period { return &Period{Start: r.Start, End: r.End} }

// MayAct reports whether r may do what needs rights at now: recorded, not withdrawn, within its dates in zone, and not
// lapsed.
func (r *Representative) MayAct(need Rights, now time.Time, zone *time.Location) bool {
	if r.Withdrawn || now.Before(r.Recorded) || r.Rights != RightsManage && need == RightsManage || !r.Lapses.IsZero() && !now.Before(r.Lapses) {
		return false
	}
	in, ok := r.period().read(zone)
	return ok && in.holds(tickOf(now))
}

// ActsUntil returns when the power that r has at now to do what needs rights ends, the first instant it no longer holds;
// far away when nothing ends it. It is zero when r may not act.
func (r *Representative) ActsUntil(need Rights, now time.Time, zone *time.Location) time.Time {
	if !r.MayAct(need, now, zone) {
		return time.Time{}
	}
	end := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if in, ok := r.period().read(zone); ok && in.to != forever {
		end = (in.to + 1).time()
	}
	if !r.Lapses.IsZero() && r.Lapses.Before(end) {
		end = r.Lapses
	}
	return end
}

// RepresentedUntil returns until when somebody recorded as ref may do for the patient what needs rights, at now: the
// latest end of what is recorded of them, zero when they may not. zone is that of the record's site.
func RepresentedUntil(rs []Representative, ref string, need Rights, now time.Time, zone *time.Location) time.Time {
	var out time.Time
	for i := range rs {
		if rs[i].Ref != ref {
			continue
		}
		if end := rs[i].ActsUntil(need, now, zone); end.After(out) {
			out = end
		}
	}
	return out
}

// Proxies returns those of rs who may sign for the patient, as decisions read them. A helper who may only look signs
// nothing.
func Proxies(rs []Representative) []Proxy {
	var out []Proxy
	for _, r := range rs {
		if !r.Withdrawn && r.Rights == RightsManage {
			out = append(out, Proxy{Ref: r.Ref, Period: *r.period(), Lapses: r.Lapses})
		}
	}
	return out
}

// ageOfMajority is where it is not 18.
//
// Source: Ala. Code 26-1-1; Neb. Rev. Stat. 43-2101; Miss. Code 1-3-27; 31 L.P.R.A. 971.
var ageOfMajority = map[string]int{"US-AL": 19, "US-NE": 19, "US-MS": 21, "US-PR": 21}

// Majority returns the instant a person born on the given day comes of age in jurisdiction: midnight at the beginning of
// the birthday in zone. Born on 29 February they do so on 1 March of other years. A date of birth not known in full
// (a zero year, month or day) has none: ok is false.
func Majority(year, month, day int, jurisdiction string, zone *time.Location) (at time.Time, ok bool) {
	if year <= 0 || month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	age := 18
	if a, other := ageOfMajority[jurisdiction]; other {
		age = a
	}
	return time.Date(year+age, time.Month(month), day, 0, 0, 0, 0, zone).UTC(), true
}

// isHash reports whether s is a SHA-256 in lower-case hexadecimal digits.
func isHash(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
