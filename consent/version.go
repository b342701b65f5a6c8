package consent

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Version is one version of a directive as it was filed. Versions are only ever added; the one with the
// highest number is current.
type Version struct {
	hie.Private
	Record hie.SourcePatientID
	// ID names the directive within its record; Number counts its versions from 1.
	ID     int64
	Number int64
	// By is the organisation that filed it, ByPatient whether the patient did, through a client of theirs.
	By        hie.OrgID
	ByPatient bool
	Status    string
	Filed     time.Time
	// Signed is zero when it is not known.
	Signed                                           time.Time
	Verified, NetworkWide, Absolute, ReturnToDefault bool
	// Content is the resource as received, unchanged.
	Content []byte
	// Evidence is what this version rests on; a store fills it in only when asked for it.
	Evidence []Evidence
}

// ReleaseLease is [hie.ReleaseLease]: a change of consents is acknowledged only when every lease that could have begun before
// it has ended.
const ReleaseLease = hie.ReleaseLease

// Begins returns when d, given on a record of site, begins to count: the start of its root's period, zero where it has none or one
// that cannot be read.
//
// Source: spec consent-cases 1 and 16.
func (e *Env) Begins(d Directive, site hie.SiteID) time.Time {
	if d.Provision == nil || d.Provision.Period == nil {
		return time.Time{}
	}
	in, ok := d.Provision.Period.read(e.zoneOf(d.Organizations, site))
	if !ok || in.from == always {
		return time.Time{}
	}
	return in.from.time()
}

// MayReplace says whether next may be the version after last, both of one directive given on a record of site, at now. From then on
// nothing of last counts. So what counts, or what its revocation left, is not undone by a draft, nor by what begins only later:
// that is filed as a directive of its own, and last stands until it begins. What was filed in error may be said to be.
// Errors: *hie.InvalidError with the FHIRPath.
//
// Source: spec consent 2.8a-b; spec consent-cases 15 and 16.
func (e *Env) MayReplace(last, next Directive, site hie.SiteID, now time.Time) error {
	counts := func(status string) bool { return status == "active" || status == "inactive" }
	switch {
	case !counts(last.Status) || e.Begins(last, site).After(now) || next.Status == "entered-in-error":
		return nil
	case !counts(next.Status):
		return &hie.InvalidError{Path: "Consent.status", Rule: "must be active, inactive or entered-in-error where the version before counts; a draft is filed as a Consent of its own", Code: "business-rule"}
	case e.Begins(next, site).After(now):
		return &hie.InvalidError{Path: "Consent.provision.period.start", Rule: "must not lie ahead where the version before counts, which would end at once; what begins later is filed as a Consent of its own", Code: "business-rule"}
	}
	return nil
}
