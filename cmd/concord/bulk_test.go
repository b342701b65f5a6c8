package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A load that is killed, and killed again, ends with every line taken once, each that was not named in the rejects file, and the
// counts of one that ran through.
func TestAKilledImportGoesOnAndKeepsItsRejects(t *testing.T) {
	oneAfterAnother(t)
	const lines, patients = 600, 20
	for _, kind := range []struct {
		name  string
		args  []string
		line  func(i int, patient string) string // of an unknown patient "nobody", bad
		count string
		said  string
	}{
		{"patients", nil, func(i int, patient string) string {
			system := "urn:mercy"
			if patient == "nobody" {
				system = "urn:nobody"
			}
			return fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":%q,"value":"k%d"}],"name":[{"family":"Zyxquill%d","given":["Ada"]}]}`, system, i, i)
		}, `select count(*) from mpi.source_patient where value like 'k%'`, "594 registered, 0 revised, 0 repeated, 6 rejected"},
		{"documents", []string{"--org", "mercy"}, func(i int, patient string) string { return importLine(fmt.Sprint("urn:k:", i), patient, "") },
			`select count(*) from locator.pointer`, "594 stored, 0 repeated, 6 rejected"},
		{"consents", []string{"--org", "mercy"}, func(i int, patient string) string {
			return fmt.Sprintf(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"59284-0"}]}],"patient":{"identifier":{"system":"urn:mercy","value":%q}},"dateTime":"2025-01-01T00:00:00.%03dZ","policyRule":{"coding":[{"code":"OPTIN"}]},"provision":{"type":"permit"}}`, patient, i)
		}, `select count(*) from consent.directive`, "594 filed, 0 repeated, 6 rejected"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			s := newImportSetting(t, patients)
			var b strings.Builder
			var bad []int
			for i := range lines {
				patient := fmt.Sprint("p", i%patients)
				if i%100 == 5 {
					patient, bad = "nobody", append(bad, i+1)
				}
				b.WriteString(kind.line(i, patient) + "\n")
			}
			in := s.file(kind.name+".ndjson", b.String())
			args := slices.Concat([]string{"import", kind.name}, kind.args, []string{"--batch", "100", in})
			for reached := range 2 { // killed when more is in than the last time
				was := s.number(kind.count)
				p := start(t, concord(nil, append([]string{"--database-url", s.url}, args...)...))
				for s.number(kind.count) == was {
					select {
					case <-p.done:
						t.Fatalf("it ended before it was killed for the %d. time: %s", reached+1, p.printed())
					case <-time.After(time.Millisecond):
					}
				}
				p.kill()
				if now := s.number(kind.count); now >= lines-len(bad) {
					t.Fatalf("all %d were in when it was killed", now)
				}
			}
			if said := s.must(args...); !strings.Contains(said, kind.said) {
				t.Errorf("said %s; want %s", said, kind.said)
			}
			if n := s.number(kind.count); n != lines-len(bad) {
				t.Errorf("%d are in, want %d", n, lines-len(bad))
			}
			raw, err := os.ReadFile(in + ".rejects.ndjson")
			if err != nil {
				t.Fatal(err)
			}
			var named []int
			for l := range strings.Lines(string(raw)) {
				var r struct {
					Line int
					Rule string
				}
				if err := json.Unmarshal([]byte(l), &r); err != nil || r.Rule == "" {
					t.Fatalf("%s: %v", l, err)
				}
				named = append(named, r.Line)
			}
			slices.Sort(named) // one whose transaction was killed is named twice, never not at all
			if named = slices.Compact(named); !slices.Equal(named, bad) {
				t.Errorf("lines %v are named, want %v", named, bad)
			}
			if said := s.must(args...); !strings.Contains(said, kind.said) || s.number(kind.count) != lines-len(bad) {
				t.Errorf("a file that is done was done again: %s", said)
			}
		})
	}
}
