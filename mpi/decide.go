package mpi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

func checkDecision(a, b hie.SourcePatientID, v Verdict, reason string) error {
	switch {
	case a == b:
		return hie.Invalid("records", "must be two")
	case v > CannotLink:
		return hie.Invalid("verdict", "must be must-link, cannot-link or clear")
	case strings.TrimSpace(reason) == "":
		return hie.Required("reason")
	}
	return nil
}

// conclude writes the change's events and its audit event.
func (x *Index) conclude(ctx context.Context, c *change, actor hie.Actor, about ...hie.SourcePatientID) error {
	if err := c.finish(ctx); err != nil {
		return err
	}
	events := c.auditEvents(actor)
	if len(events) == 0 {
		e := audit.NewEvent(audit.LinkChanged, actor, c.at).About(about...)
		e.Action, e.Detail = "U", map[string]string{"cause": string(c.cause)}
		events = []audit.Event{e}
	}
	return c.tx.Record(ctx, events...)
}

func (x *Index) decide(ctx context.Context, c *change, a, b hie.SourcePatientID, v Verdict) error {
	homes, err := c.tx.Homes(ctx, []hie.SourcePatientID{a, b})
	if err != nil {
		return err
	}
	if len(homes) < 2 {
		return hie.ErrNotFound
	}
	was, err := verdictOn(ctx, c.tx, a, b)
	if err != nil {
		return err
	}
	if c.bits, err = x.pairBits(ctx, c.tx, homes, a, b); err != nil {
		return err
	}
	if err := c.constrain(ctx, a, b, was, v, c.bits); err != nil {
		return err
	}
	s, err := x.resettle(ctx, c, nil, nil, a, b)
	if err != nil {
		return err
	}
	if err := s.contradicts(a, b); err != nil {
		return err
	}
	_, err = s.ask(ctx)
	return err
}

// contradicts returns hie.ErrConflict when what must be together now holds a pair that must not: a and b themselves,
// or two of their person.
func (s *settling) contradicts(a, b hie.SourcePatientID) error {
	for _, v := range s.against {
		if v.A == min(a, b) && v.B == max(a, b) {
			return fmt.Errorf("a must-link ties the two together through others: %w", hie.ErrConflict)
		}
		if slices.Contains(s.together(a), v.A) || slices.Contains(s.together(b), v.A) {
			return fmt.Errorf("a verdict keeps others of the two apart: %w", hie.ErrConflict)
		}
	}
	return nil
}

// verdictOn returns the standing verdict about a and b, or Clear.
func verdictOn(ctx context.Context, r Reader, a, b hie.SourcePatientID) (Verdict, error) {
	verdicts, err := r.Constraints(ctx, []hie.SourcePatientID{a})
	for _, v := range verdicts {
		if v.A == a && v.B == b {
			return v.Verdict, err
		}
	}
	return Clear, err
}

// pairBits returns what the engine thinks of two records, for the constraint; 0 when one of them cannot be read.
func (x *Index) pairBits(ctx context.Context, r Reader, homes map[hie.SourcePatientID]Home, a, b hie.SourcePatientID) (Bits, error) {
	rows, err := r.Members(ctx, []hie.PersonID{homes[a].Person, homes[b].Person})
	if err != nil {
		return 0, err
	}
	var f, g Features
	for _, m := range rows {
		unreadable := m.Record == a && f.Decode(m.Features) != nil || m.Record == b && g.Decode(m.Features) != nil
		if unreadable {
			return 0, nil
		}
	}
	return x.model.Edge(&f, &g).Bits, nil
}
