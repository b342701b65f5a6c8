package mpicsv

import (
	"cmp"
	"slices"
)

// An Evaluation compares clusters with the truth as a whole and in parts.
type Evaluation struct {
	// Rows hold first all pairs, then those across sources and within one, then by pair of sources and by size of the
	// person, each in order of its name.
	Rows   []EvaluationRow `json:"rows"`
	BCubed BCubed          `json:"b_cubed"`
	// Persons and Clusters are how many there are, Split and Mixed how many persons lie in several clusters and clusters
	// hold several persons.
	Persons  int `json:"persons"`
	Clusters int `json:"clusters"`
	Split    int `json:"split"`
	Mixed    int `json:"mixed"`
}

// An EvaluationRow is one part's counts and scores.
type EvaluationRow struct {
	What      string  `json:"what"`
	Right     int     `json:"right"`
	Wrong     int     `json:"wrong"`
	Missed    int     `json:"missed"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

func row(what string, c Counts) EvaluationRow {
	return EvaluationRow{what, c.Right, c.Wrong, c.Missed, c.Precision(), c.Recall(), c.F1()}
}

// mostRows bounds how many pairs of sources are told apart.
const mostRows = 40

// Evaluate compares clusters, one number a row of truth, with the truth. Rows whose person is not known count nowhere.
func Evaluate(truth []Truth, clusters []int32) Evaluation {
	s := Score(truth, clusters)
	e := Evaluation{Rows: []EvaluationRow{row("all pairs", s.Pairs)}, BCubed: s.BCubed}
	byPerson, byCluster := map[string][]int{}, map[int32][]int{}
	for i, t := range truth {
		if t.Person != "" {
			byPerson[t.Person] = append(byPerson[t.Person], i)
			byCluster[clusters[i]] = append(byCluster[clusters[i]], i)
		}
	}
	e.Persons, e.Clusters = len(byPerson), len(byCluster)
	sources, sizes := map[string]*Counts{}, map[string]*Counts{}
	at := func(m map[string]*Counts, k string) *Counts {
		if m[k] == nil {
			m[k] = &Counts{}
		}
		return m[k]
	}
	var cross, within Counts
	side := func(i, j int) *Counts {
		if truth[i].Source == truth[j].Source {
			return &within
		}
		return &cross
	}
	between := func(i, j int) string {
		return min(truth[i].Source, truth[j].Source) + " - " + max(truth[i].Source, truth[j].Source)
	}
	for _, rows := range byPerson {
		size := "person of 10 and more"
		if len(rows) < 10 {
			size = "person of " + string(rune('0'+len(rows)))
		}
		split := false
		for k, i := range rows {
			for _, j := range rows[:k] {
				if clusters[i] == clusters[j] {
					side(i, j).Right++
					at(sources, between(i, j)).Right++
					at(sizes, size).Right++
				} else {
					split = true
					side(i, j).Missed++
					at(sources, between(i, j)).Missed++
					at(sizes, size).Missed++
				}
			}
		}
		if split {
			e.Split++
		}
	}
	for _, rows := range byCluster {
		mixed := false
		for k, i := range rows {
			for _, j := range rows[:k] {
				if truth[i].Person != truth[j].Person {
					mixed = true
					side(i, j).Wrong++
					at(sources, between(i, j)).Wrong++
				}
			}
		}
		if mixed {
			e.Mixed++
		}
	}
	if len(sources) > 1 {
		e.Rows = append(e.Rows, row("across sources", cross), row("within one source", within))
		e.Rows = append(e.Rows, largest(sources)...)
	}
	e.Rows = append(e.Rows, largest(sizes)...)
	return e
}

// largest returns the parts with the most pairs, by name.
func largest(parts map[string]*Counts) []EvaluationRow {
	var out []EvaluationRow
	for what, c := range parts {
		out = append(out, row(what, *c))
	}
	slices.SortFunc(out, func(a, b EvaluationRow) int {
		return cmp.Or(cmp.Compare(b.Right+b.Wrong+b.Missed, a.Right+a.Wrong+a.Missed), cmp.Compare(a.What, b.What))
	})
	out = out[:min(len(out), mostRows)]
	slices.SortFunc(out, func(a, b EvaluationRow) int { return cmp.Compare(a.What, b.What) })
	return out
}
