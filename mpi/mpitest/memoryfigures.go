package mpitest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// SamplePersons implements mpi.Reader.
func (m *Memory) SamplePersons(ctx context.Context, n int) (ids []hie.PersonID, of int64, err error) {
	_, err = locked(m, func() (struct{}, error) {
		ids, of, err = m.tables.SamplePersons(ctx, n)
		return struct{}{}, err
	})
	return ids, of, err
}

// Figures implements mpi.Reader.
func (m *Memory) Figures(ctx context.Context, since, now time.Time) (mpi.Figures, error) {
	return locked(m, func() (mpi.Figures, error) { return m.tables.Figures(ctx, since, now) })
}

func (t *tables) SamplePersons(_ context.Context, n int) ([]hie.PersonID, int64, error) {
	var out []hie.PersonID
	for _, id := range slices.Sorted(maps.Keys(t.persons)) {
		if t.persons[id].Redirect == 0 {
			out = append(out, id)
		}
	}
	return out[:min(n, len(out))], int64(len(out)), nil
}

func (t *tables) Figures(_ context.Context, since, now time.Time) (mpi.Figures, error) {
	var out mpi.Figures
	kinds := map[mpi.TaskKind]*mpi.TaskFigure{}
	ages := map[mpi.TaskKind][]time.Duration{}
	days := map[time.Time]*mpi.DayFigure{}
	on := func(at time.Time) *mpi.DayFigure {
		day := at.UTC().Truncate(24 * time.Hour)
		if days[day] == nil {
			days[day] = &mpi.DayFigure{Day: day}
		}
		return days[day]
	}
	type hour struct {
		by string
		at time.Time
	}
	hours := map[hour]bool{}
	for _, id := range slices.Sorted(maps.Keys(t.tasks)) {
		k := t.tasks[id]
		f := kinds[k.Kind]
		if f == nil {
			f = &mpi.TaskFigure{Kind: k.Kind}
			kinds[k.Kind] = f
		}
		if !k.Opened.Before(since) {
			f.Opened++
			on(k.Opened).Opened++
			if k.Kind == mpi.TaskOverlay {
				out.Overlays = append(out.Overlays, k.Record)
			}
		}
		switch {
		case k.Closed.IsZero():
			f.Open++
			f.Claimed += one(k.ClaimedBy != "" && k.ClaimedUntil.After(now))
			f.Snoozed += one(k.Snooze != nil && k.Snooze.Until.After(now))
			f.Escalated += one(k.Escalation != nil)
			if f.Oldest.IsZero() || k.Opened.Before(f.Oldest) {
				f.Oldest = k.Opened
			}
		case !k.Closed.Before(since) && !k.Withdrawn:
			f.Closed++
			f.ByEngine += one(k.By == mpi.Engine)
			on(k.Closed).ByEngine += one(k.By == mpi.Engine)
			if k.By != mpi.Engine {
				on(k.Closed).Decided++
				out.Reviews.Decided++
				hours[hour{k.By, k.Closed.UTC().Truncate(time.Hour)}] = true
			}
			f.Same += one(k.Verdict == mpi.MustLink)
			f.Different += one(k.Verdict == mpi.CannotLink)
			f.CannotTell += one(k.Verdict == mpi.Clear && k.By != mpi.Engine)
			out.Reviews.Second += one(k.First != nil)
			out.Reviews.Agreed += one(k.First != nil && k.Differed == 0)
			if k.By != mpi.Engine {
				ages[k.Kind] = append(ages[k.Kind], k.Closed.Sub(k.Opened))
			}
		}
	}
	for kind, f := range kinds {
		if a := ages[kind]; len(a) > 0 {
			slices.SortFunc(a, cmp.Compare[time.Duration])
			f.MedianAge = a[(len(a)-1)/2].Truncate(time.Second)
		}
		out.Tasks = append(out.Tasks, *f)
	}
	out.Reviews.Hours = len(hours)
	for _, day := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		out.Days = append(out.Days, *days[day])
	}
	causes, changes, undone := map[mpi.ChangeID]mpi.Cause{}, map[mpi.ChangeID]bool{}, map[mpi.ChangeID]bool{}
	for _, e := range t.events {
		causes[e.Change] = e.Cause
		if e.At.Before(since) {
			continue
		}
		if e.Cause == mpi.CauseSteward {
			changes[e.Change] = true
		}
		if e.Undoes != 0 {
			undone[e.Undoes] = true
		}
	}
	out.Reviews.Changes = len(changes)
	for c := range undone {
		engine := causes[c] == mpi.CauseRule || causes[c] == mpi.CauseSite
		out.Reviews.UndoneEngine += one(engine)
		out.Reviews.UndonePeople += one(!engine)
	}
	return out, nil
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
