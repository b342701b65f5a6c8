package mpi

import (
	"context"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// watched are the records about which a task may stand whose cause this change may have taken away, though it moved nobody
// and asks nothing: everybody's after a verdict; those of self's person, when self was there before, or when it may join
// the two halves of a bridge.
func (s *settling) watched() []hie.SourcePatientID {
	if s.self == nil {
		return slices.Clone(s.n.records)
	}
	group := s.together(s.self.Record)
	if s.self.Person != 0 || len(group) > bridgeable {
		return slices.Clone(group)
	}
	return nil
}

// supersede closes open tasks whose cause is gone, and marks them so in known: questions that answered themselves, and
// alarms about persons that are well again. What a patient reported, and overlays, only people and sites settle.
func (s *settling) supersede(ctx context.Context, known []Task) error {
	for k := range known {
		t := &known[k]
		why := ""
		if t.Closed.IsZero() {
			why = s.answered(t)
		}
		if why == "" {
			continue
		}
		t.Closed, t.Verdict, t.By, t.Reason, t.Change = s.c.at, Clear, Engine, why, s.c.id
		t.ClaimedBy, t.Snooze, t.Escalation = "", nil, nil
		if len(s.c.events) == 0 {
			t.Change = 0
		}
		if err := s.c.tx.PutTask(ctx, *t); err != nil {
			return err
		}
	}
	return nil
}

// answered says why nobody need look at an open task any more, or "" when somebody must or this change cannot tell.
//
// Source: spec mpi section 6, 15: monitors raise tasks; what raised them may go.
func (s *settling) answered(t *Task) string {
	i, j := s.n.index(t.Record), s.n.index(t.Other)
	if t.Kind == TaskHub {
		if i >= 0 && !s.n.cut && len(s.together(t.Record)) <= maxHealthy {
			return "no more records hang together than are reconsidered at once"
		}
		return ""
	}
	if t.Kind == TaskIdentifier && !s.n.cut && s.self != nil && (t.Record == s.self.Record && j < 0 || t.Other == s.self.Record && i < 0) {
		return "no number is on two people any more" // self was compared with all that share one
	}
	if i < 0 || j < 0 || s.unreadable[i] || s.unreadable[j] {
		return ""
	}
	one := s.parted.Group[i] == s.parted.Group[j]
	switch t.Kind {
	case TaskCrossSite, TaskSameSite, TaskHousehold:
		if one {
			return "the two are one person now"
		}
	case TaskIdentifier:
		if e := s.x.model.Edge(&s.features[i], &s.features[j]); one || e.vetoes&vetoBorrowed == 0 {
			return "no number is on two people any more"
		}
	case TaskSplit, TaskBridge, TaskDeceased:
		if !one {
			return "they are two persons now"
		}
		return s.wellAgain(t, i, j)
	}
	return ""
}

// wellAgain says why an alarm about one person is over, or "".
func (s *settling) wellAgain(t *Task, i, j int32) string {
	switch t.Kind {
	case TaskSplit:
		c := Compare(&s.features[i], &s.features[j])
		if s.tied(t.Record, t.Other) || !contradicts(&c) {
			return "the two do not contradict each other any more"
		}
	case TaskBridge:
		if group := s.together(t.Record); len(group) <= maxHealthSize {
			if _, _, still := s.bridge(group); !still {
				return "the records hold together without this one"
			}
		}
	case TaskDeceased:
		if s.features[j].Died == 0 || s.features[i].Died != 0 || s.self != nil && s.self.Record == t.Record && s.dead {
			return "the records agree about the death"
		}
	}
	return ""
}
