package mpi

import (
	"context"

	"github.com/concord-hie/concord/hie"
)

// overlay stores an update that looks like somebody else: the link is put in dispute, and features and keys
// stay those last accepted, so that nothing is matched on it. An update that fits again ends the dispute.
//
// Source: spec mpi section 6, 16; section 7 scenario 3.
func (g *registering) overlay(ctx context.Context, own MemberRow) (bool, error) {
	var before Features
	if before.Decode(own.Features) != nil {
		return false, nil //nolint:nilerr // written by another version of the program: nothing to compare with
	}
	set := g.x.model.againstSelf(&before, &g.features)
	if set.Bits >= g.x.model.Overlay {
		g.features.remember(&before)
		if own.Link == hie.LinkDisputed {
			return false, g.undispute(ctx, own)
		}
		return false, nil
	}
	if err := g.change.lock(ctx, []hie.PersonID{own.Person}); err != nil {
		return false, err
	}
	now, err := g.ownMember(ctx)
	if err != nil {
		return false, err
	}
	g.out.Person = own.Person
	if err := g.putRow(ctx, g.row(own.Person, g.old.Keys)); err != nil {
		return false, err
	}
	g.change.bits, g.change.proof = set.Bits, g.x.model.evidence(&set)
	if err := g.change.move(ctx, now, Place{own.Person, hie.LinkDisputed}, g.record); err != nil {
		return false, err
	}
	t := Task{ID: TaskID(g.x.ids.Next()), Kind: TaskOverlay, Record: g.record, Bits: set.Bits, Evidence: g.x.model.evidence(&set), Opened: g.change.at}
	t.Risk = g.x.riskOf(&t)
	n, err := g.tx.OpenTasks(ctx, []Task{t})
	g.out.ReviewTask = n > 0
	return true, err
}

// undispute ends a dispute: the site sent what fits the record as it was before, so it corrected itself.
func (g *registering) undispute(ctx context.Context, own MemberRow) error {
	if err := g.change.lock(ctx, []hie.PersonID{own.Person}); err != nil {
		return err
	}
	now, err := g.ownMember(ctx)
	if err != nil {
		return err
	}
	if err := g.change.move(ctx, now, Place{own.Person, hie.LinkConfirmed}, g.record); err != nil {
		return err
	}
	tasks, err := g.tx.TasksAbout(ctx, []hie.SourcePatientID{g.record})
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.Kind == TaskOverlay && t.Record == g.record && t.Closed.IsZero() {
			t.Closed, t.Verdict, t.By, t.Reason, t.Change = g.change.at, Clear, Engine, "the site sent what fits the record as it was before", g.change.id
			if err := g.tx.PutTask(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// againstSelf scores an update against what the record said before.
func (m *Model) againstSelf(before, after *Features) Set {
	c := Compare(before, after)
	c.levels[fieldSource], c.levels[fieldID] = missing, idAgainstSelf(before, after)
	return m.scorePair(&c)
}

// idAgainstSelf compares identifiers other than the local one, which always agrees with itself.
func idAgainstSelf(before, after *Features) level {
	a, b := *before, *after
	drop := func(f, other *Features) {
		n := byte(0)
		for i := range f.nIDs {
			if i == 0 && other.nIDs > 0 && f.ids[0] == other.ids[0] {
				continue // the local identifier stands first
			}
			f.ids[n] = f.ids[i]
			n++
		}
		f.nIDs = n
	}
	drop(&a, after)
	drop(&b, before)
	l, _ := compareIDs(&a, &b)
	return l
}
