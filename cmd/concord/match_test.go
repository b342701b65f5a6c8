package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
)

// TestAStewardSettlesFromTheCommandLine tells two records apart that the engine put together, and takes it back.
func TestAStewardSettlesFromTheCommandLine(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	var records []hie.SourcePatientID
	err := withIndex(ctx, g, func(x *mpi.Index) error {
		for _, site := range []string{"mercy-main", "oak-street"} {
			done, err := x.Register(ctx, hie.Actor{Organization: "org"}, mpi.Registration{Site: hie.SiteID(site),
				Local: hie.Identifier{System: "urn:" + site, Value: "1"}, Active: true, Received: []byte(`{}`), Demographics: mpi.Demographics{
					Names: []mpi.Name{{Family: "Zyxquill", Given: []string{"Maria"}}}, Birth: mpi.Date{Year: 1970, Month: 3, Day: 31}, Sex: mpi.Female,
					Telecoms:  []mpi.Telecom{{System: "phone", Value: "410-827-2231"}},
					Addresses: []mpi.Address{{Lines: []string{"12 Harbor Way"}, City: "Towson", State: "MD", PostalCode: "21204"}}}})
			if err != nil {
				return err
			}
			records = append(records, done.Record)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (string, error) {
		t.Helper()
		var out, messages bytes.Buffer
		err := c.Run(ctx, g, &streams{out: &out, err: &messages})
		if strings.Contains(out.String()+messages.String(), "Zyxquill") {
			t.Error("a name was printed")
		}
		return out.String(), err
	}
	members := func() int {
		t.Helper()
		out, err := run(&matchPersonCmd{Record: int64(records[0]), Output: "json"})
		var p struct{ Members []struct{ Record int64 } }
		if err == nil {
			err = json.Unmarshal([]byte(out), &p)
		}
		if err != nil {
			t.Fatal(err)
		}
		return len(p.Members)
	}
	if n := members(); n != 2 {
		t.Fatalf("the engine put %d records together, want 2", n)
	}
	pair := []int64{int64(records[0]), int64(records[1])}
	if _, err := run(&matchDecideCmd{Verdict: "different", Records: pair, Reason: "twins", DryRun: true}); err != nil || members() != 2 {
		t.Errorf("dry run: %v, %d records together", err, members())
	}
	out, err := run(&matchDecideCmd{Verdict: "different", Records: pair, Reason: "twins"})
	var change int64
	if _, scanErr := fmt.Sscanf(out, "change %d", &change); err != nil || scanErr != nil || members() != 1 {
		t.Fatalf("decide: %v, %v: %q, %d records together", err, scanErr, out, members())
	}
	if out, err := run(&matchHistoryCmd{Record: pair[1], Output: "table"}); err != nil || !strings.Contains(out, "cannot-link") || !strings.Contains(out, "twins") || !strings.Contains(out, "given=") {
		t.Errorf("history: %v\n%s", err, out)
	}
	if _, err := run(&matchUndoCmd{Change: change, Reason: "mistaken", DryRun: true, Output: "json"}); err != nil || members() != 1 {
		t.Errorf("dry undo: %v, %d records together", err, members())
	}
	if _, err := run(&matchUndoCmd{Change: change, Reason: "mistaken"}); err != nil || members() != 2 {
		t.Errorf("undo: %v, %d records together", err, members())
	}
	if out, err := run(&matchTasksCmd{Kind: "any", Count: 50, Output: "json"}); err != nil || !strings.HasPrefix(out, "[") {
		t.Errorf("tasks: %v %s", err, out)
	}
	for name, c := range map[string]interface {
		Run(context.Context, *Globals, *streams) error
	}{
		`"kind":"registered"`: &matchChangesCmd{Count: 10, Output: "json"}, `"version":1`: &matchVersionsCmd{Record: pair[0], Output: "json"},
		`"field":"name"`: &matchBestCmd{Record: pair[0], Output: "json"}, `"verdict":"clear"`: &matchCompareCmd{Records: pair, Output: "json"},
		"constrained": &matchHistoryCmd{Record: pair[0], Output: "table"}, "task ": &matchReportCmd{Record: pair[0], Reason: "not mine"},
	} {
		if out, err := run(c); err != nil || !strings.Contains(out, name) {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	if out, err := run(&matchTasksCmd{Kind: "patient-reported", Claimed: "none", Count: 50, Output: "json"}); err != nil || !strings.Contains(out, "not mine") {
		t.Errorf("reported: %v %s", err, out)
	}
	out, err = run(&matchTasksCmd{Kind: "patient-reported", Count: 50, Output: "json"})
	var open []struct{ Task int64 }
	if json.Unmarshal([]byte(out), &open) != nil || len(open) != 1 {
		t.Fatalf("%v %s", err, out)
	}
	task := open[0].Task
	for _, step := range []struct {
		name, want string
		c          interface {
			Run(context.Context, *Globals, *streams) error
		}
	}{
		{"claimed", "with ", &matchClaimCmd{taskStep: taskStep{Task: task}}},
		{"assigned", `"claimed_by":"`, &matchAssignCmd{Tasks: []int64{task, 7}, To: "ann", Output: "json"}},
		{"released by whom it was not given to", "", &matchReleaseCmd{taskStep: taskStep{Task: task}}},
	} {
		if out, err := run(step.c); step.want == "" && err == nil || step.want != "" && !strings.Contains(out, step.want) {
			t.Errorf("%s: %v %s", step.name, err, out)
		}
	}
	second, err := run(&matchReportCmd{Record: pair[1], Reason: "nor this", Output: "json"})
	if json.Unmarshal([]byte("["+second+"]"), &open) != nil || err != nil {
		t.Fatalf("%v %s", err, second)
	}
	task = open[0].Task
	later := hie.Now().Add(time.Hour)
	for _, step := range []struct {
		name, want string
		c          interface {
			Run(context.Context, *Globals, *streams) error
		}
	}{
		{"put off, dry", "", &matchSnoozeCmd{taskStep: taskStep{Task: task, DryRun: true}, Until: later, Reason: "x"}},
		{"not put off by that", "nor this", &matchTasksCmd{Kind: "any", Count: 50, Output: "json"}},
		{"put off", "until ", &matchSnoozeCmd{taskStep: taskStep{Task: task}, Until: later, Reason: "the site calls back"}},
		{"listed as put off", `"snoozed_until":`, &matchTasksCmd{Kind: "any", Snoozed: true, Count: 50, Output: "json"}},
		{"woken", "open", &matchWakeCmd{taskStep: taskStep{Task: task}}},
		{"handed on", ", for lead-steward", &matchEscalateCmd{taskStep: taskStep{Task: task}, Role: "lead-steward", Reason: "unsure"}},
		{"listed as handed on", `"escalated_to":"lead-steward"`, &matchTasksCmd{Kind: "any", Escalated: "any", Count: 50, Output: "json"}},
		{"a reader is tried", "READER", &matchReadersCmd{Add: "warehouse", DryRun: true}},
		{"a reader", "warehouse  0.0    never  false", &matchReadersCmd{Add: "warehouse", From: "oldest"}},
		{"the reader reads", `"kind":"registered"`, &matchChangesCmd{Reader: "warehouse", Count: 10, Output: "json"}},
		{"the reader is seen", `"seen":"`, &matchReadersCmd{Output: "json"}},
		{"the reader is forgotten", "[]", &matchReadersCmd{Forget: "warehouse", Output: "json"}},
		{"quality", "mercy-main  1", &matchQualityCmd{Output: "table"}},
		{"quality in JSON", `"whole":true`, &matchQualityCmd{Sample: 10, Output: "json"}},
		{"taken back", `"task":`, &matchRecallCmd{taskStep: taskStep{Task: task, Output: "json"}}},
		{"listed", "DOCUMENTS", &matchTasksCmd{Kind: "any", Count: 50, Output: "table"}},
	} {
		if out, err := run(step.c); err != nil || !strings.Contains(out, step.want) {
			t.Errorf("%s: %v %s", step.name, err, out)
		}
	}
	if out, err := run(&matchRebuildCmd{Batch: 1, DryRun: true, Output: "json"}); err != nil || out != "" {
		t.Errorf("a rebuild of what is new would change something: %v %s", err, out)
	}
	for range 2 {
		if _, err := run(&matchRebuildCmd{Batch: 1, Output: "table"}); err != nil || members() != 2 {
			t.Errorf("rebuild: %v, %d records together", err, members())
		}
	}
	for name, c := range map[string]*matchDecideCmd{
		"nothing named": {Verdict: "same", Reason: "x"}, "one record": {Verdict: "same", Records: pair[:1], Reason: "x"},
		"a task and records": {Verdict: "same", Records: pair, Task: 1, Reason: "x"},
	} {
		if _, err := run(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestEveryMatchCommandHasAnExampleAJSONFormAndADryRun looks at all subcommands of match.
func TestEveryMatchCommandHasAnExampleAJSONFormAndADryRun(t *testing.T) {
	reads := map[string]bool{"Tasks": true, "History": true, "Person": true, "Versions": true, "Best": true, "Compare": true, "Quality": true, "Changes": true}
	commands := reflect.TypeFor[matchCmd]()
	for i := range commands.NumField() {
		f := commands.Field(i)
		h, helps := reflect.New(f.Type).Elem().Interface().(interface{ Help() string })
		if !helps || !strings.Contains(h.Help(), "concord match "+strings.ToLower(f.Name)) {
			t.Errorf("%s has no example in its help", f.Name)
		}
		if _, has := f.Type.FieldByName("Output"); !has {
			t.Errorf("%s has no JSON form", f.Name)
		}
		if _, has := f.Type.FieldByName("DryRun"); has == reads[f.Name] {
			t.Errorf("%s: dry run is %v; a writer has one and a reader none", f.Name, has)
		}
	}
}
