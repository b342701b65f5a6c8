// Command cedar measures cedar-go on the flat subset of what Concord decides: three directives and thirty rules without
// trees, unknowns, labels apart, versions, links or obligations. It is a module of its own, so that the product does not
// link it; `make bench` runs it beside Concord's engine in the same run and reads what it prints.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
)

// result is one figure.
type result struct {
	Directives  int     `json:"directives"`
	NsPerOp     float64 `json:"ns_per_op"`
	AllocsPerOp int64   `json:"allocs_per_op"`
}

func main() {
	var out []result
	for _, n := range []int{1, 3, 10, 30} {
		policies, err := cedar.NewPolicySetFromBytes("flat.cedar", []byte(source(n)))
		if err != nil {
			fmt.Fprintln(os.Stderr, "cedar:", err)
			os.Exit(1)
		}
		ask := cedar.Request{Principal: cedar.NewEntityUID("Organization", "oak"), Action: cedar.NewEntityUID("Action", "TREAT"),
			Resource: cedar.NewEntityUID("Document", "d1"), Context: cedar.NewRecord(cedar.RecordMap{
				"class": cedar.String("lab"), "level": cedar.Long(3), "site": cedar.String("s1")})}
		entities := cedar.EntityMap{}
		if decision, _ := cedar.Authorize(policies, entities, ask); decision != cedar.Allow {
			fmt.Fprintln(os.Stderr, "cedar: the workload's document is refused")
			os.Exit(1)
		}
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cedar.Authorize(policies, entities, ask)
			}
		})
		out = append(out, result{n, float64(r.T.Nanoseconds()) / float64(r.N), r.AllocsPerOp()})
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		os.Exit(1)
	}
}

// source is n directives (one in three denies a class, with an exception) and thirty rules.
func source(n int) string {
	var b strings.Builder
	for i := range n {
		if i%3 == 1 {
			b.WriteString(`forbid(principal, action, resource) when { context.class == "note" } unless { principal == Organization::"x" };` + "\n")
			continue
		}
		b.WriteString(`permit(principal, action in [Action::"TREAT", Action::"HPAYMT", Action::"HOPERAT"], resource) when { context.level <= 3 };` + "\n")
	}
	for i := range 30 {
		fmt.Fprintf(&b, "forbid(principal, action in [Action::\"HMARKT\", Action::\"GOVDTRM\"], resource) when { context.site == \"s1\" && context.class == \"class-%d\" };\n", i)
	}
	return b.String()
}
