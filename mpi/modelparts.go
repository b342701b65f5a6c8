package mpi

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Parts are a model taken apart, for keeping in a file.
type Parts struct {
	ID string
	// Prior and Kin are as in Model: relatives, then twins.
	Prior float64
	Kin   [2]float64
	// Certain, Probable, Possible, Margin and Overlay are as in Model.
	Certain, Probable, Possible, Margin, Overlay float64
	Levels                                       []LevelParts
	Frequencies                                  []FrequencyParts
	// Calibration is in ascending order of evidence, or empty.
	Calibration []CalibrationPoint
}

// LevelParts are how likely one level of a field is among records of one person, strangers, relatives and twins.
type LevelParts struct {
	Field, Level                      string
	Same, Strangers, Relatives, Twins float64
}

// Bits is what the level is worth between one person and strangers, before the value's own frequency.
func (l LevelParts) Bits() Bits { return Bits(math.Log2(l.Same / l.Strangers)) }

// FrequencyParts are the counts of a field's commoner values, by hash, among Persons.
type FrequencyParts struct {
	Field   string
	Persons int
	Hashes  []uint32
	Counts  []uint32
}

// rareCount is the count up to which a value is as good as unseen: the two records compared may be all who bear it.
const rareCount = 2

// Parts returns m taken apart: levels in the order of fields and levels, values in the order of their hashes.
func (m *Model) Parts() Parts {
	p := Parts{ID: m.ID, Prior: float64(m.Prior), Kin: [2]float64{float64(m.Kin[relatives]), float64(m.Kin[twins])}, Certain: float64(m.Certain),
		Probable: float64(m.Probable), Possible: float64(m.Possible), Margin: float64(m.Margin), Overlay: float64(m.Overlay), Calibration: slices.Clone(m.calibration)}
	for f := range numFields {
		for l := 1; l < levelsOf(f); l++ {
			p.Levels = append(p.Levels, LevelParts{fieldNames[f], levelNames[f][l], m.m[f][l], m.u[f][l], m.r[relatives][f][l], m.r[twins][f][l]})
		}
		if m.freq[f] == nil {
			continue
		}
		q := FrequencyParts{Field: fieldNames[f], Persons: int(m.freq[f].persons)}
		slots := slices.DeleteFunc(slices.Clone(m.freq[f].slots), func(s slot) bool { return s.count <= rareCount })
		slices.SortFunc(slots, func(a, b slot) int { return cmp.Compare(a.hash, b.hash) })
		for _, s := range slots {
			q.Hashes, q.Counts = append(q.Hashes, s.hash), append(q.Counts, s.count)
		}
		p.Frequencies = append(p.Frequencies, q)
	}
	return p
}

// NewModel puts a model together. It returns an error that says why for parts that are no model, and for one that is absurd
// (see [Model.Absurd]).
func NewModel(p Parts) (*Model, error) {
	m := &Model{ID: p.ID, Prior: Bits(p.Prior), Kin: [kinds]Bits{Bits(p.Kin[0]), Bits(p.Kin[1])}, Certain: Bits(p.Certain), Probable: Bits(p.Probable),
		Possible: Bits(p.Possible), Margin: Bits(p.Margin), Overlay: Bits(p.Overlay), calibration: slices.Clone(p.Calibration)}
	if err := checkCalibration(m.calibration); err != nil {
		return nil, err
	}
	seen := 0
	for _, l := range p.Levels {
		f := slices.Index(fieldNames[:], l.Field)
		if f < 0 {
			return nil, fmt.Errorf("mpi: model: no field %q", l.Field)
		}
		k := slices.Index(levelNames[f], l.Level)
		if k < 1 {
			return nil, fmt.Errorf("mpi: model: field %s has no level %q", l.Field, l.Level)
		}
		for _, v := range [...]float64{l.Same, l.Strangers, l.Relatives, l.Twins} {
			if !(v > 0 && v <= 1.0001) {
				return nil, fmt.Errorf("mpi: model: %s, %s: a probability is not between 0 and 1", l.Field, l.Level)
			}
		}
		if m.m[f][k] == 0 {
			seen++
		}
		m.m[f][k], m.u[f][k], m.r[relatives][f][k], m.r[twins][f][k] = l.Same, l.Strangers, l.Relatives, l.Twins
	}
	if l := &m.m[fieldBirth]; l[birthGeneration] == 0 && l[birthDifferent] > 0 { // written before that level was told apart
		split := func(of *[maxLevels]float64, as [maxLevels]float64) {
			far := as[birthGeneration] / (as[birthDifferent] + as[birthGeneration])
			of[birthGeneration], of[birthDifferent] = of[birthDifferent]*far, of[birthDifferent]*(1-far)
		}
		split(l, defaultM[fieldBirth])
		split(&m.u[fieldBirth], defaultU[fieldBirth])
		for k := range kinds {
			split(&m.r[k][fieldBirth], defaultR[k][fieldBirth])
		}
		seen++
	}
	want := 0
	for f := range numFields {
		want += levelsOf(f) - 1
	}
	if seen != want {
		return nil, fmt.Errorf("mpi: model: %d of %d levels are given", seen, want)
	}
	for _, q := range p.Frequencies {
		f := slices.Index(fieldNames[:], q.Field)
		if f < 0 || len(q.Hashes) != len(q.Counts) || q.Persons < 0 {
			return nil, fmt.Errorf("mpi: model: frequencies of %q cannot be read", q.Field)
		}
		t := &Frequencies{persons: float64(q.Persons)}
		t.reserve(len(q.Hashes))
		for i, h := range q.Hashes {
			t.put(h, max(1, q.Counts[i]))
		}
		m.freq[f] = t
	}
	m.finish()
	if reason := m.Absurd(); reason != "" {
		return nil, fmt.Errorf("mpi: model: refused: %s", reason)
	}
	return m, nil
}

// Absurd returns why m must not be used, or "": it holds for one person what is a household, or believes in persons or
// relatives more than any population has.
//
// Source: spec mpi-model section 2; moj-analytical-services/splink issue 1817.
func (m *Model) Absurd() string {
	percent := func(p float64) string { return strconv.Itoa(int(math.Round(100*p))) + " %" }
	switch {
	case !(m.Prior > 2 && m.Prior < 50):
		return "the prior is out of bounds: nearly every pair, or hardly any, would be one person"
	case m.Kin[relatives] > 0 || m.Kin[twins] > m.Kin[relatives]+3:
		return "relatives are commoner than strangers, or twins than relatives"
	case !(m.Possible < m.Probable && m.Probable < m.Certain):
		return "the grades are out of order"
	}
	for f := range numFields {
		last := levelsOf(f) - 1
		if f == fieldSwap || f == fieldSource {
			continue
		}
		if d := m.m[f][last]; d > mostDifferent[f]+.005 {
			return fieldNames[f] + " differs in " + percent(d) + " of the pairs held for one person, which is a household, not a person"
		}
		if m.m[f][1] < m.u[f][1] {
			return fieldNames[f] + " agrees less among records of one person than among strangers"
		}
	}
	return ""
}
