package mpi

import (
	"context"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// weighTasks fills in what hangs on all records of the persons that open tasks are about: what would meet, or part.
func (x *Index) weighTasks(ctx context.Context, tasks []Task) error {
	if x.stakes == nil {
		return nil
	}
	var about []hie.SourcePatientID
	for i := range tasks {
		if tasks[i].Closed.IsZero() {
			about = append(about, tasks[i].about()...)
		}
	}
	if len(about) == 0 {
		return nil
	}
	homes, err := x.store.Homes(ctx, sortedRecords(about))
	if err != nil {
		return err
	}
	persons := map[hie.PersonID]bool{}
	for _, h := range homes {
		persons[h.Person] = true
	}
	members, err := x.store.Members(ctx, sortedKeys(persons))
	if err != nil {
		return err
	}
	of := map[hie.PersonID][]hie.SourcePatientID{}
	for _, m := range members {
		of[m.Person] = append(of[m.Person], m.Record)
	}
	stakes, err := x.stakes(ctx, recordsOf(members))
	if err != nil {
		return fmt.Errorf("stakes: %w", err)
	}
	for i := range tasks {
		t := &tasks[i]
		if !t.Closed.IsZero() {
			continue
		}
		t.Stake = Stake{}
		var seen []hie.PersonID
		for _, r := range t.about() {
			p := homes[r].Person
			if slices.Contains(seen, p) {
				continue
			}
			seen = append(seen, p)
			for _, r := range of[p] {
				t.Stake.add(stakes[r])
			}
		}
	}
	return nil
}

func (s *Stake) add(o Stake) {
	s.Documents += o.Documents
	for kind, n := range o.Consents {
		if s.Consents == nil {
			s.Consents = map[string]int64{}
		}
		s.Consents[kind] += n
	}
}

// Reweigh brings the risk of open tasks behind after (by id) in line with what hangs on their records now, at most count of
// them, and returns the last it looked at; 0 when there are no more. What hangs on a record changes without the index:
// documents are published after a task was opened.
func (x *Index) Reweigh(ctx context.Context, after TaskID, count int) (TaskID, error) {
	tasks, err := x.store.OpenTasksBehind(ctx, after, count)
	if err != nil || len(tasks) == 0 {
		return 0, wrap("reweigh", err)
	}
	if err := x.weighTasks(ctx, tasks); err != nil {
		return 0, wrap("reweigh", err)
	}
	for _, t := range tasks {
		risk := x.riskOf(&t)
		if risk-t.Risk < 0.05 && t.Risk-risk < 0.05 {
			continue
		}
		if err := x.store.Update(ctx, func(tx Tx) error { return tx.PutRisk(ctx, t.ID, risk) }); err != nil {
			return 0, wrap("reweigh", err)
		}
	}
	return tasks[len(tasks)-1].ID, nil
}

// riskOf is the risk of a task as its kind, its bits and its stake have it.
func (x *Index) riskOf(t *Task) float64 {
	p := x.model.Probability(t.Bits)
	switch {
	case t.Kind == TaskOverlay:
		p = 1 - p
	case t.Kind == TaskReported || len(t.Evidence) == 0:
		p = 1
	}
	return Risk(t.Kind, p, t.Stake)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mpi: %s: %w", what, err)
}
