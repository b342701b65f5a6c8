package consent

import (
	"crypto/rand"
	"time"

	"github.com/concord-hie/concord/hie"
)

// NamedByPatient returns the helper a patient names for themselves: never a parent, guardian or agent, who need papers, and
// never for another record than their own. start and end are FHIR dates, "" for open; [Representative.Check] says whether
// they can be. The reference is a fresh one, since the patient knows a name and not an id.
//
// Source: spec ux P8; 45 CFR 164.502(g) (others act by authority of law, which a patient does not give on a page).
func NamedByPatient(record hie.SourcePatientID, name string, rights Rights, start, end string) Representative {
	return Representative{Record: record, Ref: "RelatedPerson/" + rand.Text(), Name: name, Capacity: CapacityHelper, Rights: rights, Start: start, End: end}
}

// EndedByPatient returns r as it is when the patient ends it at now, a time in the zone of their site: yesterday was the
// last day. One that began today never was.
func EndedByPatient(r Representative, now time.Time) Representative {
	today := now.Format(time.DateOnly)
	if r.Start >= today {
		r.Withdrawn = true
		return r
	}
	r.End = now.AddDate(0, 0, -1).Format(time.DateOnly)
	return r
}
