package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSiteTokensAreReadOrRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	got, err := readSiteTokens([]string{"a-fhir=" + file("a", "token-a\n"), "b-fhir=" + file("b", "token-b")})
	if err != nil || got["a-fhir"] != "token-a" || got["b-fhir"] != "token-b" || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for name, setting := range map[string]string{
		"no endpoint": "=" + file("c", "x"), "no file": "a-fhir", "a file that is not there": "a-fhir=" + filepath.Join(dir, "none"),
		"an empty file": "a-fhir=" + file("d", " \n"), "two tokens": "a-fhir=" + file("e", "one two"), "two lines": "a-fhir=" + file("f", "one\ntwo"),
	} {
		if _, err := readSiteTokens([]string{setting}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
