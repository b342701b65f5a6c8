package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestEveryOperationOffersADefinitionThatIsThere follows what the CapabilityStatement says of each operation: to the
// guide that published it, or to this server, without a token.
func TestEveryOperationOffersADefinitionThatIsThere(t *testing.T) {
	d := newDoors(t)
	var statement struct {
		Rest []struct {
			Resource []struct {
				Type      string
				Operation []struct{ Name, Definition string }
			}
		}
	}
	if err := json.Unmarshal(d.do(http.MethodGet, "/fhir/metadata", "", nil).Body.Bytes(), &statement); err != nil {
		t.Fatal(err)
	}
	operations := map[string]bool{}
	for _, r := range statement.Rest[0].Resource {
		for _, o := range r.Operation {
			operations[r.Type+"-"+o.Name] = true
			path, own := strings.CutPrefix(o.Definition, testBase)
			if !own {
				continue
			}
			var got struct {
				ResourceType, URL, Code string
				Resource                []string
				Parameter               []struct{ Name, Use string }
			}
			answer := d.do(http.MethodGet, path, "", nil)
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusOK || got.ResourceType != "OperationDefinition" ||
				got.URL != o.Definition || got.Code != o.Name || got.Resource[0] != r.Type || len(got.Parameter) == 0 {
				t.Errorf("%s $%s: %d %s", r.Type, o.Name, answer.Code, answer.Body)
			}
		}
	}
	for _, o := range ownOperations {
		if !operations[o.id()] {
			t.Errorf("%s is defined and not offered", o.id())
		}
	}
	if !operations["Patient-idi-match"] || operations["Patient-IDI-match"] || !operations["Consent-file-consent"] || operations["Consent-fileConsent"] {
		t.Errorf("operations %v; $IDI-match and $idi-match, $fileConsent and $file-consent are one", operations)
	}
}
