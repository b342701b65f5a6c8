package mpi

// An Edge is the evidence between nodes A < B of one neighbourhood.
type Edge struct {
	A, B int32
	// Bits is the evidence that both are one person, without the prior: what Model.Probability takes.
	Bits   Bits
	grade  Grade
	vetoes veto
	// bare is set when neither name nor birth date was there to be compared.
	bare bool
}

// Edge compares a and b, without allocating. The caller sets A and B.
func (m *Model) Edge(a, b *Features) Edge {
	c := Compare(a, b)
	return m.edge(a, b, &c)
}

// edge is Edge of a and b, compared as c.
func (m *Model) edge(a, b *Features, c *Comparison) Edge {
	s := Set{Union: *c, Bits: m.weigh(c), vetoes: vetoesOf(c, a, b)}
	if c.levels[fieldMiddle] == middleDifferent {
		s.differs = 1 << fieldMiddle
	}
	return Edge{Bits: s.Bits, grade: m.grade(&s), vetoes: s.vetoes, bare: c.levels[fieldGiven] == missing && c.levels[fieldBirth] == missing}
}

// joinable reports whether e is worth keeping: it, or evidence about others, may one day join its ends or be a rival to
// what does. Nothing forbids it, and it is within the margin of what is certain. A pair that shows neither name nor birth
// date is never linked (gap), so it is kept only where a steward would be asked.
func (m *Model) joinable(e Edge) bool {
	return e.vetoes == 0 && e.Bits >= m.joinableBits() && (!e.bare || e.Bits >= m.Probable)
}

// joinableBits is what an edge has at least: weaker ones neither join nor rival what joins.
func (m *Model) joinableBits() Bits { return max(m.Possible, m.Certain-m.Margin) }

// alike reports whether the ends of e may be one person at all.
func (m *Model) alike(e Edge) bool { return e.vetoes == 0 && e.Bits >= m.Possible }

// Grade says what may be done with the pair taken by itself.
func (e Edge) Grade() Grade { return e.grade }

// Vetoes name what forbids linking the pair ("suffix", "birth-order", ...), sorted; nil for none.
func (e Edge) Vetoes() []string { return e.vetoes.names() }

// A Tie is a steward's standing verdict on nodes A and B; a Clear one says nothing.
type Tie struct {
	A, B    int32
	Verdict Verdict
}

// Explain returns the evidence between a and b row by row; the rows add up to bits.
func (m *Model) Explain(a, b *Features) (bits Bits, rows []Evidence) {
	c := Compare(a, b)
	s := m.scorePair(&c)
	return s.Bits, m.evidence(&s)
}
