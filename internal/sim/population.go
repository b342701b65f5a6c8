package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/concord-hie/concord/internal/opaque"
)

// Population makes a region of at least as many people as there are in the stories, at n sites (at least
// five): the people of the stories first, then families of a [Town]. It holds everybody at once, for demos and
// tests; what is too many for that comes from [Town.Next] directly.
func Population(seed uint64, people, n int) (*Region, error) {
	papers, err := newPapers(seed)
	if err != nil {
		return nil, err
	}
	r := &Region{Seed: seed, Sites: Sites(n), bySite: map[string]map[string]int{}, papers: papers}
	for _, s := range r.Sites {
		r.bySite[s.ID] = map[string]int{}
	}
	r.stories()
	t := NewTown(seed, r.Sites, DefaultNames(seed))
	t.accidents = false
	t.people, t.records = len(r.People), len(r.Registrations)
	for len(r.People) < people {
		f := t.Next(people - len(r.People))
		r.People = append(r.People, f.People...)
		for _, g := range f.Records {
			g.Events = nil
			r.file(g)
		}
	}
	return r, nil
}

// file keeps g, whose Index and Local are set.
func (r *Region) file(g Registration) {
	r.bySite[g.Site][g.Local] = g.Index
	r.People[g.Person].Registrations = append(r.People[g.Person].Registrations, g.Index)
	r.Registrations = append(r.Registrations, g)
}

// papers make the documents of a region.
type papers struct {
	seed uint64
	ids  *opaque.Sealer
}

func newPapers(seed uint64) (*papers, error) {
	var secret [32]byte
	binary.BigEndian.PutUint64(secret[:], seed)
	ids, err := opaque.New(secret[:])
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	return &papers{seed, ids}, nil
}
