package mpi

import (
	"cmp"
	"context"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// maxPairs bounds the candidate records whose persons are looked at closer.
const maxPairs = 64

// A found person, scored as a whole.
type found struct {
	Gathered
	set   Set
	grade Grade
	// best is the member that resembles the query most.
	best hie.SourcePatientID
	// full is set when a member may say more than its features hold.
	full bool
}

// A lookup is one search for somebody among the candidates.
type lookup struct {
	// found are the persons, best first: unvetoed before vetoed of the same grade.
	found []found
	// skipped are the keys not looked under; truncated is set when candidates were left unseen.
	skipped   map[int64]bool
	truncated bool
	// homes are where the records found belong, and said is what those of them said that resemble the query by themselves.
	homes map[hie.SourcePatientID]Home
	said  Said
}

// A seeker is a record that looks for those that resemble it.
type seeker struct {
	record   hie.SourcePatientID
	features Features
	family   []id // numbers among features that a family shares
	keys     []Key
}

// seeker returns record as r says it to be.
func (r *Registration) seeker(record hie.SourcePatientID) seeker {
	if r.seen != nil {
		s := *r.seen
		s.record = record
		return s
	}
	v := normalize(r.withLocal())
	return seeker{record, v.features(r.Site), v.familyIDs(), v.keys()}
}

// near returns the records that resemble s: those that evidence could join with it, and those that only a veto keeps
// from it, for a steward to look at; most alike first, A is s, at most maxPairs. That members of a family share the
// family's insurance number is no cause to look.
func (x *Index) near(ctx context.Context, r Reader, s *seeker, counts map[int64]int64) ([]EdgeRow, error) {
	l := lookup{skipped: map[int64]bool{}}
	look := x.choose(&l, s.keys, counts)
	if len(look) == 0 {
		return nil, nil
	}
	rows, err := r.Candidates(ctx, look)
	if err != nil {
		return nil, err
	}
	return likest(x.resembling(s, rows)), nil
}

// resembling returns those of rows that resemble s, in order. It sorts rows.
func (x *Index) resembling(s *seeker, rows []Candidate) []EdgeRow {
	slices.SortFunc(rows, func(a, b Candidate) int { return cmp.Compare(a.Record, b.Record) })
	var out []EdgeRow
	var f Features
	last := s.record
	for i := range rows {
		if rows[i].Record == last || rows[i].Record == s.record {
			continue
		}
		last = rows[i].Record
		if f.Decode(rows[i].Features) != nil {
			continue // written by another version of the program; a rebuild will weigh it
		}
		if e := x.model.Edge(&s.features, &f); x.resembles(s, &f, e) {
			out = append(out, EdgeRow{A: s.record, B: last, Bits: e.Bits})
		}
	}
	return out
}

// resembles reports whether e, between s and f, is worth keeping or a look.
func (x *Index) resembles(s *seeker, f *Features, e Edge) bool {
	borrowed := e.vetoes&vetoBorrowed != 0
	return x.model.joinable(e) || borrowed && s.features.sharesOwn(f, s.family) || !borrowed && e.vetoes != 0 && e.Bits >= x.model.Probable
}

// find scores every person that shares a key with f. Where records belong is asked together with what the likeliest of them
// say: most of those will be shown or have to prove something.
func (x *Index) find(ctx context.Context, f *Features, keys []Key) (lookup, error) {
	l := lookup{skipped: map[int64]bool{}}
	counts, rows, err := x.store.Look(ctx, x.wanted(keys))
	if err != nil {
		return lookup{}, err
	}
	x.choose(&l, keys, counts)
	pairs, alike := x.pairs(&l, f, rows)
	if len(pairs) == 0 {
		return l, nil
	}
	if l.homes, l.said, err = x.store.Sighted(ctx, pairs, min(alike, maxWeighed)); err != nil {
		return lookup{}, err
	}
	var persons []hie.PersonID
	for _, record := range pairs {
		if p := l.homes[record].Person; p != 0 && !slices.Contains(persons, p) {
			persons = append(persons, p)
		}
	}
	sets, err := x.store.Gathered(ctx, persons)
	if err != nil {
		return lookup{}, err
	}
	for _, p := range persons {
		if len(sets[p].Members) == 0 {
			continue // moved away since
		}
		l.found = append(l.found, x.weigh(f, sets[p]))
	}
	rank(l.found)
	return l, nil
}

func rank(all []found) {
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.grade, a.grade), cmp.Compare(b.set.Bits, a.set.Bits), cmp.Compare(a.ID, b.ID))
	})
}

