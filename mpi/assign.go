package mpi

import (
	"cmp"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A claim is what a group of records has on the id of a person.
type claim struct {
	group  int
	person hie.PersonID
	// n is how many of the group's records are in the person now, since the event that put the longest-standing of
	// them there.
	n     int
	since int64
}

// assign gives groups of records the ids of existing persons: a group takes the id of the person most of its records
// are in, the older of two; of several groups that want one id, the one whose member has been in that person longest
// keeps it, then the larger, then the one with the oldest record. 0 means that none was left for a group. The same
// rows and history give the same answer.
//
// groups hold records in order, now says where each record is (0 for a new one); since gives the event that put a
// record where it is, and may be nil when no person is split.
func assign(groups [][]hie.SourcePatientID, now map[hie.SourcePatientID]hie.PersonID, since map[hie.SourcePatientID]int64) []hie.PersonID {
	var claims []claim
	for g, records := range groups {
		byPerson := map[hie.PersonID]*claim{}
		for _, r := range records {
			p := now[r]
			if p == 0 {
				continue
			}
			c := byPerson[p]
			if c == nil {
				c = &claim{group: g, person: p, since: since[r]}
				byPerson[p] = c
			}
			c.n++
			c.since = min(c.since, since[r])
		}
		for _, c := range byPerson {
			claims = append(claims, *c)
		}
	}
	byGroup := func(a, b claim) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.person, b.person)) }
	byPerson := func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(b.n, a.n), cmp.Compare(groups[a.group][0], groups[b.group][0]))
	}
	out := make([]hie.PersonID, len(groups))
	for len(claims) > 0 {
		// Each group asks for its best; each person takes the best that asks; the others ask again.
		best := map[int]claim{}
		for _, c := range claims {
			if b, had := best[c.group]; !had || byGroup(c, b) < 0 {
				best[c.group] = c
			}
		}
		won := map[hie.PersonID]claim{}
		for _, c := range best {
			if w, had := won[c.person]; !had || byPerson(c, w) < 0 {
				won[c.person] = c
			}
		}
		for p, c := range won {
			out[c.group] = p
		}
		claims = slices.DeleteFunc(claims, func(c claim) bool { _, taken := won[c.person]; return taken || out[c.group] != 0 })
	}
	return out
}

// splits reports whether records of one person are in more than one group.
func splits(groups [][]hie.SourcePatientID, now map[hie.SourcePatientID]hie.PersonID) bool {
	in := map[hie.PersonID]int{}
	for g, records := range groups {
		for _, r := range records {
			p := now[r]
			if p == 0 {
				continue
			}
			if was, seen := in[p]; seen && was != g {
				return true
			}
			in[p] = g
		}
	}
	return false
}

// former returns the persons that records came from and that were merged away, the one most of them came from first,
// the older of two. events are those of records.
func former(records []hie.SourcePatientID, events []Event) []hie.PersonID {
	n := map[hie.PersonID]map[hie.SourcePatientID]bool{}
	for _, e := range events {
		if e.Kind != EventMoved || e.From.Person == 0 || e.From.Person == e.To.Person {
			continue
		}
		if _, in := slices.BinarySearch(records, e.Record); in {
			if n[e.From.Person] == nil {
				n[e.From.Person] = map[hie.SourcePatientID]bool{}
			}
			n[e.From.Person][e.Record] = true
		}
	}
	out := make([]hie.PersonID, 0, len(n))
	for p := range n {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b hie.PersonID) int { return cmp.Or(cmp.Compare(len(n[b]), len(n[a])), cmp.Compare(a, b)) })
	return out
}
