package mpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// settle closes task, which is locked, with a verdict.
func (x *Index) settle(ctx context.Context, c *change, task Task, v Verdict) error {
	var err error
	switch {
	case v == Clear:
	case task.Kind == TaskOverlay:
		err = x.settleOverlay(ctx, c, task.Record, v)
	case task.Other == 0:
		return hie.Invalid("verdict", "the task names one record; decide about the pair that is meant")
	default:
		err = x.decide(ctx, c, task.Record, task.Other, v)
	}
	if err != nil {
		return err
	}
	task.Closed, task.Verdict, task.By, task.Reason = c.at, v, c.by, c.reason
	task.ClaimedBy, task.ClaimedUntil, task.Snooze, task.Escalation = "", time.Time{}, nil, nil
	if len(c.events) > 0 {
		task.Change = c.id
	}
	return c.tx.PutTask(ctx, task)
}

// checkSettling checks a verdict about a task.
func checkSettling(v Verdict, reason string) error {
	if v > CannotLink {
		return hie.Invalid("verdict", "must be must-link, cannot-link or clear")
	}
	if strings.TrimSpace(reason) == "" {
		return hie.Required("reason")
	}
	return nil
}

// about returns the task's records.
func (t *Task) about() []hie.SourcePatientID {
	if t.Other == 0 {
		return []hie.SourcePatientID{t.Record}
	}
	return []hie.SourcePatientID{t.Record, t.Other}
}

// settleOverlay lets the update in dispute take effect, as the same person's or as another's.
func (x *Index) settleOverlay(ctx context.Context, c *change, record hie.SourcePatientID, v Verdict) error {
	row, err := patient(ctx, c.tx, record)
	if err != nil {
		return err
	}
	if err := c.lock(ctx, []hie.PersonID{row.Person}); err != nil {
		return err
	}
	rows, err := c.tx.Members(ctx, []hie.PersonID{row.Person})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rows, func(m MemberRow) bool { return m.Record == record })
	if i < 0 {
		return errMoved
	}
	self := rows[i]
	r := Registration{Local: row.Local, Demographics: row.Demographics}
	f := Extract(row.Site, r.withLocal())
	if err := x.sayOfAll(ctx, c, self, &f, rows, v); err != nil {
		return err
	}
	near, err := x.accept(ctx, c.tx, &row, f)
	if err != nil {
		return err
	}
	self.Features = f.AppendTo(nil)
	if err := c.tx.PutFeatures(ctx, self.Person, record, self.Features); err != nil {
		return err
	}
	if err := c.move(ctx, self, Place{self.Person, hie.LinkConfirmed}, 0); err != nil {
		return err
	}
	s, err := x.resettle(ctx, c, &self, near)
	if err != nil {
		return err
	}
	_, err = s.ask(ctx)
	return err
}

// sayOfAll says of self and each other row that they are one person, or that they are not; those self replaced in its
// site excepted, which are it anyway.
func (x *Index) sayOfAll(ctx context.Context, c *change, self MemberRow, f *Features, rows []MemberRow, v Verdict) error {
	homes, err := c.tx.Homes(ctx, recordsOf(rows))
	if err != nil {
		return err
	}
	for _, m := range rows {
		if m.Record == self.Record || homes[m.Record].AliasOf == self.Record {
			continue
		}
		was, err := verdictOn(ctx, c.tx, self.Record, m.Record)
		if err != nil {
			return err
		}
		var bits Bits
		var g Features
		if g.Decode(m.Features) == nil {
			bits = x.model.Edge(f, &g).Bits
		}
		if err := c.constrain(ctx, self.Record, m.Record, was, v, bits); err != nil {
			return err
		}
	}
	return nil
}

// accept makes row, unless it is inactive, found by what it says now, and returns whom it resembles.
func (x *Index) accept(ctx context.Context, tx Tx, row *PatientRow, f Features) ([]EdgeRow, error) {
	if !row.Active {
		return nil, nil
	}
	if err := x.unlist(ctx, tx, row); err != nil {
		return nil, err
	}
	if err := x.list(ctx, tx, row, f.AppendTo(nil)); err != nil {
		return nil, err
	}
	if err := tx.PutPatient(ctx, *row); err != nil {
		return nil, err
	}
	r := Registration{Local: row.Local, Demographics: row.Demographics}
	seek := r.seeker(row.Record)
	seek.features = f
	counts, err := tx.KeyCounts(ctx, hashes(seek.keys))
	if err != nil {
		return nil, err
	}
	return x.near(ctx, tx, &seek, counts)
}

// disputeBack puts an update that a steward accepted in dispute again: the record is matched on what it said before.
func (u *undoing) disputeBack(ctx context.Context, e Event) error {
	if e.From.Person != e.To.Person {
		return nil // follows from verdicts and evidence
	}
	if e.From.Link != hie.LinkDisputed || e.Cause == CauseRule {
		if e.To.Link == hie.LinkDisputed && e.Cause == CauseRule {
			return fmt.Errorf("an update in dispute is settled by its task: %w", hie.ErrConflict)
		}
		return nil
	}
	row, err := patient(ctx, u.c.tx, e.Record)
	if err != nil {
		return err
	}
	versions, err := u.c.tx.RecordVersions(ctx, e.Record)
	if err != nil {
		return err
	}
	i := len(versions) - 1
	for i >= 0 && versions[i].Disputed {
		i--
	}
	if i < 0 {
		return errLater
	}
	r := Registration{Local: row.Local, Demographics: versions[i].Demographics}
	f := Extract(row.Site, r.withLocal())
	said := row.Demographics
	row.Demographics = versions[i].Demographics
	if u.near, err = u.x.accept(ctx, u.c.tx, &row, f); err != nil {
		return err
	}
	row.Demographics = said
	if err := u.c.tx.PutPatient(ctx, row); err != nil {
		return err
	}
	rows, err := u.c.tx.Members(ctx, []hie.PersonID{row.Person})
	if err != nil {
		return err
	}
	for _, m := range rows {
		if m.Record == e.Record {
			m.Features = f.AppendTo(nil)
			if err := u.c.lock(ctx, []hie.PersonID{m.Person}); err != nil {
				return err
			}
			if err := u.c.move(ctx, m, Place{m.Person, hie.LinkDisputed}, 0); err != nil {
				return err
			}
			u.self = &m
			t := Task{ID: TaskID(u.c.nextID()), Kind: TaskOverlay, Record: e.Record, Opened: u.c.at}
			t.Risk = u.x.riskOf(&t)
			_, err := u.c.tx.OpenTasks(ctx, []Task{t})
			return err
		}
	}
	return errMoved
}
