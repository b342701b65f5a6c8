package mpi

import (
	"context"
	"maps"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// maxNeighbours bounds the records one change reconsiders. More than that are a hub or a chain: the change then
// settles only what it saw, and a steward is asked to look (TaskHub).
const maxNeighbours = 160

// A neighbourhood is every record whose person may change with what is being changed: what evidence could join, what
// that could join in turn, and whole persons always. Their persons are locked, so nobody else moves them.
//
// Source: spec mpi section 6, 15 (correlation clustering within the affected neighbourhood only).
type neighbourhood struct {
	// records are the nodes, in order; members are their memberships, Person 0 for a new one.
	records []hie.SourcePatientID
	members map[hie.SourcePatientID]MemberRow
	// aliases say which record stands for a retired one.
	aliases  map[hie.SourcePatientID]hie.SourcePatientID
	edges    map[[2]hie.SourcePatientID]bool
	verdicts []Constraint
	// cut is set when the bound was hit, so that somebody who should have been reconsidered was not.
	cut bool
}

func ends(a, b hie.SourcePatientID) [2]hie.SourcePatientID {
	return [2]hie.SourcePatientID{min(a, b), max(a, b)}
}

// neighbourhood locks and reads everybody that records' persons may be joined with or parted from. self, unless nil, is
// a record as it will be: its stored edges count for nothing beyond making their other ends part of it.
func (c *change) neighbourhood(ctx context.Context, records []hie.SourcePatientID, self *MemberRow) (*neighbourhood, error) {
	n := &neighbourhood{members: map[hie.SourcePatientID]MemberRow{}, aliases: map[hie.SourcePatientID]hie.SourcePatientID{},
		edges: map[[2]hie.SourcePatientID]bool{}}
	known := map[hie.SourcePatientID]bool{}
	if self != nil && self.Person == 0 {
		n.members[self.Record], known[self.Record] = *self, true
	}
	read := map[hie.PersonID]bool{}
	for frontier := sortedRecords(records); len(frontier) > 0; {
		fresh, err := n.persons(ctx, c, frontier, known, read)
		if err != nil {
			return nil, err
		}
		edges, err := c.tx.Edges(ctx, fresh)
		if err != nil {
			return nil, err
		}
		frontier = frontier[:0]
		for _, e := range edges {
			if e.Bits < c.joinable {
				continue // kept under a model that asked for less
			}
			n.edges[ends(e.A, e.B)] = true
			if !known[e.B] {
				frontier = append(frontier, e.B)
			}
		}
		frontier = sortedRecords(frontier)
		if len(known)+len(frontier) > maxNeighbours {
			n.cut = true
			break
		}
	}
	n.records = slices.Sorted(maps.Keys(n.members))
	if self != nil {
		m := n.members[self.Record]
		m.Features = self.Features
		n.members[self.Record] = m
	}
	var err error
	n.verdicts, err = c.tx.Constraints(ctx, n.records)
	return n, err
}

// persons locks and reads the whole persons of frontier, and returns the records that are new to the neighbourhood.
func (n *neighbourhood) persons(ctx context.Context, c *change, frontier []hie.SourcePatientID, known map[hie.SourcePatientID]bool,
	read map[hie.PersonID]bool) ([]hie.SourcePatientID, error) {
	var ask, fresh []hie.SourcePatientID
	for _, r := range frontier {
		if !known[r] {
			ask = append(ask, r)
		}
	}
	homes, err := n.homes(ctx, c.tx, ask)
	if err != nil {
		return nil, err
	}
	var persons []hie.PersonID
	for _, r := range ask {
		p := homes[r].Person
		if p == 0 {
			continue // an edge to a record that is gone
		}
		if !read[p] {
			read[p] = true
			persons = append(persons, p)
		}
	}
	if err := c.lock(ctx, persons); err != nil {
		return nil, err
	}
	rows, err := c.tx.Members(ctx, persons)
	if err != nil {
		return nil, err
	}
	var rest []hie.SourcePatientID
	for _, m := range rows {
		n.members[m.Record], known[m.Record] = m, true
		fresh = append(fresh, m.Record)
		if _, asked := homes[m.Record]; !asked {
			rest = append(rest, m.Record)
		}
	}
	for _, r := range ask {
		if _, in := n.members[r]; !in && homes[r].Person != 0 {
			return nil, errMoved // it left before its person was locked
		}
	}
	_, err = n.homes(ctx, c.tx, rest)
	return fresh, err
}

// homes reads where records belong and keeps whom retired ones stand for.
func (n *neighbourhood) homes(ctx context.Context, r Reader, records []hie.SourcePatientID) (map[hie.SourcePatientID]Home, error) {
	if len(records) == 0 {
		return nil, nil
	}
	homes, err := r.Homes(ctx, records)
	for record, h := range homes {
		if h.AliasOf != 0 {
			n.aliases[record] = h.AliasOf
		}
	}
	return homes, err
}

// index returns record's place among the nodes, or -1.
func (n *neighbourhood) index(record hie.SourcePatientID) int32 {
	if i, in := slices.BinarySearch(n.records, record); in {
		return int32(i)
	}
	return -1
}

// ties returns what must and must not be together: stewards' verdicts, a retired record with the one that stands for
// it, and a record that cannot be read with the person it is in. A cannot-link between records that others tie
// together is left out and returned in against.
func (n *neighbourhood) ties(unreadable map[int32]bool) (ties []Tie, against []Constraint) {
	set := newUnion(len(n.records))
	must := func(a, b int32) {
		if a >= 0 && b >= 0 {
			ties = append(ties, Tie{A: a, B: b, Verdict: MustLink})
			set.join(a, b)
		}
	}
	for _, r := range n.records {
		if to := n.aliases[r]; to != 0 {
			must(n.index(r), n.index(to))
		}
	}
	for _, v := range n.verdicts {
		if v.Verdict == MustLink && v.A < v.B {
			must(n.index(v.A), n.index(v.B))
		}
	}
	for i := range unreadable {
		for j, r := range n.records {
			if int32(j) != i && n.members[r].Person == n.members[n.records[i]].Person {
				must(i, int32(j))
				break
			}
		}
	}
	for _, v := range n.verdicts {
		a, b := n.index(v.A), n.index(v.B)
		switch {
		case v.Verdict != CannotLink || v.A > v.B || a < 0 || b < 0:
		case set.find(a) == set.find(b):
			against = append(against, v)
		default:
			ties = append(ties, Tie{A: a, B: b, Verdict: CannotLink})
		}
	}
	return ties, against
}

// A union joins small numbers into sets.
type union []int32

func newUnion(n int) union {
	u := make(union, n)
	for i := range u {
		u[i] = int32(i)
	}
	return u
}

func (u union) find(i int32) int32 {
	for u[i] != i {
		u[i] = u[u[i]]
		i = u[i]
	}
	return i
}

func (u union) join(a, b int32) {
	if a, b = u.find(a), u.find(b); a != b {
		u[max(a, b)] = min(a, b)
	}
}
