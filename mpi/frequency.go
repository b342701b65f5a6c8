package mpi

import (
	"math"
	"slices"
)

// Frequencies say how many persons of a population bear a value: hash -> count. Two Smiths are two strangers far
// sooner than two Dobrzynskis are. The zero Frequencies know nothing, and then a field's own average is used.
type Frequencies struct {
	persons float64
	slots   []slot // open addressing, a power of two
}

type slot struct{ hash, count uint32 }

// NewFrequencies returns the counts of hashes, each occurrence one person, among persons. hashes is sorted in place.
func newFrequencies(hashes []uint32, persons int) *Frequencies {
	slices.Sort(hashes)
	distinct := 0
	for i := range hashes {
		if i == 0 || hashes[i] != hashes[i-1] {
			distinct++
		}
	}
	f := &Frequencies{persons: float64(persons)}
	f.reserve(distinct)
	for i := 0; i < len(hashes); {
		j := i
		for j < len(hashes) && hashes[j] == hashes[i] {
			j++
		}
		f.put(hashes[i], uint32(j-i))
		i = j
	}
	return f
}

func (f *Frequencies) reserve(n int) {
	size := 16
	for size < n*3/2+1 {
		size *= 2
	}
	f.slots = make([]slot, size)
}

func (f *Frequencies) put(hash, count uint32) {
	mask := uint32(len(f.slots) - 1)
	i := hash * 0x9e3779b1 & mask
	for f.slots[i].count != 0 && f.slots[i].hash != hash {
		i = (i + 1) & mask
	}
	f.slots[i] = slot{hash, count}
}

// count returns how many persons bear the value.
func (f *Frequencies) count(hash uint32) uint32 {
	mask := uint32(len(f.slots) - 1)
	for i := hash * 0x9e3779b1 & mask; ; i = (i + 1) & mask {
		if s := f.slots[i]; s.count == 0 || s.hash == hash {
			return s.count
		}
	}
}

// doubt is the number of persons whose values are believed to be spread as the field's average, beside those counted:
// it keeps a small file from taking chance for rarity.
const doubt = 300

// share returns the share of persons other than the two compared that bear the value, drawn towards u.
func (f *Frequencies) share(hash uint32, u float64) float64 {
	others := max(0, float64(f.count(hash))-2)
	return (others + doubt*u) / (f.persons + doubt)
}

// rarest bounds by how many times a value may be rarer than its field's average: names follow Zipf's law and a rare one is
// rare indeed, while each birth date, number or house is about as common as the next. How much commoner it may be has no
// such bound: default dates, clinic phones and shelters.
var rarest = [numFields]float64{fieldGiven: 32, fieldMiddle: 16, fieldFamily: 256, fieldBirth: 1.5, fieldSSN: 2, fieldID: 2, fieldPhone: 2,
	fieldEmail: 2, fieldAddress: 4, fieldMember: 2}

// commonest is how many times commoner than average a value may be at most.
const commonest = 4096

// ratio returns u over the share of v's commoner value: above 1 for a rare value.
func (f *Frequencies) ratio(what field, v pairOfValues, u float64) float64 {
	share := f.share(v[0], u)
	if v[1] != v[0] {
		share = max(share, f.share(v[1], u))
	}
	return min(rarest[what], max(1.0/commonest, u/share))
}

// mostRatio is the largest ratio at a level.
func mostRatio(f field, l level) float64 {
	if l > exactLevels[f] {
		return soften(rarest[f])
	}
	return rarest[f]
}

// soften is the ratio for a level that is only near: half its bits, four at most.
func soften(ratio float64) float64 { return min(16, max(1.0/16, math.Sqrt(ratio))) }

// counted are the fields whose values are counted.
var counted = [...]field{fieldAddress, fieldGiven, fieldFamily, fieldPhone, fieldMiddle, fieldBirth, fieldSSN, fieldID, fieldEmail, fieldMember}

