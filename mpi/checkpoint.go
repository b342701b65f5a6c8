package mpi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A Checkpoint keeps what a Linkage has worked out, so that a run that was ended goes on where it stood. What it is given holds
// numbers of records and the model, no personal data. It means nothing for other records, options or programs: who keeps it
// sees to that.
type Checkpoint interface {
	// Next returns what an earlier run kept, piece by piece in its order; nil when there is no more.
	Next() (piece []byte, err error)
	// Keep keeps a piece behind those before. After a crash it is there whole or not at all.
	Keep(piece []byte) error
}

// errCheckpoint means that what was kept is not what this program keeps.
var errCheckpoint = errors.New("checkpoint cannot be read")

// The kinds of pieces, in the order they come in: how many pairs there are and those the model is learnt from; the model as
// it scans; the pairs near the bar of some stretches; the model and the groups a round ended with.
const (
	pieceSample = 'p'
	pieceModel  = 'm'
	pieceNear   = 's'
	pieceRound  = 'r'
)

// A standing is how far a run has come.
type standing struct {
	total      int      // candidate pairs
	candidates []uint64 // those the model is learnt from
	sampled    bool     // total and candidates are known
	learnt     bool     // the model is the one that scans
	scanned    int      // stretches whose pairs were compared
	round      int      // rounds behind
}

// kept passes a piece on, if anybody keeps them.
func (r *running) kept(piece []byte) error {
	if r.o.Checkpoint == nil {
		return nil
	}
	if err := r.o.Checkpoint.Keep(piece); err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	return nil
}

// resume takes up what an earlier run kept.
func (r *running) resume() error {
	for r.o.Checkpoint != nil {
		piece, err := r.o.Checkpoint.Next()
		if err != nil {
			return err
		}
		if piece == nil {
			break
		}
		if p := (pieceReader{b: piece[1:]}); !r.takeUp(piece[0], &p) || p.bad || len(p.b) > 0 {
			return errCheckpoint
		}
	}
	if r.at.learnt && r.at.round == 0 { // the values are counted again: they follow from the groups
		err := r.layOut()
		if err == nil {
			r.model.freq, err = r.frequencies()
		}
		return err
	}
	return nil
}

// takeUp applies a piece; false means that none such belongs here.
func (r *running) takeUp(kind byte, p *pieceReader) bool {
	at := &r.at
	switch {
	case kind == pieceSample && !at.sampled:
		at.total, at.sampled = int(p.number()), true
		at.candidates = p.pairs(r.n)
	case kind == pieceModel && at.sampled && !at.learnt && r.o.Model == nil:
		r.model, at.learnt = p.model(), true
	case kind == pieceNear && at.sampled && (at.learnt || r.o.Model != nil) && at.scanned < r.stretches():
		was := at.scanned
		at.scanned = int(p.number())
		r.nears = append(r.nears, p.pairs(r.n))
		return was < at.scanned && at.scanned <= r.stretches()
	case kind == pieceRound && r.o.Model == nil && at.scanned == r.stretches() && at.round < rounds-1:
		at.round++
		if p.number() != uint64(at.round) {
			return false
		}
		r.model = p.model()
		for i := range r.group {
			if r.group[i] = int32(p.number()); r.group[i] < 0 || r.group[i] > int32(i) {
				return false
			}
		}
	default:
		return false
	}
	return true
}

func (r *running) keepSample() error {
	b := binary.AppendUvarint([]byte{pieceSample}, uint64(r.at.total))
	return r.kept(appendPairs(b, r.at.candidates))
}

func (r *running) keepModel() error { return r.kept(r.model.appendTables([]byte{pieceModel})) }

// keepNear keeps the last of nears, which belong to the stretches before upto.
func (r *running) keepNear(upto int) error {
	b := binary.AppendUvarint([]byte{pieceNear}, uint64(upto))
	return r.kept(appendPairs(b, r.nears[len(r.nears)-1]))
}

func (r *running) keepRound() error {
	b := r.model.appendTables(binary.AppendUvarint([]byte{pieceRound}, uint64(r.at.round)))
	for _, g := range r.group {
		b = binary.AppendUvarint(b, uint64(g))
	}
	return r.kept(b)
}

// appendPairs appends how many pairs there are and each, ascending, by its distance from the one before.
func appendPairs(b []byte, pairs []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(pairs)))
	lastA, lastB := uint64(0), uint64(0)
	for _, p := range pairs {
		first, second := p>>32, p&math.MaxUint32
		if first != lastA {
			lastB = first // it is behind the first
		}
		b = binary.AppendUvarint(b, first-lastA)
		b = binary.AppendUvarint(b, second-lastB)
		lastA, lastB = first, second
	}
	return b
}

// appendTables appends the numbers of m, to the last bit; the counts of values are not among them.
func (m *Model) appendTables(b []byte) []byte {
	m.tables(func(v *float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*v)) })
	return b
}

// tables calls do with each number of m; what do changes is changed in m.
func (m *Model) tables(do func(*float64)) {
	for _, v := range []*Bits{&m.Prior, &m.Kin[relatives], &m.Kin[twins], &m.Certain, &m.Probable, &m.Possible, &m.Margin, &m.Overlay} {
		x := float64(*v)
		do(&x)
		*v = Bits(x)
	}
	for _, t := range []*table{&m.m, &m.u, &m.r[relatives], &m.r[twins]} {
		for f := range t {
			for l := range t[f] {
				do(&t[f][l])
			}
		}
	}
}

// A pieceReader reads a piece. Behind its end it gives zeros and is bad.
type pieceReader struct {
	b   []byte
	bad bool
}

func (p *pieceReader) number() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.b, p.bad = nil, true
		return 0
	}
	p.b = p.b[n:]
	return v
}

// pairs reads what appendPairs wrote about n records.
func (p *pieceReader) pairs(n int) []uint64 {
	count := p.number()
	if count > uint64(len(p.b)) {
		p.bad = true
		return nil
	}
	out := make([]uint64, 0, count)
	lastA, lastB := uint64(0), uint64(0)
	for range count {
		if step := p.number(); step != 0 {
			lastA += step
			lastB = lastA
		}
		lastB += p.number()
		p.bad = p.bad || lastA >= lastB || lastB >= uint64(n)
		out = append(out, lastA<<32|lastB)
	}
	return out
}

func (p *pieceReader) model() *Model {
	m := handSet()
	m.tables(func(v *float64) {
		if len(p.b) < 8 {
			p.b, p.bad = nil, true
			return
		}
		*v = math.Float64frombits(binary.LittleEndian.Uint64(p.b))
		p.b = p.b[8:]
	})
	m.ID = "estimated"
	m.finish()
	return m
}
