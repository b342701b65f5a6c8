package federation

import (
	"context"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// person returns whom a query is about. hie.ErrNotFound means that nobody is, or nobody this actor may ask about: a
// patient asks for their own record only.
func (x *Exchange) person(ctx context.Context, actor hie.Actor, patient hie.Identifier, record hie.SourcePatientID) (p mpi.Person, err error) {
	end := hie.Step(ctx)
	defer func() { end(hie.Span{Name: stepIdentity, Outcome: traceOutcome(err)}) }()
	switch {
	case record != 0:
		p, err = x.Patients.PersonOf(ctx, record)
	case !patient.IsZero():
		p, err = x.Patients.Resolve(ctx, patient)
	default:
		return mpi.Person{}, hie.ErrNotFound
	}
	if err != nil {
		return mpi.Person{}, err
	}
	if !own(actor, p) {
		return mpi.Person{}, hie.ErrNotFound
	}
	if _, err := x.represents(ctx, actor, x.Network(), x.Now()); err != nil {
		return mpi.Person{}, err
	}
	return p, nil
}

// own reports whether actor may ask about p at all: everyone may, but a patient only about themselves.
func own(actor hie.Actor, p mpi.Person) bool {
	if actor.Patient == 0 {
		return !actor.HasRole(hie.RolePatient) // a patient's token that names no patient is nobody's
	}
	_, member := p.Member(actor.Patient)
	return member
}

// theirs are the members of p an answer to actor may come from: all of them, but for a patient only records that are
// theirs beyond doubt. No consent of theirs could be wrong about a record that may be somebody else's; we could.
//
// Source: DESIGN idea 3; spec consent 2.13 and 2.18 (own access is a mandate, which crosses tentative links).
func theirs(actor hie.Actor, p mpi.Person) []mpi.Member {
	if actor.Patient == 0 {
		return p.Members
	}
	self, _ := p.Member(actor.Patient)
	var out []mpi.Member
	for _, m := range p.Members {
		if m.Record == actor.Patient || (self.Link == hie.LinkConfirmed && m.Link == hie.LinkConfirmed) {
			out = append(out, m)
		}
	}
	return out
}

// disclosable are those of members whose sites' go-live is signed off. Nothing of others is disclosed to anybody, whatever consent
// says: who is joining, or suspended, has not been found fit for it.
//
// Source: spec ux A3; directory.Participation.
func disclosable(network *directory.Network, members []mpi.Member) []mpi.Member {
	out := make([]mpi.Member, 0, len(members))
	for _, m := range members {
		if network.Live(m.Site) {
			out = append(out, m)
		}
	}
	return out
}

// shut reports whether nothing may be disclosed to actor. A patient who is told by an app that no participant stands behind is
// not: it is they who are told.
func shut(actor hie.Actor, network *directory.Network) bool {
	if _, known := network.Organization(actor.Organization); !known && actor.Patient != 0 {
		return false
	}
	return !network.Admitted(actor.Organization)
}

// represents returns until when actor may look in the name of the patient they act for, zero when they act for nobody.
// hie.ErrNotFound means that they may not: to them there is no such patient.
//
// Source: 45 CFR 164.502(g); spec federation 2.7 (RelatedPerson with period, scope and evidence).
func (x *Exchange) represents(ctx context.Context, actor hie.Actor, network *directory.Network, now time.Time) (time.Time, error) {
	if actor.Representative == "" {
		return time.Time{}, nil
	}
	if x.Representatives == nil {
		return time.Time{}, hie.ErrNotFound
	}
	all, err := x.Representatives(ctx, []hie.SourcePatientID{actor.Patient})
	if err != nil {
		return time.Time{}, err
	}
	own, err := x.Patients.PersonOf(ctx, actor.Patient)
	if err != nil {
		return time.Time{}, err
	}
	member, _ := own.Member(actor.Patient)
	until := consent.RepresentedUntil(all, actor.Representative, consent.RightsView, now, network.Zone(member.Site))
	if until.IsZero() {
		return time.Time{}, hie.ErrNotFound
	}
	return until, nil
}
