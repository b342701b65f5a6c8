package mpi

import (
	"context"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// kindOf says what kind of question it is whether records of two persons are one.
func kindOf(d *Doubt, a, b MemberRow) TaskKind {
	switch {
	case d.Verdict:
		return TaskReopen
	case slices.Contains(d.Vetoes, "borrowed-identifier"):
		return TaskIdentifier
	case len(d.Vetoes) > 0, d.Missing == "birth-order", d.Missing == "suffix":
		return TaskHousehold
	case a.Site == b.Site:
		return TaskSameSite
	}
	return TaskCrossSite
}

// ask turns what the partition left in doubt, and what is wrong with the persons it made, into tasks, and closes those
// that new evidence settled. It returns how many were opened.
//
// A question is asked once for two persons, and again after "cannot tell" only when the evidence has moved by the margin.
func (s *settling) ask(ctx context.Context) (int, error) {
	touched := s.touched()
	var asked []Task
	for i := range s.parted.Review {
		d := &s.parted.Review[i]
		if !touched[s.parted.Group[d.A]] && !touched[s.parted.Group[d.B]] {
			continue
		}
		if t, ok := s.question(d); ok {
			asked = append(asked, t)
		}
	}
	asked = append(asked, s.borrowed()...)
	asked = append(asked, s.reopened()...)
	asked = append(asked, s.health(touched)...)
	asked = append(asked, s.tasks...)
	watched := s.watched()
	if len(asked) == 0 && !s.moved && len(watched) == 0 {
		return 0, nil
	}
	about := watched
	for _, t := range asked {
		about = append(about, s.together(t.Record)...)
		about = append(about, s.together(t.Other)...)
	}
	if s.moved || slices.ContainsFunc(asked, func(t Task) bool { return t.Kind == TaskHub }) {
		about = append(about, s.n.records...)
	}
	known, err := s.c.tx.TasksAbout(ctx, sortedRecords(about))
	if err != nil {
		return 0, err
	}
	if err := s.supersede(ctx, known); err != nil {
		return 0, err
	}
	if err := s.rouse(ctx, known, asked); err != nil {
		return 0, err
	}
	asked = slices.DeleteFunc(asked, func(t Task) bool {
		return slices.ContainsFunc(known, func(k Task) bool { return s.answers(&k, &t) })
	})
	for i := range asked {
		asked[i].ID, asked[i].Opened = TaskID(s.c.nextID()), s.c.at
		asked[i].Risk = s.x.riskOf(&asked[i])
	}
	if len(asked) == 0 {
		return 0, nil
	}
	return s.c.tx.OpenTasks(ctx, asked)
}

// touched are the groups this change may have asked something new about: those of self and of records that moved.
func (s *settling) touched() map[int32]bool {
	out := map[int32]bool{}
	for i, r := range s.n.records {
		g := s.parted.Group[i]
		if s.self == nil || r == s.self.Record || s.n.members[r].Person != s.persons[g] {
			out[g] = true
		}
	}
	return out
}

// together returns the records in record's group; nil for 0.
func (s *settling) together(record hie.SourcePatientID) []hie.SourcePatientID {
	if i := s.n.index(record); record != 0 && i >= 0 {
		return s.groups[s.parted.Group[i]]
	}
	return nil
}

// question returns the task that asks about d.
func (s *settling) question(d *Doubt) (Task, bool) {
	a, b := s.n.records[d.A], s.n.records[d.B]
	if s.self != nil && s.n.records[d.B] == s.self.Record {
		a, b = b, a // what raised it comes first
	}
	if d.Verdict && !slices.ContainsFunc(s.n.verdicts, func(v Constraint) bool {
		return v.Verdict == CannotLink && s.contradicted(v) && s.inGroup(v.A, d.A) && s.inGroup(v.B, d.B)
	}) {
		return Task{}, false
	}
	set := s.between(a, b)
	return Task{Kind: kindOf(d, s.n.members[a], s.n.members[b]), Record: a, Other: b, Grade: d.Grade, Bits: d.Bits,
		Evidence: s.x.model.evidence(&set), Missing: d.Missing}, true
}

func (s *settling) inGroup(record hie.SourcePatientID, node int32) bool {
	i := s.n.index(record)
	return i >= 0 && s.parted.Group[i] == s.parted.Group[node]
}

// between scores record a against all records of b's group.
func (s *settling) between(a, b hie.SourcePatientID) Set {
	var sets []Features
	for _, r := range s.together(b) {
		if j := s.n.index(r); r != a && !s.unreadable[j] {
			sets = append(sets, s.features[j])
		}
	}
	return s.x.model.ScoreSet(&s.features[s.n.index(a)], sets)
}

// borrowed asks about numbers that self shares with somebody who is, by all else, another person.
func (s *settling) borrowed() []Task {
	if s.self == nil {
		return nil
	}
	var out []Task
	self := s.n.index(s.self.Record)
	for _, e := range s.edges {
		if e.A != self && e.B != self || e.vetoes&vetoBorrowed == 0 || s.parted.Group[e.A] == s.parted.Group[e.B] {
			continue
		}
		other := s.n.records[e.A+e.B-self]
		c := Compare(&s.features[e.A], &s.features[e.B])
		set := s.x.model.scorePair(&c)
		out = append(out, Task{Kind: TaskIdentifier, Record: s.self.Record, Other: other, Grade: e.grade, Bits: e.Bits, Evidence: s.x.model.evidence(&set)})
	}
	return out
}

// reopened asks again about verdicts that hold records together against evidence that has grown since, and about
// those that others, such as a merge in a site, contradict.
func (s *settling) reopened() []Task {
	var out []Task
	add := func(v Constraint) {
		i := s.n.index(v.A)
		j := s.n.index(v.B)
		c := Compare(&s.features[i], &s.features[j])
		set := s.x.model.scorePair(&c)
		out = append(out, Task{Kind: TaskReopen, Record: v.A, Other: v.B, Bits: set.Bits, Evidence: s.x.model.evidence(&set)})
	}
	for _, v := range s.n.verdicts {
		if v.Verdict == MustLink && v.A < v.B && s.contradicted(v) {
			add(v)
		}
	}
	for _, v := range s.against {
		add(v)
	}
	return out
}

// answers reports whether known, asked before, makes asking t needless.
func (s *settling) answers(known, t *Task) bool {
	switch {
	case known.Kind != t.Kind:
		return false
	case t.Kind == TaskHub && s.n.index(known.Record) >= 0: // one hub, whichever of its records was asked about
		return known.Closed.IsZero() || known.By != Engine
	case !s.samePair(known, t):
		return false
	}
	if known.Closed.IsZero() {
		return true
	}
	moved := t.Bits - known.Bits
	return known.Verdict == Clear && known.By != Engine && moved < s.x.model.Margin && moved > -s.x.model.Margin
}

// samePair reports whether two tasks are about the same two persons, or the same single record.
func (s *settling) samePair(a, b *Task) bool {
	if a.Other == 0 || b.Other == 0 {
		return a.Record == b.Record && a.Other == b.Other
	}
	same := func(x, y hie.SourcePatientID) bool {
		i, j := s.n.index(x), s.n.index(y)
		return x == y || i >= 0 && j >= 0 && s.parted.Group[i] == s.parted.Group[j]
	}
	return same(a.Record, b.Record) && same(a.Other, b.Other) || same(a.Record, b.Other) && same(a.Other, b.Record)
}

// rouse puts back into the queue what was put off, when the evidence it asks about has moved by the margin since.
func (s *settling) rouse(ctx context.Context, known, asked []Task) error {
	for _, k := range known {
		if !k.Closed.IsZero() || k.Snooze == nil {
			continue
		}
		for i := range asked {
			t := &asked[i]
			moved := t.Bits - k.Bits
			if k.Kind != t.Kind || !s.samePair(&k, t) || moved < s.x.model.Margin && moved > -s.x.model.Margin {
				continue
			}
			k.Snooze, k.Grade, k.Bits, k.Evidence, k.Missing = nil, t.Grade, t.Bits, t.Evidence, t.Missing
			k.Risk = s.x.riskOf(&k)
			if err := s.c.tx.PutTask(ctx, k); err != nil {
				return err
			}
			break
		}
	}
	return nil
}
