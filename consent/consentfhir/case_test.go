package consentfhir

import (
	"os"
	"testing"
)

func TestScratch(t *testing.T) {
	b, _ := os.ReadFile("/tmp/ex.ndjson")
	t.Log(string(DecideLine(b, new(Zones))))
}
