package strict

import (
	"errors"
	"testing"

	"github.com/concord-hie/concord/hie"
)

func TestAFaultIsNamedByItsPlaceAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, path, data, at, rule string }{
		{"an unknown member", "", `{"sites":[{"zone":"UTC","colour":"red"}]}`, "sites[0].colour", "is not a member of this format"},
		{"a wrong type", "", `{"sites":[{"zone":"UTC"},{"zone":7}]}`, "sites[1].zone", "has the wrong JSON type"},
		{"a member twice", "", `{"sites":[],"sites":[]}`, "sites", "occurs twice in one object"},
		{"not JSON", "", `{"sites":[}`, "sites[0]", "is not well-formed JSON"},
		{"nothing", "", ``, "", "is not well-formed JSON"},
		{"under a path", "networks[2]", `{"sites":[{"colour":1}]}`, "networks[2].sites[0].colour", "is not a member of this format"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v struct {
				Sites []struct {
					Zone string `json:"zone"`
				} `json:"sites"`
			}
			var inv *hie.InvalidError
			if err := Decode(tt.path, []byte(tt.data), &v); !errors.As(err, &inv) || inv.Path != tt.at || inv.Rule != tt.rule {
				t.Errorf("%v, want %s %s", err, tt.at, tt.rule)
			}
		})
	}
}
