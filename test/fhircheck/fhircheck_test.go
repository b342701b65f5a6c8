// Package fhircheck runs an independent R4 validator and clients written by others over what Concord answers.
package fhircheck

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// node returns a command that runs a script of this folder. A machine without Node.js fails the test: CI skips nothing
// silently (make deps installs it).
func node(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := os.Stat("node_modules/fhir"); err != nil {
		t.Fatal("the npm packages are missing: run `make deps` (npm ci in test/fhircheck)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, "node", args...)
}

// TestWhatWeAnswerIsValidR4 checks the golden files of the packages that write FHIR, and what
// CONCORD_FHIRCHECK_DIR holds: answers collected from a running node.
func TestWhatWeAnswerIsValidR4(t *testing.T) {
	dirs := []string{"../../audit/auditfhir/testdata", "../../consent/consentfhir/testdata", "testdata/good"}
	if d := os.Getenv("CONCORD_FHIRCHECK_DIR"); d != "" {
		dirs = append(dirs, d)
	}
	out, err := node(t, append([]string{"check.mjs"}, dirs...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestTheValidatorFindsFaults keeps the check honest: each file in testdata/bad has one fault it must find.
func TestTheValidatorFindsFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d bad examples, %v", len(files), err)
	}
	for _, f := range files {
		dir := t.TempDir()
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "x.json"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := node(t, "check.mjs", dir).CombinedOutput()
		if err == nil {
			t.Errorf("%s was found valid", f)
		}
		if strings.Contains(string(out), "Zyxquill") {
			t.Errorf("%s: the report quotes a value", f)
		}
	}
}

// TestClientsOfOthersWalkThePath runs the real clients against a demo that is up: CONCORD_DEMO_JSON names its file.
// The step that starts a demo sets it (make test); without it there is nothing to walk.
func TestClientsOfOthersWalkThePath(t *testing.T) {
	demo := os.Getenv("CONCORD_DEMO_JSON")
	if demo == "" {
		t.Skip("no demo is up: make test starts one and sets CONCORD_DEMO_JSON")
	}
	collected := t.TempDir()
	out, err := node(t, "client.mjs", demo, "--save", collected).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if out, err = node(t, "check.mjs", collected).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
