package mpi

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// Bounds beyond which a person's records are worth a steward's look.
const (
	maxHealthy    = 24 // records of one person
	bridgeable    = 3  // records of one person up to which a bridge is not worth asking about
	maxHealthSize = 48 // records up to which bridges are sought: every two are compared
)

// health looks at the persons of groups that changed, and asks a steward about those that may be two: whose records
// carry two social security numbers, two birth dates no typo explains, or both sexes beside one of these; and those that one
// record alone holds together.
//
// Source: spec mpi section 6, 15: size, weakest bridge edge, distinct DOB, SSN and sex counts raise split tasks.
func (s *settling) health(touched map[int32]bool) []Task {
	var out []Task
	for g, records := range s.groups {
		if !touched[int32(g)] || len(records) < 2 {
			continue
		}
		if len(records) > maxHealthy {
			out = append(out, Task{Kind: TaskHub, Record: records[0]})
		}
		if len(records) > maxHealthSize {
			continue
		}
		if a, b, ok := s.contradiction(records); ok {
			out = append(out, s.within(TaskSplit, a, b))
		}
		if bridge, far, ok := s.bridge(records); ok {
			out = append(out, s.within(TaskBridge, bridge, far))
		}
	}
	return out
}

// within returns a task about two records of one person.
func (s *settling) within(kind TaskKind, a, b hie.SourcePatientID) Task {
	c := Compare(&s.features[s.n.index(a)], &s.features[s.n.index(b)])
	set := s.x.model.scorePair(&c)
	return Task{Kind: kind, Record: a, Other: b, Bits: set.Bits, Evidence: s.x.model.evidence(&set)}
}

// contradiction returns the two records of one person that speak against each other most, if nobody said they are one.
func (s *settling) contradiction(records []hie.SourcePatientID) (a, b hie.SourcePatientID, ok bool) {
	var worst Bits
	for i, r := range records {
		for _, q := range records[i+1:] {
			if s.tied(r, q) {
				continue
			}
			c := Compare(&s.features[s.n.index(r)], &s.features[s.n.index(q)])
			if !contradicts(&c) {
				continue
			}
			if bits := s.x.model.contradiction(&c); !ok || bits < worst {
				a, b, worst, ok = r, q, bits, true
			}
		}
	}
	return a, b, ok
}

// contradicts reports whether two records cannot well be of one person: they carry two social security numbers, or two birth
// dates no typo explains.
func contradicts(c *Comparison) bool {
	return c.levels[fieldSSN] == ssnDifferent || c.levels[fieldBirth] >= birthDifferent
}

// tied reports whether a steward, or the site that replaced one by the other, said that a and b are one.
func (s *settling) tied(a, b hie.SourcePatientID) bool {
	if s.n.aliases[a] == b || s.n.aliases[b] == a {
		return true
	}
	return slices.ContainsFunc(s.n.verdicts, func(v Constraint) bool { return v.A == a && v.B == b && v.Verdict == MustLink })
}

// bridge returns the record without which the person would fall into two halves that nothing joins, and a record of
// the smaller half. Persons of fewer than four records have none worth asking about.
func (s *settling) bridge(records []hie.SourcePatientID) (bridge, far hie.SourcePatientID, ok bool) {
	n := len(records)
	if n <= bridgeable {
		return 0, 0, false
	}
	joined := make([][]bool, n)
	for i := range joined {
		joined[i] = make([]bool, n)
	}
	for i := range records {
		for j := range i {
			e := s.x.model.Edge(&s.features[s.n.index(records[i])], &s.features[s.n.index(records[j])])
			joined[i][j] = s.x.model.alike(e) || s.tied(records[i], records[j])
			joined[j][i] = joined[i][j]
		}
	}
	best := 0
	for without := range records {
		u := newUnion(n)
		for i := range n {
			for j := range i {
				if joined[i][j] && i != without && j != without {
					u.join(int32(i), int32(j))
				}
			}
		}
		size := map[int32][]int{}
		for i := range n {
			if i != without {
				size[u.find(int32(i))] = append(size[u.find(int32(i))], i)
			}
		}
		if len(size) < 2 {
			continue
		}
		var smallest []int
		for _, part := range size {
			if smallest == nil || len(part) < len(smallest) || len(part) == len(smallest) && part[0] < smallest[0] {
				smallest = part
			}
		}
		if len(smallest) > best && len(smallest) > 1 {
			best, bridge, far, ok = len(smallest), records[without], records[smallest[0]], true
		}
	}
	return bridge, far, ok
}
