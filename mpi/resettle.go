package mpi

import (
	"context"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A settling brings memberships in line with records, evidence and verdicts, for one neighbourhood and as part of one
// change. The outcome depends on what is known now and not on the order in which it came: the same records, edges and
// verdicts always give the same groups.
type settling struct {
	x    *Index
	c    *change
	n    *neighbourhood
	self *MemberRow // the record as it will be, or nil

	features   []Features
	unreadable map[int32]bool
	edges      []Edge
	parted     Partition
	against    []Constraint
	groups     [][]hie.SourcePatientID
	persons    []hie.PersonID // of groups
	tasks      []Task
	dead       bool // self says that it died, perhaps not when
	// joined and moved tell of the outcome: somebody is with self, and records that were there before changed person.
	joined, moved bool
}

// resettle re-evaluates everybody whose person may change with records, and writes what changed. self, unless nil, is a
// record as it will be, and near the records that resemble it now.
//
// Source: issue "Identity": a registration re-evaluates its affected neighbourhood; spec mpi section 6, 13 to 15.
func (x *Index) resettle(ctx context.Context, c *change, self *MemberRow, near []EdgeRow, records ...hie.SourcePatientID) (*settling, error) {
	s := &settling{x: x, c: c, self: self, unreadable: map[int32]bool{}}
	for _, e := range near {
		records = append(records, e.B)
	}
	if self != nil && self.Person != 0 {
		records = append(records, self.Record)
	}
	var err error
	if s.n, err = c.neighbourhood(ctx, records, self); err != nil {
		return nil, err
	}
	if err := s.rescore(ctx, near); err != nil {
		return nil, err
	}
	ties, against := s.n.ties(s.unreadable)
	s.against = against
	s.parted = x.model.Partition(s.features, s.edges, ties, Policy{})
	s.group()
	if err := s.name(ctx); err != nil {
		return nil, err
	}
	return s, s.write(ctx)
}

// rescore decodes the nodes and weighs every pair an edge joins. The stored edges of self are replaced by near and by
// those old ones that still hold.
func (s *settling) rescore(ctx context.Context, near []EdgeRow) error {
	n, m := s.n, s.x.model
	s.features = make([]Features, len(n.records))
	for i, r := range n.records {
		if s.features[i].Decode(n.members[r].Features) != nil {
			s.features[i] = Features{}
			s.unreadable[int32(i)] = true
		}
	}
	if err := s.reread(ctx); err != nil {
		return err
	}
	fresh := map[[2]hie.SourcePatientID]bool{}
	for _, e := range near {
		fresh[ends(e.A, e.B)] = true
	}
	var put, gone []EdgeRow
	add := func(pair [2]hie.SourcePatientID, stored bool) {
		a, b := n.index(pair[0]), n.index(pair[1])
		if a < 0 || b < 0 {
			return
		}
		e := m.Edge(&s.features[a], &s.features[b])
		e.A, e.B = a, b
		row := EdgeRow{A: pair[0], B: pair[1], Bits: e.Bits}
		keep := m.joinable(e)
		own := s.self != nil && (pair[0] == s.self.Record || pair[1] == s.self.Record)
		switch {
		case own && keep:
			put = append(put, row)
		case own && stored && !s.unreadable[a] && !s.unreadable[b]:
			gone = append(gone, row)
		}
		if keep || fresh[pair] {
			s.edges = append(s.edges, e)
		}
	}
	for pair := range n.edges {
		add(pair, true)
	}
	for pair := range fresh {
		if !n.edges[pair] {
			add(pair, false)
		}
	}
	slices.SortFunc(s.edges, func(a, b Edge) int {
		return int(max(-1, min(1, (int64(a.A)<<32|int64(a.B))-(int64(b.A)<<32|int64(b.B)))))
	})
	if len(gone) > 0 {
		if err := s.c.tx.RemoveEdges(ctx, gone); err != nil {
			return err
		}
	}
	if len(put) > 0 {
		return s.c.tx.PutEdges(ctx, put)
	}
	return nil
}

// reread takes the features of nodes that another version of the program wrote from what their records say.
func (s *settling) reread(ctx context.Context) error {
	var ask []hie.SourcePatientID
	for i := range s.unreadable {
		ask = append(ask, s.n.records[i])
	}
	if len(ask) == 0 {
		return nil
	}
	rows, err := s.c.tx.Patients(ctx, ask)
	if err != nil {
		return err
	}
	for _, row := range rows {
		i := s.n.index(row.Record)
		_, f, err := s.x.accepted(ctx, s.c.tx, &row, s.n.members[row.Record].Link == hie.LinkDisputed)
		if err != nil {
			return err
		}
		s.features[i] = f
		delete(s.unreadable, i)
	}
	return nil
}

// group turns the partition into lists of records, each in order, the lists by their first record.
func (s *settling) group() {
	for i, r := range s.n.records {
		g := int(s.parted.Group[i])
		for len(s.groups) <= g {
			s.groups = append(s.groups, nil)
		}
		s.groups[g] = append(s.groups[g], r)
	}
}

func (s *settling) now() map[hie.SourcePatientID]hie.PersonID {
	out := make(map[hie.SourcePatientID]hie.PersonID, len(s.n.records))
	for r, m := range s.n.members {
		out[r] = m.Person
	}
	return out
}

// name gives each group the id of a person: one there is, one that was merged away and comes back, or a new one. When a
// change is taken back, the persons its records came from count as those they are in.
func (s *settling) name(ctx context.Context) error {
	now := s.now()
	gone, err := s.back(ctx, now)
	if err != nil {
		return err
	}
	var events []Event
	since := map[hie.SourcePatientID]int64{}
	if splits(s.groups, now) {
		if events, err = s.c.tx.EventsOfRecords(ctx, s.n.records); err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind == EventMoved && e.From.Person != e.To.Person {
				since[e.Record] = e.ID
			}
		}
	}
	s.persons = assign(s.groups, now, since)
	for g, p := range s.persons {
		var err error
		switch {
		case p == 0:
			s.persons[g], err = s.revive(ctx, g, events)
		case gone[p] != 0:
			err = s.restore(ctx, p, gone[p])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// back puts the persons that the records of a change taken back came from into now, and returns those of them that
// were merged away, with what they redirect to. One that others live in now is left alone.
func (s *settling) back(ctx context.Context, now map[hie.SourcePatientID]hie.PersonID) (map[hie.PersonID]hie.PersonID, error) {
	here := map[hie.PersonID]bool{}
	for _, p := range now {
		here[p] = true
	}
	ask := map[hie.PersonID]bool{}
	for _, p := range s.c.back {
		if !here[p] {
			ask[p] = true
		}
	}
	gone := map[hie.PersonID]hie.PersonID{}
	if len(ask) > 0 {
		rows, err := s.c.tx.Persons(ctx, sortedKeys(ask))
		if err != nil {
			return nil, err
		}
		for p, row := range rows {
			if row.Redirect != 0 {
				gone[p] = row.Redirect
			}
		}
	}
	for r, p := range s.c.back {
		if _, in := now[r]; in && (here[p] || gone[p] != 0) {
			now[r] = p
		}
	}
	return gone, nil
}

// restore makes a person that was merged away stand for itself again. Its row is written out of order, but nobody else
// has it in hand: who means it locks the person it redirects to.
func (s *settling) restore(ctx context.Context, p, was hie.PersonID) error {
	s.c.locked[p] = true
	return s.c.redirect(ctx, p, was, 0)
}

// revive returns the person group g's records came from, if it was merged away and nobody else stands for it now, else
// a new one.
func (s *settling) revive(ctx context.Context, g int, events []Event) (hie.PersonID, error) {
	candidates := former(s.groups[g], events)
	if len(candidates) > 0 {
		rows, err := s.c.tx.Persons(ctx, candidates)
		if err != nil {
			return 0, err
		}
		for _, p := range candidates {
			if row, known := rows[p]; known && row.Redirect != 0 && !slices.Contains(s.persons, p) {
				return p, s.restore(ctx, p, row.Redirect)
			}
		}
	}
	return s.c.newPerson(), nil
}

// write moves what has another place than before, and redirects persons that are left empty.
func (s *settling) write(ctx context.Context) error {
	for g, records := range s.groups {
		for _, r := range records {
			m := s.n.members[r]
			own := s.self != nil && r == s.self.Record
			to := Place{s.persons[g], s.link(m, g)}
			if own {
				s.joined = len(records) > 1
			}
			if m.Person == to.Person && m.Link == to.Link {
				if own {
					if err := s.c.tx.PutFeatures(ctx, m.Person, r, m.Features); err != nil {
						return fmt.Errorf("%w: %w", errMoved, err)
					}
				}
				continue
			}
			s.moved = s.moved || m.Person != 0 && m.Person != to.Person
			because := s.explain(m, g)
			if err := s.c.move(ctx, m, to, because); err != nil {
				return err
			}
		}
	}
	s.c.grade, s.c.bits, s.c.proof = GradeNone, 0, nil
	return s.redirect(ctx)
}

// link says how surely m belongs to group g: as before while an update of it is in dispute; tentatively when a verdict
// holds it there against evidence that has grown since; else confirmed.
func (s *settling) link(m MemberRow, g int) hie.LinkState {
	if m.Person != 0 && m.Link == hie.LinkDisputed {
		return hie.LinkDisputed
	}
	for _, v := range s.n.verdicts {
		if v.Verdict == MustLink && v.A == m.Record && s.contradicted(v) {
			return hie.LinkTentative
		}
	}
	return hie.LinkConfirmed
}

// contradicted reports whether strong new evidence speaks against v: it has moved by more than the margin since, to
// the other side of what the verdict says.
func (s *settling) contradicted(v Constraint) bool {
	a, b := s.n.index(v.A), s.n.index(v.B)
	if a < 0 || b < 0 || s.unreadable[a] || s.unreadable[b] {
		return false
	}
	e := s.x.model.Edge(&s.features[a], &s.features[b])
	if v.Verdict == MustLink {
		return e.Bits < s.x.model.Possible && e.Bits <= v.Bits-s.x.model.Margin
	}
	return e.Bits >= s.x.model.Certain && e.Bits >= v.Bits+s.x.model.Margin
}

// explain sets the evidence of m's move into group g and returns the member it resembles most, or 0 when it is alone
// or the others come to it.
func (s *settling) explain(m MemberRow, g int) hie.SourcePatientID {
	s.c.grade, s.c.bits, s.c.proof = GradeNone, 0, nil
	i := s.n.index(m.Record)
	var best hie.SourcePatientID
	var top Bits
	var sets []Features
	for _, r := range s.groups[g] {
		if r == m.Record {
			continue
		}
		j := s.n.index(r)
		if s.unreadable[j] {
			continue
		}
		// Those that were there before are what it joins; of several that move at once, all count.
		e := s.x.model.Edge(&s.features[i], &s.features[j])
		stays := s.n.members[r].Person == s.persons[g]
		bits := e.Bits
		if stays {
			bits += 1000
		}
		if best == 0 || bits > top {
			best, top = r, bits
		}
		sets = append(sets, s.features[j])
	}
	if best == 0 {
		return s.parter(m)
	}
	set := s.x.model.ScoreSet(&s.features[i], sets)
	s.c.grade, s.c.bits, s.c.proof = s.x.model.grade(&set), set.Bits, s.x.model.evidence(&set)
	return best
}

// parter returns the record of its former person that m was parted from by a verdict, or the one most alike; 0 for a
// new record.
func (s *settling) parter(m MemberRow) hie.SourcePatientID {
	if m.Person == 0 {
		return 0
	}
	for _, v := range s.n.verdicts {
		if v.Verdict == CannotLink && v.A == m.Record && s.n.members[v.B].Person == m.Person {
			return v.B
		}
	}
	for _, r := range s.n.records {
		if r != m.Record && s.n.members[r].Person == m.Person {
			return r
		}
	}
	return 0
}

// redirect points each person that lost all its members to the one most of them went to.
func (s *settling) redirect(ctx context.Context) error {
	went := map[hie.PersonID]map[hie.PersonID]int{}
	for g, records := range s.groups {
		for _, r := range records {
			p := s.n.members[r].Person
			if p == 0 {
				continue
			}
			if went[p] == nil {
				went[p] = map[hie.PersonID]int{}
			}
			went[p][s.persons[g]]++
		}
	}
	for _, p := range sortedKeys(went) {
		if slices.Contains(s.persons, p) {
			continue
		}
		into, err := s.formerly(ctx, p)
		if err != nil {
			return err
		}
		restored := into != 0
		for _, q := range sortedKeys(went[p]) {
			if restored {
				break
			}
			if into == 0 || went[p][q] > went[p][into] {
				into = q
			}
		}
		if err := s.c.redirect(ctx, p, 0, into); err != nil {
			return err
		}
	}
	return nil
}

// formerly returns what p was merged into before the change that is taken back, if that does not lead back to p; or 0.
func (s *settling) formerly(ctx context.Context, p hie.PersonID) (hie.PersonID, error) {
	into := s.c.redirects[p]
	if into == 0 {
		return 0, nil
	}
	for at, n := into, 0; n < maxAliases; n++ {
		if at == p {
			return 0, nil
		}
		rows, err := s.c.tx.Persons(ctx, []hie.PersonID{at})
		if err != nil {
			return 0, err
		}
		if rows[at].Redirect == 0 {
			return into, nil
		}
		at = rows[at].Redirect
	}
	return 0, nil
}

func sortedKeys[V any](m map[hie.PersonID]V) []hie.PersonID {
	out := make([]hie.PersonID, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}
