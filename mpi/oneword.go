package mpi

// A oneWord tells whether one word is all that the names of two groups have in common: with given and family name crossed in a record of each, one
// pair has it for a given name and another for a family name, and it would count twice. The zero value has seen nothing.
type oneWord struct {
	value         pairOfValues
	given, family bool // some pair agrees in the one and differs in the other
	more          bool // another word agrees too, or both names of a pair do
}

// add takes in what a pair says.
func (w *oneWord) add(c *Comparison) {
	given, family := c.levels[fieldGiven], c.levels[fieldFamily]
	g, f := given != missing && given < givenSimilar, family != missing && family < familySimilar
	switch {
	case g && f:
		w.more = true
	case g:
		w.see(c.values[fieldGiven])
		w.given = w.given || family == familyDifferent
	case f:
		w.see(c.values[fieldFamily])
		w.family = w.family || given == givenDifferent
	}
}

func (w *oneWord) see(v pairOfValues) {
	if v == (pairOfValues{}) || w.value != (pairOfValues{}) && w.value != v {
		w.more = true
		return
	}
	w.value = v
}

// join takes in what other has seen.
func (w *oneWord) join(other oneWord) {
	if other.value != (pairOfValues{}) {
		w.see(other.value)
	}
	w.given, w.family, w.more = w.given || other.given, w.family || other.family, w.more || other.more
}

// twice reports whether that word stands for both names.
func (w *oneWord) twice() bool { return w.given && w.family && !w.more }