// wanted says of each of a record's keys how many records may share it and be looked for under it: a hub's number, or for two kinds
// an eighth of it. Neither guards a combination, so that whoever could be proven is found without them.
//
// An initial in a house that more share than that is one in a shelter or a nursing home, whose residents share their telephone
// too and would all be weighed for each of them; of a million simulated records no house has 60 under one. And who shares both
// names, of the many who do, shares with a record whose birth date is known nearly always something narrower: of a million
// simulated records 520 pairs in 1.56 million do not, and one row in three that a search reads would be a namesake's.
func (x *Index) wanted(keys []Key) []Wanted {
	dated := slices.ContainsFunc(keys, func(k Key) bool { return k.Kind == KeyYearNames })
	out := make([]Wanted, len(keys))
	for i, k := range keys {
		out[i] = Wanted{k.Hash, x.hub}
		if k.Kind == KeyStreetGiven || k.Kind == KeyNames && dated {
			out[i].Most = max(1, x.hub/8)
		}
	}
	return out
}

// choose returns the keys to look under, rarest first until the budget is spent; hub keys never.
func (x *Index) choose(l *lookup, keys []Key, counts map[int64]int64) []int64 {
	byCount := x.wanted(keys)
	slices.SortStableFunc(byCount, func(a, b Wanted) int { return cmp.Compare(counts[a.Key], counts[b.Key]) })
	var look []int64
	spent := int64(0)
	for _, k := range byCount {
		n := counts[k.Key]
		if n > k.Most || spent+n > x.budget {
			l.skipped[k.Key] = true
			continue
		}
		look = append(look, k.Key)
		spent += n
	}
	slices.Sort(look)
	return look
}

// pairs returns the records worth a closer look, most alike first, of those found under keys that were not skipped, and how
// many of them rather are f's person than not.
func (x *Index) pairs(l *lookup, f *Features, rows []Candidate) (records []hie.SourcePatientID, alike int) {
	type scored struct {
		record hie.SourcePatientID
		bits   Bits
	}
	all := make([]scored, 0, len(rows))
	seen := make(map[hie.SourcePatientID]bool, len(rows))
	var g Features
	for i := range rows {
		if record := rows[i].Record; !l.skipped[rows[i].Key] && !seen[record] {
			seen[record] = true
			if g.Decode(rows[i].Features) != nil {
				l.truncated = true // an unreadable row is somebody not seen
				continue
			}
			c := Compare(f, &g)
			all = append(all, scored{record, x.model.Score(&c)})
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.bits, a.bits), cmp.Compare(a.record, b.record))
	})
	if len(all) > maxPairs {
		// Those beyond are only lost if they could still matter.
		l.truncated = l.truncated || all[maxPairs].bits >= x.model.Probable
		all = all[:maxPairs]
	}
	records = make([]hie.SourcePatientID, len(all))
	for i, s := range all {
		records[i] = s.record
		if s.bits >= 0 {
			alike++
		}
	}
	return records, alike
}

// weigh scores f against a whole person. Members in dispute do not count: what they show may be another's.
func (x *Index) weigh(f *Features, person Gathered) found {
	out := found{Gathered: person}
	sets := make([]Features, 0, len(person.Members))
	var top Bits
	for i := range person.Members {
		m := &person.Members[i]
		if m.Link == hie.LinkDisputed {
			continue
		}
		sets = sets[:len(sets)+1]
		g := &sets[len(sets)-1]
		if g.Decode(m.Features) != nil {
			sets, out.full = sets[:len(sets)-1], true
			continue
		}
		out.full = out.full || g.full()
		c := Compare(f, g)
		if b := x.model.Score(&c); out.best == 0 || b > top {
			out.best, top = m.Record, b
		}
	}
	out.set = x.model.ScoreSet(f, sets)
	out.grade = x.model.grade(&out.set)
	return out
}

// margin returns by how much found[0] beats the next identity that nothing forbids, and whether that is enough. Beside one of
// the same birth date whose given name is one slip away it never is: the name asked for may be a slip for that one's,
// however seldom such slips make another name. An individual field that tells the two apart forbids the other.
//
// Source: spec cms-matching (twin tie); spec mpi section 6, 7.
func (x *Index) margin(all []found) (Bits, bool) {
	if len(all) == 0 {
		return 0, false
	}
	best, clear := all[0].set.Bits, true
	for _, f := range slices.Backward(all[1:]) {
		if f.set.vetoes != 0 || f.grade < GradePossible {
			continue
		}
		best = all[0].set.Bits - f.set.Bits
		clear = clear && best >= x.model.Margin && !f.set.slip()
	}
	return best, clear
}

// slip reports whether s is of the same birth date and of a given name one slip away.
func (s *Set) slip() bool {
	given, birth := s.Union.levels[fieldGiven], s.Union.levels[fieldBirth]
	return given >= givenKeyed && given <= givenOneEdit && (birth == birthExact || birth == birthWeak)
}

func recordsOf(members []MemberRow) []hie.SourcePatientID {
	out := make([]hie.SourcePatientID, len(members))
	for i, m := range members {
		out[i] = m.Record
	}
	return out
}
