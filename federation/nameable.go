package federation

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// registration is the class under which the mere fact that a site knows a person is decided.
const registration = "registration"

// Nameable says of which of p's records actor may learn that they exist: the true entries. Records of the actor's
// own organisation are; others when some document there may be shown, or, where there is none, when the
// registration itself may be; of sites that are not live, none. A patient may name their own records, and nobody else's.
//
// still reports whether rules and links are as they were when this was said. Who names a record asks it after everything else,
// recording included, and then does so within consent.ReleaseLease.
//
// Source: spec consent 2.12 (a site's name is content) and 2.14; DESIGN idea 8.
func (x *Exchange) Nameable(ctx context.Context, actor hie.Actor, p mpi.Person) (named map[hie.SourcePatientID]bool, still func(context.Context) (bool, error), err error) {
	named = make(map[hie.SourcePatientID]bool, len(p.Members))
	if !own(actor, p) {
		return named, func(context.Context) (bool, error) { return true, nil }, nil
	}
	m, err := x.open(ctx, actor, p)
	if err != nil {
		return nil, nil, fmt.Errorf("federation: nameable: %w", err)
	}
	held, err := x.presences(ctx, m)
	if err != nil {
		return nil, nil, fmt.Errorf("federation: nameable: %w", err)
	}
	for _, member := range p.Members {
		if named[member.Record], _, err = x.nameable(ctx, m, member, held); err != nil {
			return nil, nil, fmt.Errorf("federation: nameable: %w", err)
		}
	}
	return named, func(ctx context.Context) (bool, error) {
		still, _, err := x.fresh(ctx, m)
		return still, err
	}, nil
}

// nameable reports whether m's actor may learn that member's site has the person, and by which document or kind: what goes with
// that in words goes with the name.
func (x *Exchange) nameable(ctx context.Context, m *matter, member mpi.Member, held []locator.Presence) (named bool, by []consent.Document, _ error) {
	if site, ok := m.network.Site(member.Site); ok && m.actor.Organization != "" && m.network.Within(site.Org, m.actor.Organization) {
		return true, nil, nil
	}
	if m.shut || !m.network.Live(member.Site) {
		return false, nil, nil
	}
	none := true
	singly := locator.Plan{Record: member.Record, Decide: func(p locator.Pointer) bool { return m.document(p).release }}
	for _, h := range held {
		if h.Record != member.Record || h.Count == 0 {
			continue
		}
		none = false
		switch r := m.kind(h.Record, h.Site, h.Kind); {
		case r.perRow:
			singly.PerRow = append(singly.PerRow, h.Kind.ID)
		case r.release:
			return true, documents(m.about(h.Record, h.Site, h.Kind), h.Kind), nil
		}
	}
	switch {
	case none:
		k := locator.Kind{Classes: []string{registration}, Confidentiality: "N", Labelled: true}
		r := m.kind(member.Record, member.Site, k)
		return r.release && !r.perRow, documents(m.about(member.Record, member.Site, k), k), nil
	case len(singly.PerRow) == 0:
		return false, nil, nil
	}
	page, err := x.Holdings.Find(ctx, locator.Filter{}, []locator.Plan{singly}, locator.Cursor{}, 1)
	if err != nil || len(page.Pointers) == 0 {
		return false, nil, err
	}
	return true, documents(m.whole(page.Pointers[0]), page.Pointers[0].Kind), nil
}

// Own returns the records that are surely the patient's who acts, at sites that are live, ordered by record. Others get
// hie.ErrForbidden.
func (x *Exchange) Own(ctx context.Context, actor hie.Actor) ([]mpi.Member, error) {
	if actor.Patient == 0 {
		return nil, fmt.Errorf("federation: own: %w", hie.ErrForbidden)
	}
	p, err := x.person(ctx, actor, hie.Identifier{}, actor.Patient)
	if err != nil {
		return nil, fmt.Errorf("federation: own: %w", err)
	}
	return disclosable(x.Network(), theirs(actor, p)), nil
}
