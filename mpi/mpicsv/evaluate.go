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
	// WrongMerges are the persons of clusters beyond the first of each, WrongPerMillion the same in a million records.
	WrongMerges     int     `json:"wrong_merges"`
	WrongPerMillion float64 `json:"wrong_merges_per_million_records"`
	// Mistakes are the kinds of error, as KindsOfError has them.
	Mistakes []Mistakes `json:"mistakes"`
	// Groups hold recall of the true pairs within each group of people and Hard how many of a list of pairs that must stay apart
	// were joined; nil unless asked for.
	Groups []EvaluationRow `json:"groups,omitempty"`
	Hard   []HardPairs     `json:"hard_pairs,omitempty"`
}

// HardPairs count listed pairs of one category that were joined although they are two persons.
type HardPairs struct {
	Category string `json:"category"`
	Pairs    int    `json:"pairs"`
	Joined   int    `json:"joined"`
}

// Joined counts which of the pairs expected to be no match are in one cluster, by category in order of its name. Pairs of
// records that are not in truth are left out.
func Joined(truth []Truth, clusters []int32, pairs []Pair) []HardPairs {
	rows := make(map[string]int, len(truth))
	for i, t := range truth {
		rows[t.ID] = i
	}
	counts := map[string]*HardPairs{}
	for _, p := range pairs {
		a, known := rows[p.A]
		b, too := rows[p.B]
		if !known || !too || p.Expected != "no_match" {
			continue
		}
		c := counts[p.Category]
		if c == nil {
			c = &HardPairs{Category: p.Category}
			counts[p.Category] = c
		}
		c.Pairs++
		if clusters[a] == clusters[b] {
			c.Joined++
		}
	}
	out := make([]HardPairs, 0, len(counts))
	for _, c := range counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b HardPairs) int { return cmp.Compare(a.Category, b.Category) })
	return out
}

// ByGroup scores the pairs within each group that groups, by record id, puts people in: a wrong pair counts in both its
// groups, once each. Rows are in order of the group's name.
func ByGroup(truth []Truth, clusters []int32, groups map[string]string) []EvaluationRow {
	counts := map[string]*Counts{}
	at := func(row int) *Counts {
		g := groups[truth[row].ID]
		if counts[g] == nil {
			counts[g] = &Counts{}
		}
		return counts[g]
	}
	persons := map[string][]int{}
	for i, t := range truth {
		if t.Person != "" {
			persons[t.Person] = append(persons[t.Person], i)
		}
	}
	for _, rows := range persons {
		for k, b := range rows {
			for _, a := range rows[:k] {
				if clusters[a] == clusters[b] {
					at(b).Right++
				} else {
					at(b).Missed++
				}
			}
		}
	}
	for _, p := range misplacedPairs(truth, clusters) {
		if p.missed {
			continue
		}
		at(p.a).Wrong++
		if at(p.a) != at(p.b) {
			at(p.b).Wrong++
		}
	}
	out := make([]EvaluationRow, 0, len(counts))
	for g, c := range counts {
		out = append(out, row(g, *c))
	}
	slices.SortFunc(out, func(a, b EvaluationRow) int { return cmp.Compare(a.What, b.What) })
	return out
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
	records := 0
	for _, rows := range byCluster {
		persons := map[string]bool{}
		for k, i := range rows {
			persons[truth[i].Person] = true
			for _, j := range rows[:k] {
				if truth[i].Person != truth[j].Person {
					side(i, j).Wrong++
					at(sources, between(i, j)).Wrong++
				}
			}
		}
		if len(persons) > 1 {
			e.Mixed++
			e.WrongMerges += len(persons) - 1
		}
		records += len(rows)
	}
	if records > 0 {
		e.WrongPerMillion = float64(e.WrongMerges) / float64(records) * 1e6
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
