package consent

import "slices"

// labels is a stated securityLabel: one dimension with two axes.
//
// Source: spec consent 2.4; spec consent-cases 3 and 5.
type labels struct {
	// low and high bound the confidentiality codes stated; both noConfidentiality when the axis is not stated.
	low, high confidentiality
	as        sense // of the node that states them
	// sensitive says the sensitivity axis is stated. covers holds the atoms the codes and what is under them
	// name; touches adds what may contain them.
	sensitive       bool
	covers, touches atomSet
	// odd are stated codes outside the lists; "" is a coding without a code.
	odd []string
	// stated is every code, sorted, each once.
	stated []string
}

// readLabels reads the codes of a securityLabel that a node of this sense states: places in U..V make one axis, everything else
// the other.
func readLabels(codes []string, as sense, kin *kinship) *labels {
	l := &labels{low: noConfidentiality, high: noConfidentiality, as: as}
	for _, code := range codes {
		if c := readConfidentiality(code); c != noConfidentiality {
			if l.low == noConfidentiality || c < l.low {
				l.low = c
			}
			l.high = max(l.high, c)
			l.stated = append(l.stated, code)
			continue
		}
		l.addSensitivity(code, kin)
	}
	slices.Sort(l.stated)
	l.stated = slices.Compact(l.stated)
	return l
}

// readSensitivities reads codes that can only be sensitivity codes.
func readSensitivities(codes []string, kin *kinship) *labels {
	l := &labels{low: noConfidentiality, high: noConfidentiality}
	for _, code := range codes {
		l.addSensitivity(code, kin)
	}
	return l
}

func (l *labels) addSensitivity(code string, kin *kinship) {
	l.sensitive = true
	if k := readSensitivity(code); k != other {
		l.covers |= kin.below[k]
		l.touches |= kin.around[k]
	} else {
		l.odd = append(l.odd, code)
	}
	l.stated = append(l.stated, sensitivityName(code))
}

func (l *labels) confidential() bool { return l.low != noConfidentiality }

// withoutConfidentiality returns l with only its sensitivity axis, nil when it has none: a deny that inherits
// confidentiality from a permit is not limited by it.
//
// Source: spec consent 2.21; spec consent-cases 3.
func (l *labels) withoutConfidentiality() *labels {
	if !l.confidential() {
		return l
	}
	if !l.sensitive {
		return nil
	}
	out := *l
	out.low, out.high, out.stated = noConfidentiality, noConfidentiality, nil
	for _, s := range l.stated {
		if readConfidentiality(s) == noConfidentiality {
			out.stated = append(out.stated, s)
		}
	}
	return &out
}

// sensitivity matches one atom against the stated sensitivity codes.
func (l *labels) sensitivity(a atom, s sense) tri {
	switch a.kind {
	case vague:
		return unknown
	case other:
		if a.name != "" && slices.Contains(l.odd, a.name) {
			return yes
		}
		return unknown
	case plain:
	default:
		named := l.covers
		if s == denying {
			named = l.touches
		}
		if named.has(a.kind) {
			return yes
		}
	}
	if l.odd != nil {
		return unknown
	}
	return no
}

// match matches a document's confidentiality and one of its atoms. A deny acts on either axis, a permit needs
// both.
func (l *labels) match(c confidentiality, a atom, s sense) tri {
	switch {
	case !l.sensitive:
		return l.confidentiality(c, s)
	case !l.confidential():
		return l.sensitivity(a, s)
	case s == denying:
		return max(l.confidentiality(c, s), l.sensitivity(a, s))
	default:
		return min(l.confidentiality(c, s), l.sensitivity(a, s))
	}
}

// confidentiality matches a document's confidentiality against the stated ones.
func (l *labels) confidentiality(c confidentiality, s sense) tri {
	switch {
	case c == noConfidentiality:
		return unknown
	case s == denying:
		return known(c >= l.low)
	}
	return known(c <= l.high)
}

// levelSet is a set of confidentialities, noConfidentiality among them.
type levelSet uint8

func (s levelSet) has(c confidentiality) bool { return s>>(c+1)&1 == 1 }

// actsOn returns the confidentialities and the atoms on which what l states acts, each axis by itself: a deny acts where either
// does, a permit where both do, so that an axis not stated is none of a deny and any of a permit. Of the atoms outside the list,
// which have one place, it tells those of no name.
func (l *labels) actsOn(s sense) (levels levelSet, atoms atomSet) {
	for c := noConfidentiality; int(c) < len(confidentialities); c++ {
		if l.confidential() && s.acts(l.confidentiality(c, s)) || !l.confidential() && s == permitting {
			levels |= 1 << (c + 1)
		}
	}
	for k := range other + 1 {
		if l.sensitive && s.acts(l.sensitivity(atom{kind: k}, s)) || !l.sensitive && s == permitting {
			atoms |= 1 << k
		}
	}
	return levels, atoms
}

// cells returns, for each confidentiality, the atoms of the list (and plain) that l matches for certain.
func (l *labels) cells(s sense) (out [len(confidentialities)]atomSet) {
	for c := range out {
		for k := range plain + 1 {
			if l.match(confidentiality(c), atom{kind: k}, s) == yes {
				out[c] |= 1 << k
			}
		}
	}
	return out
}

// labelsWithin says whether what a means (read as as) lies within what b means (read as bs). nil is unlimited.
// A permit and a deny that both state confidentiality and nothing else count as within each other, so that
// whoever denied R can later name one doctor for R.
//
// Source: spec consent-cases 21.
func labelsWithin(a *labels, as sense, b *labels, bs sense) bool {
	switch {
	case b == nil:
		return true
	case a == nil:
		return false
	case as != bs && !a.sensitive && !b.sensitive:
		return true
	case a.odd != nil || b.odd != nil:
		return slices.Equal(a.stated, b.stated)
	}
	ac, bc := a.cells(as), b.cells(bs)
	for i := range ac {
		if ac[i]&^bc[i] != 0 {
			return false
		}
	}
	return true
}
