package mpi

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Stay is a stretch of time in which two records belonged to one person: From <= t < To. A zero To has not ended.
type Stay struct{ From, To time.Time }

// Together returns when two records belonged to one person, oldest first, from the link events of each.
func Together(a, b []Event) []Stay {
	type moved struct {
		at     time.Time
		id     int64
		second bool
		to     hie.PersonID
	}
	var all []moved
	for i, events := range [][]Event{a, b} {
		for _, e := range events {
			if e.Kind == EventMoved {
				all = append(all, moved{e.At, e.ID, i == 1, e.To.Person})
			}
		}
	}
	slices.SortFunc(all, func(x, y moved) int {
		if c := x.at.Compare(y.at); c != 0 {
			return c
		}
		return int(min(max(x.id-y.id, -1), 1))
	})
	var at [2]hie.PersonID
	var out []Stay
	open := false
	for i, m := range all {
		if m.second {
			at[1] = m.to
		} else {
			at[0] = m.to
		}
		if i+1 < len(all) && all[i+1].at.Equal(m.at) {
			continue // one change moves several at one instant
		}
		switch one := at[0] != 0 && at[0] == at[1]; {
		case one && !open:
			out = append(out, Stay{From: m.at})
		case !one && open:
			out[len(out)-1].To = m.at
		}
		open = at[0] != 0 && at[0] == at[1]
	}
	return out
}

// Companions returns the records that the events of one record name beside it, in order, each once.
func Companions(record hie.SourcePatientID, events []Event) []hie.SourcePatientID {
	var out []hie.SourcePatientID
	for _, e := range events {
		for _, r := range []hie.SourcePatientID{e.Record, e.Other} {
			if r != 0 && r != record {
				out = append(out, r)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