// A tally is what a worker counted: for each field the hashes, each once a group, and how many groups know it.
type tally [numFields]struct {
	hashes []uint32
	known  int
}

// frequencies counts values once a group.
func (r *running) frequencies() ([numFields]*Frequencies, error) {
	members := r.byGroup()
	tallies := make([]tally, workers())
	err := spread(r.ctx, r.n, nodesAtOnce, func(w, from, to int) {
		// a group belongs to the stretch it begins in
		for from > 0 && from < to && r.group[members[from]] == r.group[members[from-1]] {
			from++
		}
		for from < to {
			end := from + 1
			for end < r.n && r.group[members[end]] == r.group[members[from]] {
				end++
			}
			r.tally(&tallies[w], members[from:end])
			from = end
		}
	})
	var out [numFields]*Frequencies
	if err != nil {
		return out, err
	}
	err = spread(r.ctx, len(counted), 1, func(_, i, _ int) {
		var all []uint32
		known := 0
		for w := range tallies {
			t := &tallies[w][counted[i]]
			all, known = append(all, t.hashes...), known+t.known
			t.hashes = nil
		}
		out[counted[i]] = newFrequencies(all, known)
	})
	return out, err
}

// tally adds the values of one group's records.
func (r *running) tally(t *tally, places []int32) {
	var f Features
	var starts [numFields]int
	for _, what := range counted {
		starts[what] = len(t[what].hashes)
	}
	for _, place := range places {
		r.take(place, &f)
		for _, what := range counted {
			f.each(what, func(h uint32) { t[what].hashes = append(t[what].hashes, h) })
		}
	}
	for _, what := range counted {
		if here := t[what].hashes[starts[what]:]; len(here) > 0 {
			slices.Sort(here)
			t[what].hashes = t[what].hashes[:starts[what]+len(slices.Compact(here))]
			t[what].known++
		}
	}
}

// byGroup returns the places of all records, those of one group beside each other.
func (r *running) byGroup() []int32 {
	starts, out := make([]int32, r.n+1), make([]int32, r.n)
	for _, g := range r.group {
		starts[g+1]++
	}
	for g := range r.n {
		starts[g+1] += starts[g]
	}
	for place, g := range r.group {
		out[starts[g]] = int32(place)
		starts[g]++
	}
	return out
}

// each calls do with the hash of each value of field f, as comparisons name it.
func (f *Features) each(what field, do func(uint32)) {
	switch what {
	case fieldGiven:
		for i := range f.nGivens {
			do(f.givens[i].hash)
		}
	case fieldMiddle:
		for i := range f.nMiddles {
			do(f.middles[i].hash)
		}
	case fieldFamily:
		for i := range f.nFamilies {
			do(f.families[i].hash)
		}
	case fieldBirth:
		if f.Birth != 0 {
			do(f.Birth)
		}
	case fieldSSN:
		if f.ssn != 0 && !f.ssnLast4 {
			do(f.ssn)
		}
	case fieldID, fieldMember:
		for i := range f.nIDs {
			if f.ids[i].member() == (what == fieldMember) {
				v := f.ids[i].value
				do(uint32(v ^ v>>32))
			}
		}
	case fieldPhone:
		for i := range f.nPhones {
			do(uint32(f.phones[i] % 1e7))
		}
	case fieldEmail:
		for i := range f.nEmails {
			do(f.emails[i].value())
		}
	case fieldAddress:
		for i := range f.nAddresses {
			a := &f.addresses[i]
			for _, x := range a.lines {
				if x.hash != 0 {
					do(x.hash ^ a.number*0x9e3779b1)
					if a.number != 0 {
						do(x.hash)
					}
				}
			}
			if a.city != 0 {
				do(a.city)
			}
			if a.zip != 0 {
				do(a.zip*0x9e3779b1 | 1)
				do(uint32(a.area)*0x85ebca6b | 1)
			}
		}
	}
}
