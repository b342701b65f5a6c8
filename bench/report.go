package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report is one run: the machine, the data and the figures.
type Report struct {
	Taken          time.Time `json:"taken"`
	Go             string    `json:"go"`
	CPUs           int       `json:"cpus"`
	PostgreSQL     string    `json:"postgresql"`
	SourcePatients int       `json:"source_patients"`
	Pointers       int       `json:"pointers"`
	Figures        []Figure  `json:"figures"`
	// Failed names the parts of the run that did not come to their end.
	Failed []string `json:"failed,omitempty"`
}

// NewReport returns an empty report of this machine at this hour.
func NewReport() Report {
	return Report{Taken: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), CPUs: runtime.NumCPU()}
}

// Table prints the figures for people.
func (r Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "what\tcallers\t/s\tp50 ms\tp95 ms\tp99 ms\tCPU ms, node + database\tceiling /s\tratio\tceiling\tgoal\t")
	for _, f := range r.Figures {
		ceiling, ratio := "", ""
		if f.CeilingPerSecond > 0 {
			ceiling, ratio = fmt.Sprintf("%.0f", f.CeilingPerSecond), fmt.Sprintf("%.0f %%", f.Ratio*100)
		}
		cpu := ""
		if f.NodeCPU+f.DatabaseCPU > 0 {
			cpu = fmt.Sprintf("%.2f + %.2f", f.NodeCPU, f.DatabaseCPU)
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.3f\t%.3f\t%.3f\t%s\t%s\t%s\t%s\t%s\t\n", f.Name, f.Callers, f.PerSecond, f.P50, f.P95, f.P99, cpu, ceiling, ratio, f.Ceiling, f.Goal)
	}
	if err := t.Flush(); err != nil || len(r.Failed) == 0 {
		return err
	}
	_, err := fmt.Fprintln(w, "did not come to their end:", strings.Join(r.Failed, ", "))
	return err
}

// Save writes the report as JSON to path.
func (r Report) Save(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644) // written anew after each part: what was measured is never lost
}
