package mpi

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// A foresight is what a load knows of its new records before it takes in the first: whom each will resemble when its turn comes,
// among those stored and those before it in the load. It holds as long as all under a record's keys came to pass as foreseen.
type foresight struct {
	near    map[int][]EdgeRow // by registration
	planned map[int]bool      // registrations foreseen to become new records
	amiss   map[int64]bool    // keys under which something else happened
}

// tell gives g, the i-th registration, what was foreseen of it, if it still holds.
func (f *foresight) tell(i int, g *registering) {
	if f == nil || !f.planned[i] || len(f.amiss) > 0 && slices.ContainsFunc(g.keys, func(k Key) bool { return f.amiss[k.Hash] }) {
		return
	}
	g.near, g.foreseen = f.near[i], true
}

// saw takes note of what came of g, the i-th registration.
func (f *foresight) saw(i int, g *registering, done *Loaded) {
	if f == nil || f.planned[i] && done.Err == nil && done.Created {
		return
	}
	for _, k := range g.keys {
		f.amiss[k.Hash] = true
	}
	for _, k := range done.former {
		f.amiss[k] = true
	}
}

// foresee looks, on all processors, for those whom each of looking, the registrations of identifiers that come for the first time in
// the load, resembles, and returns besides which of those are stored.
//
// What is stored and what precedes a record in the load count alike: a key is looked under by those to whom it is no hub yet.
func (x *Index) foresee(ctx context.Context, r Reader, all []registering, looking []int) (*foresight, []hie.SourcePatientID, error) {
	f := &foresight{near: make(map[int][]EdgeRow, len(looking)), planned: make(map[int]bool, len(looking)), amiss: map[int64]bool{}}
	under := map[int64][]int32{} // key -> the planned registrations it is of, in their order
	for _, i := range looking {
		g := &all[i]
		owner, err := r.Owner(ctx, g.r.Local)
		if err != nil {
			return nil, nil, err
		}
		if owner != g.record || !g.r.Active || g.r.IfMatch != 0 {
			continue
		}
		f.planned[i] = true
		for _, k := range g.keys {
			under[k.Hash] = append(under[k.Hash], int32(i))
		}
	}
	found, errs := make([][]EdgeRow, len(looking)), make([]error, len(looking))
	each(len(looking), func(n int) { found[n], errs[n] = x.nearAhead(ctx, r, all, looking[n], under) })
	var stored []hie.SourcePatientID
	for n, i := range looking {
		if f.planned[i] {
			f.near[i] = found[n]
		}
		for _, e := range found[n] {
			stored = append(stored, e.B)
		}
	}
	fresh := make(map[hie.SourcePatientID]bool, len(looking))
	for _, i := range looking {
		fresh[all[i].record] = true
	}
	return f, slices.DeleteFunc(stored, func(r hie.SourcePatientID) bool { return fresh[r] }), errors.Join(errs...)
}

// nearAhead is near for the i-th of all, with those of under before it as if they were stored.
func (x *Index) nearAhead(ctx context.Context, r Reader, all []registering, i int, under map[int64][]int32) ([]EdgeRow, error) {
	g := &all[i]
	counts, err := r.KeyCounts(ctx, hashes(g.keys))
	if err != nil {
		return nil, err
	}
	before := func(k int64) []int32 {
		n, _ := slices.BinarySearch(under[k], int32(i))
		return under[k][:n]
	}
	for _, k := range g.keys {
		if n := len(before(k.Hash)); n > 0 {
			counts[k.Hash] += int64(n)
		}
	}
	l := lookup{skipped: map[int64]bool{}}
	look := x.choose(&l, g.keys, counts)
	if len(look) == 0 {
		return nil, nil
	}
	rows, err := r.Candidates(ctx, look)
	if err != nil {
		return nil, err
	}
	out := x.resembling(&g.seeker, rows)
	var others []int32
	for _, k := range look {
		others = append(others, before(k)...)
	}
	slices.Sort(others)
	for _, j := range slices.Compact(others) {
		if e := x.model.Edge(&g.features, &all[j].features); x.resembles(&g.seeker, &all[j].features, e) {
			out = append(out, EdgeRow{A: g.record, B: all[j].record, Bits: e.Bits})
		}
	}
	return likest(out), nil
}

// likest returns the first maxPairs of edges, most alike first.
func likest(edges []EdgeRow) []EdgeRow {
	slices.SortFunc(edges, func(a, b EdgeRow) int { return cmp.Or(cmp.Compare(b.Bits, a.Bits), cmp.Compare(a.B, b.B)) })
	return edges[:min(len(edges), maxPairs)]
}
