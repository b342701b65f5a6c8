package mpicsv

import (
	"cmp"
	"slices"
	"time"

	"github.com/concord-hie/concord/mpi"
)

// A KeyEarning says what one kind of candidate key finds in a batch and what it costs. Blocks of more than the kind's BlockCap are looked
// under by nobody and count as keys only.
type KeyEarning struct {
	Kind string `json:"kind"`
	// Live says that the live index has it too.
	Live bool `json:"live"`
	// Keys are the records' keys of the kind, Over those of them in blocks too large.
	Keys int `json:"keys"`
	Over int `json:"over"`
	// Pairs are the pairs of records compared for it, PairsAlone those compared for no other kind.
	Pairs      int `json:"pairs"`
	PairsAlone int `json:"pairs_alone"`
	// Same are those of Pairs that are one person by truth, SameAlone those of PairsAlone.
	Same      int `json:"same"`
	SameAlone int `json:"same_alone"`
	// BatchBytes is what the keys take while a batch is blocked; LiveBytes what the rows of the live index take, its index included and free
	// room in pages not, 0 for a kind it does not have.
	BatchBytes int `json:"batch_bytes"`
	LiveBytes  int `json:"live_bytes"`
	// Alone is what comparing PairsAlone takes on one processor, at the mean of all pairs.
	Alone time.Duration `json:"alone_ns"`
}

// KeyEarnings is what all kinds earn in one file.
type KeyEarnings struct {
	Records int `json:"records"`
	// True are the pairs of one person, Found those of them compared, Pairs all compared.
	True  int          `json:"true"`
	Found int          `json:"found"`
	Pairs int          `json:"pairs"`
	Kinds []KeyEarning `json:"kinds"` // in the order of the kinds; those no record has are left out
}

// What a key takes: packed while a batch is blocked; and in PostgreSQL a row of key, record, live and features with its line pointer, and an
// entry of the index.
const (
	batchKeyBytes = 7
	rowHead       = 24 + 4
	rowFixed      = 8 + 8 + 1 + 1
	indexEntry    = 8 + 16 + 4
)

// mostKeyed is how many records are told apart.
const mostKeyed = 1 << 29

// EarningsOf counts what each kind of key finds in records whose persons truth knows; records without a person are left out. records and truth are in
// one order. now is the clock that times the comparisons.
//
// Source: issue "Identity", Candidates: what each key earns, pairs found against bytes and time.
func EarningsOf(records []Record, truth []Truth, now func() time.Time) KeyEarnings {
	type entry struct {
		key mpi.Key
		row uint32
	}
	var all []entry
	kinds := map[mpi.KeyKind]*KeyEarning{}
	of := func(k mpi.KeyKind) *KeyEarning {
		if kinds[k] == nil {
			kinds[k] = &KeyEarning{Kind: k.String(), Live: k.Live()}
		}
		return kinds[k]
	}
	persons := map[string]int{}
	var out KeyEarnings
	nodes := make([]mpi.Features, len(records))
	for i := range records[:min(len(records), mostKeyed)] {
		if truth[i].Person == "" {
			continue
		}
		out.Records++
		out.True += persons[truth[i].Person]
		persons[truth[i].Person]++
		r := &records[i]
		nodes[i] = mpi.Extract(r.Source, r.Demographics)
		row := rowHead + (rowFixed+len(nodes[i].AppendTo(nil))+7)/8*8 + indexEntry
		for _, k := range mpi.Keys(r.Demographics) {
			of(k.Kind).LiveBytes += row
		}
		for _, k := range slices.Compact(sortedKeys(mpi.BatchKeys(r.Demographics))) {
			all = append(all, entry{k, uint32(i)})
			of(k.Kind).Keys++
			of(k.Kind).BatchBytes += batchKeyBytes
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(compareKeys(a.key, b.key), cmp.Compare(a.row, b.row)) })
	var met []uint64 // a, b and the kind that brought them together
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].key == all[i].key {
			j++
		}
		if kind := all[i].key.Kind; j-i > kind.BlockCap() {
			of(kind).Over += j - i
		} else {
			for b := i + 1; b < j; b++ {
				for a := i; a < b; a++ {
					met = append(met, uint64(all[a].row)<<35|uint64(all[b].row)<<6|uint64(kind))
				}
			}
		}
		i = j
	}
	slices.Sort(met)
	met = slices.Compact(met)
	began := now()
	for i := 0; i < len(met); {
		j := i + 1
		for j < len(met) && met[j]>>6 == met[i]>>6 {
			j++
		}
		a, b := int(met[i]>>35), int(met[i]>>6&(mostKeyed-1))
		same := truth[a].Person == truth[b].Person
		_ = mpi.Compare(&nodes[a], &nodes[b])
		out.Pairs++
		if same {
			out.Found++
		}
		for _, m := range met[i:j] {
			k := of(mpi.KeyKind(m & (1<<6 - 1)))
			k.Pairs++
			if same {
				k.Same++
			}
			if j == i+1 {
				k.PairsAlone++
				if same {
					k.SameAlone++
				}
			}
		}
		i = j
	}
	took := now().Sub(began)
	for k := mpi.KeyKind(1); k.String() != ""; k++ {
		if e := kinds[k]; e != nil {
			e.Alone = took * time.Duration(e.PairsAlone) / time.Duration(max(out.Pairs, 1))
			out.Kinds = append(out.Kinds, *e)
		}
	}
	return out
}
