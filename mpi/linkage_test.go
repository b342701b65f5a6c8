package mpi

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A batch's outcome depends on the records, not on the order in which they came.
func TestABatchDoesNotDependOnTheOrderOfItsRecords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	given, family := []string{"Ottoline", "Casimir", "Perpetua", "John", "Mary", "Xochitl"}, []string{"Fairweather", "Dobrzynski", "Smith", "Vanterpool", "Quintanilla"}
	var all []person
	for i := range 60 {
		p := person{given: given[random.IntN(len(given))], family: family[random.IntN(len(family))], birth: day(1950+i, 1+i%12, 1+i%28),
			sex: Female, street: fmt.Sprint(10+i, " Harbor Road"), phone: fmt.Sprintf("410366%04d", i)}
		all = append(all, p)
		if i%2 == 0 {
			typo := p
			typo.given, typo.phone = p.given[1:], ""
			all = append(all, typo, p)
		}
	}
	var first map[[2]int]bool
	for range 3 {
		order := random.Perm(len(all))
		var l Linkage
		for _, i := range order {
			l.Add("", all[i].demographics())
		}
		got := l.Run(LinkageOptions{})
		pairs := map[[2]int]bool{}
		for x, i := range order {
			for y, j := range order[:x] {
				if got.Cluster[x] == got.Cluster[y] {
					pairs[[2]int{min(i, j), max(i, j)}] = true
				}
			}
		}
		if len(pairs) == 0 {
			t.Fatal("nothing was linked")
		}
		if first == nil {
			first = pairs
		}
		if fmt.Sprint(first) != fmt.Sprint(pairs) {
			t.Fatalf("%d pairs and, in another order, %d", len(first), len(pairs))
		}
	}
}

func TestAnEmptyBatchAndOneRecordAreLinked(t *testing.T) {
	var l Linkage
	if got := l.Run(LinkageOptions{}); len(got.Cluster) != 0 {
		t.Errorf("clusters of nothing: %v", got.Cluster)
	}
	l = Linkage{}
	l.Add("", person{given: "Ottoline"}.demographics())
	if got := l.Run(LinkageOptions{}); len(got.Cluster) != 1 || got.Cluster[0] != 0 {
		t.Errorf("clusters of one: %v", got.Cluster)
	}
}
