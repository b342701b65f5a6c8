package mpicsv

// Counts are pairs linked rightly, linked wrongly, and missed.
type Counts struct{ Right, Wrong, Missed int }

// Precision is the share of links that are right. It, Recall and F1 are 1 where there was nothing to find and nothing was
// linked.
func (c Counts) Precision() float64 { return part(c.Right, c.Right+c.Wrong) }

// Recall is the share of true pairs linked.
func (c Counts) Recall() float64 { return part(c.Right, c.Right+c.Missed) }

// F1 is the harmonic mean of precision and recall.
func (c Counts) F1() float64 { return part(2*c.Right, 2*c.Right+c.Wrong+c.Missed) }

func part(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// A BCubed holds, averaged over records, how pure a record's cluster is and how much of its person it holds.
//
// Source: Bagga and Baldwin 1998.
type BCubed struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// F1 is the harmonic mean of precision and recall.
func (b BCubed) F1() float64 {
	if b.Precision+b.Recall == 0 {
		return 0
	}
	return 2 * b.Precision * b.Recall / (b.Precision + b.Recall)
}

// Scores say how well clusters fit the truth.
type Scores struct {
	Pairs  Counts
	BCubed BCubed
}

// Score compares clusters, one number a row of truth, with the truth. Rows whose person is not known count nowhere.
func Score(truth []Truth, clusters []int32) Scores {
	type cell struct {
		person  string
		cluster int32
	}
	cells, persons, sizes := map[cell]int{}, map[string]int{}, map[int32]int{}
	n := 0
	for i, t := range truth {
		if t.Person == "" {
			continue
		}
		n++
		cells[cell{t.Person, clusters[i]}]++
		persons[t.Person]++
		sizes[clusters[i]]++
	}
	pairs := func(n int) int { return n * (n - 1) / 2 }
	var s Scores
	linked, all := 0, 0
	for c, k := range cells {
		s.Pairs.Right += pairs(k)
		s.BCubed.Precision += float64(k) * float64(k) / float64(sizes[c.cluster])
		s.BCubed.Recall += float64(k) * float64(k) / float64(persons[c.person])
	}
	for _, k := range sizes {
		linked += pairs(k)
	}
	for _, k := range persons {
		all += pairs(k)
	}
	s.Pairs.Wrong, s.Pairs.Missed = linked-s.Pairs.Right, all-s.Pairs.Right
	if n > 0 {
		s.BCubed.Precision /= float64(n)
		s.BCubed.Recall /= float64(n)
	}
	return s
}
