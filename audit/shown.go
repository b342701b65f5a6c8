package audit

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// PatientKinds are the kinds of event a patient is shown of their own record: who looked, asked, was refused or
// overrode, and who changed what is known or allowed. Single consent decisions, sites asked, tokens and
// administration are machinery and stay with auditors.
var PatientKinds = []Kind{
	PatientRegistered, PatientQueried, LinkChanged, DocumentPublished, DocumentsQueried, Disclosed, Refused,
	ConsentChanged, EmergencyClaimed, EmergencyEnded, AuditRead,
}

// ForPatient returns what the person whose records are own is shown of e, and whether they are shown it at all:
// when, which organisation and person, for what purpose, what kinds of document, allowed or refused, in an emergency or
// not. Hidden are the query, the reasons and grounds (they may tell of somebody else, or of how the rules were set),
// the technical names of client and token, and everything about records that are not their own.
//
// Source: DESIGN idea 1 (attribution by source patient follows merge and unmerge); 45 CFR 164.528(b); spec ux P3.
func ForPatient(e Event, own []hie.SourcePatientID) (Event, bool) {
	mine := func(r hie.SourcePatientID) bool { return slices.Contains(own, r) }
	if !slices.Contains(PatientKinds, e.Kind) || !slices.ContainsFunc(e.Records, mine) {
		return Event{}, false
	}
	out := Event{ID: e.ID, Time: e.Time, Kind: e.Kind, Outcome: e.Outcome, Action: e.Action, Emergency: e.Emergency,
		Actor: hie.Actor{Organization: e.Actor.Organization, User: e.Actor.User, UserName: e.Actor.UserName,
			Roles: e.Actor.Roles, Purposes: e.Actor.Purposes}}
	onlyMine := true
	for _, r := range e.Records {
		if mine(r) {
			out.Records = append(out.Records, r)
		} else {
			onlyMine = false
		}
	}
	for _, d := range e.Documents {
		if mine(d.Record) {
			out.Documents = append(out.Documents, d)
			if d.Class != "" {
				out.Classes = append(out.Classes, d.Class)
			}
		}
	}
	if onlyMine { // else the list may hold classes of somebody else's documents
		out.Classes = append(out.Classes, e.Classes...)
		out.Site, out.Released = e.Site, e.Released
	} else {
		out.Released = len(out.Documents)
	}
	slices.Sort(out.Classes)
	out.Classes = slices.Compact(out.Classes)
	return out, true
}
